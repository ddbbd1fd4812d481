"""A provider leaves, over HTTP; findings; and what was written down on paper."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from carecircle.identifiers import new_id, to_text
from tests.api.clinic import EARLIER, Clinic, open_clinic
from tests.api.permitted import BEFORE
from tests.api.test_proof_routes import find
from tests.conftest import Hospital

Run = Callable[[Callable[[Hospital], Any]], Any]


async def primary(clinic: Clinic, patient: str, provider: str) -> None:
    said = {"assignment_type": "primary", "patient": clinic.ids[patient], "provider": clinic.ids[provider]}
    await clinic.json("POST", "/v1/assignments", said, 201)


def test_a_plan_is_applied_certified_and_taken_back(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_clinic(hospital) as clinic:
            ids = clinic.ids
            for patient in ("ines", "twin"):
                await primary(clinic, patient, "adams")
            capacity = await clinic.json("POST", "/v1/panel-capacities", {"provider": ids["brown"], "capacity": 1}, 201)
            assert (capacity["size"], capacity["capacity"]) == (0, 1)
            asked: dict[str, Any] = {
                "leaver": ids["adams"],
                "destinations": [{"provider": ids["brown"]}, {"provider": ids["chen"]}],
            }
            asked["wishes"] = [{"patient": ids["ines"], "provider": ids["brown"]}]
            plan = await clinic.json("POST", "/v1/reassignments", asked, 201)
            after = {one["provider_id"]: one["after"] for one in plan["panels"]}
            assert after == {ids["brown"]: 1, ids["chen"]: 1}
            path = f"/v1/reassignments/{plan['id']}"
            assert await clinic.json("GET", f"{path}/preview") == plan
            first = await clinic.json("GET", f"{path}/letters?limit=1")
            rest = await clinic.json("GET", f"{path}/letters?after={first['next']}")
            assert {one["patient_id"] for one in first["letters"] + rest["letters"]} == {ids["ines"], ids["twin"]}
            assert len((await clinic.json("GET", f"{path}/certificate"))["without"]) == 2
            ran = await clinic.json("POST", f"{path}/apply", {"patients": 1})
            assert (ran["done"], ran["left"], ran["reassignment"]["state"]) == (2, 0, "applied")
            assert (await clinic.json("GET", f"{path}/certificate"))["without"] == []
            [listed] = (await clinic.json("GET", "/v1/reassignments"))["reassignments"]
            assert listed == ran["reassignment"] == await clinic.json("GET", path)
            again = await clinic.json("POST", f"{path}/apply", {})
            assert (again["done"], again["left"]) == (0, 0)
            back = await clinic.json("POST", f"{path}/revert", {})
            assert (back["done"], back["reassignment"]["state"]) == (2, "reverted")
            nobody = await clinic.json("POST", f"/v1/reassignments/{to_text(new_id())}/apply", {}, 404)
            assert nobody["code"] == "reassignment-not-found"
            asked["destinations"] = [{"provider": ids["adams"]}]
            await clinic.json("POST", "/v1/reassignments", asked, 400)

    in_hospital(body)


def test_offboarding_is_shown_first_and_names_who_is_left_without(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_clinic(hospital) as clinic:
            await primary(clinic, "ines", "adams")
            said = {"person": clinic.ids["adams"]}
            before = await clinic.json("POST", "/v1/offboardings?preview=true", said)
            assert (before["preview"], before["without_primary"]) == (True, [clinic.ids["ines"]])
            assert not [one for one in await clinic.entries("change") if one["code"] == "offboarded"]
            done = await clinic.json("POST", "/v1/offboardings", said)
            assert done == before | {"preview": False}
            gaps = await clinic.json("GET", "/v1/primary-provider-gaps")
            assert clinic.ids["ines"] in {one["patient_id"] for one in gaps["gaps"]}
            assert (await clinic.json("POST", "/v1/offboardings", {"person": to_text(new_id())}, 404))["code"]

    in_hospital(body)


def test_a_finding_is_listed_and_settled_once(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_clinic(hospital) as clinic:
            await primary(clinic, "ines", "adams")
            ids = clinic.ids
            for about in ("r1", "r2"):
                await find(clinic, about)
            first = await clinic.json("GET", "/v1/findings?limit=1")
            rest = await clinic.json("GET", f"/v1/findings?after={first['next']}")
            assert (len(first["findings"]), len(rest["findings"]), rest["next"]) == (1, 1, None)
            assert first["open"] == {"primary-already-assigned": 2}
            assert (await clinic.json("GET", "/v1/findings?code=other"))["findings"] == []
            path = f"/v1/findings/{first['findings'][0]['id']}/resolution"
            settled = await clinic.json("POST", path, {"keep": "proposed"})
            assert settled["primary_id"] == ids["brown"]
            assert (await clinic.json("POST", path, {"keep": "present"}, 404))["code"] == "finding-not-found"
            assert (await clinic.json("GET", "/v1/several-primary-providers")) == {"patients": [], "whole": True}

    in_hospital(body)


def test_paper_is_entered_once_and_lets_nobody_in(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_clinic(hospital) as clinic:
            ids = clinic.ids
            said = {
                "provider": ids["adams"], "patient": ids["ines"], "starts_at": BEFORE, "ends_at": EARLIER,
                "reason": "life-threat", "words": "Sheet 12",
            }  # fmt: skip
            entered = await clinic.json("POST", "/v1/break-glass/downtime", said, 201)
            assert (entered["mode"], entered["state"]) == ("downtime", "ended")
            assert (await clinic.json("POST", "/v1/break-glass/downtime", said, 409))["code"] == "already-registered"
            asked = {
                "subject": {"type": "user", "id": ids["adams"]}, "action": {"name": "read"},
                "resource": {"type": "patient", "id": ids["ines"]},
            }  # fmt: skip
            assert (await clinic.json("POST", "/access/v1/evaluation", asked))["decision"] is False

    in_hospital(body)
