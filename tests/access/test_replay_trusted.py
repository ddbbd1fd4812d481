"""What replay rests on: what was altered is told, a restored dump goes by the clocks, reading is recorded; and 500 at random."""

from __future__ import annotations

import asyncio
import json

import pytest
from proofs.audit_replay import replays

from carecircle import acting_as
from carecircle.assignments.service import assign_primary, end_assignments
from carecircle.errors.audit import EntryNotFound
from carecircle.identifiers import new_id, to_text
from tests.access.replaying import InHospital, again, all_same, as_administrator, explained
from tests.conftest import Hospital
from tests.staffing.records import Records


def test_what_somebody_altered_is_told(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        r = await Records.open(hospital)
        doctor, other = await hospital.provider(), await hospital.provider()
        row = await r.do(assign_primary, patient=r.a, provider=doctor)
        denied, allowed = await r.may(other, r.a), await r.may(doctor, r.a)
        with acting_as(organization=hospital.organization, actor="test"):
            listed = await hospital.circle.access.list_patients(doctor)
        await all_same(hospital, denied.id, allowed.id, listed.id)
        async with as_administrator(hospital) as admin:
            # A fact put aside, as if nobody had ever let them in; an entry made to say what was not said.
            await admin.execute(
                "update carecircle.patient_assignments set provider_id = $1 where id = $2", other, row.id
            )
        found = await again(hospital, denied.id)
        assert {one.what for one in found.differences} == {"allowed", "code", "basis"}
        assert {one.what for one in (await again(hospital, allowed.id)).differences} == {"allowed", "code", "basis"}
        assert {one.what for one in (await again(hospital, listed.id)).differences} == {"allowed", "count", "digest"}
        async with as_administrator(hospital) as admin:
            await admin.execute("update carecircle.audit_events set policy_version = 9 where id = $1", denied.id)
        rewritten = await again(hospital, denied.id)
        assert (rewritten.known.by, rewritten.known.why) == ("clocks", "rewritten")
        assert "policy version" in {one.what for one in rewritten.differences}

    in_hospital(body)


def test_after_a_restore_into_another_cluster_the_clocks_say(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        r = await Records.open(hospital)
        doctor = await hospital.provider()
        await r.do(assign_primary, patient=r.a, provider=doctor)
        allowed = await r.may(doctor, r.a)
        await r.do(end_assignments, patient=r.a, provider=doctor)
        async with as_administrator(hospital) as admin:
            here = await admin.fetchval("select system_identifier from pg_control_system()")
            await admin.execute(
                """insert into carecircle.audit_leaves (organization_id, epoch, leaf_index, entry_id, recorded_at, leaf_hash)
                   values ($1, 1, 0, $2, now(), sha256(''))""", hospital.organization, allowed.id,
            )  # fmt: skip
            for elsewhere in (0, 1):
                await admin.execute(
                    """insert into carecircle.audit_checkpoints (organization_id, epoch, tree_size, root_hash, last_xid,
                         last_entry_id, snapshot_xmax, system_id, signed_at, note)
                       values ($1, 1, $2, sha256(''), '1', $3, '1', $4, now(), '')""",
                    hospital.organization, 2 - elsewhere, allowed.id, here + elsewhere,
                )  # fmt: skip
                found = await again(hospital, allowed.id)
                assert found.same
                assert (found.known.by, found.known.why) == [("snapshot", None), ("clocks", "restored")][elsewhere]

    in_hospital(body)


def test_explaining_is_recorded_and_decides_nothing(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        r = await Records.open(hospital)
        doctor = await hospital.provider()
        row = await r.do(assign_primary, patient=r.a, provider=doctor)
        allowed = await r.may(doctor, r.a)
        await r.do(end_assignments, patient=r.a, provider=doctor)
        told = await explained(hospital, allowed.id)
        assert told.replay is not None
        assert told.replay.same
        proof = told.rows[row.id]
        assert (proof.table, proof.entry_id, proof.maker) == ("patient_assignments", row.entry_id, "test")
        assert proof.superseded_at is not None
        assert proof.closed_by is not None
        change = await explained(hospital, row.entry_id)
        assert change.replay is None
        readings = await r.audit("decision-explained")
        assert [json.loads(one["detail"])["entry"] for one in readings] == [to_text(allowed.id), to_text(row.entry_id)]
        assert {one["kind"] for one in readings} == {"reading"}
        async with as_administrator(hospital) as admin:
            decisions = await admin.fetchval(
                "select count(*) from carecircle.audit_events where organization_id = $1 and kind = 'decision'",
                hospital.organization,
            )
        assert decisions == 1
        for nobodys in (new_id(), readings[0]["organization_id"]):
            with pytest.raises(EntryNotFound, match=to_text(nobodys)):
                await explained(hospital, nobodys)

    in_hospital(body)


def test_answers_given_while_everything_changes(in_hospital: InHospital) -> None:
    """Five hundred, drawn from one number; among them some that the clocks alone get wrong."""

    async def body(hospital: Hospital) -> None:
        async with asyncio.timeout(120):
            found = await replays(hospital.circle, hospital.organization, answers=500, seed=20261122)
        assert found.differing == []
        assert found.answers >= 500
        assert found.by_clocks > 0

    in_hospital(body)
