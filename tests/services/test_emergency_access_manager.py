"""EmergencyAccessManager in the document's words, the block with broken glass, and the hook where no answer can be had."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from carecircle import BreakGlassReason, EmergencyAccessManager, Settings, acting_as, assemble, to_text
from carecircle.database.reach import Reach
from carecircle.emergency import ending_service, reading_service
from carecircle.errors import AccessUnavailable, InvalidRequest, StaleVersion
from carecircle.errors.emergency import (
    EmergencyAccessOpen,
    MayNotBreakGlass,
    NotThemselves,
    ReasonRequired,
    SelfApproval,
)
from tests.conftest import Hospital
from tests.emergency.clinic import Clinic


def manager(c: Clinic, actor: str = "service:host") -> EmergencyAccessManager:
    return EmergencyAccessManager(c.hospital.circle, organization=c.hospital.organization, actor=actor)


def test_the_documents_calls_work_unchanged(in_hospital: Any) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        emergencies = manager(c)
        assert not await c.may()
        access_id = await emergencies.request_emergency_access(
            to_text(c.doctor), to_text(c.patient), "found unresponsive in bay 4"
        )
        assert await c.may()
        assert not await c.may(action="write")
        emergency_id = (await emergencies.get_emergency_access(access_id)).id
        async with hospital.change() as db:
            kept = await reading_service.show(
                db, emergency_id=emergency_id, words=True, organization=hospital.organization
            )
        assert (kept.reason_code, kept.words) == ("other", "found unresponsive in bay 4")
        assert kept.wanted_until - kept.asked_at == timedelta(hours=24)
        assert await emergencies.approve_emergency_access(access_id, to_text(c.everywhere)) is True
        assert (await emergencies.get_emergency_access(access_id)).state == "approved"
        await emergencies.deny_emergency_access(access_id, to_text(c.everywhere), "no longer needed")
        assert not await c.may()

    in_hospital(body)


def test_a_coded_reason_keeps_its_code(in_hospital: Any) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        access_id = await manager(c).request_emergency_access(
            c.doctor, c.patient, BreakGlassReason.TRANSFER, 2, note="from the north clinic"
        )
        found = await manager(c).get_emergency_access(access_id)
        assert found.reason_code == "transfer"
        assert found.wanted_until - found.asked_at == timedelta(hours=2)

    in_hospital(body)


def test_a_code_of_the_policys_own_is_kept(in_hospital: Any) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        await c.policy(
            emergency_mode="gated",
            emergency_life_threat_opens=True,
            emergency_reasons=["stroke"],
            emergency_open_at_once=9,
        )
        access = hospital.circle.access
        with acting_as(organization=hospital.organization, actor="service:host"):
            for reason, state in (("stroke", "requested"), ("life-threat", "provisional")):
                patient = await hospital.patient()
                async with access.break_glass(c.doctor, patient, reason=reason, note="in words") as glass:
                    found = await manager(c).get_emergency_access(glass.id)
                    assert (found.reason_code, glass.state) == (reason, state)
        with pytest.raises(ReasonRequired):
            await manager(c).request_emergency_access(c.doctor, c.patient, "words", reason_code="no-such-code")

    in_hospital(body)


def test_a_block_ends_what_was_changed_in_that_moment(in_hospital: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else's change in the same instant makes the first attempt stale; the next one ends it."""

    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        end, refusals = ending_service.end, [StaleVersion(), StaleVersion()]

        async def stale_at_first(*args: Any, **said: Any) -> Any:
            if refusals:
                raise refusals.pop()
            return await end(*args, **said)

        monkeypatch.setattr(ending_service, "end", stale_at_first)
        with acting_as(organization=hospital.organization, actor="service:host"):
            async with hospital.circle.access.break_glass(c.doctor, c.patient, reason="consult"):
                assert await c.may()
        assert not refusals
        assert not await c.may()

    in_hospital(body)


def test_refusals_are_typed_and_recorded(in_hospital: Any) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        with pytest.raises(MayNotBreakGlass):
            await manager(c).request_emergency_access(c.first, c.patient, "urgent")
        access_id = await manager(c).request_emergency_access(c.doctor, c.patient, "urgent")
        with pytest.raises(SelfApproval):
            await manager(c).approve_emergency_access(access_id, c.doctor)
        with pytest.raises(NotThemselves):
            await manager(c, f"provider:{to_text(c.doctor)}").approve_emergency_access(access_id, c.everywhere)
        async with hospital.circle.auditor.connect() as connection:
            from sqlalchemy import text

            async with connection.begin():
                await connection.execute(
                    text("select set_config('carecircle.organization_id', :o, true)"), {"o": str(hospital.organization)}
                )
                codes = await connection.execute(
                    text(
                        "select code, patient_id, detail::json ->> 'emergency' as emergency from carecircle.audit_events"
                        " where kind = 'refusal' order by recorded_at"
                    )
                )
                assert [tuple(row) for row in codes] == [
                    ("may-not-break-glass", c.patient, None),
                    ("self-approval", c.patient, access_id),
                    ("not-themselves", c.patient, access_id),
                ]
        assert await manager(c).approve_emergency_access(access_id, c.everywhere), "who may, can"

    in_hospital(body)


async def fail(c: Clinic) -> None:
    """A block in which something goes wrong."""
    access = c.hospital.circle.access
    async with access.break_glass(c.doctor, c.patient, reason=BreakGlassReason.UNRESPONSIVE):
        assert (await access.check(c.doctor, "read", c.patient)).allowed
        raise ZeroDivisionError


def test_a_block_opens_and_ends(in_hospital: Any) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        access = hospital.circle.access
        with acting_as(organization=hospital.organization, actor=f"provider:{to_text(c.doctor)}"):
            async with access.break_glass(
                c.doctor, c.patient, reason=BreakGlassReason.UNRESPONSIVE, note="bay 4", want=timedelta(hours=4)
            ) as glass:
                assert (await access.check(c.doctor, "read", c.patient)).allowed
                assert glass.state == "provisional"
                assert glass.reference.startswith("BG-")
                with pytest.raises(EmergencyAccessOpen):
                    async with access.break_glass(c.doctor, c.patient, reason=BreakGlassReason.UNRESPONSIVE):
                        pass
            assert not (await access.check(c.doctor, "read", c.patient)).allowed
            with pytest.raises(ZeroDivisionError):
                await fail(c)
            assert not (await access.check(c.doctor, "read", c.patient)).allowed
            async with access.break_glass(c.doctor, c.patient, reason=BreakGlassReason.UNRESPONSIVE) as glass:
                glass.keep_until_expiry()
            assert (await access.check(c.doctor, "read", c.patient)).allowed

    in_hospital(body)


def test_a_block_hears_what_is_decided(in_hospital: Any) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        with acting_as(organization=hospital.organization, actor="service:host"):
            async with hospital.circle.access.break_glass(
                c.doctor, c.patient, reason=BreakGlassReason.CONSULT, want=timedelta(hours=4)
            ) as glass:
                seen: list[str] = []

                async def decide() -> None:
                    await manager(c).approve_emergency_access(glass.id, c.everywhere, hours=1)
                    await asyncio.sleep(0.3)
                    await manager(c).deny_emergency_access(glass.id, c.everywhere, "enough")

                async for event in glass.events():
                    seen.append(event.state)
                    if len(seen) == 1:
                        deciding = asyncio.create_task(decide())
                await deciding
        assert seen == ["provisional", "approved", "denied"]

    in_hospital(body)


def test_only_an_assembled_access_breaks_glass(in_hospital: Any) -> None:
    from carecircle.bootstrap import open_access

    async def body(hospital: Hospital) -> None:
        circle = hospital.circle
        access = open_access(circle.settings, circle.reach, circle.keyring)
        with pytest.raises(InvalidRequest):
            access.break_glass("a", "b", reason="consult")
        await access.close()

    in_hospital(body)


def test_a_denial_says_that_the_glass_may_be_broken(in_hospital: Any) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        assert "break-glass" in [one.kind for one in (await c.ask()).remedies]
        assert "break-glass" not in [one.kind for one in (await c.ask(c.first)).remedies], "not without the duty"
        from carecircle.restrictions.service import suspend

        await c.do(suspend, provider=c.doctor)
        assert "break-glass" not in [one.kind for one in (await c.ask()).remedies], "nor while suspended"

    in_hospital(body)


def test_the_hook_hears_of_every_question_without_an_answer(migrated: Reach, settings: Settings) -> None:
    heard: list[str] = []

    def ring(error: AccessUnavailable) -> None:
        heard.append(error.code)
        raise RuntimeError("the bell is broken")

    async def body() -> None:
        async with assemble(settings, migrated, on_unavailable=ring) as circle:
            await circle.access.close()  # it answers nobody any more
            with pytest.raises(AccessUnavailable):
                await circle.access.check(
                    "00000000-0000-0000-0000-000000000001", "read", "00000000-0000-0000-0000-000000000002",
                    organization="00000000-0000-0000-0000-000000000003", actor="test",
                )  # fmt: skip

    asyncio.run(body())
    assert heard == ["access-unavailable"]


def test_an_emergency_that_is_over_is_nothing_to_renew(in_hospital: Any) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        access_id = await manager(c).request_emergency_access(c.doctor, c.patient, "urgent")
        await manager(c).end_emergency_access(access_id, c.doctor)
        denied = await c.ask()
        assert (denied.code, denied.nearest) == ("no-relationship", None)
        assert [one.kind for one in denied.remedies] == ["assign", "break-glass"]

    in_hospital(body)
