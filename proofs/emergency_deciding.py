"""Attempts about what was asked for already: to decide about it, to decide again, to lengthen, to end and to review it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from uuid import UUID

from carecircle import to_text
from carecircle.directory.duty_service import add_duty, duties, end_duty
from carecircle.directory.relation_service import relate
from carecircle.directory.reporting_service import add_reporting_line
from carecircle.emergency.deciding_service import approve
from carecircle.emergency.ending_service import end, extend
from carecircle.restrictions.service import lift_suspension, suspend
from proofs.emergency_ground import Case, Ground, Kind, Try, named, refused

ABSENT = "emergency-access-not-found"
AS_HOST = "service:host"


def at(case: Case, step: str) -> str:
    return f"/{to_text(case.id)}/{step}"


async def own_by_http(g: Ground) -> Try:
    case = await g.case("requested", "provisional")
    step, body = g.chance.choice([("approval", None), ("approval", {"hours": 1}), ("denial", {"words": "So."})])
    return refused(
        case.clinician, g.posts(case.clinician, at(case, step), body), "self-approval", case, right=g.approves(case)
    )


async def own_in_python(g: Ground) -> Try:
    case = await g.case("requested", "provisional")
    by = g.chance.choice([AS_HOST, named(case.clinician)])
    act = g.calls(by, "approve_emergency_access", to_text(case.id), case.clinician)
    return refused(by, act, "self-approval", case, right=g.approves(case))


async def own_in_anothers_name(g: Ground) -> Try:
    case = await g.case("requested", "provisional")
    by = named(case.clinician)
    act = g.calls(by, "approve_emergency_access", to_text(case.id), g.supervisor)
    return refused(by, act, "not-themselves", case, right=g.approves(case))


async def own_extension(g: Ground) -> Try:
    case = await g.case("approved")
    await g.practice.do(extend, emergency_id=case.id, provider=case.clinician, reason_code="transfer", hours=2)
    act = g.posts(case.clinician, at(case, "approval"))
    return refused(case.clinician, act, "self-approval", case, right=g.approves(case))


async def became_requesters_supervisor(g: Ground) -> Try:
    """The requester takes the duty of a supervisor once they have asked."""
    [who] = await g.practice.more_clinicians(1)
    case = await g.case("requested", clinician=who)
    await g.practice.do(add_duty, provider=who, duty="supervisor")
    return refused(who, g.posts(who, at(case, "approval")), "self-approval", case, right=g.approves(case))


async def became_supervisor(g: Ground) -> Try:
    case = await g.case("requested", "provisional")
    who = await g.practice.another("supervisor")
    act = g.posts(who, at(case, "approval"))
    return refused(who, act, "not-an-approver", case, told=ABSENT, right=g.approves(case))


async def no_supervisor(g: Ground) -> Try:
    case = await g.case("requested", "provisional")
    who = g.chance.choice([one for one in g.practice.clinicians if one != case.clinician])
    act = g.posts(who, at(case, "approval"))
    return refused(who, act, "not-an-approver", case, told=ABSENT, right=g.approves(case))


async def no_supervisor_in_python(g: Ground) -> Try:
    case = await g.case("requested", "provisional")
    act = g.calls(AS_HOST, "approve_emergency_access", to_text(case.id), g.practice.outsider)
    return refused(AS_HOST, act, "not-an-approver", case, right=g.approves(case))


async def duty_taken_back(g: Ground) -> Try:
    who = await g.practice.another("supervisor")
    case = await g.case("requested", "provisional")
    async with g.practice.change() as db:
        [duty] = await duties(db, provider=who, organization=g.practice.organization)
    await g.practice.do(end_duty, duty_id=duty.id)
    act = g.posts(who, at(case, "approval"))
    return refused(who, act, "not-an-approver", case, told=ABSENT, right=g.approves(case))


async def suspended_supervisor(g: Ground) -> Try:
    who = await g.practice.another("supervisor")
    case = await g.case("requested", "provisional")
    await g.practice.do(suspend, provider=who)

    async def right() -> bool:
        await g.practice.do(lift_suspension, provider=who)
        return await g.approves(case, who)()

    return refused(who, g.posts(who, at(case, "approval")), "not-an-approver", case, told=ABSENT, right=right)


async def subordinate(g: Ground) -> Try:
    case = await g.case("requested", "provisional", clinician=g.practice.clinicians[0])
    who = g.practice.subordinate
    act = g.posts(who, at(case, "approval"))
    return refused(who, act, "not-an-approver", case, told=ABSENT, right=g.approves(case))


async def subordinate_since(g: Ground) -> Try:
    """An approver who has come to report to the requester, by way of another."""
    who, between = await g.practice.another("supervisor"), await g.person()
    case = await g.case("requested", "provisional")
    await g.practice.do(add_reporting_line, provider=who, reports_to=between)
    await g.practice.do(add_reporting_line, provider=between, reports_to=case.clinician)
    act = g.posts(who, at(case, "approval"))
    return refused(who, act, "not-an-approver", case, told=ABSENT, right=g.approves(case))


async def relative(g: Ground) -> Try:
    who, patient = await g.practice.another("supervisor"), g.patient(gated=g.chance.random() < 0.5)
    await g.practice.do(
        relate, provider=who, patient=patient, relation=g.chance.choice(["family", "household", "self"])
    )
    case = await g.case("provisional", patient=patient)
    act = g.posts(who, at(case, "approval"))
    return refused(who, act, "not-an-approver", case, told=ABSENT, right=g.approves(case))


async def relative_since(g: Ground) -> Try:
    """An approver who has come to be on record as the patient's family."""
    who = await g.practice.another("supervisor")
    case = await g.case("requested", "provisional")
    await g.practice.do(relate, provider=who, patient=case.patient, relation="family")
    act = g.posts(who, at(case, "approval"))
    return refused(who, act, "not-an-approver", case, told=ABSENT, right=g.approves(case))


async def after_the_end(g: Ground) -> Try:
    case = await g.case("expired")
    step, body = g.chance.choice([("approval", None), ("approval", {"hours": 24}), ("denial", {"words": "Late."})])
    act = g.posts(g.supervisor, at(case, step), body)
    return refused(g.supervisor, act, "grant-ended", case, right=g.approves(await g.case("provisional")))


async def after_the_end_in_python(g: Ground) -> Try:
    case = await g.case("expired")
    act = g.calls(AS_HOST, "approve_emergency_access", to_text(case.id), g.supervisor, hours=24)
    return refused(AS_HOST, act, "grant-ended", case, right=g.approves(await g.case("provisional")))


async def extended_after_the_end(g: Ground) -> Try:
    case = await g.case("expired", "ended", "denied")
    act = g.posts(case.clinician, at(case, "extension"), {"reason": "transfer", "hours": 2})
    return refused(case.clinician, act, "grant-ended", case)


async def after_a_denial(g: Ground) -> Try:
    case = await g.case("denied")
    who = g.chance.choice([*g.practice.supervisors, g.practice.manager])
    act = g.posts(who, at(case, "approval"))
    return refused(who, act, "already-decided", case, right=g.approves(await g.case("requested")))


async def approval_again(g: Ground) -> Try:
    case = await g.case("requested", "provisional")
    act = g.posts(g.supervisor, at(case, "approval"), {"hours": 3})
    if await act() != "200":
        raise RuntimeError("what is to be sent again was not taken the first time")
    if g.chance.random() < 0.5:
        await g.practice.do(end, emergency_id=case.id, provider=case.clinician)
    return refused(g.supervisor, act, "already-decided", case)


async def denial_again(g: Ground) -> Try:
    case = await g.case("requested", "provisional")
    act = g.posts(g.supervisor, at(case, "denial"), {"words": "No."})
    if await act() != "200":
        raise RuntimeError("what is to be sent again was not taken the first time")
    return refused(g.supervisor, act, "grant-ended", case)


async def as_both_persons(g: Ground) -> Try:
    case = await g.case("requested", "provisional", two=True)
    act = g.posts(g.supervisor, at(case, "approval"))
    if await act() != "200":
        raise RuntimeError("the first of two could not approve")
    return refused(g.supervisor, act, "self-approval", case, right=g.approves(case, g.practice.supervisors[1]))


async def requester_as_the_second(g: Ground) -> Try:
    case = await g.case("requested", "provisional", two=True)
    await g.practice.do(approve, emergency_id=case.id, approver=g.supervisor)
    act = g.posts(case.clinician, at(case, "approval"))
    return refused(case.clinician, act, "self-approval", case, right=g.approves(case, g.practice.supervisors[1]))


async def beyond_the_cap(g: Ground) -> Try:
    case = await g.case("approved", hours=1000, patient=g.patient())
    act = g.posts(case.clinician, at(case, "extension"), {"reason": "transfer", "hours": 1})
    return refused(case.clinician, act, "invalid-request", case)


async def capped_extension(g: Ground) -> Try:
    """More than the cap is asked for and approved; what is given ends at the cap."""
    case = await g.case("approved", hours=23)

    async def act() -> str:
        said = await g.posts(case.clinician, at(case, "extension"), {"reason": "transfer", "hours": 900})()
        return said if said != "200" else await g.posts(g.supervisor, at(case, "approval"), {"hours": 900})()

    return _less(g, case, g.supervisor, act, "emergency-extended")


async def capped_approval(g: Ground) -> Try:
    case = await g.case("requested", "provisional", hours=g.chance.choice([2, 1000]))
    act = g.posts(g.supervisor, at(case, "approval"), {"hours": 1000})
    return _less(g, case, g.supervisor, act, "emergency-approved")


def _less(g: Ground, case: Case, who: UUID, act: Callable[[], Awaitable[str]], kept: str) -> Try:
    async def within() -> str:
        row = await g.standing(case)
        if row["ends_at"] > min(row["cap"], row["wanted_until"]) or list(row["scope"]) != ["read"]:
            return f"lasts until {row['ends_at']} and lets {row['scope']}, capped at {row['cap']}"
        return ""

    return Try(named(who), act, frozenset({"200"}), kept, (case.pair,), within=within)


async def wider_approval(g: Ground) -> Try:
    case = await g.case("requested", "provisional")
    body = {"scope": g.chance.choice([["read", "write"], ["order"], ["read", "share"]])}
    act = g.posts(g.supervisor, at(case, "approval"), body)
    return refused(g.supervisor, act, "invalid-request", case, right=g.approves(case))


async def made_up_fields(g: Ground) -> Try:
    """The supervisor's name, or what the row should say, in the body."""
    case = await g.case("requested", "provisional")
    who = case.clinician
    body = g.chance.choice([
        {"approver": to_text(g.supervisor)}, {"supervisor": to_text(g.supervisor)}, {"provider": to_text(g.supervisor)},
        {"decided_by_id": to_text(g.supervisor)}, {"state": "approved"}, {"actor": named(g.supervisor)},
    ])  # fmt: skip
    return refused(who, g.posts(who, at(case, "approval"), body), "invalid-request", case, right=g.approves(case))


async def anothers(g: Ground) -> Try:
    """Ending, lengthening or answering what somebody else asked for."""
    case = await g.case("approved")
    who = g.chance.choice([one for one in g.practice.clinicians if one != case.clinician])
    step, body = g.chance.choice([
        ("end", None), ("extension", {"reason": "transfer", "hours": 1}), ("answer", {"words": "So."}),
    ])  # fmt: skip
    return refused(who, g.posts(who, at(case, step), body), "not-themselves", case, told=ABSENT)


async def _reviewed_rightly(g: Ground, case: Case) -> bool:
    return await g.posts(g.practice.second_office, at(case, "review"), {"verdict": "justified"})() == "200"


async def own_review(g: Ground) -> Try:
    [who] = await g.practice.more_clinicians(1)
    await g.practice.do(add_duty, provider=who, duty="privacy_office")
    case = await g.case("ended", "denied", clinician=who)
    act = g.posts(who, at(case, "review"), {"verdict": "justified"})
    return refused(who, act, "own-review", case, right=lambda: _reviewed_rightly(g, case))


async def review_by_the_approver(g: Ground) -> Try:
    case = await g.case("provisional")
    await g.practice.do(approve, emergency_id=case.id, approver=g.practice.office)
    await g.practice.do(end, emergency_id=case.id, provider=case.clinician)
    act = g.posts(g.practice.office, at(case, "review"), {"verdict": "justified"})
    return refused(g.practice.office, act, "own-review", case, right=lambda: _reviewed_rightly(g, case))


async def review_by_no_reviewer(g: Ground) -> Try:
    case = await g.case("ended")
    who = g.practice.supervisors[1]
    act = g.posts(who, at(case, "review"), {"verdict": "justified"})
    return refused(who, act, "not-a-reviewer", case, right=lambda: _reviewed_rightly(g, case))


async def review_too_early(g: Ground) -> Try:
    case = await g.case("provisional", "approved")
    act = g.posts(g.practice.office, at(case, "review"), {"verdict": "justified"})
    return refused(g.practice.office, act, "not-yet-ended", case)


_ALL = (
    own_by_http, own_in_python, own_in_anothers_name, own_extension, became_requesters_supervisor, became_supervisor,
    no_supervisor, no_supervisor_in_python, duty_taken_back, suspended_supervisor, subordinate, subordinate_since, relative,
    relative_since, after_the_end, after_the_end_in_python, extended_after_the_end, after_a_denial, approval_again,
    denial_again, as_both_persons, requester_as_the_second, beyond_the_cap, capped_extension, capped_approval, wider_approval,
    made_up_fields, anothers, own_review, review_by_the_approver, review_by_no_reviewer, review_too_early,
)  # fmt: skip
DECIDING: dict[str, Kind] = {one.__name__: one for one in _ALL}
