"""Reviews: who may, when, what is kept of them, and who is kept from reviewing themselves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from carecircle.audit.refusal import refusals_recorded
from carecircle.directory.relation_service import relate
from carecircle.emergency.concern_service import concern_of, naming
from carecircle.emergency.reading_service import deliveries_of, notes_of, show, to_review
from carecircle.emergency.review_service import review
from carecircle.emergency.rules import VERDICTS
from carecircle.errors import InvalidRequest
from carecircle.errors.emergency import (
    AlreadyReviewed,
    EmergencyAccessNotFound,
    NotAReviewer,
    NotThemselves,
    NotYetEnded,
    OwnReview,
)
from carecircle.identifiers import new_id, to_text
from carecircle.staffing.merge_service import merge_patients
from tests.api.clinic import entries
from tests.conftest import Hospital
from tests.emergency.kept import Kept

InHospital = Callable[[Callable[[Hospital], Any]], Any]


async def ended(kept: Kept, asker: UUID, supervisor: UUID, **said: Any) -> UUID:
    by = {"decided_by_id": supervisor, "decided_at": kept.at(-27)}
    return await kept.access(
        asker, await kept.hospital.patient(),
        ("provisional", -30, {}), ("approved", -27, by), ("ended", -5, {"ended_because": "clinician"}), **said,
    )  # fmt: skip


def test_the_privacy_office_reviews_what_is_over(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        kept = await Kept.open(hospital)
        asker, supervisor, reviewer = [await hospital.provider() for _ in range(3)]
        await kept.duty(reviewer, "privacy_office")
        emergency = await ended(kept, asker, supervisor)
        async with hospital.change() as db:
            assert len(await to_review(db, **kept.of)) == 1
        async with hospital.change() as db:
            await review(
                db, emergency_id=emergency, reviewer=reviewer, verdict="concern", words="No note in the chart.",
                organization=hospital.organization, actor=f"provider:{to_text(reviewer)}",
            )  # fmt: skip
        async with hospital.change() as db:
            found = await show(db, emergency_id=emergency, **kept.of)
            assert (found.state, found.verdict, found.reviewed_by_id) == ("reviewed", "concern", reviewer)
            assert (found.ended_because, found.scope) == ("clinician", ())
            assert (await show(db, emergency_id=emergency, as_of=kept.at(-1), **kept.of)).state == "ended"
            (note,) = await notes_of(db, emergency_id=emergency, **kept.of)
            assert (note.kind, note.provider_id, note.words) == ("reviewed", reviewer, "No note in the chart.")
            assert await to_review(db, **kept.of) == []
            assert [one.kind for one in await deliveries_of(db, emergency_id=emergency, **kept.of)] == [
                "webhook:emergency-reviewed"
            ]
        async with hospital.circle.auditor.begin() as connection:
            await connection.execute(
                text("select set_config('carecircle.organization_id', :own, true)"), {"own": str(hospital.organization)}
            )
            query = text("select detail from carecircle.audit_events where code = 'emergency-reviewed'")
            (detail,) = (await connection.execute(query)).scalars().all()
        assert '"verdict":"concern"' in detail
        assert "chart" not in detail

    in_hospital(body)


def test_what_expired_is_reviewed_and_says_so(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        kept = await Kept.open(hospital)
        asker, reviewer = await hospital.provider(), await hospital.provider()
        await kept.duty(reviewer, "privacy_office")
        emergency = await kept.access(asker, await hospital.patient(), ("provisional", -30, {"ends": -15}))
        async with hospital.change() as db:
            await review(db, emergency_id=emergency, reviewer=reviewer, verdict="justified", **kept.by)
        async with hospital.change() as db:
            found = await show(db, emergency_id=emergency, **kept.of)
            assert (found.state, found.ended_because) == ("reviewed", "expired")
            assert (await show(db, emergency_id=emergency, as_of=kept.at(-1), **kept.of)).state == "expired"
            (note,) = await notes_of(db, emergency_id=emergency, **kept.of)
            assert note.words is None

    in_hospital(body)


def test_it_is_over_before_it_is_reviewed_and_reviewed_once(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        kept = await Kept.open(hospital)
        asker, supervisor, reviewer = [await hospital.provider() for _ in range(3)]
        await kept.duty(reviewer, "privacy_office")
        still_open = await kept.access(asker, await hospital.patient(), ("provisional", -3, {"ends": 12}))
        said: dict[str, Any] = {"reviewer": reviewer, "verdict": "justified", **kept.by}
        async with hospital.change() as db:
            with pytest.raises(NotYetEnded):
                await review(db, emergency_id=still_open, **said)
            with pytest.raises(EmergencyAccessNotFound):
                await review(db, emergency_id=new_id(), **said)
            over = await ended(kept, asker, supervisor)
            await review(db, emergency_id=over, **said)
            with pytest.raises(AlreadyReviewed):
                await review(db, emergency_id=over, **said)

    in_hospital(body)


@pytest.mark.parametrize("part", ["asked", "decided", "decided earlier", "seconded", "noted"])
def test_nobody_reviews_what_they_had_a_part_in(in_hospital: InHospital, part: str) -> None:
    async def body(hospital: Hospital) -> None:
        kept = await Kept.open(hospital)
        asker, first, second, last, noted, reviewer = [await hospital.provider() for _ in range(6)]
        for one in (asker, first, second, last, noted, reviewer):
            await kept.duty(one, "privacy_office")
        emergency = await kept.access(
            asker, await hospital.patient(),
            ("provisional", -30, {"seconded_by_id": second}),
            ("approved", -27, {"decided_by_id": first, "decided_at": kept.at(-27)}),
            ("approved", -20, {"decided_by_id": last, "decided_at": kept.at(-20)}),
            ("ended", -5, {"ended_because": "clinician"}),
            two_persons=True,
        )  # fmt: skip
        await kept.note(emergency, "decided", noted)
        parts = {"asked": asker, "decided": last, "decided earlier": first, "seconded": second, "noted": noted}
        who = parts[part]
        async with hospital.change() as db:
            with pytest.raises(OwnReview):
                await review(db, emergency_id=emergency, reviewer=who, verdict="justified", **kept.by)
        async with hospital.change() as db:
            await review(db, emergency_id=emergency, reviewer=reviewer, verdict="justified", **kept.by)

    in_hospital(body)


@pytest.mark.parametrize("why", ["no duty", "another duty", "over", "revoked", "suspended"])
def test_only_the_privacy_office_reviews(in_hospital: InHospital, why: str) -> None:
    async def body(hospital: Hospital) -> None:
        kept = await Kept.open(hospital)
        asker, supervisor, reviewer, other = [await hospital.provider() for _ in range(4)]
        await kept.duty(other, "privacy_office")
        match why:
            case "another duty":
                await kept.duty(reviewer, "duty_manager")
            case "over":
                await kept.duty(reviewer, "privacy_office", -600, -1)
            case "revoked":
                await kept.revoke(await kept.duty(reviewer, "privacy_office"))
            case "suspended":
                await kept.duty(reviewer, "privacy_office")
                await kept.suspend(reviewer)
        emergency = await ended(kept, asker, supervisor)
        async with hospital.change() as db:
            with pytest.raises(NotAReviewer):
                await review(db, emergency_id=emergency, reviewer=reviewer, verdict="justified", **kept.by)
            await review(db, emergency_id=emergency, reviewer=other, verdict="justified", **kept.by)

    in_hospital(body)


def test_nobody_reviews_in_anothers_name(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        kept = await Kept.open(hospital)
        asker, supervisor, reviewer = [await hospital.provider() for _ in range(3)]
        await kept.duty(reviewer, "privacy_office")
        emergency = await ended(kept, asker, supervisor)
        async with hospital.change() as db:
            with pytest.raises(NotThemselves):
                await review(
                    db, emergency_id=emergency, reviewer=reviewer, verdict="justified",
                    organization=hospital.organization, actor=f"provider:{to_text(asker)}",
                )  # fmt: skip

    in_hospital(body)


def test_a_verdict_is_one_of_three(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        kept = await Kept.open(hospital)
        asker, supervisor, reviewer = [await hospital.provider() for _ in range(3)]
        await kept.duty(reviewer, "privacy_office")
        for verdict in VERDICTS:
            emergency = await ended(kept, asker, supervisor)
            async with hospital.change() as db:
                with pytest.raises(InvalidRequest, match="justified, concern, escalated"):
                    await review(db, emergency_id=emergency, reviewer=reviewer, verdict="fine", **kept.by)
                with pytest.raises(InvalidRequest, match="4000"):
                    await review(
                        db, emergency_id=emergency, reviewer=reviewer, verdict=verdict, words="x" * 4001, **kept.by
                    )
                await review(db, emergency_id=emergency, reviewer=reviewer, verdict=verdict, **kept.by)

    in_hospital(body)


def test_who_is_related_to_the_patient_neither_reviews_it_nor_reads_of_it(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        kept = await Kept.open(hospital)
        asker, relative, other = [await hospital.provider() for _ in range(3)]
        patient, another = await hospital.patient(), await hospital.patient()
        for one in (relative, other):
            await kept.duty(one, "privacy_office")
        emergency = await kept.access(asker, patient, ("provisional", -30, {"ends": -15}))
        async with hospital.change() as db:
            for one, whose in ((relative, patient), (other, another)):
                await relate(db, provider=one, patient=whose, relation="family", **kept.by)
        async with hospital.change() as db:
            concerns = [
                await concern_of(db, emergency_id=emergency, provider=one, **kept.of) for one in (relative, other)
            ]
            assert concerns == [None, "privacy-office"]
            with pytest.raises(OwnReview, match="related"):
                await review(db, emergency_id=emergency, reviewer=relative, verdict="justified", **kept.by)
        async with hospital.change() as db:
            done = await review(db, emergency_id=emergency, reviewer=other, verdict="justified", **kept.by)
            assert done.state == "reviewed"

    in_hospital(body)


def test_who_is_put_on_record_as_related_meanwhile_does_not_review(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        kept = await Kept.open(hospital)
        relative, patient = await hospital.provider(), await hospital.patient()
        await kept.duty(relative, "privacy_office")
        emergency = await kept.access(await hospital.provider(), patient, ("provisional", -30, {"ends": -15}))

        async def reviewed() -> None:
            async with hospital.change() as db:
                await review(db, emergency_id=emergency, reviewer=relative, verdict="justified", **kept.by)

        async with hospital.change() as db:
            await relate(db, provider=relative, patient=patient, relation="family", **kept.by)
            waiting = asyncio.create_task(reviewed())
            await asyncio.sleep(0.5)
            assert not waiting.done()
        with pytest.raises(OwnReview):
            await waiting

    in_hospital(body)


def test_a_review_meanwhile_of_a_merge_stays_with_the_survivor(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        kept = await Kept.open(hospital)
        asker, reviewer = await hospital.provider(), await hospital.provider()
        gone, survivor = await hospital.patient(), await hospital.patient()
        await kept.duty(reviewer, "privacy_office")
        emergency = await kept.access(asker, gone, ("provisional", -30, {"ends": -15}))

        async def reviewed() -> UUID:
            async with hospital.change() as db:
                row = await review(db, emergency_id=emergency, reviewer=reviewer, verdict="justified", **kept.by)
                return row.patient_id

        async with hospital.change() as db:
            await merge_patients(db, patient=gone, into=survivor, **kept.by)
            waiting = asyncio.create_task(reviewed())
            await asyncio.sleep(0.5)
            assert not waiting.done()
        assert await waiting == survivor
        async with hospital.change() as db:
            rows = await db.execute(
                text(
                    "select state, patient_id from carecircle.emergency_access"
                    " where lineage_id = :id and superseded_at = 'infinity' order by starts_at"
                ),
                {"id": emergency},
            )
            assert rows.all() == [("provisional", survivor), ("reviewed", survivor)]

    in_hospital(body)


def test_the_entry_of_a_refusal_names_the_access_and_its_people(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        kept = await Kept.open(hospital)
        asker, reviewer, patient = await hospital.provider(), await hospital.provider(), await hospital.patient()
        emergency = await kept.access(asker, patient, ("provisional", -30, {"ends": -15}))
        said: dict[str, Any] = {"reviewer": reviewer, "verdict": "justified", **kept.by}
        for one, error in ((emergency, NotAReviewer), (new_id(), EmergencyAccessNotFound)):
            async with hospital.change() as db:
                with pytest.raises(error):
                    async with refusals_recorded(db, **kept.by), naming(db, emergency_id=one, **kept.of):
                        await review(db, emergency_id=one, **said)
        found, unknown = await entries(hospital, "refusal")
        assert (found["code"], found["provider_id"], found["patient_id"]) == ("not-a-reviewer", asker, patient)
        assert json.loads(found["detail"]) == {"emergency": to_text(emergency)}
        assert (unknown["code"], unknown["provider_id"], unknown["patient_id"]) == (
            "emergency-access-not-found", None, None,
        )  # fmt: skip
        assert not unknown["detail"] or "emergency" not in unknown["detail"]

    in_hospital(body)
