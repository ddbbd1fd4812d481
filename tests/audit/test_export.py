"""The verifiable export: its lines, byte for byte; what is missing or slipped in; the other formats."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from carecircle.actor import Actor
from carecircle.audit import csv as audit_csv
from carecircle.audit import export_service
from carecircle.audit.canonical import COLUMNS
from carecircle.audit.entry import Entry, append
from carecircle.audit.export_service import Written
from carecircle.audit.sealing import seal_once
from carecircle.audit.search import Filter, shown
from carecircle.audit.verify import Frontier, leaf_hash
from carecircle.database.reach import dsn
from carecircle.errors import InvalidRequest
from carecircle.identifiers import new_id
from tests.conftest import Hospital

Run = Callable[[Callable[[Hospital], Any]], Any]


async def exported(hospital: Hospital) -> tuple[Written, list[bytes]]:
    blocks: list[bytes] = []

    async def write(block: bytes) -> None:
        blocks.append(block)

    written = await export_service.export(hospital.circle.auditor, write, organization=hospital.organization)
    assert all(block.endswith(b"\n") for block in blocks)
    return written, b"".join(blocks).splitlines()


async def sealed(hospital: Hospital) -> None:
    await seal_once(hospital.circle.settings, hospital.circle.reach)


async def planted(hospital: Hospital, statement: str, *values: object) -> None:
    """As a superuser."""
    root = await asyncpg.connect(dsn(hospital.circle.reach.admin))
    try:
        await root.execute(statement, *values)
    finally:
        await root.close()


def test_the_lines_are_those_of_the_format(in_hospital: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(hospital: Hospital) -> None:
        for number in range(4):
            await hospital.patient(f"mrn|{number}")
        await sealed(hospital)
        async with hospital.change() as db:
            quoted = {"said": 'a "quoted" line\nand \\ another, ünïcode \u2028 too'}
            await append(db, Entry(hospital.organization, "change", Actor("test — ü"), "odd", detail=quoted))
        await hospital.patient("mrn|late")
        await sealed(hospital)
        await hospital.patient("mrn|unsealed")
        written, lines = await exported(hospital)
        head, *told = (json.loads(line) for line in lines)
        assert (head["carecircle_audit"], head["organization"], head["epoch"]) == (1, str(hospital.organization), 1)
        assert int(head["opening_xid"]) > 0
        assert told[-1] == {"end": {"leaves": written.leaves, "checkpoints": 2, "unsealed": 1}}
        leaves = [one for one in told if "leaf" in one]
        assert [one["leaf"] for one in leaves] == list(range(written.leaves))
        assert list(leaves[0]["entry"]) == list(COLUMNS)
        for line, one in zip((line for line in lines if line.startswith(b'{"leaf"')), leaves, strict=True):
            entry = line[line.index(b'"entry":') + len(b'"entry":') : -1]
            assert leaf_hash(entry).hex() == one["hash"]
            assert json.dumps(one["entry"], ensure_ascii=False, separators=(",", ":")).encode() == entry
        # Each checkpoint stands right after the leaf that completes its size, and says the root of the leaves before.
        edge, seen = Frontier(), 0
        for one in told:
            if "leaf" in one:
                edge.append(bytes.fromhex(one["hash"]))
            elif "checkpoint" in one:
                _, size, root, *_ = one["checkpoint"].split("\n")
                assert int(size) == edge.size
                assert root == _base64(edge.root())
                seen += 1
        assert seen == 2
        assert [one["unsealed"]["code"] for one in told if "unsealed" in one] == ["patient-registered"]

    in_hospital(body)
    monkeypatch.setattr(export_service, "BATCH", 3)
    in_hospital(body)


def test_what_is_gone_or_slipped_in_is_not_left_out(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        for number in range(3):
            await hospital.patient(f"mrn|{number}")
        await sealed(hospital)
        _, before = await exported(hospital)
        gone, moved, doubled = (UUID(json.loads(line)["entry"]["id"]) for line in before[2:5])
        own = "organization_id = $1 and id = $2"
        await planted(hospital, f"delete from carecircle.audit_events where {own}", hospital.organization, gone)
        await planted(
            hospital, f"update carecircle.audit_events set recorded_at = recorded_at - interval '1 hour' where {own}",
            hospital.organization, moved,
        )  # fmt: skip
        names = ", ".join(name for name in COLUMNS if name != "recorded_at")
        await planted(
            hospital, f"insert into carecircle.audit_events (recorded_at, {names}) select recorded_at + interval '1 hour',"
            f" {names} from carecircle.audit_events where {own}", hospital.organization, doubled,
        )  # fmt: skip
        await planted(
            hospital, "insert into carecircle.audit_events (organization_id, id, kind, actor, code, xid, writer_turn, writer_id)"
            " values ($1, gen_random_uuid(), 'change', 'x', 'slipped-in', '3', 1, gen_random_uuid())", hospital.organization,
        )  # fmt: skip
        await planted(
            hospital, "delete from carecircle.audit_leaves where organization_id = $1 and leaf_index ="
            " (select max(leaf_index) from carecircle.audit_leaves where organization_id = $1)", hospital.organization,
        )  # fmt: skip
        written, after = await exported(hospital)
        told = [json.loads(line) for line in after]
        leaves = {one["leaf"]: one["entry"] for one in told if "leaf" in one}
        assert leaves[1] is None
        assert UUID(leaves[2]["id"]) == moved
        unsealed = [one["unsealed"] for one in told if "unsealed" in one]
        assert str(doubled) in [one["id"] for one in unsealed]
        assert "slipped-in" in [one["code"] for one in unsealed]
        # The checkpoint of the leaf that is gone is told all the same.
        assert sum("checkpoint" in one for one in told) == written.checkpoints == 1

    in_hospital(body)


def test_entries_alone_in_the_other_formats(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        patient = await hospital.patient("mrn|one")
        async with hospital.change() as db:
            await append(db, Entry(hospital.organization, "change", Actor("=1+1"), "odd", patient_id=patient))
        written: list[bytes] = [audit_csv.header()]

        async def write(block: bytes) -> None:
            written.append(block)

        count = await export_service.export_entries(
            hospital.circle.auditor, write, lambda lines: audit_csv.lines(shown(json.loads(one)) for one in lines),
            Filter(patient_ids=(patient,)), organization=hospital.organization,
        )  # fmt: skip
        rows = list(csv.DictReader(io.StringIO(b"".join(written).decode())))
        assert count == len(rows) == 2
        assert [row["actor"] for row in rows] == ["test", "'=1+1"]
        assert list(rows[0]) == list(COLUMNS)

    in_hospital(body)


@pytest.mark.parametrize(
    "cell",
    [
        "=1",
        "+1",
        "-1",
        "@a",
        "\tx",
        "\rx",
        "\nx",
        " =1",
        "\u00a0=1",
        "\ufeff=1",
        "\u200b@a",
        "\x00=1",
        "\n =1",
        "\uff1d1",
        "\uff0b1",
        "\uff0d1",
        "\uff20a",
    ],
)
def test_no_cell_is_a_formula(cell: str) -> None:
    entry: dict[str, Any] = dict.fromkeys(COLUMNS) | {"code": cell, "actor": "plain"}
    [row] = csv.reader(io.StringIO(audit_csv.lines([entry]).decode(), newline=""))
    assert row[COLUMNS.index("code")] == f"'{cell}"
    assert row[COLUMNS.index("actor")] == "plain"


@pytest.mark.parametrize("cell", ["a=1", "", "a;=cmd", 'a "quoted" one', "\u200bplain", " plain -1"])
def test_other_cells_are_as_they_are_and_every_cell_is_quoted(cell: str) -> None:
    written = audit_csv.lines([dict.fromkeys(COLUMNS) | {"code": cell}]).decode()
    [row] = csv.reader(io.StringIO(written, newline=""), strict=True)
    assert row[COLUMNS.index("code")] == cell
    assert written.count('","') == len(COLUMNS) - 1
    [row] = csv.reader(io.StringIO(audit_csv.row(["x", cell]), newline=""), strict=True)
    assert row == ["x", cell]


def test_a_leaf_put_in_far_ahead_is_not_walked_to(in_hospital: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_service, "BATCH", 2)

    async def body(hospital: Hospital) -> None:
        for number in range(4):
            await hospital.patient(f"mrn|{number}")
        await sealed(hospital)
        before, _ = await exported(hospital)
        row = "insert into carecircle.audit_leaves values ($1, $2, $3, $4, now(), $5)"
        for epoch, index in ((1, 2**60), (1, 2**60 + 1), (2**31 - 1, 0)):
            await planted(hospital, row, hospital.organization, epoch, index, new_id(), bytes(32))
        after, lines = await asyncio.wait_for(exported(hospital), 20)
        assert after.leaves == before.leaves + 3
        told = [json.loads(line) for line in lines]
        assert [one["leaf"] for one in told if "leaf" in one] == [*range(before.leaves), 2**60, 2**60 + 1, 0]
        assert [one["epoch"] for one in told[1:] if "epoch" in one] == [2**31 - 1]

    in_hospital(body)


def test_a_file_has_its_name_only_when_it_is_whole(in_hospital: Run, tmp_path: Path) -> None:
    async def body(hospital: Hospital) -> None:
        file = tmp_path / "trail"
        with pytest.raises(ZeroDivisionError):
            await _interrupted(file)
        assert _files(tmp_path) == []
        async with export_service.into_file(file) as out:
            out.write(b"whole")
            assert not file.exists()
        assert file.read_bytes() == b"whole"
        assert file.stat().st_mode & 0o777 == 0o600
        with pytest.raises(InvalidRequest):
            async with export_service.into_file(tmp_path / "no" / "where"):
                pass

    in_hospital(body)


async def _interrupted(file: Path) -> None:
    async with export_service.into_file(file) as out:
        out.write(b"half")
        raise ZeroDivisionError


def _files(place: Path) -> list[Path]:
    return list(place.iterdir())


def _base64(data: bytes) -> str:
    from base64 import b64encode

    return b64encode(data).decode()
