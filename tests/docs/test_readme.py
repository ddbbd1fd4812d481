"""What the README promises runs as it stands there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from carecircle import to_text
from carecircle.cli.main import run
from tests.access.test_check import Run
from tests.conftest import Hospital

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def test_the_python_example_runs(in_hospital: Run, monkeypatch: Any) -> None:
    [source] = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(source, "README.md", "exec"), names)  # noqa: S102 - our own README

    async def body(hospital: Hospital) -> None:
        address = hospital.circle.reach.admin.render_as_string(hide_password=False)
        monkeypatch.setenv("CARECIRCLE_DATABASE_URL", address)
        assert await names["first_question"](to_text(hospital.organization)) == "primary"

    in_hospital(body)


def test_the_page_about_embedding_runs(in_hospital: Run, monkeypatch: Any) -> None:
    page = (ROOT / "docs" / "how-to" / "embed-in-python.md").read_text()
    [source, *_] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    [promised] = re.findall(r"^It returns (.*)\.$", page, re.MULTILINE)
    names: dict[str, Any] = {}
    exec(compile(source, "embed-in-python.md", "exec"), names)  # noqa: S102 - our own page

    async def body(hospital: Hospital) -> None:
        address = hospital.circle.reach.admin.render_as_string(hide_password=False)
        monkeypatch.setenv("CARECIRCLE_DATABASE_URL", address)
        told = await names["a_day"](to_text(hospital.organization))
        assert told == re.findall(r"`([^`]+)`", promised)

    in_hospital(body)


def test_it_names_every_page() -> None:
    pages = {f"docs/how-to/{page.name}" for page in (ROOT / "docs" / "how-to").glob("*.md")}
    assert pages <= set(re.findall(r"\]\((docs/[^)#]+)\)", README))


def test_every_command_it_names_exists() -> None:
    commands = re.findall(r"^\./dev run ((?:[a-z-]+ ?)+)", README, re.MULTILINE)
    assert len(commands) >= 6
    for words in {tuple(command.split()) for command in commands}:
        # The second word is a sub-command or an argument: one of the two must be a command that knows --help.
        assert any(_helps(words[:count]) for count in (2, 1)), words
    assert not _helps(("no-such-command",))


def _helps(words: tuple[str, ...]) -> bool:
    try:
        run([*words, "--help"])
    except SystemExit as ended:
        return ended.code in (0, None)
