"""Breaking the glass: what a request opens, what it writes with it, and what it leaves when it fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from carecircle.database.crypto import keyring
from carecircle.database.reach import dsn
from carecircle.emergency.opening_service import request
from carecircle.emergency.tables import EmergencyAccess
from carecircle.errors.emergency import (
    EmergencyAccessOpen,
    MayNotBreakGlass,
    NotThemselves,
)
from carecircle.identifiers import to_text
from carecircle.notices.service import CHANNEL
from carecircle.period import FOREVER
from tests.conftest import Hospital, open_hospital
from tests.emergency.clinic import HOUR, MINUTE, Clinic

InHospital = Callable[[Callable[[Hospital], Any]], Any]


def test_it_opens_at_once_to_read_one_patient_for_a_quarter_of_an_hour(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        before = await c.ask()
        assert (before.allowed, before.code) == (False, "no-relationship")
        assert "break-glass" in [one.kind for one in before.remedies]
        row = await c.request(scope=("read", "write"), words="No pulse.")
        said = await c.ask()
        assert said.allowed
        assert [(one.kind, one.id, one.under_id) for one in said.bases] == [
            ("emergency_access", row.id, row.lineage_id)
        ]
        assert said.expires_at == row.ends_at == row.starts_at + 15 * MINUTE
        assert not await c.may(action="write")
        assert not await c.may(c.first)
        assert not await c.may(patient=await hospital.patient())
        # To the microsecond: it is over when it ends, and nobody had it before it was asked for.
        assert await c.may(at=row.ends_at - timedelta(microseconds=1))
        assert not await c.may(at=row.ends_at)
        assert not await c.may(at=row.starts_at - timedelta(microseconds=1))
        assert (row.state, row.mode, row.scope, row.wanted_scope) == (
            "provisional", "provisional", ["read"], ["read", "write"],
        )  # fmt: skip
        assert row.asked_at == row.opened_at == row.starts_at == row.recorded_at
        assert row.wanted_until == row.asked_at + 24 * HOUR
        assert row.review_due_at == row.asked_at + 72 * HOUR
        assert (row.signals, row.two_persons, row.unit_id, row.despite) == ([], False, c.ward, ["sensitivity"])

    in_hospital(body)


def test_one_transaction_writes_the_access_its_entry_its_approvers_and_what_is_due(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        row = await c.request(words="Father of Ms Example.", hours=2)
        (entry,) = await c.audit("emergency-opened")
        assert entry["id"] == row.entry_id
        assert (entry["provider_id"], entry["patient_id"]) == (c.doctor, c.patient)
        assert to_text(row.lineage_id) in entry["detail"]
        assert "Example" not in entry["detail"]
        kept = await c.rows("select emergency_id, entry_id, xmin::text from carecircle.emergency_approvers")
        assert {(one[0], one[1]) for one in kept} == {(row.lineage_id, row.entry_id)}
        assert len(kept) == 5
        now = row.asked_at
        assert await c.due(row.lineage_id) == [
            ("email:emergency-opened", c.first, "first@hospital.example", now),
            ("relationship", None, "", now + MINUTE),
            ("review-due", None, "", now + 72 * HOUR),
            ("unacknowledged", None, "", now + 2 * MINUTE),
            ("undecided", None, "", now + 5 * MINUTE),
            ("webhook:emergency-opened", None, "", now),
        ]
        # By one transaction.
        writers = await c.rows(
            "select xmin::text from carecircle.emergency_access union select xmin::text from carecircle.emergency_approvers"
            " union select xmin::text from carecircle.outbox"
        )
        assert len(writers) == 1

    in_hospital(body)


def test_whoever_listens_is_woken_at_the_commit(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        heard: list[str] = []
        connection = await asyncpg.connect(hospital.circle.reach.dsn("app"))
        try:
            await connection.add_listener(CHANNEL, lambda *told: heard.append(told[3]))
            async with hospital.change() as db:
                await request(
                    db, provider=c.doctor, patient=c.patient, reason_code="life-threat",
                    organization=hospital.organization, actor="operator:test",
                )  # fmt: skip
                await connection.execute("select 1")
                assert heard == []
            for _ in range(100):
                if heard:
                    break
                await asyncio.sleep(0.01)
            assert heard == [str(hospital.organization)]
            await connection.remove_listener(CHANNEL, heard.append)
        finally:
            await connection.close()

    in_hospital(body)


class _Broken(Exception):
    pass


def test_what_fails_leaves_nothing(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        nothing = dict.fromkeys(await c.counts(), 0)

        async def asked_and_then(error: BaseException | None) -> None:
            async with hospital.change() as db:
                await request(
                    db, provider=c.doctor, patient=c.patient, reason_code="life-threat", words="Now.",
                    organization=hospital.organization, actor="operator:test",
                )  # fmt: skip
                if error is not None:
                    raise error

        with pytest.raises(_Broken):
            await asked_and_then(_Broken())
        assert await c.counts() == nothing
        assert not await c.may()
        # A refusal that the caller catches before committing leaves nothing either.
        async with hospital.change() as db:
            with pytest.raises(MayNotBreakGlass):
                await request(
                    db, provider=c.first, patient=c.patient, reason_code="life-threat",
                    organization=hospital.organization, actor="operator:test",
                )  # fmt: skip
        assert await c.counts() == nothing
        await asked_and_then(None)
        counts = await c.counts()
        assert counts == nothing | {"emergency_access": 1, "emergency_approvers": 3, "outbox": 6, "audit": 1}
        assert await c.may()

    in_hospital(body)


def test_of_two_who_ask_at_once_for_one_pair_one_opens(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        racing = await asyncio.gather(*(c.request() for _ in range(4)), return_exceptions=True)
        opened = [one for one in racing if isinstance(one, EmergencyAccess)]
        refused = [one for one in racing if isinstance(one, EmergencyAccessOpen)]
        assert (len(opened), len(refused)) == (1, 3)
        assert {one.facts["emergency_id"] for one in refused} == {opened[0].lineage_id}
        assert (await c.counts())["emergency_access"] == 1
        # Another pair is in nobody's way.
        other = await hospital.patient()
        await asyncio.gather(c.request(patient=other), c.request(provider=await c.breaker()))
        assert await c.may(patient=other)

    in_hospital(body)


def test_a_person_asks_for_themselves_only(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        for actor in (f"provider:{to_text(c.first)}", "provider:somebody", f"provider:{c.patient}"):
            with pytest.raises(NotThemselves):
                await c.request(by=actor)
        row = await c.request(by=f"provider:{to_text(c.doctor)}")
        (entry,) = await c.audit("emergency-opened")
        assert (entry["actor"], entry["id"]) == (f"provider:{to_text(c.doctor)}", row.entry_id)
        await c.request(by="service:ward-console", provider=await c.breaker())

    in_hospital(body)


def test_words_are_kept_sealed_and_nowhere_else(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        row = await c.request(words="  Wrote Zebrafish on the board. ")
        assert row.reason is not None
        ring, tenant = keyring(), hospital.organization
        opened = ring.unseal(row.reason, tenant, "emergency_access", "reason", row.lineage_id)
        assert opened == b"Wrote Zebrafish on the board."
        for table in ("emergency_access", "emergency_approvers", "outbox"):
            for one in await c.rows(f"select t::text from carecircle.{table} t"):
                assert "ebrafish" not in one[0]
        assert all("ebrafish" not in str(dict(one)) for one in await c.audit("emergency-opened"))
        assert (await c.request(patient=await hospital.patient())).reason is None

    in_hospital(body)


def test_another_organization_knows_nothing_of_it(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        async with open_hospital(hospital.circle) as elsewhere:
            # The same ids, on duty here; not there.
            await elsewhere.provider(provider_id=c.doctor)
            await elsewhere.patient(patient_id=c.patient)
            there = Clinic(**vars(c) | {"hospital": elsewhere})
            with pytest.raises(MayNotBreakGlass):
                await there.request(unit=None)
            await c.request()
            assert await c.may()
            assert not await there.may()
            await there.duty(c.doctor, "break_glass")
            row = await there.request(unit=None)
            assert row.ends_at < FOREVER
            assert await there.may()
            assert "nobody-on-duty" in row.signals

    in_hospital(body)


def test_a_name_that_cannot_be_read_keeps_nobody_out(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        named = await hospital.patient(name="Leon Castro")
        connection = await asyncpg.connect(dsn(hospital.circle.reach.admin))
        try:
            await connection.execute(
                "update carecircle.patients set demographics = substr(demographics, 2) where organization_id = $1 and id = $2",
                hospital.organization, named,
            )  # fmt: skip
        finally:
            await connection.close()
        await c.request(patient=named)
        assert await c.may(patient=named)

    in_hospital(body)
