"""Emergency access over HTTP: asking for it, and looking at it, by those whose business it is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from uuid import UUID

from fastapi import Response

from carecircle.api.v1.break_glass_shapes import (
    Approver,
    ListOfEmergencies,
    Request,
    Standing,
    Whole,
    listed,
    remark,
    standing,
)
from carecircle.api.v1.door import Asking, Door, routes
from carecircle.api.v1.person import Person, person_of
from carecircle.api.v1.shapes import OwnId
from carecircle.database.session import instant
from carecircle.directory.policy_service import policy_at
from carecircle.emergency import opening_service, reading_service
from carecircle.emergency.approvers_service import approvers_on
from carecircle.emergency.concern_service import (
    FOLLOWED_FOR,
    Concern,
    concern_of,
    concerns_of,
    naming,
    on_privacy_office,
)
from carecircle.errors import Conflict, InvalidRequest, NotFound, Refused
from carecircle.errors.emergency import AttestationRequired, EmergencyAccessNotFound, PersonRequired, StepUpRequired
from carecircle.identifiers import ProviderId, to_text
from carecircle.restrictions.reading_service import record_reading

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

router = routes("break-glass")


@asynccontextmanager
async def about(door: Door, person: ProviderId, emergency_id: UUID) -> AsyncIterator[AsyncSession]:
    """A transaction in which a person does something about one emergency access, as themselves.

    What was refused stands in the audit trail by its own code, with whose access it is to whom. Who has no business with it
    is told as if there were none.
    """
    try:
        async with door.change() as db, naming(db, emergency_id=emergency_id):
            yield db
    except (InvalidRequest, Refused, NotFound, Conflict) as error:
        if isinstance(error, InvalidRequest):  # to ask for what cannot be is an attempt too
            await door.refused(error)
        async with door.read() as db:
            if await concern_of(db, emergency_id=emergency_id, provider=person) is None:
                raise EmergencyAccessNotFound from None
        raise


@asynccontextmanager
async def looking(door: Door, emergency_id: UUID) -> AsyncIterator[tuple[AsyncSession, Concern | None]]:
    """A transaction in which somebody reads about one emergency access: a person as what it concerns them, or (None) those
    who may change. Raises EmergencyAccessNotFound for everybody else, and leaves an entry of it."""
    async with door.change() as db, naming(db, emergency_id=emergency_id):
        person = person_of(door.caller)
        concern = None if person is None else await concern_of(db, emergency_id=emergency_id, provider=person)
        if concern is None and "change" not in door.may:
            raise EmergencyAccessNotFound
        yield db, concern


@router.post("/break-glass", status_code=201, responses={202: {"model": Standing, "description": "Waits for approval"}})
async def break_glass(door: Asking, person: Person, body: Request, response: Response) -> Standing:
    """Open a record in an emergency, now; 202 when it waits for an approval first. The token says who asks, and when they
    signed in: where that is too long ago the answer is 401 with how recent it must be (RFC 9470)."""
    await door.require("ask")  # whoever has lost every role opens nothing
    if not body.attested:
        raise await door.refused(AttestationRequired())
    try:
        async with door.change() as db:
            if door.caller.signed_in_at is None:
                raise StepUpRequired("This token does not say when its person signed in (auth_time); sign in again.")  # noqa: TRY301 - recorded on its way out
            row = await opening_service.request(
                db, provider=person, patient=body.patient, reason_code=body.reason, words=body.words or "",
                hours=body.hours, scope=body.scope, unit=body.unit, attested=True,
                authenticated_at=door.caller.signed_in_at,
            )  # fmt: skip
            told = standing(await reading_service.show(db, emergency_id=row.lineage_id))
    except InvalidRequest as error:
        raise await door.refused(error) from None
    except StepUpRequired as error:
        raise StepUpRequired(error.message, max_age=await _seconds_since_sign_in(door)) from None
    if row.state == "requested":
        response.status_code = 202
    return told


@router.get("/break-glass")
async def list_emergencies(door: Asking, pending: bool = False) -> ListOfEmergencies:
    """Without words. To those who may change: all, or all that await a decision. To a person: what they asked for lately,
    what awaits their decision, what opened as asked and they may deny, and, on the privacy office's duty, what awaits a
    review; `pending`: their decision alone."""
    person = person_of(door.caller)
    if person is None and "change" not in door.may:
        raise await door.refused(PersonRequired())
    async with door.read() as db:
        if person is None or "change" in door.may:
            found = await reading_service.emergencies(db, pending=pending)
        else:
            found = await reading_service.inbox(db, approver=person, pending=pending)
            if not pending:
                lately = await instant(db) - FOLLOWED_FOR
                found += await reading_service.emergencies(db, provider=person, since=lately)
                if await on_privacy_office(db, provider=person):
                    found += await reading_service.to_review(db)
        once = {one.id: one for one in found}
        concerns: dict[UUID, Concern | None] = dict.fromkeys(once)
        if person is not None:
            concerns = await concerns_of(db, emergencies=list(once), provider=person)
            if "change" not in door.may:
                once = {own: one for own, one in once.items() if concerns[own] is not None}
        await record_reading(
            db, "emergency-listed", provider=person, emergencies=len(once),
            patients={one.patient_id for one in once.values()},
        )  # fmt: skip
    return ListOfEmergencies(emergencies=[listed(one, told_as(person, concerns[own])) for own, one in once.items()])


@router.get("/break-glass/{emergency_id}")
async def show_emergency(door: Asking, emergency_id: OwnId) -> Whole:
    """To whoever asked for it, may decide about it or is on the privacy office's duty; without words, to those who may
    change. Everybody else is told that there is none."""
    async with looking(door, emergency_id) as (db, concern):
        words = concern is not None
        one = await reading_service.show(db, emergency_id=emergency_id, words=words)
        told = told_as(person_of(door.caller), concern)
        notes = reading_service.notes_told_to(await reading_service.notes_of(db, emergency_id=emergency_id), told)
        approvers = await approvers_on(db, door.caller.organization_id, emergency_id)
        await record_reading(
            db, "emergency-read", patient=one.patient_id, provider=one.provider_id, emergency=emergency_id
        )
    return Whole(
        **listed(one, told).model_dump(),
        words=one.words,
        second_words=one.second_words,
        approvers=[
            Approver(provider_id=to_text(who.provider_id), duty=who.duty, call_order=who.call_order)
            for who in approvers
        ],
        notes=[remark(note, words=words) for note in notes],
    )


def told_as(person: ProviderId | None, concern: Concern | None) -> Concern:
    """As whom somebody is told of one: who may change, and is no person, as the privacy office; who is, and whom it does
    not concern otherwise, as an approver."""
    return concern or ("privacy-office" if person is None else "approver")


async def _seconds_since_sign_in(door: Door) -> int:
    """How old a sign-in may be here."""
    async with door.read() as db:
        policy = await policy_at(db, door.caller.organization_id, await instant(db))
    return 60 * policy.emergency_sign_in_minutes
