"""Records that replace each other: the import merges what the source merged, by hand too, and takes it apart again."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from carecircle.assignments.service import add_assignment, assign_primary
from carecircle.restrictions.service import object_to
from carecircle.staffing.merge_service import merge_patients
from tests.interop.conftest import OnWard
from tests.interop.ward import Resource, Ward, encounter, participant, patient, practitioner, to

OPEN = {"start": "2020-01-01T08:00:00+00:00"}


def replaced_by(name: str, other: str, **more: Any) -> Resource:
    return patient(name, link=[{"other": to(f"Patient/{other}"), "type": "replaced-by"}], **more)


def visit(name: str, whose: str, doctor: str = "d") -> Resource:
    seat = participant("ATND", to(f"Practitioner/{doctor}"))
    return encounter(name, seat, status="in-progress", period=OPEN, subject=to(f"Patient/{whose}"))


async def merges(ward: Ward) -> list[tuple[UUID, UUID, str]]:
    """(given up, survivor, source) of every merge believed now."""
    rows = await ward.rows(
        "select patient_id, into_patient_id, source from carecircle.patient_merges where superseded_at = 'infinity'"
        " order by recorded_at, id"
    )
    return [tuple(row) for row in rows]


async def whose(ward: Ward) -> dict[str, list[UUID]]:
    """Whom the believed assignments are about, by type."""
    rows = await ward.rows(
        "select assignment_type, patient_id from carecircle.patient_assignments where superseded_at = 'infinity'"
        " order by source_record, starts_at"
    )
    found: dict[str, list[UUID]] = {}
    for row in rows:
        found.setdefault(row.assignment_type, []).append(row.patient_id)
    return found


async def by_hand(ward: Ward, change: Any, **said: Any) -> Any:
    async with ward.hospital.change() as db:
        return await change(db, **said, organization=ward.hospital.organization, actor="test")


def test_what_was_recorded_by_hand_follows_as_well(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        await ward.take(practitioner("d"), practitioner("c"), patient("old"), patient("p"), visit("e", "old"))
        old, survivor = await ward.patient("Patient/old"), await ward.patient("Patient/p")
        doctor, other = await ward.provider("Practitioner/d"), await ward.provider("Practitioner/c")
        await by_hand(ward, add_assignment, patient=old, provider=other)
        await by_hand(ward, object_to, patient=old, provider=doctor)
        assert (await ward.may_read(other, old)).allowed
        report = await ward.take(replaced_by("old", "p"))
        assert report.facts_superseded == 3
        assert await merges(ward) == [(old, survivor, "fhir")]
        assert await whose(ward) == {"attending": [survivor], "consulting": [survivor]}
        assert (await ward.may_read(other, survivor)).allowed
        assert (await ward.may_read(doctor, survivor)).code == "restricted"
        entry = [row for row in await ward.audit() if row["code"] == "patients-merged"]
        assert [(row["kind"], row["patient_id"]) for row in entry] == [("import", old)]
        assert (await ward.take(replaced_by("old", "p"), visit("e", "old"))).changed_nothing

    on_ward(body)


def test_a_primary_who_has_to_become_consulting_is_a_finding_as_long_as_that_lasts(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        gp = {"generalPractitioner": [to("Practitioner/d")]}
        await ward.take(practitioner("d"), practitioner("c"), patient("p", **gp), patient("old"))
        old, survivor = await ward.patient("Patient/old"), await ward.patient("Patient/p")
        other = await ward.provider("Practitioner/c")
        await by_hand(ward, assign_primary, patient=old, provider=other)
        linked = replaced_by("old", "p")
        await ward.take(linked)
        assert await whose(ward) == {"primary": [survivor], "consulting": [survivor]}
        assert await ward.findings() == [("Patient/old", "primary-already-assigned")]
        assert (await ward.take(linked)).changed_nothing
        await by_hand(ward, assign_primary, patient=old, provider=other)
        await ward.take(linked)
        assert await ward.findings() == []

    on_ward(body)


def test_a_record_of_its_own_that_was_primary_is_told_once(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        gp, other = ({"generalPractitioner": [to(f"Practitioner/{name}")]} for name in "dc")
        await ward.take(practitioner("d"), practitioner("c"), patient("p", **gp), patient("old", **other))
        linked = replaced_by("old", "p", **other)
        await ward.take(linked)
        survivor = await ward.patient("Patient/p")
        assert await whose(ward) == {"primary": [survivor], "consulting": [survivor]}
        assert await ward.findings() == [("Patient/old", "primary-already-assigned")]
        assert (await ward.take(linked, patient("p", **gp))).changed_nothing

    on_ward(body)


def test_a_link_that_is_said_no_more_is_taken_back(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        gp = {"generalPractitioner": [to("Practitioner/d")]}
        linked, apart = replaced_by("old", "p", **gp), patient("old", **gp)
        await ward.take(practitioner("d"), patient("p"), linked, visit("e", "old"))
        old, survivor = await ward.patient("Patient/old"), await ward.patient("Patient/p")
        doctor = await ward.provider("Practitioner/d")
        assert (await ward.may_read(doctor, survivor)).allowed
        # Both say it: one of them is enough.
        both = patient("p", link=[{"other": to("Patient/old"), "type": "replaces"}])
        await ward.take(apart, both)
        assert await merges(ward) == [(old, survivor, "fhir")]
        report = await ward.take(apart | {"language": "en"}, patient("p"), visit("e", "old"))
        assert (report.taken, report.unchanged) == (3, 0)
        assert await merges(ward) == []
        assert await ward.findings() == []
        # The visit was recorded while the two were one: its record says whose it is.
        assert {kind: set(about) for kind, about in (await whose(ward)).items()} == {
            "primary": {old},
            "attending": {old},
        }
        assert not (await ward.may_read(doctor, survivor)).allowed
        assert (await ward.may_read(doctor, old)).allowed

    on_ward(body)


def test_a_link_to_somebody_else_replaces_the_one_before(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        await ward.take(practitioner("d"), patient("p"), patient("q"), patient("old"), visit("e", "old"))
        await ward.take(replaced_by("old", "p"))
        old, p, q = [await ward.patient(f"Patient/{name}") for name in ("old", "p", "q")]
        assert await whose(ward) == {"attending": [p]}
        await ward.take(replaced_by("old", "q"))
        assert await merges(ward) == [(old, q, "fhir")]
        assert await whose(ward) == {"attending": [q]}
        assert await ward.findings() == []
        assert (await ward.take(replaced_by("old", "q"))).changed_nothing

    on_ward(body)


def test_a_merge_by_hand_is_not_taken_back_by_an_import(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        await ward.take(practitioner("d"), patient("p"), patient("q"), patient("old"))
        old, p = await ward.patient("Patient/old"), await ward.patient("Patient/p")
        await by_hand(ward, merge_patients, patient=old, into=p)
        await ward.take(replaced_by("old", "q"), visit("e", "old"))
        assert await ward.findings() == [("Patient/old", "patient-link-changed")]
        assert await merges(ward) == [(old, p, "")]
        # What is said of the one given up is said of the survivor.
        assert await whose(ward) == {"attending": [p]}
        await ward.take(patient("old"))
        assert await merges(ward) == [(old, p, "")]

    on_ward(body)


def test_a_record_met_after_its_patients_were_taken_apart_is_taken_again(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        await ward.take(practitioner("d"), patient("p"), replaced_by("old", "p"), visit("e", "old"), visit("f", "p"))
        old, survivor = await ward.patient("Patient/old"), await ward.patient("Patient/p")
        assert await whose(ward) == {"attending": [survivor, survivor]}
        await ward.take(patient("old"))
        assert await whose(ward) == {"attending": [survivor, survivor]}
        await ward.take(visit("e", "old"), visit("f", "p"))
        assert await whose(ward) == {"attending": [old, survivor]}
        assert (await ward.take(visit("e", "old"), visit("f", "p"))).changed_nothing

    on_ward(body)
