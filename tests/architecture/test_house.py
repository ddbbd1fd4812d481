"""The tree keeps its own rules; beside each rule, a planted breach that the same check must find."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.architecture import house

# Every Python file of the package above 300 lines, and why it is better whole.
REASONS: dict[str, str] = {
    "src/carecircle/errors/__init__.py": "the one list of every refusal and its code",
    "src/carecircle/access/service.py": "every question that can be asked, in one class",
    "src/carecircle/audit/sealer.py": "one pass, in the order in which it happens",
    "src/carecircle/audit/sealing_service.py": "what a pass reads and writes, all in one transaction",
}

# Files with SQL that are neither the database's nor a service's, and why it stands there.
SQL_ELSEWHERE: dict[str, str] = {}


def planted(root: Path, path: str, text: str) -> list[Path]:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return [Path(path)]


def test_no_source_file_is_too_long() -> None:
    assert list(house.too_long(house.source_files(), REASONS)) == []


def test_a_long_file_is_found(tmp_path: Path) -> None:
    files = planted(tmp_path, "src/carecircle/long.py", "x = 1\n" * 301)
    assert len(list(house.too_long(files, {}, tmp_path))) == 1
    assert list(house.too_long(files, {"src/carecircle/long.py": "a reason"}, tmp_path)) == []
    files = planted(tmp_path, "src/carecircle/long.py", "x = 1\n" * 401)
    assert list(house.too_long(files, {"src/carecircle/long.py": "a reason"}, tmp_path)) != []


def test_every_file_says_what_lives_there() -> None:
    assert list(house.without_first_line(house.tracked())) == []


@pytest.mark.parametrize(("path", "text"), [("a.py", "import os\n"), ("a.sql", "select 1\n"), ("b.py", "\n")])
def test_a_silent_file_is_found(tmp_path: Path, path: str, text: str) -> None:
    assert len(list(house.without_first_line(planted(tmp_path, path, text), tmp_path))) == 1


def test_no_file_is_named_for_nothing() -> None:
    assert list(house.badly_named(house.tracked())) == []
    assert len(list(house.badly_named([Path("src/carecircle/utils.py")]))) == 1


def test_no_forbidden_word_is_in_the_tree() -> None:
    assert list(house.forbidden_words(house.tracked())) == []


@pytest.mark.parametrize(
    "text",
    [
        "see iss" + "ue #12",
        "in /wor" + "k/main/x",
        "https://py" + "pi.org/simple",
        "made by Cla" + "ude",
        "an LL" + "M",
    ],
)
def test_a_forbidden_word_is_found(tmp_path: Path, text: str) -> None:
    assert len(list(house.forbidden_words(planted(tmp_path, "notes.md", text), tmp_path))) >= 1


def test_libraries_are_known_only_where_they_belong() -> None:
    assert list(house.knows_too_much(house.source_files())) == []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("src/carecircle/access/x.py", "import fastapi"),
        ("src/carecircle/services.py", "from typer import Typer"),
        ("src/carecircle/assignments/rules.py", "from sqlalchemy import text"),
        ("src/carecircle/interop/x.py", "def f():\n    import sqlalchemy.orm"),
    ],
)
def test_a_library_out_of_place_is_found(tmp_path: Path, path: str, text: str) -> None:
    assert len(list(house.knows_too_much(planted(tmp_path, path, text), tmp_path))) == 1


def test_rules_and_values_are_pure() -> None:
    assert list(house.impure(house.source_files(), sys.stdlib_module_names)) == []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("src/carecircle/assignments/rules.py", "from carecircle.database.session import transaction"),
        ("src/carecircle/period.py", "import orjson"),
        ("src/carecircle/care_teams/rules.py", "async def late() -> None: ..."),
    ],
)
def test_an_impure_rule_is_found(tmp_path: Path, path: str, text: str) -> None:
    assert len(list(house.impure(planted(tmp_path, path, text), sys.stdlib_module_names, tmp_path))) == 1


def test_sql_lives_with_the_tables() -> None:
    assert list(house.sql_out_of_place(house.source_files(), SQL_ELSEWHERE)) == []


@pytest.mark.parametrize(
    "text",
    ['q = "select id from carecircle.patients"', 'q = """\nSELECT a,\n b\nFROM carecircle.units"""',
     'q = "insert into carecircle.units values (1)"', 'q = "update carecircle.units set name = 1"'],
)  # fmt: skip
def test_sql_out_of_place_is_found(tmp_path: Path, text: str) -> None:
    assert len(list(house.sql_out_of_place(planted(tmp_path, "src/carecircle/cli/x.py", text), {}, tmp_path))) == 1
    at_home = planted(tmp_path, "src/carecircle/findings/service.py", text)
    assert list(house.sql_out_of_place(at_home, {}, tmp_path)) == []
