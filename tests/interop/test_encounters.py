"""Encounter participants become assignments: by type, for a period, found by every style of reference."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.interop.conftest import OnWard
from tests.interop.ward import JANUARY, NPI, Ward, encounter, participant, patient, practitioner, to

AT = "2020-01-01T08:00"
UNTIL = "2020-01-01T09:00"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("ATND", "attending"), ("PPRF", "attending"), ("ADM", "admitting"), ("CON", "consulting"),
        ("REF", None), ("PART", None), ("SPRF", None), ("EMRG", None),
    ],
)  # fmt: skip
def test_participation_types(on_ward: OnWard, code: str, kind: str | None) -> None:
    async def body(ward: Ward) -> None:
        report = await ward.take(
            practitioner("d"), patient("p"), encounter("e", participant(code, to("Practitioner/d")))
        )
        assert await ward.assignments() == ([("Encounter/e", kind, AT, UNTIL)] if kind else [])
        assert report.taken == 3
        assert await ward.findings() == []

    on_ward(body)


def test_a_participant_without_type_grants_nothing(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        await ward.take(practitioner("d"), patient("p"), encounter("e", {"individual": to("Practitioner/d")}))
        assert await ward.assignments() == []
        assert await ward.findings() == []

    on_ward(body)


REFERENCES: dict[str, dict[str, Any]] = {
    "relative": to("Practitioner/d"),
    "versioned": to("Practitioner/d/_history/3"),
    "absolute": to("https://fhir.example.org/r4/PractitionerRole/r"),
    "absolute versioned": to("https://FHIR.example.org/r4/PractitionerRole/r/_history/7"),
    "urn": to("urn:uuid:6f1c1f0e-8a55-4c57-9d0e-2f4ee4f1d001"),
    "urn in capitals": to("URN:UUID:6F1C1F0E-8A55-4C57-9D0E-2F4EE4F1D001"),
    "conditional": to(f"Practitioner?identifier={NPI}|1234"),
    "conditional encoded": to("Practitioner?identifier=http%3A%2F%2Fhl7.org%2Ffhir%2Fsid%2Fus-npi%7C1234"),
    "conditional without system": to("Practitioner?identifier=1234"),
    "identifier only": {"identifier": {"system": NPI, "value": "1234"}, "display": "Dr. D"},
    "contained": to("#inside"),
    "role": to("PractitionerRole/r"),
    "contained role": to("#role"),
}


@pytest.mark.parametrize("style", REFERENCES)
def test_every_style_of_reference_finds_the_practitioner(on_ward: OnWard, style: str) -> None:
    async def body(ward: Ward) -> None:
        inside = practitioner("inside", "1234")
        role = {"resourceType": "PractitionerRole", "id": "role", "practitioner": to("Practitioner/d")}
        await ward.take(
            {"fullUrl": "urn:uuid:6f1c1f0e-8a55-4c57-9d0e-2f4ee4f1d001", "resource": practitioner("d", "1234")},
            {
                "fullUrl": "https://fhir.example.org/r4/PractitionerRole/r",
                "resource": {"resourceType": "PractitionerRole", "id": "r", "practitioner": to("Practitioner/d")},
            },
            patient("p"),
            encounter("e", participant("ATND", REFERENCES[style]), contained=[inside, role]),
        )
        assert await ward.assignments() == [("Encounter/e", "attending", AT, UNTIL)]
        decision = await ward.may_read(
            await ward.provider("Practitioner/d"),
            await ward.patient("Patient/p"),
            datetime(2020, 1, 1, 8, 30, tzinfo=UTC),
        )
        assert decision.allowed

    on_ward(body)


@pytest.mark.parametrize(
    ("individual", "code"),
    [
        ({"display": "Dr. Somebody"}, "reference-unusable"),
        (to("#nowhere"), "reference-unusable"),
        (to("Practitioner?name=Smith"), "reference-unusable"),
        (to("Practitioner/d\0"), "reference-unusable"),
        (to("Practitioner/unknown"), "reference-dangling"),
        (to("https://other.example/fhir/Practitioner/d"), "reference-dangling"),
        (to("urn:uuid:6f1c1f0e-8a55-4c57-9d0e-2f4ee4f1d002"), "reference-dangling"),
    ],
)
def test_a_reference_to_nobody_is_a_finding(on_ward: OnWard, individual: dict[str, Any], code: str) -> None:
    async def body(ward: Ward) -> None:
        report = await ward.take(practitioner("d"), patient("p"), encounter("e", participant("ATND", individual)))
        assert await ward.findings() == [("Encounter/e", code)]
        assert report.findings_opened == 1
        assert await ward.assignments() == []

    on_ward(body)


def test_a_dangling_reference_is_tried_again_and_its_finding_closed(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        visit = encounter("e", participant("ATND", to("Practitioner/late")))
        await ward.take(patient("p"), visit)
        again = await ward.take(patient("p"), visit)
        assert again.changed_nothing
        assert again.unchanged == 2
        solved = await ward.take(practitioner("late"), visit)
        assert (solved.findings_closed, solved.facts_recorded, solved.taken) == (1, 1, 2)
        assert await ward.findings() == []
        assert await ward.assignments() == [("Encounter/e", "attending", AT, UNTIL)]
        assert (await ward.take(practitioner("late"), visit)).changed_nothing

    on_ward(body)


def test_an_unknown_patient_is_a_finding_that_names_only_the_encounter(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        visit = encounter("e", participant("ATND", to("Practitioner/d")), subject=to("Patient/mrn-4711"))
        await ward.take(practitioner("d"), visit)
        assert await ward.findings() == [("Encounter/e", "reference-dangling")]
        told = await ward.rows("select sentence, remedy, source_item from carecircle.findings")
        assert "4711" not in str(told)

    on_ward(body)


@pytest.mark.parametrize(
    ("status", "period", "kept", "code"),
    [
        ("finished", {"start": "2020-01-31", "end": "2020-01-31"}, ("2020-01-31T00:00", "2020-02-01T00:00"), None),
        ("finished", {"start": "2020-02", "end": "2020-02"}, ("2020-02-01T00:00", "2020-03-01T00:00"), None),
        ("finished", {"start": "2020", "end": "2020-12"}, ("2020-01-01T00:00", "2021-01-01T00:00"), None),
        (
            "finished",
            {"start": "2020-01-01T08:00:00+02:00", "end": "2020-01-01T08:00:00Z"},
            ("2020-01-01T06:00", AT),
            None,
        ),
        ("finished", {"start": "2020-01-01"}, None, "period-missing"),
        ("finished", {"end": "2020-01-01"}, None, "period-missing"),
        ("finished", None, None, "period-missing"),
        ("finished", {"start": "2020-01-02", "end": "2020-01-01"}, None, "period-empty"),
        ("finished", {"start": "2020-01-03", "end": "2020-01-01"}, None, "period-ends-before-start"),
        ("finished", {"start": "2020-01-01T08:00:00Z", "end": "2020-01-01T08:00:00Z"}, None, "period-empty"),
        ("finished", {"start": "2020-01-01T08:00:00", "end": "2020-01-01T09:00:00"}, None, "date-unusable"),
        ("finished", {"start": "yesterday", "end": "2020-01-01"}, None, "date-unusable"),
        ("finished", {"start": "2020-02-30", "end": "2020-03-01"}, None, "date-unusable"),
        ("finished", {"start": 7, "end": []}, None, "date-unusable"),
        ("finished", {"start": "0001-01-01T00:00:00Z", "end": "0202-01-01"}, None, "date-unusable"),
        ("in-progress", {"start": "2020-01-01T08:00:00Z"}, (AT, "open"), None),
        ("in-progress", {"start": "2020-01-01T08:00:00Z", "end": "9999-12-31"}, (AT, "open"), None),
        ("planned", {"start": "2120-01-01"}, ("2120-01-01T00:00", "open"), None),
        ("planned", None, None, "period-missing"),
        ("unknown", {"start": "2020-01-01"}, None, "period-missing"),
        ("cancelled", {"start": "2020-01-01", "end": "2020-01-02"}, None, None),
        ("entered-in-error", {"start": "2020-01-01", "end": "2020-01-02"}, None, None),
    ],
)
def test_periods(
    on_ward: OnWard, status: str, period: dict[str, Any] | None, kept: tuple[str, str] | None, code: str | None
) -> None:
    async def body(ward: Ward) -> None:
        seat = participant("ATND", to("Practitioner/d"))
        await ward.take(practitioner("d"), patient("p"), encounter("e", seat, status=status, period=period))
        assert await ward.assignments() == ([("Encounter/e", "attending", *kept)] if kept else [])
        assert await ward.findings() == ([("Encounter/e", code)] if code else [])

    on_ward(body)


def test_an_encounter_under_way_without_a_period_holds_from_now(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        seat = participant("ATND", to("Practitioner/d"))
        visit = encounter("e", seat, status="in-progress", period=None)
        await ward.take(practitioner("d"), patient("p"), visit)
        people = await ward.provider("Practitioner/d"), await ward.patient("Patient/p")
        assert (await ward.may_read(*people)).allowed
        before = await ward.assignments()
        await ward.take(visit | {"language": "en"})
        assert await ward.assignments() == before

    on_ward(body)


def test_the_participants_own_period_counts_first(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        half = {"start": "2020-01-01T08:15:00Z"}
        seat = participant("ATND", to("Practitioner/d"), period=half)
        await ward.take(practitioner("d"), patient("p"), encounter("e", seat))
        assert await ward.assignments() == [("Encounter/e", "attending", "2020-01-01T08:15", UNTIL)]

    on_ward(body)


def test_allowed_in_the_middle_and_denied_one_second_after(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        await ward.take(practitioner("d"), patient("p"), encounter("e", participant("PPRF", to("Practitioner/d"))))
        people = await ward.provider("Practitioner/d"), await ward.patient("Patient/p")
        end = datetime.fromisoformat(JANUARY["end"])
        assert (await ward.may_read(*people, end - timedelta(minutes=30))).allowed
        assert not (await ward.may_read(*people, end + timedelta(seconds=1))).allowed
        assert not (await ward.may_read(*people)).allowed

    on_ward(body)
