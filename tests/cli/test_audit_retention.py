"""audit months, retire, hold: what is said, what is asked, and where each stops."""

from __future__ import annotations

import asyncio
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from carecircle.cli.audit_retention import _size
from carecircle.database.reach import Reach, role_passwords
from carecircle.database.session import open_engine, transaction
from carecircle.directory import find_organization
from carecircle.errors import InvalidRequest
from tests.audit.trail import make_month, seal, write_entries
from tests.cli.conftest import Command, Place

# All organizations share a month, and leaves stay for ever: every test has one of its own.
_MONTHS = (date(2016, number, 1) for number in range(1, 13))


@pytest.fixture
def month(place: Place, carecircle: Command, own: str) -> str:
    """An old month (2016-01) with two sealed entries of `own`."""
    old = next(_MONTHS)
    at = Reach(make_url(place.server.admin_url), role_passwords(place.home), place.server.bin_dir)

    async def made() -> None:
        engine = open_engine(at, connections=1)
        async with transaction(engine) as session:
            organization = await find_organization(session, own)
        await engine.dispose()
        await make_month(at, old)
        await write_entries(at, organization, old, 2)
        await seal(at, place.home, organization)

    asyncio.run(made())
    return f"{old:%Y-%m}"


def test_a_month_is_shown_tried_and_retired(carecircle: Command, month: str, tmp_path: Path) -> None:
    shown = carecircle("audit", "months", "-o", "json")
    [old] = [one for one in shown.json["months"] if one["month"] == month]
    assert (old["entries"], old["sealed"], old["held"], old["retirable"]) == (2, True, False, True)
    # Six years on; later where an organization of another test keeps its entries for longer.
    assert old["retirable_since"] >= "2022-03-01"
    table = carecircle("audit", "months", "--prepare")
    assert "indexed." in table.err
    assert month in table.out
    assert "empty months made ahead." in table.err
    tried = carecircle("audit", "retire", month, "--to", str(tmp_path), "--dry-run", "-o", "json")
    assert (tried.code, tried.json["dry_run"], tried.json["retired"][0]["entry"]) == (0, True, None)
    assert carecircle("audit", "retire", month, "--to", str(tmp_path)).code == 7  # nobody sits there who could be asked
    done = carecircle("audit", "retire", month, "--to", str(tmp_path), "--yes", "-o", "json")
    [row] = done.json["retired"]
    assert (done.code, row["month"], row["entries"]) == (0, month, 2)
    assert [file.name for file in tmp_path.iterdir()] == [row["file"]]
    assert row["sha256"] == tried.json["retired"][0]["sha256"]
    assert "dropped" in done.err
    again = carecircle("audit", "retire", month, "--to", str(tmp_path), "--yes")
    assert (again.code, f"{month} is out of the database. Keep 1 file" in again.err) == (0, True)


def test_a_hold_stops_it_until_it_is_lifted(carecircle: Command, own: str, month: str, tmp_path: Path) -> None:
    placed = carecircle("audit", "hold", "place", "--reason", "Claim 7", organization=own)
    assert placed.code == 0, placed.err
    assert placed.out.startswith("Held from now until this is lifted: every entry of the organization.")
    listed = carecircle("audit", "hold", "list", "-o", "json", organization=own)
    [hold] = listed.json["holds"]
    assert (hold["reason"], hold["patient"], hold["ends_at"]) == ("Claim 7", None, None)
    refused = carecircle("audit", "retire", month, "--to", str(tmp_path), "--yes")
    assert (refused.code, "[month-on-hold]" in refused.err) == (6, True)
    [undo] = [line for line in placed.err.splitlines() if line.startswith("Undo: carecircle ")]
    lifted = carecircle(*undo.removeprefix("Undo: carecircle ").split(), organization=own)
    assert (lifted.code, "Lifted." in lifted.out) == (0, True)
    assert carecircle("audit", "hold", "lift", hold["id"], organization=own).code == 5
    assert "No legal hold" in carecircle("audit", "hold", "list", organization=own).err
    assert carecircle("audit", "retire", month, "--to", str(tmp_path), "--yes").code == 0


def test_a_patients_hold_names_them_by_id_only(carecircle: Command, own: str) -> None:
    words = ("--patient", "patient", "--reason", "=cmd", "--until", "2999-01-01")
    placed = carecircle("audit", "hold", "place", *words, "-o", "json", organization=own)
    assert (placed.code, placed.json["ends_at"]) == (0, "2999-01-01T00:00:00Z")
    listed = carecircle("audit", "hold", "list", "-o", "csv", organization=own)
    assert "'=cmd" in listed.out
    assert placed.json["patient"] in listed.out
    wrong = carecircle("audit", "hold", "place", "--patient", "nobody", "--reason", "x", organization=own)
    assert wrong.code == 5


@pytest.mark.parametrize("wrong", ["2016", "2016-13", "2016-05-01", "may"])
def test_a_month_is_written_in_one_way(carecircle: Command, tmp_path: Path, wrong: str) -> None:
    ran = carecircle("audit", "retire", wrong, "--to", str(tmp_path), "--yes")
    assert (ran.code, f"[{InvalidRequest.code}]" in ran.err) == (7, True)


def test_there_is_no_such_month(carecircle: Command, tmp_path: Path) -> None:
    ran = carecircle("audit", "retire", "1999-01", "--to", str(tmp_path), "--yes")
    assert (ran.code, "[month-not-kept]" in ran.err) == (5, True)


def test_sizes_are_short() -> None:
    sizes = (0, 10_239, 10_240, 25 * 1024**2, 3 * 1024**5)
    assert [_size(one) for one in sizes] == ["0 B", "10,239 B", "10 KiB", "25 MiB", "3,072 TiB"]
