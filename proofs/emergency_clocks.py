"""Attempts by way of a host whose clock is five minutes ahead or behind: the database's clock decides about them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from carecircle import to_text
from proofs.emergency_deciding import at
from proofs.emergency_forging import signed
from proofs.emergency_ground import ROUTE, Ground, Kind, Try, minutes, named, refused, told


def _own_clock(g: Ground, who: UUID, door: str, *, signed_in: timedelta = timedelta()) -> dict[str, str]:
    """A person's header from a host with a wrong clock, signed by the installation's key.

    `signed_in` is how long ago the person signed in, by the right clock.
    """
    issued = minutes(5) if door == "ahead" else -minutes(5)
    return {"Authorization": f"Bearer {signed(g, who, ago=-issued, signed_in=signed_in)}"}


def _on(g: Ground, door: str, headers: dict[str, str], path: str, body: Any = None) -> Callable[[], Awaitable[str]]:
    async def send() -> str:
        return told(await g.clients[door].post(f"{ROUTE}{path}", json=body, headers=headers))

    return send


def _opens_on(g: Ground, door: str) -> Callable[[], Awaitable[bool]]:
    """That somebody who signed in just now opens a record there, until fifteen minutes from now by the database's clock."""
    who, patient = g.clinician(), g.patient()

    async def right() -> bool:
        headers = _own_clock(g, who, door)
        said = await _on(g, door, headers, "", g.practice.wish(patient))()
        lasts = await g.admin.fetchval(
            "select ends_at - clock_timestamp() from carecircle.emergency_access where provider_id = $1 and patient_id = $2",
            who, patient,
        )  # fmt: skip
        return said == "201" and bool(minutes(14.8) < lasts <= minutes(15))

    return right


def _door(g: Ground) -> str:
    return g.chance.choice(["ahead", "behind"])


async def late_by_a_wrong_clock(g: Ground) -> Try:
    """Approving what has ended by the database's clock, where it has five minutes to go, or ended five minutes ago."""
    door, case = _door(g), await g.case("expired")
    act = _on(g, door, _own_clock(g, g.supervisor, door), at(case, "approval"), {"hours": 24})
    return refused(g.supervisor, act, "grant-ended", case, right=_opens_on(g, door))


async def old_sign_in_by_a_wrong_clock(g: Ground) -> Try:
    """Who signed in six minutes ago, where the clock says one minute; or eleven."""
    door, who, patient = _door(g), g.clinician(), g.patient()
    act = _on(g, door, _own_clock(g, who, door, signed_in=minutes(6)), "", g.practice.wish(patient))
    return Try(
        named(who),
        act,
        frozenset({"step-up-required"}),
        "step-up-required",
        ((who, patient),),
        right=_opens_on(g, door),
    )


async def sign_in_said_by_a_fast_clock(g: Ground) -> Try:
    """The fast host also signs people in: to the database that is five minutes ahead, and nobody knows how old it is."""
    who, patient = g.clinician(), g.patient()
    act = _on(g, "ahead", _own_clock(g, who, "ahead", signed_in=-minutes(5)), "", g.practice.wish(patient))
    return Try(named(who), act, frozenset({"step-up-required"}), "step-up-required", ((who, patient),))


async def own_by_a_wrong_clock(g: Ground) -> Try:
    door, case = _door(g), await g.case("requested", "provisional")
    act = _on(g, door, _own_clock(g, case.clinician, door), at(case, "approval"))
    return refused(case.clinician, act, "self-approval", case, right=g.approves(case))


async def denied_by_a_wrong_clock(g: Ground) -> Try:
    door, case = _door(g), await g.case("denied")
    act = _on(g, door, _own_clock(g, g.supervisor, door), at(case, "approval"))
    return refused(g.supervisor, act, "already-decided", case)


async def seeing_by_a_wrong_clock(g: Ground) -> Try:
    """Asking whether one may see the patient, after the end by the database's clock."""
    door, case = _door(g), await g.case("expired", "denied", "ended")
    asked = {
        "subject": {"type": "user", "id": to_text(case.clinician)}, "action": {"name": "read"},
        "resource": {"type": "patient", "id": to_text(case.patient)},
    }  # fmt: skip
    headers = _own_clock(g, case.clinician, door)

    async def act() -> str:
        answer = await g.clients[door].post("/access/v1/evaluation", json=asked, headers=headers)
        return str(answer.json().get("decision", answer.text))

    return Try(
        named(case.clinician), act, frozenset({"False"}), "no-relationship", (case.pair,), right=_opens_on(g, door)
    )


async def late_token(g: Ground) -> str:
    """What a host with a slow clock believes that it should not: how long a token lasts is told by the host's clock."""
    case = await g.case("requested")
    headers = {"Authorization": f"Bearer {signed(g, g.supervisor, ago=minutes(64), lasts=minutes(60))}"}
    said = {name: await _on(g, name, headers, at(case, "acknowledgement"))() for name in ("", "behind")}
    return (
        "not an attempt: a token that ended 4 minutes ago is "
        f"{'believed' if said['behind'] == '200' else 'not believed'} by the host that is 5 minutes behind and "
        f"{'believed' if said[''] == '200' else 'not believed'} by the others; under /v1 the database's clock judges it again"
    )


_BY_A_WRONG_CLOCK = (
    late_by_a_wrong_clock, old_sign_in_by_a_wrong_clock, sign_in_said_by_a_fast_clock, own_by_a_wrong_clock,
    denied_by_a_wrong_clock, seeing_by_a_wrong_clock,
)  # fmt: skip
SKEWED: dict[str, Kind] = {one.__name__: one for one in _BY_A_WRONG_CLOCK}
