"""One embedded database with the demo in it, and the command run as a person would."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from carecircle.cli.main import run
from carecircle.database.embedded import EmbeddedServer
from carecircle.identifiers import new_id, to_text
from tests.conftest import QUICK, server_binaries


@dataclass(frozen=True)
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return orjson.loads(self.out)

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


Command = Callable[..., Ran]


@dataclass(frozen=True)
class Place:
    """A CARECIRCLE_HOME and the server that runs for it."""

    home: Path
    server: EmbeddedServer

    @property
    def environment(self) -> dict[str, str]:
        """Reaches the running server without looking for it, which costs a command more than its work."""
        return {
            "CARECIRCLE_HOME": str(self.home),
            "CARECIRCLE_DATABASE_URL": self.server.admin_url,
            "PATH": f"{self.server.bin_dir}{os.pathsep}{os.environ['PATH']}",
        }


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Place]:
    """One server for all tests of the command line, at the newest revision, with the demo."""
    home = tmp_path_factory.mktemp("cli")
    binaries = server_binaries(request.config.getoption("--postgres"))
    with EmbeddedServer.start(home, binaries=binaries, settings=QUICK) as server:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CARECIRCLE_HOME", str(home))
            for command in (["db", "upgrade"], ["demo", "--once"]):
                with pytest.raises(SystemExit) as ended:
                    run(command)
                assert ended.value.code == 0
        yield Place(home, server)


@pytest.fixture
def carecircle(place: Place, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """Run `carecircle ARGS…` in this process, in North Hospital unless `organization` or the environment says otherwise."""
    for name in [name for name in os.environ if name.startswith("CARECIRCLE_")]:
        monkeypatch.delenv(name)
    for name, value in place.environment.items():
        monkeypatch.setenv(name, value)

    def ran(*arguments: str, organization: str | None = "north-hospital", **environment: str) -> Ran:
        with monkeypatch.context() as patch:
            if organization is not None:
                patch.setenv("CARECIRCLE_ORGANIZATION", organization)
            for name, value in environment.items():
                patch.setenv(name, value)
            capfd.readouterr()
            with pytest.raises(SystemExit) as ended:
                run(arguments)
        out, err = capfd.readouterr()
        code = ended.value.code
        return Ran(code if isinstance(code, int) else 0, out, err)

    return ran


def embedded(home: Path) -> dict[str, str]:
    """The environment of a command that finds, and shares, the embedded server of a home."""
    return {"CARECIRCLE_HOME": str(home), "CARECIRCLE_DATABASE_URL": ""}


@pytest.fixture
def own(carecircle: Command) -> str:
    """The slug of an organization of this test's own, with a doctor `doctor`, a doctor `other` and a patient `patient`."""
    slug = "h" + to_text(new_id()).lower()
    assert carecircle("organization", "add", slug, "--name", "Test").code == 0
    for kind, name in (("provider", "doctor"), ("provider", "other"), ("patient", "patient")):
        assert carecircle(kind, "add", "--identifier", name, organization=slug).code == 0
    return slug
