"""What each is told of an emergency access over HTTP, and whom the entry of a refusal names."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

from carecircle import to_text
from carecircle.directory.relation_service import relate
from carecircle.directory.reporting_service import add_reporting_line
from carecircle.emergency.review_service import review
from carecircle.identifiers import new_id, parse_id
from carecircle.restrictions.service import label
from tests.api.clinic import entries
from tests.api.glass import ROUTE, Glass
from tests.api.test_break_glass import SECRET, STEPS, on_glass
from tests.conftest import Hospital

Run = Callable[[Callable[[Hospital], Any]], Any]
REVIEWERS_WORDS = "Seen before; the department was told"


async def told(glass: Glass, who: UUID | str, one: str, **token: Any) -> list[dict[str, Any]]:
    """It as it is listed, and as it is shown, to somebody."""
    listed = (await glass.json(who, "GET", **token))["emergencies"]
    return [*(each for each in listed if each["id"] == one), await glass.json(who, "GET", f"/{one}", **token)]


async def page(glass: Glass, who: UUID, one: str) -> str:
    answer = await glass.client.get(f"{ROUTE}/{one}/report", headers=glass.token(who) | {"Accept": "text/html"})
    assert answer.status_code == 200
    return answer.text


def test_who_asked_is_not_told_the_patients_labels(in_hospital: Run) -> None:
    async def work(glass: Glass) -> None:
        ward = glass.clinic
        for code in ("CEL", "EMP", "SUD"):
            await ward.do(label, patient=ward.patient, label=code)
        one = await glass.opened(words=SECRET)
        own = await told(glass, ward.doctor, one)
        assert [(each["signals"], each["review_due_at"]) for each in own] == [(None, None)] * 2
        assert own[1]["words"] == SECRET
        report = await glass.json(ward.doctor, "GET", f"/{one}/report")
        assert (report["emergency"]["signals"], report["emergency"]["review_due_at"]) == (None, None)
        assert report["disclosure"] is None
        assert "review-due" not in [each["kind"] for each in report["deliveries"]]
        shown = await page(glass, ward.doctor, one)
        for tells in ("VIP", "co-worker", "ubstance", "42 CFR", "Worth a look", "eview due"):
            assert tells not in shown, tells
        # Whoever decides is told what stands out, the privacy office also what the label SUD asks of them.
        for who, disclosed in ((ward.first, False), (ward.office, True)):
            for each in await told(glass, who, one):
                assert {"vip", "co-worker"} <= set(each["signals"])
                assert each["review_due_at"] is not None
            report = await glass.json(who, "GET", f"/{one}/report")
            assert {"vip", "co-worker"} <= set(report["emergency"]["signals"])
            assert (report["disclosure"] is not None) == disclosed
            shown = await page(glass, who, one)
            assert ("labelled as a VIP" in shown, "42 CFR" in shown) == (True, disclosed)
        for each in await told(glass, "service:host", one, may=["change"]):
            assert {"vip", "co-worker"} <= set(each["signals"])
        for each in await told(glass, ward.doctor, one, may=["change"]):
            assert each["signals"] is None

    on_glass(in_hospital, work)


def test_what_a_review_said_is_for_the_privacy_office(in_hospital: Run) -> None:
    async def work(glass: Glass) -> None:
        ward = glass.clinic
        one = await glass.opened()
        reviewer = await glass.hospital.provider()
        await ward.duty(reviewer, "privacy_office")
        await glass.json(ward.doctor, "POST", f"/{one}/end")
        await ward.do(review, emergency_id=parse_id(one), reviewer=reviewer, verdict="escalated", words=REVIEWERS_WORDS)
        for who in (ward.doctor, ward.first):
            for each in await told(glass, who, one):
                assert (each["state"], each["verdict"], each["reviewed_by_id"]) == ("reviewed", None, None)
            answers = [
                (await glass.send(who, "GET", f"/{one}")).text,
                (await glass.send(who, "GET", f"/{one}/report")).text,
                await page(glass, who, one),
            ]
            for answer in answers:
                for secret in (REVIEWERS_WORDS, "scalated", to_text(reviewer)):
                    assert secret not in answer, secret
        for who in (ward.office, reviewer):
            whole = await glass.json(who, "GET", f"/{one}")
            assert (whole["verdict"], whole["reviewed_by_id"]) == ("escalated", to_text(reviewer))
            assert REVIEWERS_WORDS in [note["words"] for note in whole["notes"] if note["kind"] == "reviewed"]
            assert REVIEWERS_WORDS in (await glass.send(who, "GET", f"/{one}/report")).text
            assert "Escalated" in await page(glass, who, one)
        host = await glass.json("service:host", "GET", f"/{one}", may=["change"])
        assert (host["verdict"], [note["words"] for note in host["notes"]]) == ("escalated", [None])

    on_glass(in_hospital, work)


def test_who_came_to_report_to_the_requester_or_is_related_reads_no_more(in_hospital: Run) -> None:
    async def work(glass: Glass) -> None:
        ward = glass.clinic
        one = await glass.opened(words=SECRET)
        relative = await glass.hospital.provider()
        await ward.duty(relative, "privacy_office")
        await glass.json(ward.doctor, "POST", f"/{one}/end")
        for who in (ward.first, relative):
            assert (await glass.json(who, "GET", f"/{one}"))["words"] == SECRET
        await ward.do(add_reporting_line, provider=ward.first, reports_to=ward.doctor)
        await ward.do(relate, provider=relative, patient=ward.patient, relation="family")
        for who in (ward.first, relative):
            for path in (f"/{one}", f"/{one}/report"):
                assert (await glass.json(who, "GET", path, status=404))["code"] == "emergency-access-not-found"
            assert (await glass.json(who, "GET"))["emergencies"] == []
        refused = await glass.json(relative, "POST", f"/{one}/review", {"verdict": "justified"}, status=404)
        assert refused["code"] == "emergency-access-not-found"
        assert (await glass.refusals())[-1] == "own-review"
        for who in (ward.second, ward.office):
            assert (await glass.json(who, "GET", f"/{one}"))["words"] == SECRET
        await glass.json(ward.office, "POST", f"/{one}/review", {"verdict": "justified"})

    on_glass(in_hospital, work)


def test_the_entry_of_a_refusal_names_the_access_its_provider_and_its_patient(in_hospital: Run) -> None:
    async def work(glass: Glass) -> None:
        ward = glass.clinic
        one, nobodys, colleague = await glass.opened(), to_text(new_id()), await ward.breaker()
        named = (ward.doctor, ward.patient, {"emergency": one})
        for who in (ward.doctor, colleague):
            for step, said in STEPS:
                before = len(await glass.refusals())
                answer = await glass.send(who, "POST", f"/{one}{step}", said)
                if answer.status_code == 200:
                    continue
                (left,) = (await entries(glass.hospital, "refusal"))[before:]
                found = (left["provider_id"], left["patient_id"], json.loads(left["detail"]))
                assert found == named, (who, step, left["code"])
        for path in (f"/{one}", f"/{one}/report"):
            assert (await glass.send(colleague, "GET", path)).status_code == 404
            left = (await entries(glass.hospital, "refusal"))[-1]
            assert (left["provider_id"], left["patient_id"], json.loads(left["detail"])) == named
        for method, path in (("GET", f"/{nobodys}"), ("POST", f"/{nobodys}/approval")):
            await glass.json(colleague, method, path, status=404)
            left = (await entries(glass.hospital, "refusal"))[-1]
            assert (left["code"], left["provider_id"], left["patient_id"]) == ("emergency-access-not-found", None, None)
            assert nobodys not in (left["detail"] or "")

    on_glass(in_hospital, work)


def test_what_opened_as_asked_is_listed_for_who_may_take_it_back(in_hospital: Run) -> None:
    """Nobody has to approve it, so it does not wait; but its approvers see it while it is open."""

    async def work(glass: Glass) -> None:
        c = glass.clinic
        await c.policy(emergency_mode="immediate")
        stranger = await c.breaker()
        one = await glass.opened()

        async def ids(who: UUID, path: str = "") -> list[str]:
            return [each["id"] for each in (await glass.json(who, "GET", path))["emergencies"]]

        assert await ids(c.first) == [one]
        assert await ids(c.first, "?pending=true") == []
        assert await ids(stranger) == []
        assert await ids(c.doctor) == [one]
        await glass.json(c.first, "POST", f"/{one}/denial", {"words": "No."})
        assert await ids(c.first) == []

    on_glass(in_hospital, work)
