"""Importing an organization's own specialty taxonomy, and that specialties are then of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from carecircle.directory.credential_service import add_credential
from carecircle.directory.specialty_service import SpecialtiesImported, import_specialties, specialty_known
from carecircle.errors import InvalidInput, InvalidRequest
from tests.conftest import Hospital

Run = Callable[[Callable[[Hospital], Any]], Any]
HEADER = "Code,Grouping,Classification,Specialization,Definition,Notes,Display Name,Section\r\n"
# Invented codes in the published file's form; the taxonomy itself is its publisher's.
FULL = HEADER + (
    '900X00001X,Group,Heart Care,Rhythm,"Of two\r\nlines, with ""quotes""",,Heart Rhythm Specialist,Individual\r\n'
    "900X00002X,Group,Heart Care,,,,Ménière Specialist,Individual\r\n"
)


def file(folder: Path, content: str, encoding: str = "utf-8", name: str = "taxonomy.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode(encoding))
    return path


async def take(hospital: Hospital, path: Path, **said: Any) -> SpecialtiesImported:
    async with hospital.change() as db:
        return await import_specialties(db, path, organization=hospital.organization, actor="test", **said)


async def known(hospital: Hospital, code: str) -> bool | None:
    async with hospital.change() as db:
        return await specialty_known(db, hospital.organization, code)


async def displays(hospital: Hospital) -> dict[str, str]:
    async with hospital.change() as db:
        return {
            row.code: row.display for row in await db.execute(text("select code, display from carecircle.specialties"))
        }


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_the_published_file_is_read_in_each_encoding(in_hospital: Run, tmp_path: Path, encoding: str) -> None:
    async def body(hospital: Hospital) -> None:
        assert await known(hospital, "900X00001X") is None
        assert await take(hospital, file(tmp_path, FULL, encoding)) == SpecialtiesImported(added=2)
        assert await displays(hospital) == {
            "900X00001X": "Heart Rhythm Specialist",
            "900X00002X": "Ménière Specialist",
        }
        assert await known(hospital, "900X00001X") is True
        assert await known(hospital, "900X00009X") is False

    in_hospital(body)


def test_importing_again_changes_what_changed(in_hospital: Run, tmp_path: Path) -> None:
    async def body(hospital: Hospital) -> None:
        await take(hospital, file(tmp_path, FULL))
        assert await take(hospital, file(tmp_path, FULL)) == SpecialtiesImported(unchanged=2)
        newer = "code,display\n900X00002X,Inner Ear\n900X00003X,New\n"
        assert await take(hospital, file(tmp_path, newer)) == SpecialtiesImported(added=1, changed=1)
        assert await displays(hospital) == {
            "900X00001X": "Heart Rhythm Specialist",
            "900X00002X": "Inner Ear",
            "900X00003X": "New",
        }

    in_hospital(body)


def test_a_file_without_names_is_named_by_its_parts(in_hospital: Run, tmp_path: Path) -> None:
    async def body(hospital: Hospital) -> None:
        older = "Code,Grouping,Classification,Specialization,Definition,Notes\nA1,G,Heart,Rhythm,,\nA2,G,Heart,,,\n\n"
        await take(hospital, file(tmp_path, older))
        assert await displays(hospital) == {"A1": "Heart, Rhythm", "A2": "Heart"}

    in_hospital(body)


def test_many_codes_are_read_in_batches(in_hospital: Run, tmp_path: Path) -> None:
    async def body(hospital: Hospital) -> None:
        many = "code,display\n" + "".join(f"M{number},Name {number}\n" for number in range(2345))
        assert await take(hospital, file(tmp_path, many)) == SpecialtiesImported(added=2345)
        assert await take(hospital, file(tmp_path, many)) == SpecialtiesImported(unchanged=2345)

    in_hospital(body)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("", 0),
        ("name,city\nA,B\n", 1),
        ("code,display\nA1,One\nA 2,Two\n", 3),
        ("code,display\nA1,One\n,Two\n", 3),
        ("code,display\nA1,One\nA2\n", 3),
        ("code,display\nA1,One\nA1,Two\n", 3),
        ('code,display\nA1,"One\nmore"\nA2,"Two" three\n', 4),
        (FULL + "900X00003X,,,,,,,\r\n", 5),
    ],
)
def test_a_bad_line_is_named_and_nothing_of_the_file_is_kept(
    in_hospital: Run, tmp_path: Path, content: str, line: int
) -> None:
    async def body(hospital: Hospital) -> None:
        with pytest.raises(InvalidInput, match=rf"^taxonomy\.csv, line {line}: "):
            await take(hospital, file(tmp_path, content))
        assert await displays(hospital) == {}

    in_hospital(body)


def test_a_missing_file_is_refused(in_hospital: Run, tmp_path: Path) -> None:
    async def body(hospital: Hospital) -> None:
        with pytest.raises(InvalidInput, match=r"^nowhere\.csv cannot be read"):
            await take(hospital, tmp_path / "nowhere.csv")

    in_hospital(body)


def test_with_a_taxonomy_a_specialty_is_of_it(in_hospital: Run, tmp_path: Path) -> None:
    async def body(hospital: Hospital) -> None:
        doctor = await hospital.provider()

        async def add(kind: str, code: str) -> str:
            async with hospital.change() as db:
                row = await add_credential(
                    db, provider=doctor, kind=kind, code=code, organization=hospital.organization, actor="test"
                )
                return row.code

        assert await add("specialty", "ANY-BEFORE") == "ANY-BEFORE"
        await take(hospital, file(tmp_path, FULL))
        with pytest.raises(InvalidRequest, match="import-specialties"):
            await add("specialty", "ANY-AFTER")
        assert await add("specialty", "900X00001X") == "900X00001X"
        assert await add("licence", "ANY-AFTER") == "ANY-AFTER"

    in_hospital(body)
