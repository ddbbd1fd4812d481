"""break-glass list, show, figures: what there is, all about one, and how long decisions take. That you looked is recorded."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from carecircle.cli.break_glass_options import How, HowOption, Which, emit_rows, meant, remark, tell
from carecircle.cli.break_glass_telling import Standing, people_of, standing
from carecircle.cli.break_glass_words import LISTED, OPEN, Told, length, record, whole
from carecircle.cli.circle import Desk, at_desk
from carecircle.cli.clock import Clock, TimeZoneOption, duration
from carecircle.cli.options import OrganizationOption
from carecircle.cli.output import Output, emit
from carecircle.errors import InvalidRequest

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from carecircle.emergency.reading_service import Emergency, Note

COLUMNS = (
    "emergency", "reference", "state", "open", "mode", "provider", "name", "patient", "scope", "ends_at", "decide_by",
    "reason", "second_reason", "wanted_scope", "wanted_until", "asked_at", "opened_at", "decided_at", "decided_by",
    "seconded_by", "two_persons", "extension_pending", "ended_because", "verdict", "reviewed_by", "review_due_at", "unit",
    "reopens", "acknowledged_by", "signals",
)  # fmt: skip


def register(app: typer.Typer) -> None:
    app.command("list")(list_)
    app.command()(show)


def list_(
    pending: Annotated[bool, typer.Option("--pending", help="Only what waits for a decision.")] = False,
    open_: Annotated[bool, typer.Option("--open", help="Only what lets somebody in now.")] = False,
    to_review: Annotated[bool, typer.Option("--to-review", help="Only what is over and was not reviewed.")] = False,
    as_: Annotated[
        str | None, typer.Option("--as", metavar="PROVIDER", help="Only what this one may decide; goes with --pending.")
    ] = None,
    provider: Annotated[str | None, typer.Option(metavar="PROVIDER", help="Only what this one asked for.")] = None,
    patient: Annotated[str | None, typer.Option(metavar="PATIENT", help="Only about this patient.")] = None,
    within: Annotated[str, typer.Option("--within", metavar="LENGTH", help="Asked for within 7d, 36h, 2w.")] = "7d",
    time_zone: TimeZoneOption = None,
    organization: OrganizationOption = None,
    output: HowOption = How.table,
) -> None:
    """Emergency access of the last 7 days, the newest first; what waits, the oldest deadline first.

    Example: carecircle break-glass list --pending --time-zone Europe/Berlin
    """
    from carecircle.database.session import instant
    from carecircle.emergency import reading_service
    from carecircle.restrictions.reading_service import record_reading

    if sum((pending, open_, to_review)) > 1:
        raise InvalidRequest("Choose one of --pending, --open and --to-review.")
    if as_ is not None and (not pending or provider is not None or patient is not None):
        raise InvalidRequest("--as goes with --pending, and with neither --provider nor --patient.")
    if to_review and (provider is not None or patient is not None):
        raise InvalidRequest("--to-review lists everything; it goes with neither --provider nor --patient.")
    clock, span = Clock.of(time_zone), duration(within)

    async def look(session: AsyncSession) -> tuple[list[Emergency], datetime]:
        now = await instant(session)
        if to_review:
            found = await reading_service.to_review(session)
        elif as_ is not None:
            found = await reading_service.inbox(session, approver=as_)
        else:
            since = None if pending or open_ else now - span
            found = await reading_service.emergencies(
                session, pending=pending, open_now=open_, provider=provider, patient=patient, since=since
            )
        await record_reading(
            session, "emergency-listed", patients={one.patient_id for one in found}, provider=provider, count=len(found)
        )
        return sorted(found, key=lambda one: one.decide_by or now) if pending else found, now

    async def work(desk: Desk) -> tuple[list[Emergency], Told]:
        found, now = await desk.change(look)
        names = await desk.names({who for one in found for who in people_of(one)})
        return found, Told(names, now, clock)

    found, told = at_desk(organization, work)
    if output is not How.table:
        rows = [record(one, told.names) for one in found]
        emit_rows(rows, columns=COLUMNS, name="emergencies", how=output, beside={"as_of": told.now})
        return
    if found:
        emit(
            [row_of(one, told, reviewing=to_review) for one in found],
            columns=["reference", "state", "who", "reason", "ends", "due"], name="emergencies", how=Output.table,
        )  # fmt: skip
        due = "when the review is due" if to_review else "when the decision is due"
        remark(f"\nIt is {told.at(told.now)} by the clock of {clock.name}; due: {due}.", output)
        remark("All about one: carecircle break-glass show REFERENCE", output)
    else:
        what = {pending: "waits for a decision", open_: "is open", to_review: "waits for a review"}
        remark(f"No emergency access {what.get(True, f'was asked for within {within}')}.", output)


def row_of(one: Emergency, told: Told, *, reviewing: bool = False) -> dict[str, Any]:
    """One in a line."""
    late = timedelta(0)
    due = one.review_due_at if reviewing else one.decide_by
    left = due - told.now if due is not None else None
    return {
        "reference": one.reference,
        "state": "downtime" if one.downtime and one.state == "ended" else LISTED.get(one.state, one.state),
        "who": told.who(one.provider_id),
        "reason": one.reason_code,
        "ends": told.at(one.ends_at) if one.ends_at and one.state in (*OPEN, "requested") else None,
        "due": None if left is None else f"in {length(left)}" if left > late else f"{length(-left)} LATE",
    }


def show(
    which: Which,
    time_zone: TimeZoneOption = None,
    organization: OrganizationOption = None,
    output: HowOption = How.table,
) -> None:
    """All about one: who, why, in their words, what stands out, who may decide, what was said, and what may come next.

    Example: carecircle break-glass show BG-7K2M4Q
    """
    from carecircle.emergency import reading_service
    from carecircle.restrictions.reading_service import record_reading

    clock = Clock.of(time_zone)

    async def look(session: AsyncSession) -> tuple[Emergency, Sequence[Note]]:
        one = await reading_service.show(session, emergency_id=await meant(session, which), words=True)
        notes = await reading_service.notes_of(session, emergency_id=one.id)
        await record_reading(
            session, "emergency-read", patient=one.patient_id, provider=one.provider_id, emergency=one.id
        )
        return one, notes

    async def work(desk: Desk) -> tuple[Emergency, Sequence[Note], Standing]:
        one, notes = await desk.change(look)
        found = await standing(desk, one.id, clock, {note.provider_id for note in notes if note.provider_id})
        return one, notes, found

    one, notes, found = at_desk(organization, work)
    told = found.told
    lines = [*whole(one, notes, found.who_decides(found.approvers), told), *found.clock_line]
    data = record(one, told.names) | {
        "words": one.words,
        "second_words": one.second_words,
        "approvers": [
            {"provider": each.provider_id, "name": told.names.get(each.provider_id), "duty": each.duty, "order": each.call_order}
            for each in found.approvers
        ],
        "notes": [
            {"kind": note.kind, "provider": note.provider_id, "at": note.at, "words": note.words} for note in notes
        ],
    }  # fmt: skip
    tell(lines, data, found.next(*_verbs(one)), output)


def _verbs(one: Emergency) -> tuple[str, ...]:
    if one.state in ("requested", *OPEN):
        return ("approve", "deny", "end") if one.decide_by is not None else ("deny", "end")
    return () if one.state == "reviewed" or (one.opened_at is None and not one.downtime) else ("review",)
