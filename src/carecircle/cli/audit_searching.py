"""audit search, audit tail: entries that fit, the newest first, or as they come. That you looked is recorded first."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from carecircle.audit.canonical import COLUMNS
from carecircle.audit.search import DEFAULT_LIMIT, LARGEST_LIMIT, Cursor, Filter, shown
from carecircle.cli.audit_options import (
    ActorOption,
    AddressOption,
    AllowedOption,
    BasisOption,
    CodeOption,
    EmergencyOption,
    FromOption,
    KindOption,
    PatientOption,
    ProviderOption,
    RequestOption,
    Said,
    UntilOption,
)
from carecircle.cli.break_glass_options import How, HowOption, emit_record, emit_rows, remark
from carecircle.cli.careful import counted
from carecircle.cli.circle import Desk, at_desk
from carecircle.cli.clock import Clock, TimeZoneOption
from carecircle.cli.options import OrganizationOption
from carecircle.cli.output import Output, emit, printable, say
from carecircle.errors import AccessUnavailable, InvalidRequest
from carecircle.period import parse_instant

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from carecircle.audit.reading_service import Page, Read, Seen

LISTED = ("at", "what", "answer", "actor", "provider", "patient", "entry")
EVERY = 1.0
"""Seconds between two looks."""


def register(app: typer.Typer) -> None:
    app.command()(search)
    app.command()(tail)


def search(
    since: FromOption = None,
    until: UntilOption = None,
    provider: ProviderOption = None,
    patient: PatientOption = None,
    actor: ActorOption = None,
    kind: KindOption = None,
    code: CodeOption = None,
    allowed: AllowedOption = None,
    basis: BasisOption = None,
    emergency: EmergencyOption = None,
    request_id: RequestOption = None,
    address: AddressOption = None,
    limit: Annotated[int, typer.Option(min=1, max=LARGEST_LIMIT, help="How many at most.")] = DEFAULT_LIMIT,
    after: Annotated[
        str | None,
        typer.Option("--after", metavar="CURSOR", help="The page after this place, which the one before named."),
    ] = None,
    time_zone: TimeZoneOption = None,
    organization: OrganizationOption = None,
    output: HowOption = How.table,
) -> None:
    """Entries of the audit trail, the newest first, that fit every filter. That you looked is recorded.

    Example: carecircle audit search --patient N-0001 --denied --from 2026-01-31 --time-zone Europe/Berlin
    """
    from carecircle.audit import reading_service

    clock = Clock.of(time_zone)
    place = None if after is None else Cursor.read(after)
    said = Said(since, until, provider, patient, actor, kind, code, allowed, basis, emergency, request_id, address)

    async def work(desk: Desk) -> tuple[Page, dict[UUID, str]]:
        wanted = await said.meant(desk, clock)

        async def look(session: AsyncSession) -> Page:
            return await reading_service.search(session, wanted, auditor=desk.circle.auditor, limit=limit, after=place)

        page = await desk.read(look)
        return page, await _names(desk, page.entries, output)

    page, names = at_desk(organization, work)
    following = page.following.text() if page.following else None
    if output is not How.table:
        rows = [record(one) for one in page.entries]
        emit_rows(rows, columns=COLUMNS, name="entries", how=output, beside={"next": following})
        return
    if not page.entries:
        remark(f"No entry fits.{said.about_the_actor()}", output)
        return
    emit([listed(one, clock, names) for one in page.entries], columns=LISTED, name="entries", how=Output.table)
    remark(f"\n{counted(len(page.entries), 'entry', 'entries')}, by the clock of {clock.name}.", output)
    if following:
        remark(f"There are more: the same with --after {following}", output)


def tail(
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C, as entries are recorded.")
    ] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, max=LARGEST_LIMIT, help="How many to begin with.")] = 10,
    provider: ProviderOption = None,
    patient: PatientOption = None,
    actor: ActorOption = None,
    kind: KindOption = None,
    code: CodeOption = None,
    allowed: AllowedOption = None,
    basis: BasisOption = None,
    emergency: EmergencyOption = None,
    time_zone: TimeZoneOption = None,
    organization: OrganizationOption = None,
    output: HowOption = How.table,
) -> None:
    """The newest entries, the oldest of them first; with -f, each further one within a second of being recorded.

    With -o ndjson, each is a line of JSON. That you looked is recorded, each time there is something new to see.

    Example: carecircle audit tail -f --denied
    """
    if output in (How.json, How.csv):
        raise InvalidRequest("This is written as lines, or with -o ndjson as lines of JSON.")
    clock = Clock.of(time_zone)
    said = Said(
        provider=provider, patient=patient, actor=actor, kind=kind, code=code, allowed=allowed, basis=basis,
        emergency=emergency,
    )  # fmt: skip

    async def work(desk: Desk) -> None:
        wanted = await said.meant(desk, clock)
        if odd := said.about_the_actor().strip():
            remark(odd, output)
        await _follow(desk, wanted, clock, output, lines, forever=follow)

    at_desk(organization, work)


async def _follow(desk: Desk, wanted: Filter, clock: Clock, how: How, lines: int, *, forever: bool) -> None:
    from carecircle.audit import reading_service

    auditor = desk.circle.auditor
    seen = await reading_service.seen_now(auditor)
    mine: set[str] = set()
    if lines:
        begun = await desk.read(lambda session: reading_service.search(session, wanted, auditor=auditor, limit=lines))
        mine.add(str(begun.entry_id))
        _show(begun.entries[::-1], clock, how, await _names(desk, begun.entries, how))
    reached = True
    while forever:
        await asyncio.sleep(EVERY)
        try:
            new, seen = await _look(desk, wanted, seen, mine)
            names = await _names(desk, new, how)
        except AccessUnavailable:
            if reached:
                say("The database cannot be reached; trying again.")
            reached = False
        else:
            if not reached:
                say("The database is back.")
            reached = True
            _show(new, clock, how, names)


async def _look(desk: Desk, wanted: Filter, seen: Seen, mine: set[str]) -> tuple[Sequence[Read], Seen]:
    """What is new since, without `mine`: the entries that say that this command looked."""
    from carecircle.audit import reading_service

    found, now = await reading_service.since(seen, wanted, auditor=desk.circle.auditor)
    new = [one for one in found if one["id"] not in mine]
    mine.clear()
    if count := reading_service.worth_recording(new):
        own = await desk.read(
            lambda session: reading_service.record(session, reading_service.FOLLOWED, wanted, count=count)
        )
        mine.add(str(own))
    return new, now


async def _names(desk: Desk, entries: Sequence[Read], how: How) -> dict[UUID, str]:
    """The names of the providers whom entries are about, for people; patients are told by their ids alone."""
    wanted = {UUID(one["provider_id"]) for one in entries if one["provider_id"] is not None}
    return await desk.names(wanted) if how is How.table and wanted else {}


def _show(entries: Sequence[Read], clock: Clock, how: How, names: Mapping[UUID, str]) -> None:
    for one in entries:
        if how is How.ndjson:
            emit_record(record(one), how)
        else:
            told = listed(one, clock, names)
            print(printable("  ".join(str(told[name]) for name in LISTED if told[name] is not None)), flush=True)


def record(entry: Read) -> dict[str, Any]:
    """An entry as data: canonical names and values, ids in 26 characters."""
    return shown(entry)


def listed(entry: Read, clock: Clock, names: Mapping[UUID, str]) -> dict[str, Any]:
    """An entry in a line, with the provider's name behind the id where one is known."""
    told = shown(entry)
    provider = told["provider_id"]
    if provider is not None and (name := names.get(UUID(entry["provider_id"]))):
        provider = f"{provider} ({printable(name)})"
    at = clock.local(parse_instant(entry["recorded_at"]))
    answer = {None: None, True: "allowed", False: "denied"}[entry["allowed"]]
    return {
        "at": f"{at:%Y-%m-%d %H:%M:%S}",
        "what": " ".join(one for one in (entry["kind"], entry["code"], entry["action"]) if one),
        "answer": answer,
        "actor": entry["actor"],
        "provider": provider,
        "patient": told["patient_id"],
        "entry": told["id"],
    }
