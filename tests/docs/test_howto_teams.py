"""The pages about care teams and about covering do what they say: every command is run, in the page's order. So does the
README's handful of people.

`# exit=` after a command is its exit code. `01KC…` stands for the arrangement that was shown last. A ```text block shows lines that
the commands before it print, in that order; … stands for anything.
"""

from __future__ import annotations

import asyncio
import os
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from carecircle.cli.main import run
from carecircle.database import migrate
from carecircle.database.embedded import EmbeddedServer
from carecircle.database.reach import dsn
from tests.conftest import socket_reach
from tests.docs.test_primary_provider_doc import FENCE, ROOT, missing_line, plain

PEOPLE = {
    "okafor": "Dr. Adaeze Okafor", "brandt": "Dr. Jonas Brandt", "haddad": "Dr. Rima Haddad", "mensah": "Dr. Kofi Mensah",
    "moreau": "Claire Moreau",
}  # fmt: skip
PAGES = ("care-teams.md", "cover-for-somebody.md")
SLUG = "north-hospital"
ID = re.compile(r"coverage end ([0-9A-Z]{26})")

Told = tuple[int, str]
Shell = Callable[[str], Told]


@pytest.fixture
def shell(
    server: EmbeddedServer,
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Iterator[Shell]:
    """Runs a line of a page in a hospital of its own, in a folder of its own; its exit code, and all it printed."""
    admin, database = socket_reach(server, home), f"page_{uuid4().hex}"
    asyncio.run(plain(admin, (f"create database {database} template template0",)))
    at = socket_reach(server, home, database)
    migrate.upgrade(at)
    for name in [name for name in os.environ if name.startswith("CARECIRCLE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    known = {"HOME": str(home), "DATABASE_URL": dsn(at.admin), "ORGANIZATION": SLUG}
    for name, value in known.items():
        monkeypatch.setenv(f"CARECIRCLE_{name}", value)

    def ran(line: str) -> Told:
        words = shlex.split(line, comments=True)
        if words[0] == "export":
            name, _, value = words[1].partition("=")
            monkeypatch.setenv(name, value)
            return 0, ""
        assert words[0] == "carecircle"
        into = Path(words[words.index(">") + 1]) if ">" in words else None
        with pytest.raises(SystemExit) as ended:
            run(words[1 : words.index(">") if into else None])
        out, err = capfd.readouterr()
        if into is not None:
            into.write_text(out)
        return ended.value.code if isinstance(ended.value.code, int) else 0, out + err

    assert ran(f"carecircle organization add {SLUG}")[0] == 0
    for short, name in PEOPLE.items():
        assert ran(f"carecircle provider add --identifier {short} --name '{name}'")[0] == 0
    for patient in ("N-0001", "N-0002"):
        assert ran(f"carecircle patient add --identifier {patient}")[0] == 0
    assert ran("carecircle assign primary N-0001 okafor")[0] == 0
    yield ran
    asyncio.run(plain(admin, (f"drop database {database} with (force)",)))


@pytest.mark.parametrize("page", PAGES)
def test_every_command_runs_as_it_stands(shell: Shell, page: str) -> None:
    printed, last, commands = "", "", 0
    for found in FENCE.finditer((ROOT / "docs" / "how-to" / page).read_text()):
        language, _, text = found.groups()
        if language == "text":
            assert missing_line(text, printed) is None, printed
            continue
        assert language == "sh"
        printed = ""
        for line in text.splitlines():
            wanted = re.search(r"# exit=(\d+)", line)
            code, said = shell(line.replace("01KC…", last))
            assert code == (int(wanted[1]) if wanted else 0), f"{line}\n{said}"
            last = (ID.findall(said) or [last])[-1]
            printed += said
            commands += 1
    assert commands > 10


def test_the_handful_of_people_of_the_readme(shell: Shell) -> None:
    readme = (ROOT / "README.md").read_text()
    [block] = re.findall(r"^Or a handful of people by hand:\n\n```\n(.*?)```", readme, re.DOTALL | re.MULTILINE)
    for line in block.splitlines():
        code, said = shell(line.replace("./dev run", "carecircle"))
        assert code == (10 if "# denied" in line else 0), f"{line}\n{said}"
    assert shell("carecircle check okafor read 12345")[0] == 10


@pytest.mark.parametrize("page", PAGES)
def test_every_exit_code_it_names_is_one(page: str) -> None:
    codes = set(re.findall(r"^\| (\d+) \| `", (ROOT / "docs" / "how-to" / page).read_text(), re.MULTILINE))
    assert codes <= {"4", "5", "6", "7"}
