"""Attempts at asking: without the right to, with an old sign-in, for more than there is, or of another tenant."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from carecircle import Actor, directory, to_text
from carecircle.directory.relation_service import relate
from carecircle.emergency.rules import REASONS
from carecircle.identifiers import new_id
from carecircle.restrictions.service import lift_suspension, suspend
from proofs.emergency_deciding import ABSENT, AS_HOST
from proofs.emergency_ground import ROUTE, Case, Ground, Kind, Try, minutes, named, refused, told

STEPS: tuple[tuple[str, Any], ...] = (
    ("approval", None), ("denial", {"words": "No."}), ("question", {"words": "Why?"}), ("review", {"verdict": "justified"}),
    ("end", None),
)  # fmt: skip


def _asked(
    g: Ground, who: UUID, patient: UUID, kept: str, *, right: Any = None, door: str = "", body: Any = None, **token: Any
) -> Try:
    act = g.posts(who, body=body or g.practice.wish(patient), door=door, **token)
    return Try(named(who), act, frozenset({kept}), kept, ((who, patient),), right=right or g.opens())


async def without_the_duty(g: Ground) -> Try:
    return _asked(g, g.chance.choice([g.practice.outsider, g.supervisor]), g.patient(), "may-not-break-glass")


async def without_the_duty_in_python(g: Ground) -> Try:
    who, patient = g.practice.outsider, g.patient()
    by = g.chance.choice([AS_HOST, named(who)])
    act = g.calls(by, "request_emergency_access", who, patient, "He is dying", 1000, scope=("read", "write"))
    return Try(by, act, frozenset({"may-not-break-glass"}), "may-not-break-glass", ((who, patient),))


async def own_record(g: Ground) -> Try:
    who, patient = g.clinician(), g.patient(gated=g.chance.random() < 0.5)
    await g.practice.do(relate, provider=who, patient=patient, relation="self")
    return _asked(g, who, patient, "own-record")


async def own_record_by_identifier(g: Ground) -> Try:
    [who] = await g.practice.more_clinicians(1)
    identifier = f"urn:person|{to_text(new_id())}"
    async with g.practice.change() as db:
        await directory.register_provider(
            db, provider_id=who, identifiers=[identifier], organization_id=g.practice.organization, actor=AS_HOST
        )
    return _asked(g, who, await g.somebody(identifier), "own-record")


async def suspended(g: Ground) -> Try:
    [who] = await g.practice.more_clinicians(1)
    await g.practice.do(suspend, provider=who)
    patient = g.patient()

    async def right() -> bool:
        await g.practice.do(lift_suspension, provider=who)
        return await g.posts(who, body=g.practice.wish(patient))() == "201" and bool(await g.may_do(who, patient))

    return _asked(g, who, patient, "emergency-access-refused", right=right)


async def objected_to(g: Ground) -> Try:
    return _asked(g, g.clinician(), g.chance.choice(g.practice.objecting), "emergency-access-refused")


async def old_sign_in(g: Ground) -> Try:
    ago = g.chance.choice([minutes(5.2), minutes(6), minutes(90), timedelta(days=3)])
    return _asked(g, g.clinician(), g.patient(), "step-up-required", signed_in=ago)


async def sign_in_ahead(g: Ground) -> Try:
    ahead = g.chance.choice([minutes(2), minutes(5), timedelta(days=1)])
    return _asked(g, g.clinician(), g.patient(), "step-up-required", signed_in=-ahead)


async def sign_in_not_said(g: Ground) -> Try:
    return _asked(g, g.clinician(), g.patient(), "step-up-required", signed_in=None)


async def request_again(g: Ground) -> Try:
    """The same request once more, while what came of it is open or waits."""
    case = await g.case("requested", "provisional", "approved")
    act = g.posts(case.clinician, body=g.practice.wish(case.patient))
    return refused(case.clinician, act, "emergency-access-open", case)


async def request_after_a_denial(g: Ground) -> Try:
    """The same request once more after a denial, or undecided: it waits, whatever it says."""
    case = await g.case("denied", "expired")
    body = g.practice.wish(case.patient, reason=g.chance.choice([one for one in REASONS if one != "other"]), hours=24)

    async def within() -> str:
        return "it lets in" if await g.may_do(*case.pair) else ""

    return Try(
        named(case.clinician), g.posts(case.clinician, body=body), frozenset({"202"}), "emergency-requested",
        (case.pair,), within=within,
    )  # fmt: skip


async def wider_than_policy(g: Ground) -> Try:
    """Actions and hours that the policy lets nobody have: what opens reads, for minutes; what is approved reads, up to the cap."""
    who, patient = g.clinician(), g.patient()
    body = g.practice.wish(patient, scope=["read", "write", "order", "share"], hours=1000)

    async def within() -> str:
        found = await g.admin.fetchrow(
            "select lineage_id, ends_at - asked_at as lasts from carecircle.emergency_access"
            " where provider_id = $1 and patient_id = $2",
            who, patient,
        )  # fmt: skip
        case = Case(found["lineage_id"], who, patient)
        first = await g.may_do(*case.pair)
        await g.approves(case)()
        row = await g.standing(case)
        if (
            found["lasts"] > minutes(15)
            or first | await g.may_do(*case.pair) != {"read"}
            or row["ends_at"] > row["cap"]
        ):
            return f"it opens for {found['lasts']} to {sorted(first)}, then until {row['ends_at']} to {row['scope']}"
        return ""

    return Try(
        named(who), g.posts(who, body=body), frozenset({"201"}), "emergency-opened", ((who, patient),), within=within
    )


async def made_up_fields_in_a_request(g: Ground) -> Try:
    who, patient = g.clinician(), g.patient(gated=True)
    more: dict[str, Any] = g.chance.choice([
        {"state": "approved"}, {"mode": "immediate"}, {"decided_by_id": to_text(g.supervisor)}, {"ends_at": None},
        {"despite": ["objection", "sensitivity"]}, {"two_persons": False}, {"provider": to_text(g.supervisor)},
        {"authenticated_at": "2026-01-01T00:00:00Z"}, {"organization": to_text(g.practice.neighbour)},
    ])  # fmt: skip
    return _asked(g, who, patient, "invalid-request", body=g.practice.wish(patient, **more))


async def not_attested(g: Ground) -> Try:
    who, patient = g.clinician(), g.patient()
    return _asked(g, who, patient, "attestation-required", body=g.practice.wish(patient, attested=False))


async def without_words(g: Ground) -> Try:
    who, patient = g.clinician(), g.patient()
    reason = g.chance.choice(["other", "curious"])
    return _asked(g, who, patient, "reason-required", body=g.practice.wish(patient, reason=reason))


async def service_asks_or_decides(g: Ground) -> Try:
    """A token of a service, an operator or nobody's in particular, which may even change things."""
    case = await g.case("requested", "provisional")
    who = g.chance.choice(["service:host", "operator:root", f"Provider:{to_text(g.supervisor)}", "provider:x"])
    path, body = g.chance.choice(
        [("", g.practice.wish(g.patient())), *((f"/{to_text(case.id)}/{s}", b) for s, b in STEPS)]
    )
    act = g.posts(who, path, body, may=g.chance.choice([("ask",), ("ask", "change")]))
    return refused(Actor(who).name, act, "person-required", case, right=g.approves(case))


async def other_tenants_case(g: Ground) -> Try:
    """By somebody of another organization, or by a supervisor of this one with a token for another: as if there were none."""
    case = await g.case("requested", "provisional", "ended")
    p = g.practice
    who = g.chance.choice(
        [p.neighbours["supervisor"], p.neighbours["clinician"], g.supervisor, p.office, case.clinician]
    )
    headers = p.bearer(who, organization=p.neighbour)
    step, body = g.chance.choice(STEPS)

    async def act() -> str:
        answers = [
            await g.clients[""].post(f"{ROUTE}/{to_text(one)}/{step}", json=body, headers=headers)
            for one in (case.id, new_id())
        ]
        return (
            told(answers[0]) if answers[0].content == answers[1].content else "something else than of one that is not"
        )

    return Try(named(who), act, frozenset({ABSENT}), ABSENT, (case.pair,), organization=p.neighbour, times=2)


async def other_tenants_case_in_python(g: Ground) -> Try:
    case = await g.case("requested", "provisional")
    p = g.practice
    act = g.calls(
        AS_HOST, "approve_emergency_access", to_text(case.id), p.neighbours["supervisor"], organization=p.neighbour
    )
    return refused(AS_HOST, act, ABSENT, case, organization=p.neighbour, right=g.approves(case))


async def other_tenants_patient(g: Ground) -> Try:
    p = g.practice
    who, patient = p.neighbours["clinician"], g.patient()

    async def right() -> bool:
        theirs = p.wish(p.neighbours["patient"], unit=None)
        return await g.posts(who, body=theirs, organization=p.neighbour)() == "201"

    return Try(
        named(who), g.posts(who, body=p.wish(patient, unit=None), organization=p.neighbour),
        frozenset({"patient-not-registered"}), "patient-not-registered", ((who, patient),), right=right,
        organization=p.neighbour,
    )  # fmt: skip


_ALL = (
    without_the_duty, without_the_duty_in_python, own_record, own_record_by_identifier, suspended, objected_to, old_sign_in,
    sign_in_ahead, sign_in_not_said, request_again, request_after_a_denial, wider_than_policy, made_up_fields_in_a_request,
    not_attested, without_words, service_asks_or_decides, other_tenants_case, other_tenants_case_in_python,
    other_tenants_patient,
)  # fmt: skip
ASKING: dict[str, Kind] = {one.__name__: one for one in _ALL}
