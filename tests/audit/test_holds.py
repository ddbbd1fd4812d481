"""Legal holds: placed, read, lifted, each with its entry; the reason is sealed, and a hold is a fact like any other."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from carecircle.audit.holds_service import Hold, holds, lift_hold, place_hold
from carecircle.database.constraints import DRIVER_ERRORS
from carecircle.database.session import instant, transaction
from carecircle.directory import keys_service
from carecircle.errors import Conflict, InvalidPeriod, InvalidRequest, PatientNotRegistered, RowRefused
from carecircle.errors.proof import LegalHoldNotFound
from carecircle.identifiers import new_id, to_text
from carecircle.period import FOREVER
from tests.conftest import Hospital

Run = Callable[[Callable[[Hospital], Any]], Any]


async def place(hospital: Hospital, **said: Any) -> Hold:
    async with hospital.change() as db:
        return await place_hold(
            db, **{"reason": "Claim 7", **said}, organization=hospital.organization, actor="privacy office"
        )


async def lift(hospital: Hospital, hold: Hold) -> Hold:
    async with hospital.change() as db:
        return await lift_hold(db, hold_id=hold.id, organization=hospital.organization, actor="privacy office")


async def known(hospital: Hospital, **said: Any) -> list[Hold]:
    async with hospital.change() as db:
        return await holds(db, organization=hospital.organization, words=True, **said)


async def entries(hospital: Hospital, *codes: str) -> list[tuple[Any, ...]]:
    async with transaction(hospital.circle.auditor, hospital.organization) as db:
        rows = await db.execute(
            text(
                "select id, code, kind, actor, patient_id, detail from carecircle.audit_events"
                " where organization_id = :tenant and code = any (:codes) order by recorded_at"
            ),
            {"tenant": hospital.organization, "codes": list(codes)},
        )
        return [tuple(row) for row in rows]


def test_a_hold_is_placed_read_and_lifted(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        patient = await hospital.patient("N-1")
        whole = await place(hospital)
        one = await place(hospital, patient_id=patient, reason="  A subpoena of 2026 ")
        assert [(hold.id, hold.patient_id, hold.reason) for hold in await known(hospital)] == [
            (whole.id, None, "Claim 7"),
            (one.id, patient, "A subpoena of 2026"),
        ]
        assert whole.period.ends_at == FOREVER
        lifted = await lift(hospital, whole)
        assert lifted.id == whole.id
        assert [hold.id for hold in await known(hospital)] == [one.id]
        assert [hold.id for hold in await known(hospital, as_of=whole.period.starts_at)] == [whole.id]
        placed, _, gone = await entries(hospital, "hold-placed", "hold-lifted")
        assert placed[:5] == (whole.entry_id, "hold-placed", "change", "privacy office", None)
        assert gone[1] == "hold-lifted"
        assert to_text(whole.id) in gone[5]
        assert "Claim" not in str(await entries(hospital, "hold-placed", "hold-lifted"))
        with pytest.raises(LegalHoldNotFound):
            await lift(hospital, whole)

    in_hospital(body)


def test_a_hold_that_has_not_begun_is_lifted_altogether(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with hospital.change() as db:
            now = await instant(db)
        hold = await place(hospital, starts_at=now + timedelta(days=1), ends_at=now + timedelta(days=2))
        assert [one.id for one in await known(hospital)] == [hold.id]
        assert await known(hospital, as_of=now) == []
        await lift(hospital, hold)
        assert await known(hospital) == await known(hospital, as_of=now + timedelta(days=1, hours=1)) == []

    in_hospital(body)


def test_what_is_no_hold_is_refused(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with hospital.change() as db:
            now = await instant(db)
        for said, error in (
            ({"reason": " "}, InvalidRequest),
            ({"reason": "x" * 2001}, InvalidRequest),
            ({"patient_id": new_id()}, PatientNotRegistered),
            ({"starts_at": now, "ends_at": now}, InvalidPeriod),
            ({"starts_at": now - timedelta(days=2), "ends_at": now - timedelta(days=1)}, InvalidPeriod),
        ):
            with pytest.raises(error):
                await place(hospital, **said)
        assert await known(hospital) == []
        assert await entries(hospital, "hold-placed") == []
        await place(hospital, reason="x" * 2000)

    in_hospital(body)


def test_the_reason_is_sealed_and_no_hold_is_edited(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        await place(hospital, reason="The words of a claim")
        async with hospital.change() as db:
            [reason] = await db.scalars(text("select reason from carecircle.legal_holds"))
            assert b"claim" not in bytes(reason)
        for change in ("ends_at = now()", "reason = null", "patient_id = null"):
            with pytest.raises((RowRefused, *DRIVER_ERRORS)):
                async with hospital.change() as db:
                    await db.execute(text(f"update carecircle.legal_holds set {change}"))
        # The positive control: what may be updated, once.
        async with hospital.change() as db:
            done = await db.execute(
                text(
                    "update carecircle.legal_holds set superseded_at = statement_timestamp(),"
                    " superseded_xid = pg_current_xact_id(), superseded_entry_id = gen_random_uuid()"
                )
            )
            assert done.rowcount == 1  # type: ignore[attr-defined]

    in_hospital(body)


def test_another_organization_sees_and_lifts_nothing(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> Hold:
        return await place(hospital)

    async def other(hospital: Hospital) -> None:
        assert await known(hospital) == []
        with pytest.raises(LegalHoldNotFound):
            await lift(hospital, hold)

    hold = in_hospital(body)
    in_hospital(other)


def test_keys_are_not_destroyed_under_a_hold_and_holds_outlive_their_words(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        ahead = await place(hospital, starts_at=await now(hospital) + timedelta(days=9))
        held = await place(hospital)
        said: dict[str, Any] = {"organization": hospital.organization, "actor": "operator:test"}
        with pytest.raises(Conflict, match="legal hold"):
            async with hospital.change() as db:
                await keys_service.shred(db, **said)
        assert [hold.reason for hold in await known(hospital)] == ["Claim 7", "Claim 7"]
        await lift(hospital, held)
        async with hospital.change() as db:
            assert await keys_service.shred(db, **said) > 0
        assert [(hold.id, hold.reason) for hold in await known(hospital)] == [(ahead.id, None)]

    in_hospital(body)


async def now(hospital: Hospital) -> datetime:
    async with hospital.change() as db:
        return await instant(db)
