"""Proof over HTTP: explaining, exporting and verifying the trail, months, holds, a patient's reports, data keys."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest

from carecircle import Actor
from carecircle.api.v1 import aside, audit_exporting
from carecircle.api.v1.door import Door
from carecircle.audit.entry import Entry, append
from carecircle.audit.sealing import seal_once
from carecircle.audit.sealing_key import SealingKey
from carecircle.audit.verify import VerifyKey, verify
from carecircle.database.session import instant
from carecircle.directory import keys_service
from carecircle.directory.permissions import Permission
from carecircle.directory.sign_in_service import end_sign_ins
from carecircle.findings.service import NewFinding, record
from carecircle.identifiers import new_id, parse_id, to_text
from tests.api.clinic import Clinic, open_clinic, open_neighbour
from tests.api.permitted import PERMITTED, THIS_MONTH
from tests.conftest import Hospital

Run = Callable[[Callable[[Hospital], Any]], Any]


async def ask(clinic: Clinic, may: Any, method: str, path: str, body: Any = None, status: int = 200) -> Any:
    answer = await clinic.client.request(method, path, json=body, headers=clinic.bearer(may))
    assert answer.status_code == status, answer.text
    return answer.json()


async def prepared(clinic: Clinic) -> None:
    """A sealed entry, a finding and a primary provider: what the routes are about."""
    hospital, ids = clinic.hospital, clinic.ids
    primary = {"assignment_type": "primary", "patient": ids["ines"], "provider": ids["adams"]}
    await clinic.json("POST", "/v1/assignments", primary, 201)
    asked = {
        "subject": {"type": "user", "id": ids["adams"]}, "action": {"name": "read"},
        "resource": {"type": "patient", "id": ids["ines"]},
    }  # fmt: skip
    decided = await clinic.json("POST", "/access/v1/evaluation", asked)
    clinic.ids |= {"entry": decided["context"]["id"], "month": THIS_MONTH}
    await find(clinic, "r")
    found = await ask(clinic, "read", "GET", "/v1/findings")
    clinic.ids["finding"] = found["findings"][0]["id"]
    await seal_once(hospital.circle.settings, hospital.circle.reach)


async def find(clinic: Clinic, about: str) -> None:
    """Record a finding about ines, who is to have brown as primary provider."""
    tenant, ids = clinic.hospital.organization, clinic.ids
    one = NewFinding(
        "test", about, "", "primary-already-assigned", "Two.", patient_id=parse_id(ids["ines"]),
        provider_id=parse_id(ids["brown"]),
    )  # fmt: skip
    async with clinic.hospital.change() as db:
        entry = Entry(tenant, "import", Actor.service("test"), "fhir-record-taken")
        await append(db, entry)
        await record(db, tenant, one, entry.id, await instant(db))


def test_each_needs_its_own_permission_and_every_try_is_on_record(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_clinic(hospital) as clinic:
            await prepared(clinic)
            for permission, routes in PERMITTED.items():
                others = [one for one in ("audit", "privacy", "administer") if one != permission]
                for route in routes:
                    if permission not in ("read", "change"):
                        before = len(await clinic.entries())
                        for other in others:
                            refused = await clinic.send(route, headers=clinic.bearer(other))  # type: ignore[arg-type]
                            assert refused.json()["code"] == "permission-required", (route, refused.text)
                        left = (await clinic.entries())[before:]
                        assert [one["code"] for one in left] == ["permission-required"] * len(others)
                    before = len(await clinic.entries())
                    answer = await clinic.send(route, headers=clinic.bearer(permission))  # type: ignore[arg-type]
                    assert answer.status_code == route.status, (route, answer.text)
                    if route.gives:
                        clinic.ids[route.gives] = answer.json()[route.key]
                    left = (await clinic.entries())[before:]
                    assert route.entry is None or route.entry in [one["code"] for one in left], (route, left)

    in_hospital(body)


def test_another_organizations_ids_are_as_good_as_made_up(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_clinic(hospital) as clinic, open_neighbour(clinic) as neighbour:
            await prepared(neighbour)
            theirs = dict(neighbour.ids)
            hold = await ask(neighbour, "privacy", "POST", "/v1/legal-holds", {"reason": "Claim 7"}, 201)
            plan = {"leaver": theirs["adams"], "destinations": [{"provider": theirs["brown"]}]}
            theirs |= {"hold": hold["id"], "plan": (await neighbour.json("POST", "/v1/reassignments", plan, 201))["id"]}
            nobodys = {name: to_text(new_id()) for name in theirs} | {"month": THIS_MONTH}
            for permission, routes in PERMITTED.items():
                for route in (one for one in routes if one.names_somebody and "{month}" not in one.path):
                    answers = [
                        await clinic.send(route, ids, clinic.bearer(permission))  # type: ignore[arg-type]
                        for ids in (theirs, nobodys)
                    ]
                    statuses = {one.status_code for one in answers}
                    assert len(statuses) == 1, (route, [one.text for one in answers])
                    assert statuses <= {400, 404}, (route, answers[0].text)

    in_hospital(body)


def test_a_decision_is_explained_and_answered_again(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_clinic(hospital) as clinic:
            await prepared(clinic)
            told = await ask(clinic, "audit", "GET", f"/v1/audit/entries/{clinic.ids['entry']}/explanation")
            assert (told["entry"]["kind"], told["entry"]["allowed"], told["replay"]["same"]) == ("decision", True, True)
            [basis] = told["bases"]
            assert (basis["kind"], basis["row"]["table"]) == ("primary", "patient_assignments")
            change = await ask(clinic, "audit", "GET", "/v1/audit/entries?code=primary-assigned")
            told = await ask(clinic, "audit", "GET", f"/v1/audit/entries/{change['entries'][0]['id']}/explanation")
            assert told["replay"] is None
            for path in ("kind=chnage", "basis=kin", "kind=decision&from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z"):
                assert (
                    "errors" in await ask(clinic, "audit", "GET", f"/v1/audit/entries?{path}", status=400)
                    or "to" in path
                )

    in_hospital(body)


def test_an_export_ends_with_the_sign_in_of_its_reader(in_hospital: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looked at before every block here; every second otherwise."""

    async def body(hospital: Hospital) -> None:
        async with open_clinic(hospital) as clinic:
            monkeypatch.setattr(audit_exporting, "LOOK_AGAIN", -1.0)
            headers, held = clinic.bearer("audit"), Door.holds
            whole = await clinic.client.get("/v1/audit/export", headers=headers)
            assert (whole.status_code, whole.text[-1]) == (200, "\n")

            async def ended_meanwhile(door: Door, *needed: Permission) -> bool:
                async with hospital.change() as db:
                    who = door.caller.actor.name
                    await end_sign_ins(db, actor_name=who, organization=hospital.organization, actor="test")
                return await held(door, *needed)

            monkeypatch.setattr(Door, "holds", ended_meanwhile)
            cut = await clinic.client.get("/v1/audit/export", headers=headers)
            assert (cut.status_code, cut.json()["code"]) == (503, "access-unavailable")

    in_hospital(body)


def test_an_export_in_each_format_is_whole_and_on_record(in_hospital: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_clinic(hospital) as clinic:
            await prepared(clinic)
            headers = clinic.bearer("audit")

            async def exported(asked: str, status: int = 200) -> str:
                answer = await clinic.client.get(f"/v1/audit/export{asked}", headers=headers)
                assert answer.status_code == status, answer.text
                return answer.text

            lines = (await exported("?code=primary-assigned")).splitlines()
            assert [json.loads(one)["code"] for one in lines] == ["primary-assigned"]
            [row] = csv.DictReader(io.StringIO(await exported("?format=csv&kind=decision")))
            assert row["id"] == clinic.ids["entry"]
            events = [json.loads(one) for one in (await exported("?format=fhir&kind=decision")).splitlines()]
            assert [one["resourceType"] for one in events] == ["AuditEvent"]
            left = [one["code"] for one in await clinic.entries("reading")]
            assert left == ["audit-export-begun", "audit-exported"] * 3
            whole = await exported("?format=verifiable")
            keys = [VerifyKey.parse(one) for one in SealingKey.open(hospital.circle.settings.home).vkeys()]
            found = verify(iter(whole.encode().splitlines(keepends=True)), keys)
            assert found.ok, found.findings
            assert found.entries > 5
            await exported("?format=verifiable&code=allowed", 400)
            assert (await clinic.client.get("/v1/audit/export", headers=clinic.bearer("privacy"))).status_code == 403
            monkeypatch.setattr(aside, "AT_ONCE", 0)
            assert "too-busy" in await exported("", 503)

    in_hospital(body)


async def slipped_in(hospital: Hospital) -> None:
    """An entry that no process of ours wrote."""
    app = await asyncpg.connect(hospital.circle.reach.dsn("app"))
    try:
        await app.execute(f"set carecircle.organization_id = '{hospital.organization}'")
        await app.execute(
            "insert into carecircle.audit_events (organization_id, id, kind, actor, code)"
            " values ($1, $2, 'change', 'nobody', 'made-up')", hospital.organization, new_id(),
        )  # fmt: skip
    finally:
        await app.close()


def test_verifying_finds_what_was_slipped_in_and_gives_up_in_time(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_clinic(hospital) as clinic:
            await prepared(clinic)
            good = await ask(clinic, "audit", "POST", "/v1/audit/verification", {})
            assert (good["ok"], good["findings"], good["witnessed"]) == (True, [], True)
            key = (await ask(clinic, "audit", "GET", "/v1/audit/keys"))["keys"]
            note = (await ask(clinic, "audit", "GET", "/v1/audit/checkpoints?limit=1"))["checkpoints"][0]["note"]
            kept = {"keys": key, "witnessed": note}
            assert (await ask(clinic, "audit", "POST", "/v1/audit/verification", kept))["ok"]
            owner = await asyncpg.connect(hospital.circle.reach.dsn("owner"))
            try:
                await slipped_in(hospital)
                await seal_once(hospital.circle.settings, hospital.circle.reach)
                bad = await ask(clinic, "audit", "POST", "/v1/audit/verification", {})
                assert [one["code"] for one in bad["findings"]] == ["unmarked"]
                assert not bad["ok"]
                async with owner.transaction():
                    await owner.execute("lock table carecircle.audit_leaves in access exclusive mode")
                    late = await ask(clinic, "audit", "POST", "/v1/audit/verification", {"seconds": 1}, 409)
                assert late["code"] == "trail-too-long"
            finally:
                await owner.close()
            for wrong in ({"keys": ["x"]}, {"seconds": 0}, {"unknown": 1}):
                await ask(clinic, "audit", "POST", "/v1/audit/verification", wrong, 400)

    in_hospital(body)


def test_months_say_what_keeps_them_and_holds_count(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_clinic(hospital) as clinic:
            await prepared(clinic)
            [month] = [
                one for one in (await ask(clinic, "audit", "GET", "/v1/audit/months"))["months"] if one["entries"]
            ]
            assert (month["month"], month["held"]) == (THIS_MONTH, False)
            assert {"not-over", "retention"} <= set(month["kept_by"]) <= {"not-over", "retention", "unsealed"}
            said = {"reason": "Claim 7 of 2026", "patient": clinic.ids["ines"]}
            hold = await ask(clinic, "privacy", "POST", "/v1/legal-holds", said, 201)
            path = f"/v1/audit/months/{THIS_MONTH}/retirement"
            plan = await ask(clinic, "audit", "GET", path)
            assert (plan["retirable"], "hold" in plan["month"]["kept_by"]) == (False, True)
            [listed] = (await ask(clinic, "privacy", "GET", "/v1/legal-holds"))["legal_holds"]
            assert (listed["id"], listed["reason"]) == (hold["id"], "Claim 7 of 2026")
            await ask(clinic, "privacy", "DELETE", f"/v1/legal-holds/{hold['id']}")
            assert "hold" not in (await ask(clinic, "audit", "GET", path))["month"]["kept_by"]
            gone = await ask(clinic, "privacy", "DELETE", f"/v1/legal-holds/{hold['id']}", status=404)
            assert gone["code"] == "legal-hold-not-found"
            assert (await ask(clinic, "audit", "GET", "/v1/audit/months/1999-01/retirement", status=404))["code"]
            await ask(clinic, "audit", "GET", "/v1/audit/months/1999-13/retirement", status=400)

    in_hospital(body)


def test_a_patients_reports_as_json_and_as_pages(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_clinic(hospital) as clinic:
            await prepared(clinic)
            about, headers = {"patient": clinic.ids["ines"]}, clinic.bearer("privacy")
            told = await ask(clinic, "privacy", "POST", "/v1/reports/patient-access", about)
            assert [look["times"] for day in told["days"] for look in day["looks"]] == [1]
            assert (await ask(clinic, "privacy", "POST", "/v1/reports/disclosures", about))["disclosures"] == []
            for path in ("patient-access", "disclosures"):
                page = await clinic.client.post(
                    f"/v1/reports/{path}", json=about, headers=headers | {"accept": "text/html"}
                )
                assert page.headers["content-type"] == "text/html; charset=utf-8"
                assert page.headers["content-security-policy"].startswith("default-src 'none'")
                assert page.text.startswith("<!doctype html>")
                nobody = {"patient": to_text(new_id())}
                assert (await ask(clinic, "privacy", "POST", f"/v1/reports/{path}", nobody, 404))["code"]
            kept = [one["code"] for one in await clinic.entries("refusal")]
            assert kept == ["patient-not-registered"] * 2

    in_hospital(body)


def test_a_data_key_is_rotated_and_everything_resealed(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_clinic(hospital) as clinic:
            async with hospital.change() as db:
                await keys_service.rotate(db, margin=0.2, organization=hospital.organization, actor="test")
            keys = (await ask(clinic, "administer", "GET", "/v1/data-keys"))["data_keys"]
            assert [one["state"] for one in keys if one["purpose"] == "field"] in (
                ["writes", "ahead"],
                ["reads", "writes"],
            )
            early = await clinic.client.post("/v1/data-keys/resealing", json={}, headers=clinic.bearer("administer"))
            while early.status_code == 409:
                early = await clinic.client.post(
                    "/v1/data-keys/resealing", json={}, headers=clinic.bearer("administer")
                )
            assert early.json() == {"done": True, "behind": 0}
            told = await ask(clinic, "administer", "GET", "/v1/data-keys/progress")
            assert {one["state"] for one in told["fields"]} == {"writes"}
            again = await ask(clinic, "administer", "POST", "/v1/data-keys", {"margin": 3600}, 201)
            assert again["state"] == "ahead"
            assert (await ask(clinic, "administer", "POST", "/v1/data-keys/resealing", {}, 409))["code"] == "conflict"

    in_hospital(body)
