"""break-glass watch: what waits for a decision, live, the oldest deadline first, until Ctrl-C."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Protocol
from uuid import UUID

import typer

from carecircle.cli.break_glass_options import How, HowOption, emit_record, remark
from carecircle.cli.break_glass_screen import Screen
from carecircle.cli.break_glass_telling import people_of
from carecircle.cli.break_glass_words import Told, half_approved, length, record
from carecircle.cli.circle import Desk, at_desk
from carecircle.cli.clock import Clock, TimeZoneOption
from carecircle.cli.options import OrganizationOption
from carecircle.cli.output import printable, say
from carecircle.errors import AccessUnavailable, InvalidRequest

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from carecircle.emergency.reading_service import Emergency

EVENTS = {
    "waiting": "NEW  ",
    "acknowledged": "SEEN ",
    "changed": "STILL",
    "late": "LATE ",
    "gone": "DONE ",
}


@dataclass(frozen=True)
class Change:
    """What happened to one since it was last looked at."""

    event: str
    one: Emergency


@dataclass(frozen=True)
class Seen:
    """What waited when it was last looked at, by id, the oldest deadline first."""

    waiting: Mapping[UUID, Emergency]
    told: Told

    @property
    def late(self) -> set[UUID]:
        return {one.id for one in self.waiting.values() if one.decide_by and one.decide_by <= self.told.now}


class Shows(Protocol):
    """Where it is shown."""

    def update(self, seen: Seen, changes: Iterable[Change]) -> None: ...

    def lost(self) -> None:
        """The database cannot be reached; it is tried again."""


def register(app: typer.Typer) -> None:
    app.command()(watch)


def watch(
    as_: Annotated[
        str | None, typer.Option("--as", metavar="PROVIDER", help="Only what this supervisor may decide.")
    ] = None,
    time_zone: TimeZoneOption = None,
    organization: OrganizationOption = None,
    output: HowOption = How.table,
) -> None:
    """What waits for a decision, live, with the time that is left for it; a line for each change where no terminal is.

    Ends with Ctrl-C (130). With -o ndjson, each change is a line of JSON. That you looked is recorded.

    Example: carecircle break-glass watch --as brandt --time-zone Europe/Berlin
    """
    if output not in (How.table, How.ndjson):
        raise InvalidRequest(
            "This goes on until it is stopped: it is written as lines, or with -o ndjson as lines of JSON."
        )
    clock = Clock.of(time_zone)

    async def work(desk: Desk) -> None:
        if output is How.table and sys.stdout.isatty():
            with Screen(desk.slug, as_) as screen:
                await _follow(desk, as_, clock, screen)
        else:
            await _follow(desk, as_, clock, Lines(output))

    at_desk(organization, work)


async def _follow(desk: Desk, approver: str | None, clock: Clock, shows: Shows) -> None:
    from carecircle.notices.listening import changes

    seen: Seen | None = None
    async for _ in changes(desk.circle.reach.dsn("notifier"), desk.organization):
        try:
            seen, happened = await _look(desk, approver, clock, seen)
        except AccessUnavailable:
            if seen is None:
                raise
            shows.lost()
        else:
            shows.update(seen, happened)


async def _look(desk: Desk, approver: str | None, clock: Clock, before: Seen | None) -> tuple[Seen, list[Change]]:
    """What waits now, and what happened since; an entry says that somebody looked whenever there is one more to see."""
    from carecircle.database.session import instant
    from carecircle.emergency import reading_service
    from carecircle.restrictions.reading_service import record_reading

    known = before.waiting if before is not None else {}

    async def look(session: AsyncSession) -> tuple[list[Emergency], list[Emergency], datetime]:
        if approver is None:
            found = await reading_service.emergencies(session, pending=True)
        else:
            found = await reading_service.inbox(session, approver=approver)
        new = {one.id: one.patient_id for one in found if one.id not in known}
        if before is None or new:
            await record_reading(
                session, "emergency-listed", patients=set(new.values()), provider=approver, count=len(found)
            )
        left = known.keys() - {one.id for one in found}
        gone = [await reading_service.show(session, emergency_id=one) for one in sorted(left)]
        return found, gone, await instant(session)

    found, gone, now = await desk.read(look)
    names = dict(before.told.names) if before is not None else {}
    if unknown := {who for one in (*found, *gone) for who in people_of(one)} - names.keys():
        names |= await desk.names(unknown)
    ordered = sorted(found, key=lambda one: (one.decide_by or one.asked_at, one.id))
    seen = Seen({one.id: one for one in ordered}, Told(names, now, clock))
    happened = [Change("gone", one) for one in gone]
    newly_late = seen.late - (before.late if before is not None else set())
    events = ((one, _event(known.get(one.id), one, late=one.id in newly_late)) for one in ordered)
    happened += [Change(event, one) for one, event in events if event is not None]
    return seen, happened


def _event(before: Emergency | None, one: Emergency, *, late: bool) -> str | None:
    if before is None:
        return "waiting"
    if late:
        return "late"
    if before.acknowledged_by != one.acknowledged_by:
        return "acknowledged"
    return "changed" if before != one else None


class Lines:
    """A line for each change, in words or as JSON; that the database is silent is said on stderr."""

    def __init__(self, how: How) -> None:
        self.how, self.began, self.reached = how, False, True

    def update(self, seen: Seen, changes: Iterable[Change]) -> None:
        if not self.began and not seen.waiting:
            remark("Nothing waits for a decision. Watching until Ctrl-C.", self.how)
        if not self.reached:
            say("The database is back.")
        self.began = self.reached = True
        for change in changes:
            if self.how is How.ndjson:
                emit_record(
                    {"event": change.event, "at": seen.told.now, **record(change.one, seen.told.names)}, self.how
                )
            else:
                print(printable(line(change, seen.told)), flush=True)

    def lost(self) -> None:
        if self.reached:
            say("The database cannot be reached; trying again.")
        self.reached = False


def line(change: Change, told: Told) -> str:
    """`03:16:42  NEW    BG-7K2M4Q  Dr. Yilmaz, life-threat: decide by 03:21; open until 03:31`."""
    one = change.one
    return f"{told.clock.local(told.now):%H:%M:%S}  {EVENTS[change.event]}  {one.reference}  {_what(change, told)}"


def _what(change: Change, told: Told) -> str:
    one = change.one
    who = told.who(one.provider_id)
    if change.event == "gone":
        by = f" by {told.who(one.decided_by_id)}" if one.state in ("approved", "denied") and one.decided_by_id else ""
        return f"{who}: {one.state}{by}"
    if one.decide_by is None:
        return who
    late = one.decide_by <= told.now
    due = f"{length(told.now - one.decide_by)} late" if late else f"decide by {told.at(one.decide_by)}"
    stands = "nothing is open" if not one.scope or one.ends_at is None else f"open until {told.at(one.ends_at)}"
    seen = f"; seen by {', '.join(map(told.who, one.acknowledged_by))}" if change.event == "acknowledged" else ""
    half = "; one of two has approved" if half_approved(one) else ""
    return f"{who}, {one.reason_code}{' (more time)' if one.extension_pending else ''}: {due}; {stands}{seen}{half}"
