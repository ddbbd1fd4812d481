"""Breaking the glass over HTTP: from the request to the review, by people as themselves, and by nobody in another's name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from carecircle import to_text
from carecircle.directory.duty_service import end_duty
from carecircle.identifiers import new_id
from carecircle.restrictions.service import suspend
from tests.api.clinic import entries
from tests.api.glass import ROUTE, Glass, open_glass
from tests.conftest import Hospital, open_hospital

Run = Callable[[Callable[[Hospital], Any]], Any]
SECRET = "Found collapsed behind the greenhouse"  # a reason in words
STEPS: tuple[tuple[str, Any], ...] = (
    ("/acknowledgement", None),
    ("/approval", None),
    ("/approval", {"hours": 1}),
    ("/denial", {"words": "No."}),
    ("/question", {"words": "Why?"}),
    ("/answer", {"words": "So."}),
    ("/extension", {"reason": "life-threat", "hours": 1}),
    ("/extension", {"reason": "other", "hours": 1}),
    ("/end", None),
    ("/review", {"verdict": "justified"}),
)


def on_glass(in_hospital: Run, work: Callable[[Glass], Awaitable[None]]) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_glass(hospital) as glass:
            await work(glass)

    in_hospital(body)


def test_a_request_opens_a_supervisor_approves_and_the_privacy_office_reviews(in_hospital: Run) -> None:
    async def work(glass: Glass) -> None:
        ward = glass.clinic
        assert not await glass.lets_in()
        told = await glass.json(ward.doctor, "POST", body=glass.wish(hours=4, words=SECRET), status=201)
        assert (told["state"], told["mode"], told["scope"]) == ("provisional", "provisional", ["read"])
        assert told["reference"] == f"BG-{told['id'][-6:]}"
        assert told["decide_by"] < told["ends_at"]
        assert await glass.lets_in()
        one = f"/{told['id']}"
        again = await glass.json(ward.doctor, "POST", body=glass.wish(), status=409)
        assert (again["code"], again["emergency_id"]) == ("emergency-access-open", told["id"])

        [waiting] = (await glass.json(ward.first, "GET", "?pending=true"))["emergencies"]
        assert (waiting["id"], waiting["patient_id"]) == (told["id"], to_text(ward.patient))
        await glass.json(ward.first, "POST", f"{one}/acknowledgement")
        await glass.json(ward.first, "POST", f"{one}/question", {"words": "Which bed?"})
        await glass.json(ward.doctor, "POST", f"{one}/answer", {"words": "Bed 4.\nHurry."})
        approved = await glass.json(ward.first, "POST", f"{one}/approval", {"hours": 2})
        assert (approved["state"], approved["decide_by"]) == ("approved", None)
        assert (await glass.json(ward.second, "POST", f"{one}/approval", status=409))["code"] == "already-decided"
        whole = await glass.json(ward.first, "GET", one)
        assert (whole["words"], whole["decided_by_id"]) == (SECRET, to_text(ward.first))
        assert whole["acknowledged_by"] == [to_text(ward.first)]
        assert [note["words"] for note in whole["notes"] if note["kind"] in ("asked", "answered")] == [
            "Which bed?", "Bed 4.\nHurry.",
        ]  # fmt: skip
        assert {who["provider_id"] for who in whole["approvers"]} == {
            to_text(who) for who in (ward.first, ward.second, ward.everywhere, ward.manager, ward.office)
        }

        more = {"reason": "transfer", "hours": 1}
        assert (await glass.json(ward.doctor, "POST", f"{one}/extension", more))["decide_by"] is not None
        longer = await glass.json(ward.second, "POST", f"{one}/approval")
        assert longer["ends_at"] > approved["ends_at"]
        early = await glass.json(ward.office, "POST", f"{one}/review", {"verdict": "justified"}, status=409)
        assert early["code"] == "not-yet-ended"
        assert (await glass.json(ward.doctor, "POST", f"{one}/end"))["state"] == "ended"
        assert not await glass.lets_in()
        [due] = (await glass.json(ward.office, "GET"))["emergencies"]
        assert due["id"] == told["id"]
        own = await glass.json(ward.doctor, "POST", f"{one}/review", {"verdict": "justified"}, status=403)
        assert own["code"] in ("own-review", "not-a-reviewer")
        done = await glass.json(ward.office, "POST", f"{one}/review", {"verdict": "justified", "words": "As it was."})
        assert done["state"] == "reviewed"
        report = await glass.json(ward.office, "GET", f"{one}/report")
        assert [held["state"] for held in report["states"]] == [
            "provisional",
            "approved",
            "approved",
            "approved",
            "ended",
            "reviewed",
        ]
        assert len(report["opened"]) == 1
        page = await glass.client.get(
            f"{ROUTE}{one}/report", headers=glass.token(ward.office) | {"Accept": "text/html,*/*;q=0.8"}
        )
        assert (page.headers["content-type"], page.text[:15]) == ("text/html; charset=utf-8", "<!doctype html>")
        assert page.headers["content-security-policy"].startswith("default-src 'none'")
        figures = await glass.json(ward.office, "GET", "/figures")
        assert (figures["asked"], figures["approved"], figures["reviewed"]) == (1, 1, 1)
        assert (await glass.json(ward.doctor, "GET", "/figures", status=403))["code"] == "permission-required"
        assert (await glass.json("service:host", "GET", "/figures", may=["change"]))["asked"] == 1

    on_glass(in_hospital, work)


def test_a_denial_ends_it_at_the_next_question_and_the_next_request_waits(in_hospital: Run) -> None:
    async def work(glass: Glass) -> None:
        ward = glass.clinic
        one = f"/{await glass.opened()}"
        assert await glass.lets_in()
        await glass.json(ward.first, "POST", f"{one}/denial", {}, status=400)
        assert (await glass.json(ward.first, "POST", f"{one}/denial", {"words": "Not yours."}))["state"] == "denied"
        assert not await glass.lets_in()
        for step, said in STEPS[:3]:
            refused = await glass.json(ward.first, "POST", f"{one}{step}", said, status=409)
            assert refused["code"] in ("already-decided", "grant-ended"), step
        waiting = await glass.json(ward.doctor, "POST", body=glass.wish(), status=202)
        assert (waiting["state"], waiting["mode"], waiting["scope"]) == ("requested", "gated", [])
        assert not await glass.lets_in()
        await glass.json(ward.first, "POST", f"/{waiting['id']}/approval")
        assert await glass.lets_in()

    on_glass(in_hospital, work)


def test_a_denied_question_says_that_the_glass_may_be_broken(in_hospital: Run) -> None:
    async def work(glass: Glass) -> None:
        asked = {
            "subject": {"type": "user", "id": to_text(glass.clinic.doctor)}, "action": {"name": "read"},
            "resource": {"type": "patient", "id": to_text(glass.clinic.patient)},
        }  # fmt: skip
        answer = await glass.client.post("/access/v1/evaluation", json=asked, headers=glass.token("service:host"))
        assert "break-glass" in [one["kind"] for one in answer.json()["context"]["remedies"]]

    on_glass(in_hospital, work)


def test_only_a_person_breaks_the_glass_or_decides_and_only_as_themselves(in_hospital: Run) -> None:
    async def work(glass: Glass) -> None:
        ward = glass.clinic
        one = f"/{await glass.opened()}"
        before = len(await glass.refusals())
        for who in ("service:host", "operator:root", "provider:", "provider:x", f"Provider:{to_text(ward.first)}"):
            for may in (["ask"], ["change"]):
                for path, said in (("", glass.wish()), *((f"{one}{step}", said) for step, said in STEPS)):
                    refused = await glass.json(who, "POST", path, said, status=403, may=may)
                    assert refused["code"] == "person-required", (who, path)
        assert set((await glass.refusals())[before:]) == {"person-required"}
        # Nobody names the one who decides: no field, no query and no header does it.
        for said in ({"approver": to_text(ward.first)}, {"supervisor": to_text(ward.first)}):
            assert (await glass.send(ward.doctor, "POST", f"{one}/approval", said)).status_code == 400
        query = await glass.send(ward.doctor, "POST", f"{one}/approval?approver={to_text(ward.first)}")
        assert query.status_code == 400
        own = await glass.json(ward.doctor, "POST", f"{one}/approval", status=403)
        assert own["code"] == "self-approval"
        assert (await glass.json(ward.first, "GET", one))["state"] == "provisional"
        assert (await glass.json(ward.first, "POST", f"{one}/approval"))["state"] == "approved"

    on_glass(in_hospital, work)


def test_to_whom_it_is_no_business_it_is_as_if_there_were_none(in_hospital: Run) -> None:
    async def work(glass: Glass) -> None:
        ward = glass.clinic
        colleague, nobody = await ward.breaker(), to_text(new_id())
        one = await glass.opened(words=SECRET)
        async with open_hospital(glass.hospital.circle) as neighbour:
            theirs = await neighbour.provider()
            callers: list[tuple[UUID | str, UUID]] = [
                (colleague, glass.hospital.organization), (new_id(), glass.hospital.organization),
                (theirs, neighbour.organization), (ward.first, neighbour.organization),
                (ward.office, neighbour.organization), (ward.doctor, neighbour.organization),
            ]  # fmt: skip
            for who, organization in callers:
                for method, step, said in (
                    ("GET", "", None),
                    ("GET", "/report", None),
                    *(("POST", *step) for step in STEPS),
                ):
                    real = await glass.send(who, method, f"/{one}{step}", said, organization=organization)
                    absent = await glass.send(who, method, f"/{nobody}{step}", said, organization=organization)
                    assert real.status_code == absent.status_code == 404, (who, step, real.text)
                    assert real.content == absent.content, (who, step)
                    assert real.json()["code"] == "emergency-access-not-found"
                assert (await glass.json(who, "GET", organization=organization))["emergencies"] == []
            changer = await glass.send("service:host", "GET", f"/{one}", may=["change"], organization=theirs)
            assert changer.status_code == 404
        service = await glass.send("service:host", "GET", f"/{one}")
        assert (service.status_code, service.json()["code"]) == (404, "emergency-access-not-found")
        assert (await glass.json("service:host", "GET", status=403))["code"] == "person-required"
        # The audit trail says what it was, all the same.
        assert {"not-an-approver", "not-themselves"} <= set(await glass.refusals())
        for who in (ward.doctor, ward.first, ward.manager, ward.office):
            assert (await glass.json(who, "GET", f"/{one}"))["words"] == SECRET
        host = await glass.json("service:host", "GET", f"/{one}", may=["change"])
        assert (host["words"], host["patient_id"]) == (None, to_text(ward.patient))
        assert (await glass.send("service:host", "GET", f"/{one}/report", may=["change"])).status_code == 403
        assert [each["id"] for each in (await glass.json("service:host", "GET", may=["change"]))["emergencies"]] == [
            one
        ]

    on_glass(in_hospital, work)


def test_whose_duty_was_taken_back_or_who_is_suspended_sees_nothing_more(in_hospital: Run) -> None:
    async def work(glass: Glass) -> None:
        ward = glass.clinic
        one = f"/{await glass.opened()}"
        losing = (ward.first, ward.manager, ward.office)
        for who in losing:
            assert (await glass.send(who, "GET", one)).status_code == 200
        await ward.do(end_duty, duty_id=ward.duties[ward.first].id)
        for who in (ward.manager, ward.office):
            await ward.do(suspend, provider=who)
        for who in losing:
            for method, path, said in (("GET", one, None), ("POST", f"{one}/approval", None)):
                refused = await glass.json(who, method, path, said, status=404)
                assert refused["code"] == "emergency-access-not-found"
            assert (await glass.json(who, "GET"))["emergencies"] == []
        assert (await glass.json(ward.second, "POST", f"{one}/approval"))["state"] == "approved"

    on_glass(in_hospital, work)


def test_a_sign_in_too_long_ago_is_asked_for_again(in_hospital: Run) -> None:
    async def work(glass: Glass) -> None:
        ward = glass.clinic
        await ward.policy(emergency_sign_in_minutes=7)
        for signed_in in (None, timedelta(minutes=8), timedelta(days=400), timedelta(minutes=-2)):
            answer = await glass.send(ward.doctor, "POST", "", glass.wish(), signed_in=signed_in)
            assert (answer.status_code, answer.json()["code"]) == (401, "step-up-required"), signed_in
            asked = answer.headers["www-authenticate"]
            assert asked.startswith('Bearer error="insufficient_user_authentication"')
            assert asked.endswith('max_age="420"')
        assert (await glass.refusals())[-4:] == ["step-up-required"] * 4
        assert not await glass.lets_in()
        await glass.json(ward.doctor, "POST", body=glass.wish(), status=201, signed_in=timedelta(minutes=6))
        plain = await glass.client.get(ROUTE)
        assert (plain.status_code, plain.headers["www-authenticate"]) == (401, "Bearer")

    on_glass(in_hospital, work)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"attested": False}, "attestation-required"),
        ({"reason": "boredom"}, "reason-required"),
        ({"reason": "other"}, "reason-required"),
        ({"hours": 0}, "invalid-request"),
        ({"hours": "4"}, "invalid-request"),
        ({"words": "a\x00b"}, "invalid-request"),
        ({"provider": "x"}, "invalid-request"),
        ({"scope": []}, "invalid-request"),
    ],
)
def test_what_a_request_lacks_is_said_and_nothing_opens(in_hospital: Run, changes: dict[str, Any], code: str) -> None:
    async def work(glass: Glass) -> None:
        told = await glass.json(glass.clinic.doctor, "POST", body=glass.wish(**changes), status=400)
        assert told["code"] == code
        short = glass.wish()
        del short["attested"]
        assert (await glass.send(glass.clinic.doctor, "POST", "", short)).status_code == 400
        assert not await glass.lets_in()

    on_glass(in_hospital, work)


def test_who_may_not_break_the_glass_is_refused_and_on_record(in_hospital: Run) -> None:
    async def work(glass: Glass) -> None:
        refused = await glass.json(await glass.hospital.provider(), "POST", body=glass.wish(), status=403)
        assert refused["code"] == "may-not-break-glass"
        unknown = glass.wish(patient="urn:mrn|nobody")
        assert (await glass.json(glass.clinic.doctor, "POST", body=unknown, status=404))["code"] == (
            "patient-not-registered"
        )
        assert await glass.refusals() == ["may-not-break-glass", "patient-not-registered"]

    on_glass(in_hospital, work)


def test_a_patients_discharge_ends_it(in_hospital: Run) -> None:
    async def work(glass: Glass) -> None:
        await glass.opened()
        path = f"/v1/patients/{to_text(glass.clinic.patient)}/discharge"
        asking = await glass.client.post(path, headers=glass.token("service:host"))
        assert (asking.status_code, asking.json()["code"]) == (403, "permission-required")
        assert await glass.lets_in()
        changer = glass.token("service:host", may=["change"])
        assert (await glass.client.post(path, headers=changer)).json() == {"ended": 1}
        assert not await glass.lets_in()
        nobody = await glass.client.post(f"/v1/patients/{to_text(new_id())}/discharge", headers=changer)
        assert (nobody.status_code, nobody.json()["code"]) == (404, "patient-not-registered")

    on_glass(in_hospital, work)


def test_reading_leaves_entries_and_no_words_stand_in_any(in_hospital: Run) -> None:
    async def work(glass: Glass) -> None:
        one = f"/{await glass.opened(words=SECRET)}"
        await glass.json(glass.clinic.first, "GET")
        await glass.json(glass.clinic.first, "GET", one)
        await glass.json(glass.clinic.first, "POST", f"{one}/denial", {"words": SECRET})
        left = await entries(glass.hospital)
        assert [each["code"] for each in left if each["kind"] == "reading"] == ["emergency-listed", "emergency-read"]
        assert {"emergency-opened", "emergency-denied"} <= {each["code"] for each in left}
        assert "greenhouse" not in " ".join(each["detail"] or "" for each in left)

    on_glass(in_hospital, work)
