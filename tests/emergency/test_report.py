"""The after-action report: what it says, from where, to whom it is known that somebody read it, and what its page never does."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from carecircle import directory
from carecircle.assignments.service import add_assignment
from carecircle.cli.break_glass_words import ENDED
from carecircle.emergency.concern_service import Concern
from carecircle.emergency.report import Report
from carecircle.emergency.report_page import as_html, content_security_policy, file_name
from carecircle.emergency.report_service import report
from carecircle.emergency.timeline import lasted, timeline
from carecircle.errors.emergency import EmergencyAccessNotFound
from carecircle.identifiers import new_id, to_text
from carecircle.notices.service import put
from tests.conftest import Hospital
from tests.emergency.kept import Kept

InHospital = Callable[[Callable[[Hospital], Any]], Any]
WORDS = 'Found <b>unresponsive</b> & alone; "no" chart from the sender\'s ward'


async def named(hospital: Hospital, name: str) -> UUID:
    async with hospital.change() as db:
        return await directory.register_provider(db, name=name, organization_id=hospital.organization, actor="test")


async def written(kept: Kept, emergency: UUID, concern: Concern = "privacy-office") -> Report:
    async with kept.hospital.change() as db:
        return await report(
            db, emergency_id=emergency, auditor=kept.hospital.circle.auditor, concern=concern, **kept.by
        )


class Case:
    """One access with everything around it; it is open, and was used twice."""

    kept: Kept
    emergency: UUID
    asker: UUID
    patient: UUID
    supervisor: UUID


async def open_case(hospital: Hospital, *, sud: bool = False) -> Case:
    case = Case()
    case.kept = kept = await Kept.open(hospital)
    case.asker, case.supervisor = await named(hospital, "Dr. Ada Brenner"), await named(hospital, "Dr. Otto Lind")
    case.patient = await hospital.patient("mrn|778-12-9", name="Wilhelmina Secret")
    if sud:
        await kept.label(case.patient, "SUD")
    by = {"decided_by_id": case.supervisor, "decided_at": kept.at(-27)}
    case.emergency = await kept.access(
        case.asker, case.patient, ("provisional", -30, {}), ("approved", -27, {"ends": 400, **by}),
        words=WORDS, signals=["no-unit", "repeated-words"], despite=["sensitivity"],
    )  # fmt: skip
    await kept.approver(case.emergency, case.supervisor, await kept.duty(case.supervisor, "supervisor"))
    await kept.note(case.emergency, "asked", case.supervisor, "Which bay?")
    for _ in range(2):
        decision = await hospital.circle.access.check(
            case.asker, "read", case.patient, organization=hospital.organization, actor="test"
        )
        assert decision.allowed
    return case


def test_it_says_who_why_and_what_was_opened(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        case = await open_case(hospital)
        kept = case.kept
        # Of somebody else's access, and of this provider to another patient, nothing belongs here.
        other = await hospital.patient()
        await kept.access(case.asker, other, ("provisional", -20, {"ends": 10}))
        await hospital.circle.access.check(case.asker, "read", other, organization=hospital.organization, actor="test")
        await hospital.circle.access.check(case.asker, "order", case.patient, **kept.by)
        found = await written(kept, case.emergency)
        assert found.emergency.words == WORDS
        assert found.names == {case.asker: "Dr. Ada Brenner", case.supervisor: "Dr. Otto Lind"}
        assert [state.state for state in found.states] == ["provisional", "approved"]
        assert [one.provider_id for one in found.approvers] == [case.supervisor]
        assert [note.words for note in found.notes] == ["Which bay?"]
        assert [(one.action, one.besides) for one in found.opened] == [("read", ()), ("read", ())]
        assert 30 * 60 <= found.seconds_open < 35 * 60
        assert found.relations == ()
        assert found.converted_at is None
        assert found.disclosure is None
        said = json.dumps(found.as_json())
        shown = json.loads(said)
        assert shown["emergency"]["id"] == to_text(case.emergency)
        assert shown["names"][to_text(case.asker)] == "Dr. Ada Brenner"
        assert shown["opened"][0]["id"] == to_text(found.opened[0].id)
        for secret in ("Secret", "778-12-9"):
            assert secret not in said + as_html(found)

    in_hospital(body)


def test_reading_it_leaves_an_entry(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        case = await open_case(hospital)
        await written(case.kept, case.emergency)
        async with hospital.circle.auditor.begin() as connection:
            await connection.execute(
                text("select set_config('carecircle.organization_id', :own, true)"), {"own": str(hospital.organization)}
            )
            rows = await connection.execute(
                text(
                    "select kind, actor, provider_id, patient_id, detail from carecircle.audit_events"
                    " where code = 'emergency-report-read'"
                )
            )
            (entry,) = rows.all()
        assert entry[:4] == ("reading", "test", case.asker, case.patient)
        assert json.loads(entry.detail) == {"emergency": to_text(case.emergency), "opened": 2}

    in_hospital(body)


def test_another_organization_has_no_report_of_it(in_hospital: InHospital) -> None:
    case: dict[str, UUID] = {}

    async def first(hospital: Hospital) -> None:
        case["emergency"] = (await open_case(hospital)).emergency

    async def second(hospital: Hospital) -> None:
        kept = await Kept.open(hospital)
        for emergency in (case["emergency"], new_id()):
            with pytest.raises(EmergencyAccessNotFound):
                await written(kept, emergency)
        own = await kept.access(await hospital.provider(), await hospital.patient(), ("provisional", -3, {"ends": 12}))
        assert (await written(kept, own)).emergency.id == own

    in_hospital(first)
    in_hospital(second)


def test_a_relationship_that_came_later_is_found(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        case = await open_case(hospital)
        async with hospital.change() as db:
            await add_assignment(db, patient=case.patient, provider=case.asker, **case.kept.by)
        found = await written(case.kept, case.emergency)
        assert [(one.kind, one.until) for one in found.relations] == [("consulting", None)]
        await hospital.circle.access.check(case.asker, "read", case.patient, **case.kept.by)
        assert (await written(case.kept, case.emergency)).opened[-1].besides == ("consulting",)
        # What a label takes away lets nobody in.
        await case.kept.label(case.patient, "PSY")
        relations = (await written(case.kept, case.emergency)).relations
        decision = await hospital.circle.access.check(case.asker, "read", case.patient, **case.kept.by)
        assert {one.kind for one in relations} == {one.kind for one in decision.bases} - {"emergency_access"}

    in_hospital(body)


def test_converted_is_said(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        kept = await Kept.open(hospital)
        emergency = await kept.access(
            await hospital.provider(), await hospital.patient(),
            ("provisional", -30, {}), ("ended", -20, {"ended_because": "relationship"}),
        )  # fmt: skip
        found = await written(kept, emergency)
        assert found.converted_at == kept.at(-20)
        assert found.seconds_open == 600
        assert "because a relationship of care had been put on record" in as_html(found)

    in_hospital(body)


def test_substance_use_records_get_a_draft_of_the_note(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        case = await open_case(hospital, sud=True)
        found = await written(case.kept, case.emergency)
        note = found.disclosure
        assert note is not None
        assert (note.recipient, note.facility, note.disclosed_by) == ("Dr. Ada Brenner", "Test", "")
        assert note.approved_by == "Dr. Otto Lind"
        assert note.at == found.opened[0].at
        assert note.nature == f"Life-threatening emergency: {WORDS}"
        page = as_html(found)
        assert "42 CFR 2.51(c)" in page
        assert "Draft, to be completed" in page

    in_hospital(body)


@pytest.mark.parametrize(("begins", "ends", "wanted"), [(-900, None, True), (-900, -31, False), (-10, None, True)])
def test_the_label_counts_while_it_was_open(
    in_hospital: InHospital, begins: float, ends: float | None, wanted: bool
) -> None:
    async def body(hospital: Hospital) -> None:
        kept = await Kept.open(hospital)
        patient = await hospital.patient()
        await kept.label(patient, "SUD", begins, ends)
        opened = await kept.access(await hospital.provider(), patient, ("provisional", -30, {"ends": -5}))
        waited = await kept.access(
            await hospital.provider(), patient, ("requested", -30, {"ends": -5}), mode="gated", opened_at=None
        )
        assert ((await written(kept, opened)).disclosure is not None) == wanted
        assert (await written(kept, waited)).disclosure is None

    in_hospital(body)


class Page(HTMLParser):
    """What a page asks for from outside, what it runs, and its tables with their captions."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.outside: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.outside += [
            name for name, _ in attrs if name in ("src", "href", "style", "srcset") or name.startswith("on")
        ]


def test_its_page_asks_for_nothing_and_runs_nothing(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        case = await open_case(hospital, sud=True)
        found = await written(case.kept, case.emergency)
        page = as_html(found)
        read = Page(page)
        assert read.outside == []
        assert not {"script", "link", "img", "iframe", "form"}.intersection(read.tags)
        assert read.tags.count("table") == read.tags.count("caption") == 8
        assert read.tags.count("svg") == 1
        assert "&lt;b&gt;unresponsive&lt;/b&gt; &amp; alone" in page
        assert "<b>" not in page
        style = re.search(r"<style>(.*)</style>", page, re.DOTALL)
        assert style is not None
        digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
        assert f"'sha256-{digest}'" in content_security_policy()
        assert "url(" not in style[1]
        assert "@import" not in style[1]

    in_hospital(body)


def test_its_timeline_has_everything_in_order(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        kept = await Kept.open(hospital)
        asker, first, second, reviewer = [await named(hospital, name) for name in ("Ada", "Otto", "Ines", "Paul")]
        emergency = await kept.access(
            asker, await hospital.patient(),
            ("provisional", -100, {}),
            ("provisional", -98, {"seconded_by_id": first}),
            ("approved", -97, {"decided_by_id": second, "decided_at": kept.at(-97)}),
            ("approved", -60, {"second_reason_code": "transfer", "wanted_until": kept.at(3000)}),
            ("approved", -55, {"decided_by_id": first, "ends": -30, "seconded_by_id": second}),
            ("reviewed", -10, {"verdict": "justified", "reviewed_by_id": reviewer}),
            two_persons=True,
        )  # fmt: skip
        drawn = timeline(await written(kept, emergency))
        assert [mark.text for mark in drawn.marks] == [
            "Opened provisionally, to read",
            "Approved by Otto; a second person must approve too",
            "Approved by Ines, to read",
            "More time asked for",
            "More time approved by Otto",
            "Expired",
            "Reviewed by Paul: justified",
        ]
        assert [mark.after for mark in drawn.marks][1:3] == ["2 min", "3 min"]
        assert [mark.y for mark in drawn.marks] == sorted({mark.y for mark in drawn.marks})
        assert drawn.height > drawn.marks[-1].y
        assert len(drawn.bars) == 6

    in_hospital(body)


def test_what_was_used_in_a_downtime_says_so(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        kept = await Kept.open(hospital)
        witness = await named(hospital, "Wanda")
        emergency = await kept.access(
            await hospital.provider(), await hospital.patient(), ("provisional", -300, {}), ("ended", -200, {}),
            mode="downtime", opened_at=None, asked_at=kept.at(-1), seconded_by_id=witness,
        )  # fmt: skip
        found = await written(kept, emergency)
        page = as_html(found)
        assert (found.seconds_open, found.opened) == (0, ())
        assert timeline(found).marks[0].text == "Used while carecircle could not be asked"
        assert re.search(r"Witness</th><td>Wanda", page)
        assert "Recorded at" in page
        assert "never opened here" in page

    in_hospital(body)


def test_a_question_about_another_instant_opens_nothing(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        case = await open_case(hospital)
        kept = case.kept
        asked: tuple[dict[str, Any], ...] = (
            {"as_of": kept.at(-20)}, {"as_of": kept.at(60)}, {"believed_at": kept.at(0)}, {"as_of": kept.at(0)},
        )  # fmt: skip
        for said in asked:
            decision = await hospital.circle.access.check(case.asker, "read", case.patient, **said, **kept.by)
            assert decision.allowed or "believed_at" in said
        found = await written(kept, case.emergency)
        assert len(found.opened) == 3  # two of the case, and what was asked about now by the host's clock
        assert [one.as_of for one in found.supposed][:2] == [kept.at(-20), kept.at(60)]
        assert not {one.id for one in found.supposed} & {one.id for one in found.opened}
        page = as_html(found)
        assert "<dd>3 times</dd>" in page
        assert "are not counted as openings" in page
        assert "are not counted as openings" not in as_html(await written(kept, (await quiet(kept))))

    in_hospital(body)


async def quiet(kept: Kept) -> UUID:
    """An access that nothing was opened by."""
    return await kept.access(
        await kept.hospital.provider(), await kept.hospital.patient(), ("provisional", -3, {"ends": 12})
    )


def test_each_is_told_what_is_theirs_to_know(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        kept = await Kept.open(hospital)
        patient, reviewer = await hospital.patient(), await named(hospital, "Paula Reviewer")
        await kept.label(patient, "SUD")
        emergency = await kept.access(
            await hospital.provider(), patient, ("provisional", -30, {"ends": -15}),
            ("reviewed", -10, {"verdict": "escalated", "reviewed_by_id": reviewer}),
            signals=["vip"], review_due_at=kept.at(24 * 60 - 30),
        )  # fmt: skip
        await kept.note(emergency, "reviewed", reviewer, "Never told to anybody else")
        async with hospital.change() as db:
            for kind in ("review-due", "email:emergency-review-due", "undecided"):
                await put(db, hospital.organization, kind, subject_id=emergency, due_at=kept.at(-2), entry_id=new_id())
        secrets = {
            "label": ("labelled as a VIP", "substance use disorder", "42 CFR", "eview due"),
            "review": ("Paula Reviewer", "scalated", "Never told to anybody else", to_text(reviewer)),
        }
        wanted: tuple[tuple[Concern, set[str]], ...] = (
            ("requester", set()), ("approver", {"eview due", "labelled as a VIP"}),
            ("privacy-office", {one for kind in secrets.values() for one in kind} - {to_text(reviewer)}),
        )  # fmt: skip
        for concern, seen in wanted:
            found = await written(kept, emergency, concern)
            page, shown = as_html(found), found.as_json()
            assert {one for kind in secrets.values() for one in kind if one in page} == seen, concern
            assert [mark.text for mark in timeline(found).marks][-1].startswith("Reviewed")
            told = json.dumps(shown)
            for one in secrets["review"]:
                assert (one in told) == (concern == "privacy-office"), (concern, one)
            assert shown["emergency"]["state"] == "reviewed"
            assert (shown["emergency"]["signals"] is None) == (concern == "requester")
            assert (shown["emergency"]["review_due_at"] is None) == (concern == "requester")
            assert (shown["disclosure"] is not None) == (concern == "privacy-office")
            assert len(shown["deliveries"]) == (1 if concern == "requester" else 3)

    in_hospital(body)


@pytest.mark.parametrize(
    ("because", "said"),
    [("offboarded", "who had asked has left"), ("merged", "the requester's own"), ("parted", "was taken back")],
)
def test_why_it_ended_is_said(in_hospital: InHospital, because: str, said: str) -> None:
    async def body(hospital: Hospital) -> None:
        kept = await Kept.open(hospital)
        emergency = await kept.access(
            await hospital.provider(), await hospital.patient(),
            ("provisional", -30, {}), ("ended", -20, {"ended_because": because}),
        )  # fmt: skip
        assert said in timeline(await written(kept, emergency)).marks[-1].text
        assert because in ENDED

    in_hospital(body)


def test_times_are_said_in_two_units() -> None:
    said = [lasted(one) for one in (0, 0.4, 59, 60, 61, 3600, 3661, 7500, 86400 * 3 + 7200)]
    assert said == ["0 s", "0 s", "59 s", "1 min", "1 min 1 s", "1 h", "1 h 1 min", "2 h 5 min", "3 d 2 h"]


def test_a_file_is_called_after_nobody() -> None:
    emergency = new_id()
    assert file_name(emergency, "html") == f"emergency-access-{to_text(emergency)}.html"
