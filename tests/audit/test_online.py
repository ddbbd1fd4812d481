"""Verifying where the trail lies: good trails are good, and what was done to one is named."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from carecircle import acting_as, to_text
from carecircle.audit import export_service, online_service, proof_service, tlog_proof
from carecircle.audit.online_service import Found, every_organization, verify_online
from carecircle.audit.sealing import seal_once
from carecircle.audit.sealing_key import SealingKey
from carecircle.audit.verify import VerifyKey
from carecircle.database.reach import dsn
from carecircle.errors import RowRefused
from carecircle.errors.audit import EntryNotFound, NotAsSealed, NotSealedYet
from carecircle.identifiers import new_id
from tests.conftest import Hospital

Run = Callable[[Callable[[Hospital], Any]], Any]


def keys(home: Path) -> list[VerifyKey]:
    return [VerifyKey.parse(one) for one in SealingKey.open(home).vkeys()]


async def verified(hospital: Hospital, home: Path, **more: Any) -> Found:
    return await verify_online(hospital.circle.auditor, keys(home), organization=hospital.organization, **more)


async def filled(hospital: Hospital, patients: int = 5) -> None:
    for number in range(patients):
        await hospital.patient(f"mrn|{number}")
    await seal_once(hospital.circle.settings, hospital.circle.reach)


async def tampered(hospital: Hospital, statement: str, *values: object) -> None:
    root = await asyncpg.connect(dsn(hospital.circle.reach.admin))
    try:
        assert (await root.execute(statement, hospital.organization, *values)) in ("UPDATE 1", "DELETE 1")
    finally:
        await root.close()


def test_a_good_trail_is_good_and_a_changed_entry_is_named(in_hospital: Run, home: Path) -> None:
    async def body(hospital: Hospital) -> None:
        await filled(hospital)
        heard: list[tuple[int, int]] = []
        good = await verified(hospital, home, progress=lambda done, total: heard.append((done, total)))
        assert (good.ok, good.total, good.verdict.checkpoints) == (True, 0, 1)
        assert good.verdict.entries == 6
        assert heard[-1] == (6, 6)
        entry = await _entry(hospital, 3)
        await tampered(
            hospital, "update carecircle.audit_events set code = 'x' where organization_id = $1 and id = $2", entry
        )
        bad = await verified(hospital, home)
        assert [one.code for one in bad.verdict.findings] == ["entry-altered"]
        assert bad.verdict.first_bad is not None
        assert (bad.verdict.first_bad.where.first, bad.verdict.first_bad.where.entry) == (3, to_text(entry))

    in_hospital(body)


def test_a_deleted_entry_and_an_unknown_key_are_found(in_hospital: Run, home: Path, tmp_path: Path) -> None:
    async def body(hospital: Hospital) -> None:
        await filled(hospital)
        stranger = await verify_online(hospital.circle.auditor, keys(tmp_path), organization=hospital.organization)
        assert "checkpoint-unsigned" in {one.code for one in stranger.verdict.findings}
        entry = await _entry(hospital, 2)
        await tampered(hospital, "delete from carecircle.audit_events where organization_id = $1 and id = $2", entry)
        bad = await verified(hospital, home)
        assert bad.verdict.first_bad is not None
        assert bad.verdict.first_bad.where.first == 2

    in_hospital(body)


def test_a_witness_knows_of_a_tail_that_was_cut_off_and_without_one_nobody_does(in_hospital: Run, home: Path) -> None:
    async def body(hospital: Hospital) -> None:
        await filled(hospital)
        await hospital.patient("mrn|late")
        await seal_once(hospital.circle.settings, hospital.circle.reach)
        notes = [
            row["note"] for row in await _rows(hospital, "select note from carecircle.audit_checkpoints", "tree_size")
        ]
        assert len(notes) == 2
        entry = await _entry(hospital, 6)
        for table, which in (("audit_events", "id"), ("audit_leaves", "entry_id")):
            await tampered(
                hospital, f"delete from carecircle.{table} where organization_id = $1 and {which} = $2", entry
            )
        await tampered(
            hospital, "delete from carecircle.audit_checkpoints where organization_id = $1 and tree_size = $2", 7
        )
        assert (await verified(hospital, home)).ok
        seen = await verified(hospital, home, witnessed=notes)
        assert [one.code for one in seen.verdict.findings] == ["cut-off"]

    in_hospital(body)


def test_a_verification_that_fails_leaves_nothing_waiting(
    in_hospital: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(hospital: Hospital) -> None:
        await filled(hospital)
        before = sys.getswitchinterval()
        monkeypatch.setattr(online_service, "_BLOCKS", 1)
        assert (await verified(hospital, home)).ok
        monkeypatch.setattr(export_service, "_WALK", "select 1 / 0")
        with pytest.raises(RowRefused):
            await verified(hospital, home)
        assert sys.getswitchinterval() == before

    in_hospital(body)


def test_every_organization_is_listed(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        found = await every_organization(hospital.circle.reach)
        assert hospital.organization in found
        async with hospital.change() as db:
            assert await online_service.slug_of(db, hospital.organization) == hospital.slug

    in_hospital(body)


def test_an_entry_is_proved_and_a_changed_one_is_not(in_hospital: Run, home: Path) -> None:
    async def body(hospital: Hospital) -> None:
        await filled(hospital, 300)
        with acting_as(organization=hospital.organization, actor="test"):
            for index in (0, 5, 255, 256, 300):
                entry = await _entry(hospital, index)
                for bare in (False, True):
                    async with hospital.change() as db:
                        made = await proof_service.prove(db, entry, auditor=hospital.circle.auditor, bare=bare)
                    given = made.line.encode() if bare else None
                    assert tlog_proof.check(made.text, keys(home), given).holds, index
                    assert not tlog_proof.check(made.text, keys(home), made.line.encode() + b" ").holds
            async with hospital.change() as db:
                with pytest.raises(EntryNotFound):
                    await proof_service.prove(db, new_id(), auditor=hospital.circle.auditor)
            await tampered(
                hospital, "update carecircle.audit_events set code = 'x' where organization_id = $1 and id = $2", entry
            )
            async with hospital.change() as db:
                with pytest.raises(NotAsSealed):
                    await proof_service.prove(db, entry, auditor=hospital.circle.auditor)
            [fresh] = await _rows(hospital, "select id from carecircle.audit_events", "xid desc, id limit 1")
            async with hospital.change() as db:
                with pytest.raises(NotSealedYet):
                    await proof_service.prove(db, fresh["id"], auditor=hospital.circle.auditor)

    in_hospital(body)


async def _entry(hospital: Hospital, index: int) -> UUID:
    rows = await _rows(hospital, "select entry_id from carecircle.audit_leaves", "leaf_index")
    found: UUID = rows[index]["entry_id"]
    return found


async def _rows(hospital: Hospital, query: str, order: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(hospital.circle.reach.dsn("auditor"))
    try:
        await connection.execute(f"set carecircle.organization_id = '{hospital.organization}'")
        return list(
            await connection.fetch(f"{query} where organization_id = $1 order by {order}", hospital.organization)
        )
    finally:
        await connection.close()
