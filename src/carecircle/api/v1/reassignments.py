"""A provider leaves, over HTTP: plan where all they hold goes, look at it, hand it over, or take that back."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

from pydantic import Field

from carecircle.actor import acting_as
from carecircle.api.v1.door import Changing, Door, Reading, routes
from carecircle.api.v1.paging import Next, Paging
from carecircle.api.v1.reassignment_shapes import (
    PROGRESS,
    Certificate,
    Letter,
    NewReassignment,
    Preview,
    Status,
    preview_of,
    status_of,
)
from carecircle.api.v1.shapes import Answer, Body, OwnId, example
from carecircle.audit.refusal import is_refusal
from carecircle.database.session import transaction
from carecircle.errors import CareCircleError
from carecircle.identifiers import to_text
from carecircle.period import show
from carecircle.staffing import plan_service, preview_service, running

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from carecircle.staffing.running import Progress

router = routes("reassignments")


class Run(Body):
    """`patients` in one transaction; `seconds` after which this request ends, done or not."""

    model_config = example(patients=100, seconds=20)
    patients: Annotated[int, Field(ge=1, le=1000)] = 100
    seconds: Annotated[int, Field(ge=1, le=60)] = 20


class Ran(Answer):
    """What this run did (`done`, `outcomes`), how much is left, and how the plan stands. Repeat it while something is left."""

    model_config = example(**PROGRESS)
    done: int
    left: int
    outcomes: dict[str, int]
    reassignment: Status


class Statuses(Answer):
    """The newest first."""

    model_config = example(reassignments=[PROGRESS["reassignment"]], next=None)
    reassignments: list[Status]
    next: Next


class Letters(Answer):
    """By patient; ids only."""

    model_config = example(letters=[Letter.model_config["json_schema_extra"]["example"]], next=None)  # type: ignore[index]  # pydantic types it wider
    letters: list[Letter]
    next: Next


@router.post("/reassignments", status_code=201)
async def plan_reassignment(door: Changing, body: NewReassignment) -> Preview:
    """Match everything the leaver holds with those who may take it. Nothing is handed over before it is applied."""
    async with door.change() as db:
        made = await plan_service.plan(
            db, leaver=body.leaver, effective_at=body.effective_at,
            destinations=[plan_service.Destination(one.provider, one.cap) for one in body.destinations],
            wishes=[plan_service.Wish(one.patient, one.provider, one.never) for one in body.wishes],
        )  # fmt: skip
        return preview_of(await preview_service.preview(db, reassignment_id=made.id))


@router.get("/reassignments")
async def list_reassignments(door: Reading, page: Paging) -> Statuses:
    """How far each plan is: planned, applying, applied, reverting, reverted."""
    async with door.read() as db:
        found = await preview_service.statuses(db)
    shown, onwards = page.pick(found, lambda one: (one.plan.recorded_at, one.plan.id), descending=True)
    return Statuses(reassignments=[status_of(one) for one in shown], next=onwards)


@router.get("/reassignments/{reassignment_id}")
async def get_reassignment(door: Reading, reassignment_id: OwnId) -> Status:
    async with door.read() as db:
        return await _status(db, reassignment_id)


@router.get("/reassignments/{reassignment_id}/preview")
async def preview_reassignment(door: Reading, reassignment_id: OwnId) -> Preview:
    """Panels before and after, how many by which rule, what is left out and why, and how much has changed since."""
    async with door.read() as db:
        return preview_of(await preview_service.preview(db, reassignment_id=reassignment_id))


@router.get("/reassignments/{reassignment_id}/letters")
async def list_reassignment_letters(door: Reading, page: Paging, reassignment_id: OwnId) -> Letters:
    """Each patient's new primary provider."""
    async with door.read() as db:
        found = await preview_service.letters(db, reassignment_id=reassignment_id)
    shown, onwards = page.pick(found, lambda one: (one.patient_id,))
    return Letters(
        letters=[
            Letter(
                patient_id=to_text(one.patient_id), provider_id=to_text(one.provider_id), effective_at=show(one.effective_at)
            )
            for one in shown
        ],
        next=onwards,
    )  # fmt: skip


@router.get("/reassignments/{reassignment_id}/certificate")
async def certify_reassignment(door: Reading, reassignment_id: OwnId) -> Certificate:
    """Whether everybody whose primary provider the leaver was has another one, read from the circle and not from the plan."""
    async with door.read() as db:
        found = await preview_service.certificate(db, reassignment_id=reassignment_id)
    return Certificate(
        patients=found.patients,
        effective_at=show(found.effective_at),
        without=[{"patient_id": to_text(patient), "reason": why} for patient, why in found.without],
    )


@router.post("/reassignments/{reassignment_id}/apply")
async def apply_reassignment(door: Changing, reassignment_id: OwnId, body: Run) -> Ran:
    """Hand over what the plan says, batch by batch, for some seconds. What is done is not done again."""
    return await _run(door, reassignment_id, running.run_apply, body)


@router.post("/reassignments/{reassignment_id}/revert")
async def revert_reassignment(door: Changing, reassignment_id: OwnId, body: Run) -> Ran:
    """Within seven days: restore what held before, wherever nobody has changed it since."""
    return await _run(door, reassignment_id, running.run_revert, body)


async def _run(door: Door, reassignment_id: UUID, run: Callable[..., AsyncIterator[Progress]], body: Run) -> Ran:
    """Each batch is committed by itself, whatever becomes of the request."""
    own, until = door.caller.organization_id, time.monotonic() + body.seconds
    async with door.read() as db:
        await _status(db, reassignment_id)
    last: Progress | None = None

    @asynccontextmanager
    async def begin() -> AsyncIterator[AsyncSession]:
        async with transaction(door.circle.engine, own) as db:
            yield db

    try:
        with acting_as(organization=own, actor=door.caller.actor):
            async with aclosing(run(begin, reassignment_id, patients=body.patients)) as batches:  # type: ignore[type-var]  # a generator, which closes
                async for last in batches:  # noqa: B007 - told below
                    if time.monotonic() >= until or time.time() >= door.caller.expires_at:
                        break
    except CareCircleError as error:
        if is_refusal(error):
            await door.refused(error)
        raise
    async with door.read() as db:
        reached = await _status(db, reassignment_id)
    assert last is not None  # a run tells at least once
    return Ran(done=last.done, left=last.left, outcomes=dict(last.outcomes), reassignment=reached)


async def _status(db: AsyncSession, reassignment_id: UUID) -> Status:
    return status_of((await preview_service.statuses(db, reassignment_id=reassignment_id))[0])
