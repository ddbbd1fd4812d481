"""Starts the embedded server's process through its supervisor, finds the one that runs already, and lets go of it."""

from __future__ import annotations

import fcntl
import os
import re
import select
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

from carecircle.database.cluster import ADMIN, HOST, Cluster, disk_full, main_complaint, try_lock
from carecircle.database.placement import clean_environment
from carecircle.errors import DatabaseUnavailable

RETRY_SECONDS = 10.0
RECOVERY_SECONDS = 120.0
LARGEST_LOG = 10_000_000


def running(cluster: Cluster, users: IO[bytes]) -> int | None:
    """The port of the server when it runs and may be shared; a server nobody supervises or uses any more is stopped first."""
    while cluster.supervised():  # its supervisor ends when it does, so this wait ends too
        port = cluster.ready_port()
        if port is not None:
            return port
        time.sleep(0.02)
    port = _unsupervised(cluster)
    if port is None:
        return None
    alone = try_lock(users)  # a failed try loses the shared lock
    fcntl.flock(users, fcntl.LOCK_SH)
    if not alone:
        return port
    stop_orphan(cluster)
    return None


def _unsupervised(cluster: Cluster) -> int | None:
    """The port of a server that is proven ours (it takes our password and serves our directory) though it has no supervisor."""
    port = cluster.ready_port()
    if port is None:
        return None
    asked = subprocess.run(
        [
            cluster.binaries.program("psql"),
            "-XAtq",
            "-h",
            HOST,
            "-p",
            str(port),
            "-U",
            ADMIN,
            "-d",
            "postgres",
            "-c",
            "SHOW data_directory",
        ],
        capture_output=True,
        text=True,
        check=False,
        env=clean_environment(
            PGPASSWORD=cluster.password,
            PGREQUIREAUTH="scram-sha-256",
            PGCONNECT_TIMEOUT="5",
        ),
    )
    serves = asked.stdout.strip()
    return port if asked.returncode == 0 and serves and Path(serves).resolve() == cluster.data.resolve() else None


def stop_orphan(cluster: Cluster) -> None:
    if _unsupervised(cluster) is not None:
        cluster.account.run(
            cluster.binaries.program("pg_ctl"),
            "-D",
            str(cluster.data),
            "-m",
            "fast",
            "-w",
            "-t",
            "30",
            "stop",
        )


def launch(cluster: Cluster) -> tuple[int, subprocess.Popen[bytes]]:
    """Start the supervisor and the server; after a kill -9 the dead server's traces may bar the way for some seconds."""
    deadline = time.monotonic() + RETRY_SECONDS
    while True:
        port = _free_port(cluster)
        if cluster.log.exists() and cluster.log.stat().st_size > LARGEST_LOG:
            cluster.log.replace(cluster.log.with_name("log.1"))
        supervisor, log_from = _spawn(cluster, port)
        try:
            if _came_up(cluster, supervisor):
                (cluster.folder / "port").write_text(f"{port}\n", "utf-8")
                assert supervisor.stdin is not None
                supervisor.stdin.write(b"keep\n")
                return port, supervisor
        except BaseException:
            abandon(supervisor)
            raise
        abandon(supervisor)
        output = cluster.log.read_bytes()[log_from:].decode("utf-8", "replace")
        if disk_full(cluster.data, output):
            raise DatabaseUnavailable(
                f"The disk of {cluster.data} is full, the embedded PostgreSQL cannot start: free some space."
            )
        complaint = main_complaint(output)
        if time.monotonic() >= deadline or not re.search(
            "lock file|shared memory block|TCP/IP sockets|could not bind", complaint
        ):
            raise DatabaseUnavailable(_sentence(cluster, port, complaint))
        time.sleep(0.2)
        stop_orphan(cluster)


def _sentence(cluster: Cluster, port: int, complaint: str) -> str:
    if "lock file" in complaint or "shared memory block" in complaint:
        return (
            f"An earlier PostgreSQL process still holds {cluster.data}: wait until it has ended "
            f"(in a container whose first process does not reap the dead, restart the container); its log is {cluster.log}."
        )
    if "TCP/IP sockets" in complaint or "could not bind" in complaint:
        return f"The embedded PostgreSQL cannot listen on {HOST} port {port} ({complaint}): its log is {cluster.log}."
    return f"The embedded PostgreSQL did not come up ({complaint}): its log is {cluster.log}."


def _spawn(cluster: Cluster, port: int) -> tuple[subprocess.Popen[bytes], int]:
    """The supervisor's process and the length of the log before it."""
    settings = {
        **cluster.settings,
        "listen_addresses": HOST,
        "port": str(port),
        "unix_socket_permissions": "0700",
    }
    settings["unix_socket_directories"] = str(cluster.socket_dir or "")
    if cluster.socket_dir is not None:
        cluster.account.make_directory(cluster.socket_dir)
    command = [cluster.binaries.program("postgres"), "-D", str(cluster.data)]
    for key, value in settings.items():
        command += ["-c", f"{key}={value}"]
    locks = [
        str(cluster.folder / "supervisor.lock"),
        str(cluster.folder / "users.lock"),
    ]
    ids = ["-" if number is None else str(number) for number in (cluster.account.uid, cluster.account.gid)]
    script = str(Path(__file__).with_name("supervisor.py"))
    with open(
        os.open(cluster.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600),
        "ab",
    ) as log:
        supervisor = subprocess.Popen(
            [sys.executable, "-I", "-S", script, *locks, *ids, *command],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd="/",
            env=clean_environment(),
            start_new_session=True,  # Ctrl-C at the terminal is for the owner, who then lets go of the server in its own time
        )
        return supervisor, log.seek(0, os.SEEK_END)


def _came_up(cluster: Cluster, supervisor: subprocess.Popen[bytes]) -> bool:
    """Wait until the server answers, through crash recovery if need be; False when it ended or took too long."""
    assert supervisor.stdout is not None
    said = supervisor.stdout.readline().split()
    if len(said) != 2 or said[0] != b"pid":
        return False
    deadline = time.monotonic() + RECOVERY_SECONDS
    while time.monotonic() < deadline:
        if cluster.ready_port(int(said[1])) is not None:
            return True
        if select.select([supervisor.stdout], [], [], 0.01)[0]:
            return False
    return False


def release(supervisor: subprocess.Popen[bytes]) -> str:
    """Let go of the supervisor; "shared" when it keeps the server for others, otherwise once the server has ended."""
    assert supervisor.stdin is not None
    assert supervisor.stdout is not None
    supervisor.stdin.close()
    said = supervisor.stdout.readline().decode().strip()
    supervisor.stdout.close()
    return said


def abandon(supervisor: subprocess.Popen[bytes]) -> None:
    """End the server whoever uses it: it failed to start, so nobody does."""
    supervisor.terminate()
    release(supervisor)
    supervisor.wait()


def _free_port(cluster: Cluster) -> int:
    """The port used last time if it is free, so that addresses stay the same, else any free one."""
    try:
        last = int((cluster.folder / "port").read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        last = 0
    for wanted in (last, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, wanted))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise DatabaseUnavailable(
        f"No port is free on {HOST} for the embedded PostgreSQL: close some programs and try again."
    )
