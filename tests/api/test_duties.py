"""Duties, reporting lines and personal relations over HTTP."""

from __future__ import annotations

from sqlalchemy import text

from carecircle import to_text
from carecircle.identifiers import new_id
from tests.api.clinic import EARLIER, LATER, SOON, Clinic
from tests.api.test_around_the_patient import Run, on_clinic


async def ward(clinic: Clinic) -> str:
    """A unit, as an import would bring it."""
    unit, said = new_id(), "(organization_id, id, name, system, value) values (:tenant, :id, 'Ward 7', 'urn:ward', '7')"
    async with clinic.hospital.change() as db:
        await db.execute(
            text(f"insert into carecircle.units {said}"), {"tenant": clinic.hospital.organization, "id": unit}
        )
    return to_text(unit)


def test_a_duty_is_given_listed_and_ended(in_hospital: Run) -> None:
    async def work(clinic: Clinic) -> None:
        unit = await ward(clinic)
        body = {
            "duty": "supervisor",
            "provider": "staff|dana",
            "unit": "urn:ward|7",
            "contact": "ward7@hospital.example",
        }
        made = await clinic.json("POST", "/v1/duties", body, 201)
        assert (made["provider_id"], made["unit_id"], made["call_order"]) == (clinic.ids["dana"], unit, 1)
        again = await clinic.json("POST", "/v1/duties", body, 409)
        assert again["code"] == "overlapping-duty"
        everywhere = {
            "duty": "supervisor",
            "provider": "staff|chen",
            "call_order": 2,
            "starts_at": SOON,
            "ends_at": LATER,
        }
        await clinic.json("POST", "/v1/duties", everywhere, 201)
        await clinic.json("POST", "/v1/duties", {"duty": "break_glass", "provider": "staff|chen"}, 201)
        listed = (await clinic.json("GET", f"/v1/duties?unit={unit}&duty=supervisor"))["duties"]
        assert [one["call_order"] for one in listed] == [1, 2]
        assert listed[0] == made
        assert len((await clinic.json("GET", f"/v1/duties?provider={clinic.ids['chen']}"))["duties"]) == 2
        assert (await clinic.json("DELETE", f"/v1/duties/{made['id']}?at={SOON.replace('+', '%2B')}")) == {"ended": 1}
        [shorter] = (await clinic.json("GET", f"/v1/duties?provider={clinic.ids['dana']}"))["duties"]
        assert (shorter["starts_at"], shorter["ends_at"] is None) == (made["starts_at"], False)
        assert (await clinic.json("DELETE", f"/v1/duties/{shorter['id']}")) == {"ended": 1}
        gone = await clinic.json("DELETE", f"/v1/duties/{shorter['id']}", status=404)
        assert gone["code"] == "duty-not-found"
        assert (await clinic.json("GET", f"/v1/duties?provider={clinic.ids['dana']}"))["duties"] == []

    on_clinic(in_hospital, work)


def test_what_is_no_duty_is_refused_without_being_repeated(in_hospital: Run) -> None:
    async def work(clinic: Clinic) -> None:
        sound = {"duty": "supervisor", "provider": "staff|dana"}
        for wrong, status in (
            ({"duty": "chief"}, 400), ({"contact": "no-address"}, 400), ({"call_order": 0}, 400), ({"unit": "urn:ward|9"}, 404),
            ({"provider": "staff|nobody"}, 404), ({"starts_at": EARLIER, "ends_at": EARLIER}, 400),
        ):  # fmt: skip
            refused = await clinic.json("POST", "/v1/duties", sound | wrong, status)
            assert "no-address" not in str(refused)
        assert (await clinic.json("GET", "/v1/duties"))["duties"] == []
        await clinic.json("POST", "/v1/duties", sound, 201)

    on_clinic(in_hospital, work)


def test_reporting_lines_make_no_circle(in_hospital: Run) -> None:
    async def work(clinic: Clinic) -> None:
        made = await clinic.json(
            "POST", "/v1/reporting-lines", {"provider": "staff|dana", "reports_to": "staff|chen"}, 201
        )
        refused = await clinic.json(
            "POST", "/v1/reporting-lines", {"provider": "staff|chen", "reports_to": "staff|dana"}, 400
        )
        assert refused["code"] == "reporting-loop"
        assert (await clinic.json("GET", f"/v1/reporting-lines?provider={clinic.ids['chen']}")) == {
            "lines": [made],
            "next": None,
        }
        assert (await clinic.json("GET", f"/v1/reporting-lines?provider={clinic.ids['adams']}")) == {
            "lines": [],
            "next": None,
        }
        path = f"/v1/reporting-lines?provider={clinic.ids['dana']}&reports_to={clinic.ids['chen']}"
        assert (await clinic.json("DELETE", path)) == {"ended": 1}
        assert (await clinic.json("DELETE", path, status=404))["code"] == "reporting-line-not-found"

    on_clinic(in_hospital, work)


def test_relations_are_read_with_an_entry(in_hospital: Run) -> None:
    async def work(clinic: Clinic) -> None:
        body = {"provider": "staff|dana", "patient": "urn:mrn|ines", "relation": "family"}
        made = await clinic.json("POST", "/v1/personal-relations", body, 201)
        assert (made["patient_id"], made["relation"]) == (clinic.ids["ines"], "family")
        assert (await clinic.json("POST", "/v1/personal-relations", body, 409))["code"] == "overlapping-relation"
        path = f"/v1/personal-relations?patient={clinic.ids['ines']}"
        assert (await clinic.json("GET", path)) == {"relations": [made], "next": None}
        last = (await clinic.entries("reading"))[-1]
        assert (last["code"], to_text(last["patient_id"])) == ("relations-read", clinic.ids["ines"])
        assert (await clinic.json("DELETE", f"{path}&provider={clinic.ids['dana']}")) == {"ended": 1}
        assert (await clinic.json("GET", path)) == {"relations": [], "next": None}

    on_clinic(in_hospital, work)
