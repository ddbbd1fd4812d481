"""A PostgreSQL server of carecircle's own, started on demand and stopped with the last process that uses it.

Everything lives in `<home>/<name>-<major>/`: `data` (the cluster), `socket`, `log`, `password` (the administrator's, mode 600),
`port` and three lock files. As root the server runs as an existing unprivileged account; where that account cannot reach
the folder, `data` and `socket` live elsewhere and the file `place` says where.

Who stops it. The process that starts the server owns it, through a supervisor, a small child that is the server's parent
and reads a pipe from the owner. A process that finds the server running shares it. Each of them holds a shared lock on
`users.lock`. When the owner stops, exits or is killed, the pipe ends, the supervisor waits until nobody holds that lock
and then shuts the server down: a sharer is never cut off, and the last one to leave turns the light off. The kernel
releases pipe and locks when a process dies, so nothing here trusts a process id from a file. A child made by fork
without exec keeps both open, and so counts as a user while it lives. Should the supervisor itself be killed, the
server goes on; its last user stops it, and if that one was killed too, the next start replaces it. Should the server be
killed while anybody uses it, the supervisor starts it again in the same place, a few times at most.

POSIX only (Linux, macOS).
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Self

from carecircle.database.binaries import Binaries, all_binaries
from carecircle.database.cluster import ADMIN, DATABASE, HOST, Cluster, create_data, open_lock, try_lock
from carecircle.database.launch import abandon, launch, release, running, stop_orphan
from carecircle.database.placement import private_place, reachable_binaries, server_account
from carecircle.errors import DatabaseUnavailable

# Errors may quote values, and values may be a patient's: statements, details and messages of failed statements stay out of the log.
SETTINGS: Mapping[str, str] = {
    "fsync": "on",
    "synchronous_commit": "on",
    "shared_buffers": "128MB",
    "max_connections": "100",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_destination": "stderr",
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_parameter_max_length_on_error": "0",
    "log_statement": "none",
    "log_min_duration_statement": "-1",
}


class EmbeddedServer:
    """A PostgreSQL of carecircle's own, in its own data directory."""

    def __init__(
        self,
        cluster: Cluster,
        port: int,
        users: IO[bytes],
        supervisor: subprocess.Popen[bytes] | None,
    ) -> None:
        """Use `start`."""
        self.host = HOST
        self.port = port
        self.bin_dir = cluster.binaries.bin_dir
        self.socket_dir = cluster.socket_dir
        self.data_dir = cluster.data
        self.log = cluster.log
        self.admin_url = f"postgresql://{ADMIN}:{cluster.password}@{HOST}:{port}/{DATABASE}"
        self.owned = supervisor is not None
        self._cluster = cluster
        self._users = users
        self._supervisor = supervisor

    @classmethod
    def start(
        cls,
        home: Path,
        *,
        binaries: Binaries | None = None,
        name: str = "postgres",
        settings: Mapping[str, str] | None = None,
    ) -> EmbeddedServer:
        """Start the server kept in `home`, or share it when it already runs (`settings` then change nothing).

        Without `binaries`, those matching the data already there are taken, or else the first `find_binaries` would.
        Raises DatabaseUnavailable, in one sentence, whatever the reason.
        """
        home = home.expanduser().absolute()
        account = server_account()
        mode = 0o700 if account.uid is None else 0o711  # as root, the server's account passes through to its data
        chosen = _choose(home, name, binaries)
        folder = home / f"{name}-{chosen.major}"
        try:
            for directory in (home, folder):
                directory.mkdir(mode=mode, parents=True, exist_ok=True)
            with ExitStack() as undo, open_lock(folder, "start") as starting:
                fcntl.flock(starting, fcntl.LOCK_EX)
                place = private_place(folder, account)
                programs = reachable_binaries(chosen, account, place)
                cluster = Cluster(folder, place, programs, account, {**SETTINGS, **(settings or {})})
                users = undo.enter_context(open_lock(folder, "users"))
                fcntl.flock(users, fcntl.LOCK_SH)  # waits for a supervisor that is just stopping the server
                port = running(cluster, users)
                supervisor: subprocess.Popen[bytes] | None = None
                if port is None:
                    create_data(cluster)
                    port, supervisor = launch(cluster)
                    undo.callback(abandon, supervisor)
                server = cls(cluster, port, users, supervisor)
                undo.pop_all()
                return server
        except OSError as error:
            raise DatabaseUnavailable(
                f"The embedded database in {folder} cannot be started: {error.strerror} ({error.filename})."
            ) from error

    def stop(self) -> None:
        """Leave the server; its owner also stops it, at once or, while others share it, after the last of them. Repeatable."""
        if self._users.closed:
            return
        self._users.close()
        supervisor, folder = self._supervisor, self._cluster.folder
        if supervisor is not None and release(supervisor) == "shared":
            threading.Thread(target=supervisor.wait, daemon=True).start()  # reaps it when the last sharer has left
        elif supervisor is not None and supervisor.wait() == 0:
            return
        elif not self._cluster.supervised():
            with open_lock(folder, "start") as starting, open_lock(folder, "users") as users:
                fcntl.flock(starting, fcntl.LOCK_EX)
                if try_lock(users):
                    stop_orphan(self._cluster)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


@contextmanager
def temporary_server(
    *, binaries: Binaries | None = None, settings: Mapping[str, str] | None = None
) -> Iterator[tuple[Path, EmbeddedServer]]:
    """A home and a server in it, for tests and proofs: nothing of either, wherever it was kept, outlives the block."""
    with tempfile.TemporaryDirectory(prefix="carecircle-") as folder:
        home = Path(folder)
        server = EmbeddedServer.start(home, binaries=binaries, settings=settings)
        try:
            yield home, server
        finally:
            server.stop()
            if not server.data_dir.is_relative_to(home):
                shutil.rmtree(server.data_dir.parent, ignore_errors=True)


def _choose(home: Path, name: str, binaries: Binaries | None) -> Binaries:
    """Programs of the major version of the data in `home`; any when there is none yet."""
    choices = [binaries] if binaries is not None else all_binaries()
    majors = {
        int(path.name.rpartition("-")[2]) for path in home.glob(f"{name}-[1-9][0-9]") if (path / "password").exists()
    }
    for one in choices:
        if one.major in majors or not majors:
            return one
    there = ", ".join(f"{name}-{major}" for major in sorted(majors))
    raise DatabaseUnavailable(
        f"{home} holds {there} but the programs found are PostgreSQL {choices[0].version}: install PostgreSQL {max(majors)} "
        "(or set CARECIRCLE_POSTGRES_BIN to its bin directory), or dump the data with it and restore into a new CARECIRCLE_HOME."
    )
