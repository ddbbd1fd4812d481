"""Deciding about emergency access over HTTP, and what its requester does with it: answering, more time, ending it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from carecircle.api.v1.break_glass import about
from carecircle.api.v1.break_glass_shapes import Approval, Extension, Said, Standing, standing
from carecircle.api.v1.door import Asking, routes
from carecircle.api.v1.person import Person
from carecircle.api.v1.shapes import OwnId
from carecircle.emergency import deciding_service, ending_service, reading_service

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

router = routes("break-glass")
ONE = "/break-glass/{emergency_id}"


@router.post(f"{ONE}/acknowledgement")
async def acknowledge_emergency(door: Asking, person: Person, emergency_id: OwnId) -> Standing:
    """Say that you have seen it: nobody else is called for that, and the time to decide runs on."""
    async with about(door, person, emergency_id) as db:
        await deciding_service.acknowledge(db, emergency_id=emergency_id, approver=person)
        return await _now(db, emergency_id)


@router.post(f"{ONE}/approval")
async def approve_emergency(
    door: Asking, person: Person, emergency_id: OwnId, body: Approval | None = None
) -> Standing:
    """Approve as asked, shorter or narrower. Where two persons are needed, the first approval changes no access yet."""
    said = body or Approval()
    async with about(door, person, emergency_id) as db:
        await deciding_service.approve(
            db, emergency_id=emergency_id, approver=person, hours=said.hours, scope=said.scope
        )
        return await _now(db, emergency_id)


@router.post(f"{ONE}/denial")
async def deny_emergency(door: Asking, person: Person, emergency_id: OwnId, body: Said) -> Standing:
    """Deny, or take an approval back: the access ends at once."""
    async with about(door, person, emergency_id) as db:
        await deciding_service.deny(db, emergency_id=emergency_id, approver=person, words=body.words)
        return await _now(db, emergency_id)


@router.post(f"{ONE}/question")
async def ask_requester(door: Asking, person: Person, emergency_id: OwnId, body: Said) -> Standing:
    """Ask before deciding; the time to decide runs on."""
    async with about(door, person, emergency_id) as db:
        await deciding_service.ask(db, emergency_id=emergency_id, approver=person, words=body.words)
        return await _now(db, emergency_id)


@router.post(f"{ONE}/answer")
async def answer_approver(door: Asking, person: Person, emergency_id: OwnId, body: Said) -> Standing:
    """Answer what was asked, as the requester."""
    async with about(door, person, emergency_id) as db:
        await deciding_service.answer(db, emergency_id=emergency_id, provider=person, words=body.words)
        return await _now(db, emergency_id)


@router.post(f"{ONE}/extension")
async def extend_emergency(door: Asking, person: Person, emergency_id: OwnId, body: Extension) -> Standing:
    """Ask for more time, as the requester and for a second reason; it is given once somebody approves it."""
    async with about(door, person, emergency_id) as db:
        await ending_service.extend(
            db, emergency_id=emergency_id, provider=person, reason_code=body.reason, words=body.words or "",
            hours=body.hours,
        )  # fmt: skip
        return await _now(db, emergency_id)


@router.post(f"{ONE}/end")
async def end_emergency(door: Asking, person: Person, emergency_id: OwnId) -> Standing:
    """End it now, as the requester."""
    async with about(door, person, emergency_id) as db:
        await ending_service.end(db, emergency_id=emergency_id, provider=person)
        return await _now(db, emergency_id)


async def _now(db: AsyncSession, emergency_id: UUID) -> Standing:
    return standing(await reading_service.show(db, emergency_id=emergency_id))
