"""Who records are about: ids, identifiers, general practitioners, merged patients."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text

from carecircle.identifiers import new_id
from tests.interop.conftest import OnWard
from tests.interop.ward import NPI, Ward, care_team, encounter, participant, patient, practitioner, to

OPEN = {"start": "2020-01-01T08:00:00Z"}
MRN = "urn:oid:1.2.3"


def mrn(value: str) -> dict[str, Any]:
    return {"identifier": [{"system": MRN, "value": value}]}


def test_a_uuid_is_kept_and_another_id_is_replaced(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        ours, theirs = str(uuid4()), str(uuid4())
        await ward.take(practitioner(ours), patient(theirs), patient("not-a-uuid"))
        assert await ward.provider(f"Practitioner/{ours}") == UUID(ours)
        assert await ward.patient(f"Patient/{theirs}") == UUID(theirs)
        assert isinstance(await ward.patient("Patient/not-a-uuid"), UUID)
        await ward.take(patient(theirs), source="elsewhere")
        assert await ward.patient(f"Patient/{theirs}", "elsewhere") != UUID(theirs)

    on_ward(body)


def test_a_resource_without_id_goes_by_its_url_and_one_without_either_is_skipped(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        name = str(uuid4())
        nameless = practitioner("x")
        del nameless["id"]
        seat = participant("ATND", to(f"urn:uuid:{name}"))
        report = await ward.take(
            {"fullUrl": f"urn:uuid:{name}", "resource": nameless}, nameless, patient("p"), encounter("e", seat)
        )
        assert (report.taken, report.skipped) == (3, 1)
        assert len(await ward.assignments()) == 1

    on_ward(body)


def test_the_same_identifier_is_the_same_person_unless_something_speaks_against_it(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        await ward.take(practitioner("one", "77"), patient("a", **mrn("5"), birthDate="1980-01-01"))
        await ward.take(
            practitioner("two", "77", name=[{"family": "One"}]),
            practitioner("three", "77", name=[{"family": "Other"}]),
            patient("b", **mrn("5"), birthDate="1980-01", name=[{"family": "SECRETA "}]),
            patient("c", **mrn("5"), birthDate="1999-09-09"),
        )
        one = await ward.provider("Practitioner/one")
        assert await ward.provider("Practitioner/two") == one == await ward.provider("77", NPI)
        assert await ward.provider("Practitioner/three") != one
        a = await ward.patient("Patient/a")
        assert await ward.patient("Patient/b") == a == await ward.patient("5", MRN)
        assert await ward.patient("Patient/c") != a
        assert await ward.findings() == [("Patient/c", "identifier-taken"), ("Practitioner/three", "identifier-taken")]

    on_ward(body)


def test_an_identifier_that_joins_two_known_people_joins_nobody(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        await ward.take(practitioner("x", "1"), practitioner("x2", "2", name=[{"family": "x"}]))
        both = [{"system": NPI, "value": "1"}, {"system": NPI, "value": "2"}]
        await ward.take(practitioner("x3", name=[{"family": "x"}], identifier=both))
        owners = {await ward.provider(f"Practitioner/{name}") for name in ("x", "x2", "x3")}
        assert len(owners) == 3
        assert await ward.findings() == [("Practitioner/x3", "identifier-taken")] * 2

    on_ward(body)


def test_the_first_general_practitioner_who_can_be_found_is_primary(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        doctors = [to("Organization/o"), to("Practitioner/none"), to("PractitionerRole/r"), to("Practitioner/c")]
        role = {"resourceType": "PractitionerRole", "id": "r", "practitioner": to("Practitioner/d")}
        resources = [
            practitioner("d"), practitioner("c"), role,
            patient("p", generalPractitioner=doctors, meta={"lastUpdated": "2021-05-05T00:00:00Z"}),
        ]  # fmt: skip
        await ward.take(*resources)
        assert await ward.assignments() == [("Patient/p", "primary", "2021-05-05T00:00", "open")]
        found = await ward.rows("select provider_id from carecircle.patient_assignments")
        assert found[0].provider_id == await ward.provider("Practitioner/d")
        assert await ward.findings() == [("Patient/p", "primary-already-assigned"), ("Patient/p", "reference-dangling")]
        assert (await ward.take(*resources)).changed_nothing

    on_ward(body)


def test_another_general_practitioner_follows_the_one_before(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        first = patient("p", generalPractitioner=[to("Practitioner/d")], meta={"lastUpdated": "2021-05-05T00:00:00Z"})
        await ward.take(practitioner("d"), practitioner("c"), first)
        both = [to("Practitioner/c"), to("Practitioner/d")]
        await ward.take(first | {"generalPractitioner": both, "meta": {"lastUpdated": "2021-05-06T00:00:00Z"}})
        assert await ward.assignments() == [("Patient/p", "primary", "2021-05-05T00:00", "open")]
        assert await ward.findings() == [("Patient/p", "primary-already-assigned")]
        report = await ward.take(
            first | {"generalPractitioner": both[:1], "meta": {"lastUpdated": "2021-05-07T00:00:00Z"}}
        )
        assert (report.facts_recorded, report.facts_ended, report.findings_closed) == (1, 1, 1)
        rows = await ward.assignments()
        assert [row[3] == "open" for row in rows] == [False, True]
        assert rows[0][3] == rows[1][2]
        patient_id, now = await ward.patient("Patient/p"), await ward.provider("Practitioner/c")
        assert (await ward.may_read(now, patient_id)).allowed
        assert not (await ward.may_read(await ward.provider("Practitioner/d"), patient_id)).allowed

    on_ward(body)


def test_a_primary_made_by_hand_stays_and_the_imported_one_is_a_finding(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        await ward.take(practitioner("d"), practitioner("c"), patient("p"))
        people = {"patient": await ward.patient("Patient/p"), "provider": await ward.provider("Practitioner/c")}
        async with ward.hospital.change() as db:
            await db.execute(
                text(
                    "insert into carecircle.patient_assignments (organization_id, id, lineage_id, patient_id, provider_id,"
                    " assignment_type, scope, starts_at, entry_id) values (:organization, :id, :id, :patient, :provider,"
                    " 'primary', '{read}', '2020-01-01', :id)"
                ),
                people | {"organization": ward.hospital.organization, "id": new_id()},
            )
        report = await ward.take(patient("p", generalPractitioner=[to("Practitioner/d")]))
        assert await ward.findings() == [("Patient/p", "primary-already-assigned")]
        proposed = await ward.rows("select provider_id from carecircle.findings where superseded_at = 'infinity'")
        assert proposed[0].provider_id == await ward.provider("Practitioner/d")
        assert report.facts_recorded == 0
        assert [row[:2] for row in await ward.assignments()] == [("", "primary")]

    on_ward(body)


def test_facts_of_a_replaced_patient_go_to_the_survivor(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        seat = participant("ATND", to("Practitioner/d"))
        old = encounter("e", seat, status="in-progress", period=OPEN, subject=to("Patient/old"))
        team = care_team("t", to("Practitioner/d"), period=OPEN, subject=to("Patient/old"))
        gp = {"generalPractitioner": [to("Practitioner/d")]}
        await ward.take(practitioner("d"), patient("old", **gp), patient("p"), old, team)
        before, survivor = await ward.patient("Patient/old"), await ward.patient("Patient/p")
        replaced = patient("old", **gp, link=[{"other": to("Patient/p"), "type": "replaced-by"}])
        report = await ward.take(replaced)
        assert report.facts_superseded == 3
        for table in ("patient_assignments", "care_team_patients"):
            rows = await ward.rows(
                f"select distinct patient_id from carecircle.{table} where superseded_at = 'infinity'"
            )
            assert [row.patient_id for row in rows] == [survivor]
        later = encounter("f", seat, status="in-progress", period=OPEN, subject=to("Patient/old"))
        await ward.take(later)
        rows = await ward.rows(
            "select patient_id from carecircle.patient_assignments where source_record = 'Encounter/f'"
        )
        assert [row.patient_id for row in rows] == [survivor]
        assert before != survivor
        assert (await ward.take(replaced, later, old, team)).changed_nothing
        assert await ward.findings() == []

    on_ward(body)


def test_a_place_given_up_late_in_an_import_is_taken_in_the_same_import(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        same = mrn("5") | {"birthDate": "1980-01-01", "name": []}
        gone = {"generalPractitioner": [], "link": [{"other": to("Patient/c"), "type": "replaced-by"}]}
        a = patient("a", **same, generalPractitioner=[to("Practitioner/d")])
        b = patient("b", **same, generalPractitioner=[to("Practitioner/c")])
        await ward.take(practitioner("d"), practitioner("c"), a, b, patient("c", **same))
        assert await ward.findings() == [("Patient/b", "primary-already-assigned")]
        later = (a | gone, b | {"language": "en"}, patient("c", **same))
        await ward.take(*later)
        assert await ward.findings() == []
        rows = await ward.assignments()
        assert [(row[0], row[3] == "open") for row in rows] == [("Patient/a", False), ("Patient/b", True)]
        assert (await ward.take(*later)).changed_nothing

    on_ward(body)


def test_a_survivor_may_say_whom_it_replaces_and_a_see_also_says_nothing(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        links = [{"other": to("Patient/gone"), "type": "replaces"}, {"other": to("Patient/q"), "type": "seealso"}]
        seat = participant("ATND", to("Practitioner/d"))
        await ward.take(
            practitioner("d"), patient("p", link=links), patient("q"),
            encounter("e", seat, subject=to("Patient/gone")), encounter("f", seat, subject=to("Patient/q")),
        )  # fmt: skip
        rows = await ward.rows("select patient_id from carecircle.patient_assignments order by source_record")
        assert [row.patient_id for row in rows] == [await ward.patient("Patient/p"), await ward.patient("Patient/q")]

    on_ward(body)


def test_links_in_a_circle_are_a_finding(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        def replaced_by(name: str, other: str) -> dict[str, Any]:
            return patient(name, link=[{"other": to(f"Patient/{other}"), "type": "replaced-by"}])

        await ward.take(replaced_by("a", "b"), replaced_by("b", "c"), replaced_by("c", "a"), replaced_by("d", "none"))
        assert await ward.findings() == [
            ("Patient/a", "patient-link-cycle"),
            ("Patient/b", "patient-link-cycle"),
            ("Patient/c", "patient-link-cycle"),
            ("Patient/d", "reference-dangling"),
        ]
        await ward.take(patient("x"), replaced_by("y", "x"))
        await ward.take(replaced_by("x", "y"))
        assert ("Patient/x", "patient-link-cycle") in await ward.findings()

    on_ward(body)


def test_a_role_keeps_its_codes_unit_and_period(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        role: dict[str, Any] = {
            "resourceType": "PractitionerRole",
            "id": "r",
            "practitioner": {"identifier": {"system": NPI, "value": "77"}},
            "organization": {"identifier": {"system": "urn:org", "value": "9"}},
            "code": [{"coding": [{"code": "doctor"}]}],
            "specialty": [{"coding": [{"code": "394579002"}]}],
            "period": {"start": "2020-01-01"},
        }
        unit = {
            "resourceType": "Organization",
            "id": "o",
            "name": "North",
            "identifier": [{"system": "urn:org", "value": "9"}],
        }
        await ward.take(role, unit, practitioner("d", "77"))
        live = (
            "select r.role_code, r.specialty_code, u.name, r.ends_at = 'infinity' from carecircle.provider_roles r"
            " left join carecircle.units u on u.id = r.unit_id where r.superseded_at = 'infinity'"
        )
        assert [tuple(row) for row in await ward.rows(live)] == [("doctor", "394579002", "North", True)]
        await ward.take(role | {"active": False}, unit)
        assert [tuple(row) for row in await ward.rows(live)] == [("doctor", "394579002", "North", False)]

    on_ward(body)
