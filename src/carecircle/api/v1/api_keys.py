"""API keys over HTTP. The text of a key stands in the answer that makes it, and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import Field

from carecircle.api.v1.door import Administering, Door, routes
from carecircle.api.v1.paging import Next, Paging
from carecircle.api.v1.shapes import AN_ID, Answer, Body, Id, Moment, OwnId, Scope, Text, example
from carecircle.directory import api_key_service
from carecircle.directory.account_tables import ApiKey as Row
from carecircle.directory.permissions import Permission
from carecircle.errors import PermissionRequired
from carecircle.identifiers import to_text
from carecircle.period import show

router = routes("api-keys")

KEY = {
    "id": AN_ID, "name": "ward screens", "may": ["ask", "ask-for-others"], "actions": ["read"],
    "ends_at": "2026-04-30T08:00:00Z",
}  # fmt: skip
LISTED = KEY | {"made_at": "2026-01-31T08:00:00Z", "made_by": "account:01K0000000000000000000000B"}
TEXT = f"cck_01K0000000000000000000000C_{AN_ID}_{'a' * 43}"

Days = Annotated[int, Field(ge=1, le=api_key_service.LONGEST_DAYS)]


class NewKey(Body):
    """`may` are permissions that its maker has; without `actions`, it may ask about all of them."""

    model_config = example(name="ward screens", may=["ask", "ask-for-others"], actions=["read"], days=90)
    name: Text
    may: Annotated[list[Permission], Field(min_length=1, max_length=8)]
    actions: Scope | None = None
    days: Days = api_key_service.USUAL_DAYS


class Rotation(Body):
    """The old key is good for `overlap_hours` yet, 0 for not at all; the new one for `days`."""

    model_config = example(overlap_hours=24, days=90)
    overlap_hours: Annotated[int, Field(ge=0, le=720)] = 24
    days: Days = api_key_service.USUAL_DAYS


class MadeKey(Answer):
    """`key` is the text to send as Authorization: Bearer …; it is told this once."""

    model_config = example(**KEY, key=TEXT)
    id: Id
    name: str
    may: list[str]
    actions: list[str] | None
    ends_at: Moment
    key: str


class ApiKey(Answer):
    """`made_by` is who made it, as the audit trail names them; null where that entry was retired."""

    model_config = example(**LISTED)
    id: Id
    name: str
    may: list[str]
    actions: list[str] | None
    ends_at: Moment
    made_at: Moment
    made_by: str | None


class ApiKeys(Answer):
    model_config = example(api_keys=[LISTED], next=None)
    api_keys: list[ApiKey]
    next: Next


class RevokedKey(Answer):
    model_config = example(**KEY)
    id: Id
    name: str
    may: list[str]
    actions: list[str] | None
    ends_at: Moment


@router.post("/api-keys", status_code=201)
async def make_api_key(door: Administering, body: NewKey) -> MadeKey:
    """Make a key that may no more than you do. Its text is in this answer only."""
    await _require_at_home(door)
    async with door.change() as db:
        _require_no_more_actions(door, body.actions)
        made = await api_key_service.make_key(
            db, name=body.name, may=body.may, actions=body.actions, days=body.days, no_more_than=door.may
        )
        return MadeKey(**_said(made.key), key=made.text)


@router.get("/api-keys")
async def list_api_keys(
    door: Administering,
    page: Paging,
    ends_within_days: Annotated[int | None, Query(ge=0, le=400, description="Only keys that end so soon.")] = None,
) -> ApiKeys:
    """The keys that may be used now, with who made them; never what they are."""
    within = None if ends_within_days is None else timedelta(days=ends_within_days)
    async with door.read() as db:
        found = await api_key_service.api_keys(db, ends_within=within, after=page.after, limit=page.limit + 1)
    shown, onwards = page.cut(found, lambda one: (one.id,))
    makers: Mapping[UUID, str] = await api_key_service.makers(
        door.circle.auditor, [one.made_by for one in shown], organization=door.caller.organization_id
    )
    keys = [
        ApiKey(
            id=to_text(one.id), name=one.name, may=list(one.may), actions=None if one.actions is None else list(one.actions),
            ends_at=show(one.ends_at), made_at=show(one.made_at), made_by=makers.get(one.made_by),
        )
        for one in shown
    ]  # fmt: skip
    return ApiKeys(api_keys=keys, next=onwards)


@router.post("/api-keys/{key_id}/rotate", status_code=201)
async def rotate_api_key(door: Administering, key_id: OwnId, body: Rotation | None = None) -> MadeKey:
    """Make another key that may the same, and end the old one after the overlap. Its text is in this answer only."""
    await _require_at_home(door)
    said = Rotation() if body is None else body
    async with door.change() as db:
        made = await api_key_service.rotate_key(
            db, key_id=key_id, overlap=timedelta(hours=said.overlap_hours), days=said.days, no_more_than=door.may
        )
        _require_no_more_actions(door, made.key.actions)
        return MadeKey(**_said(made.key), key=made.text)


@router.delete("/api-keys/{key_id}")
async def revoke_api_key(door: Administering, key_id: OwnId) -> RevokedKey:
    """End a key now: the next request with it is refused. The answer is what it was."""
    async with door.change() as db:
        return RevokedKey(**_said(await api_key_service.revoke_key(db, key_id=key_id)))


async def _require_at_home(door: Door) -> None:
    """Raises PermissionRequired, recorded, on a visit: a key would outlive it."""
    if door.caller.bearer is not None and door.caller.bearer.visit_id is not None:
        raise await door.refused(PermissionRequired("Nobody makes an API key on a visit: it would outlive the visit."))


def _require_no_more_actions(door: Door, actions: list[str] | None) -> None:
    """Raises PermissionRequired when a key for certain actions would make one for others."""
    own = None if door.standing is None else door.standing.actions
    if own is not None and (actions is None or not own.issuperset(actions)):
        raise PermissionRequired("Nobody makes a key for actions that they may not ask about themselves.")


def _said(row: Row) -> dict[str, object]:
    return {
        "id": to_text(row.lineage_id), "name": row.name, "may": list(row.may),
        "actions": None if row.actions is None else list(row.actions), "ends_at": show(row.ends_at),
    }  # fmt: skip
