"""Visits over HTTP: a super admin in another organization, for a while and with a reason, seen by those who are visited."""

from __future__ import annotations

import asyncio
from typing import Annotated
from uuid import UUID
from weakref import WeakKeyDictionary

from pydantic import Field, StringConstraints

from carecircle.api.live import Live
from carecircle.api.v1.door import Asking, Door, routes
from carecircle.api.v1.paging import Next, Paging
from carecircle.api.v1.shapes import A_THIRD_ID, AN_ID, ANOTHER_ID, Answer, Body, Id, Moment, OwnId, example
from carecircle.directory import visit_service
from carecircle.directory.visit_service import Stay
from carecircle.errors import PermissionRequired
from carecircle.identifiers import to_text
from carecircle.period import show

router = routes("visits")

# One at a time in a process: each holds a connection while it waits for another, and many would wait for each other.
_turns: WeakKeyDictionary[Live, asyncio.Lock] = WeakKeyDictionary()

VISIT = {
    "id": AN_ID, "home_id": ANOTHER_ID, "account_id": A_THIRD_ID, "reason": "Restoring the ward list after the outage",
    "starts_at": "2026-01-31T08:00:00Z", "ends_at": "2026-01-31T09:00:00Z", "open": True,
}  # fmt: skip


class NewVisit(Body):
    """To the organization of this slug. Its administrators and privacy officers read the reason."""

    model_config = example(organization="north-hospital", reason="Restoring the ward list after the outage", minutes=60)
    organization: Annotated[str, StringConstraints(min_length=1, max_length=63)]
    reason: Annotated[str, StringConstraints(min_length=visit_service.SHORTEST_REASON, max_length=2000)]
    minutes: Annotated[int, Field(ge=1, le=visit_service.MOST_MINUTES)] = visit_service.USUAL_MINUTES


class BegunVisit(Answer):
    model_config = example(
        id=AN_ID, organization_id=A_THIRD_ID, starts_at="2026-01-31T08:00:00Z", ends_at="2026-01-31T09:00:00Z"
    )
    id: Id
    organization_id: Id
    starts_at: Moment
    ends_at: Moment


class Visit(Answer):
    """`home_id` and `account_id` are the visitor's; `reason` is null where the keys that protect it were destroyed."""

    model_config = example(**VISIT)
    id: Id
    home_id: Id
    account_id: Id
    reason: str | None
    starts_at: Moment
    ends_at: Moment
    open: bool


class Visits(Answer):
    model_config = example(visits=[VISIT], next=None)
    visits: list[Visit]
    next: Next


@router.post("/visits", status_code=201)
async def begin_visit(door: Asking, body: NewVisit) -> BegunVisit:
    """Begin a visit to another organization, as a super admin of this one. It is on record in both."""
    account_id = await _travelling(door)
    async with _turn(door), door.change():
        stay = await visit_service.begin_visit(
            door.circle.engine, account_id=account_id, organization=body.organization, reason=body.reason,
            minutes=body.minutes,
        )  # fmt: skip
        return BegunVisit(
            id=to_text(stay.id), organization_id=to_text(stay.organization_id), starts_at=show(stay.starts_at),
            ends_at=show(stay.ends_at),
        )  # fmt: skip


@router.get("/visits")
async def list_visits(door: Asking, page: Paging) -> Visits:
    """Every visit to this organization, open and past, the newest first, with its reason."""
    if door.may.isdisjoint({"administer", "privacy"}):
        raise await door.refused(
            PermissionRequired("This needs a sign-in or key that may administer, or of the privacy office.")
        )
    async with door.read() as db:
        found = await visit_service.visits(db, after=page.after, limit=page.limit + 1)
    shown, onwards = page.cut(found, lambda one: (one.starts_at, one.row_id))
    return Visits(visits=[_visit(one) for one in shown], next=onwards)


@router.delete("/visits/{visit_id}")
async def end_visit(door: Asking, visit_id: OwnId) -> Visit:
    """End a visit to this organization, as one of its administrators or as the visitor. The answer is what it was."""
    await door.require("administer")
    async with _turn(door), door.change(elsewhere=True):
        return _visit(await visit_service.end_visit(door.circle.engine, visit_id=visit_id))


def _turn(door: Door) -> asyncio.Lock:
    return _turns.setdefault(door.live, asyncio.Lock())


async def _travelling(door: Door) -> UUID:
    """The account of a super admin at home. Raises PermissionRequired, recorded, for anybody else."""
    bearer = door.caller.bearer
    if (
        bearer is None
        or bearer.account_id is None
        or bearer.visit_id is not None
        or "all-organizations" not in door.may
    ):
        raise await door.refused(PermissionRequired("Only a super admin visits another organization, from their own."))
    return bearer.account_id


def _visit(stay: Stay) -> Visit:
    return Visit(
        id=to_text(stay.id), home_id=to_text(stay.home_id), account_id=to_text(stay.account_id), reason=stay.reason,
        starts_at=show(stay.starts_at), ends_at=show(stay.ends_at), open=stay.is_open,
    )  # fmt: skip
