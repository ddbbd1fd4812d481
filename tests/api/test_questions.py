"""The questions over HTTP: check, explain and both lists agree, are recorded, and tell nothing of who is unknown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from carecircle import to_text
from carecircle.identifiers import new_id, parse_id
from tests.api.clinic import EARLIER, SOON, Clinic
from tests.api.test_around_the_patient import assign, on_clinic
from tests.conftest import Hospital

Run = Callable[[Callable[[Hospital], Any]], Any]


def test_a_check_says_why_and_is_recorded_under_the_callers_request(in_hospital: Run) -> None:
    async def work(clinic: Clinic) -> None:
        await assign(clinic, "adams")
        asked = {"provider": "staff|adams", "action": "write", "patient": "urn:mrn|ines", "purpose": "ETREAT"}
        yes = await clinic.client.post("/v1/check", json=asked, headers={"x-request-id": "r-1"})
        told = yes.json()
        assert (told["allowed"], told["code"], told["action"], told["expires_at"]) == (True, "allowed", "write", None)
        assert (told["provider_id"], told["patient_id"]) == (clinic.ids["adams"], clinic.ids["ines"])
        assert [(one["kind"], one["ends_at"], one["via_id"]) for one in told["bases"]] == [("primary", None, None)]
        assert yes.headers["x-request-id"] == "r-1"
        entry = await clinic.client.get(f"/v1/audit/entries/{told['id']}", headers=clinic.bearer("audit"))
        assert tuple(entry.json()["entry"][key] for key in ("purpose", "request_id")) == ("ETREAT", "r-1")
        before = await clinic.json("POST", "/v1/check", asked | {"as_of": "2001-01-01T00:00:00Z"})
        unbelieved = await clinic.json("POST", "/v1/check", asked | {"believed_at": EARLIER})
        assert before["allowed"] is unbelieved["allowed"] is False

    on_clinic(in_hospital, work)


def test_a_denial_says_what_would_help_and_never_whose_restriction_it_was(in_hospital: Run) -> None:
    async def work(clinic: Clinic) -> None:
        ids = clinic.ids
        await assign(clinic, "brown", "attending", starts_at=SOON)
        asked = {"provider": ids["brown"], "patient": ids["ines"]}
        no = await clinic.json("POST", "/v1/explain", asked)
        assert (no["allowed"], no["code"], no["missing"][0]["lack"]) == (False, "no-relationship", "not-begun")
        assert no["missing"][0]["kind"] == "attending"
        assert [one["kind"] for one in no["remedies"]] == ["wait", "assign"]
        await assign(clinic, "adams")
        await clinic.json(
            "POST", "/v1/restrictions", {"kind": "objection", "patient": ids["ines"], "provider": ids["adams"]}, 201
        )
        restricted = await clinic.client.post("/v1/explain", json={"provider": ids["adams"], "patient": ids["ines"]})
        told = restricted.json()
        assert (told["code"], told["bases"], told["missing"]) == ("restricted", [], [])
        assert "objection" not in restricted.text

    on_clinic(in_hospital, work)


def test_many_are_answered_in_their_order_and_the_unknown_keep_no_id(in_hospital: Run) -> None:
    async def work(clinic: Clinic) -> None:
        await assign(clinic, "adams")
        ines, nobody = clinic.ids["ines"], to_text(new_id())
        patients = ["urn:mrn|nobody", ines, nobody, clinic.ids["twin"]]
        found = await clinic.json("POST", "/v1/check-many", {"provider": "staff|adams", "patients": patients})
        assert [(one["code"], one["patient_id"]) for one in found["decisions"]] == [
            ("unknown-patient", None), ("allowed", ines), ("unknown-patient", None), ("no-relationship", clinic.ids["twin"]),
        ]  # fmt: skip
        assert len({one["id"] for one in found["decisions"]}) == 4
        odd = {"provider": "staff|nobody", "patient": ines, "action": "Mrs Miller"}
        answer = await clinic.client.post("/v1/check", json=odd)
        assert (answer.json()["code"], answer.json()["action"]) == ("unknown-action", "unreadable-action")
        assert "Miller" not in answer.text
        for said in ([], ["x"] * 1001):
            await clinic.json("POST", "/v1/check-many", {"provider": "staff|adams", "patients": said}, 400)

    on_clinic(in_hospital, work)


def test_lists_are_what_single_checks_say_page_by_page(in_hospital: Run) -> None:
    async def work(clinic: Clinic) -> None:
        for number in range(3):
            patient = (await clinic.json("POST", "/v1/patients", {"identifiers": [f"urn:mrn|{number}"]}, 201))["id"]
            said = {
                "assignment_type": "consulting",
                "patient": patient,
                "provider": clinic.ids["adams"],
                "ends_at": SOON,
            }
            await clinic.json("POST", "/v1/assignments", said, 201)
        await assign(clinic, "adams")
        await assign(clinic, "dana", "attending")
        asked: dict[str, Any] = {"provider": "staff|adams", "limit": 3}
        first = await clinic.json("POST", "/v1/list-patients", asked)
        rest = await clinic.json("POST", "/v1/list-patients", asked | {"after": first["next"]})
        seen = [one["patient_id"] for one in (*first["patients"], *rest["patients"])]
        assert (first["count"], len(seen), rest["next"]) == (4, len(set(seen)), None)
        many = {"provider": "staff|adams", "patients": [*seen, clinic.ids["twin"]]}
        told = (await clinic.json("POST", "/v1/check-many", many))["decisions"]
        assert [one["allowed"] for one in told] == [True] * 4 + [False]
        who = await clinic.json("POST", "/v1/list-providers", {"patient": "urn:mrn|ines"})
        assert {one["provider_id"]: one["bases"] for one in who["providers"]} == {
            clinic.ids["adams"]: ["primary"], clinic.ids["dana"]: ["attending"],
        }  # fmt: skip
        circle = await clinic.json("GET", f"/v1/patients/{clinic.ids['ines']}/circle")
        assert [one["provider_id"] for one in circle["circle"]] == [one["provider_id"] for one in who["providers"]]
        entries = [dict(one) for one in await clinic.entries() if one["kind"] == "listing"]
        assert [one["provider_id"] for one in entries[:2]] == [parse_id(clinic.ids["adams"])] * 2
        assert [one["patient_id"] for one in entries[2:]] == [parse_id(clinic.ids["ines"])] * 2
        unknown = await clinic.json("POST", "/v1/list-patients", {"provider": "staff|nobody"})
        assert (unknown["code"], unknown["patients"]) == ("unknown-provider", [])
        spoilt = await clinic.json("POST", "/v1/list-patients", asked | {"after": "x"}, 400)
        assert spoilt["code"] == "invalid-cursor"
        assert len([one for one in await clinic.entries() if one["kind"] == "listing"]) == len(entries) + 1

    on_clinic(in_hospital, work)
