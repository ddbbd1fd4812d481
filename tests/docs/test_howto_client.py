"""The pages about the client and the hosts print what the examples run: each snippet is a part of one, line for line."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent

import pytest

from carecircle import client
from carecircle.client.problems import FAMILIES
from carecircle.testing import FakeAccess

ROOT = Path(__file__).resolve().parents[2]
HOW_TO = ROOT / "docs" / "how-to"
PAGES = ("use-the-client.md", "guard-a-fastapi-app.md", "guard-a-django-app.md", "test-with-fake-access.md")
EXAMPLES = [file.read_text() for file in (ROOT / "examples").glob("*.py")]


def parts(text: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def is_run(snippet: str) -> bool:
    """Whether some example has these lines one after the other, at whatever indentation."""
    wanted = snippet.strip("\n").splitlines()
    for example in EXAMPLES:
        lines = example.splitlines()
        for at in range(len(lines) - len(wanted) + 1):
            if dedent("\n".join(lines[at : at + len(wanted)])).splitlines() == wanted:
                return True
    return False


@pytest.mark.parametrize("page", PAGES)
def test_every_snippet_is_part_of_an_example(page: str) -> None:
    found = parts((HOW_TO / page).read_text())
    assert found
    for snippet in found:
        assert is_run(snippet), snippet
    assert not is_run(found[0] + "x = 1\n")


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)", (HOW_TO / page).read_text()):
        assert (HOW_TO / page).parent.joinpath(target).exists(), target


def test_the_tables_name_what_there_is() -> None:
    page = (HOW_TO / "use-the-client.md").read_text()
    for method in (name for name, value in vars(client.Client).items() if callable(value) and not name.startswith("_")):
        assert f"`{method}(" in page or method == "close", method
    for family in {*FAMILIES.values(), client.RulesBroken, client.Unavailable, client.UnexpectedAnswer}:
        assert f"`{family.__name__}`" in page, family
    fake = (HOW_TO / "test-with-fake-access.md").read_text()
    for name in ("allow", "deny", "unavailable", "forget"):
        assert hasattr(FakeAccess, name)
        assert f"`{name}(" in fake
