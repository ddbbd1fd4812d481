"""team give, take: the patients a care team looks after."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar
from uuid import UUID

import typer

from carecircle.cli.careful import command, counted
from carecircle.cli.circle import Desk, at_desk
from carecircle.cli.clock import Clock, TimeZoneOption
from carecircle.cli.options import OrganizationOption, OutputOption
from carecircle.cli.output import Output, console
from carecircle.cli.team_members import From, Until, until_words, when
from carecircle.cli.team_words import TeamArgument, find_team, tell
from carecircle.errors import CareCircleError, InvalidInput, InvalidRequest, NotFound

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from carecircle.care_teams.reading_service import Team, TeamPatient
    from carecircle.care_teams.tables import CareTeamPatient

T = TypeVar("T")
PAGE = 1000
WATCHED = 50

Patients = Annotated[
    list[str] | None, typer.Argument(metavar="PATIENT…", help="ULID, UUID, system|value or identifier; one or more.")
]
File = Annotated[
    Path | None,
    typer.Option("--file", exists=True, dir_okay=False, help="One patient a line, or a CSV with the column patient."),
]


def give(
    team: TeamArgument,
    patients: Patients = None,
    file: File = None,
    from_: From = None,
    until: Until = None,
    time_zone: TimeZoneOption = None,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Give a team patients to look after: everybody on it is let in to them. All of them, or none when one is refused.

    Example: carecircle team give "Ward 3 Surgery" N-0001 N-0002 --until 2030-01-31 --organization north-hospital
    """
    from carecircle.care_teams.service import add_patient

    clock = Clock.of(time_zone)
    starts_at, ends_at = clock.instant(from_), clock.instant(until)
    wanted = _wanted(patients, file)

    async def work(desk: Desk) -> tuple[Team, list[CareTeamPatient], list[str]]:
        async def look_after(session: AsyncSession) -> tuple[Team, list[CareTeamPatient]]:
            found = await find_team(session, team)
            rows = []
            with _watched(wanted) as each:
                for number, one in enumerate(each, 1):
                    with _which(number, len(wanted)):
                        rows.append(
                            await add_patient(
                                session, care_team_id=found.id, patient=one, starts_at=starts_at, ends_at=ends_at
                            )
                        )
            return found, rows

        found, rows = await desk.change(look_after)
        return found, rows, _undo_of(desk, "take", found, [row.patient_id for row in rows])

    found, rows, undo = at_desk(organization, work)
    at = when(rows[0].starts_at, rows[0].ends_at, clock, now=starts_at is None)
    tell(
        [f"{found.name} looks after {counted(len(rows), 'more patient')}, {at}."],
        {"team": found.id, "rows": [row.id for row in rows], "patients": [row.patient_id for row in rows]},
        undo,
        output,
    )


def take(
    team: TeamArgument,
    patients: Patients = None,
    file: File = None,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Let a team look after patients no longer, now and for all times ahead.

    Example: carecircle team take "Ward 3 Surgery" N-0001 --organization north-hospital
    """
    from carecircle.care_teams.service import end_patient
    from carecircle.directory import resolve_patient
    from carecircle.identifiers import OrganizationId

    wanted = _wanted(patients, file)

    async def work(desk: Desk) -> tuple[Team, list[UUID], list[str]]:
        async def end(session: AsyncSession) -> tuple[Team, dict[UUID, datetime | None]]:
            found = await find_team(session, team)
            ended: dict[UUID, datetime | None] = {}
            with _watched(wanted) as each:
                for number, one in enumerate(each, 1):
                    with _which(number, len(wanted)):
                        patient_id = await resolve_patient(session, OrganizationId(desk.organization), one)
                        until = await _until_when(session, found.id, patient_id)
                        if not await end_patient(session, care_team_id=found.id, patient=patient_id):
                            raise NotFound("This care team does not look after this patient, now or ahead.")
                    ended[patient_id] = until
            return found, ended

        found, ended = await desk.change(end)
        undo = []
        for end_ in sorted({one for one in ended.values() if one is not None}):
            again = [patient_id for patient_id, until in ended.items() if until == end_]
            undo += _undo_of(desk, "give", found, again, until_words(end_))
        return found, [*ended], undo

    found, ended, undo = at_desk(organization, work)
    told = f"{found.name} looks after {counted(len(ended), 'patient')} fewer, from now on."
    tell([told], {"team": found.id, "patients": ended}, undo, output)


async def _until_when(session: AsyncSession, care_team_id: UUID, patient_id: UUID) -> datetime | None:
    """Until when a team looks after a patient whom it looks after now; None for one whom it does not."""
    from carecircle.care_teams.reading_service import patients_of

    before = UUID(int=patient_id.int - 1) if patient_id.int else None
    page = await patients_of(session, care_team_id=care_team_id, limit=1, after=before)
    return next((one.ends_at for one in page if one.patient_id == patient_id), None)


async def every_patient(session: AsyncSession, care_team_id: UUID, as_of: datetime | None) -> list[TeamPatient]:
    """All patients whom a team looks after, by id."""
    from carecircle.care_teams.reading_service import patients_of

    found: list[TeamPatient] = []
    while len(found) % PAGE == 0:
        after = found[-1].patient_id if found else None
        page = await patients_of(session, care_team_id=care_team_id, limit=PAGE, after=after, as_of=as_of)
        found += page
        if not page:
            break
    return found


def _undo_of(desk: Desk, verb: str, team: Team, patients: list[UUID], said: Sequence[str] = ()) -> list[str]:
    """One command for a handful of patients; nobody pastes one of thousands."""
    return [command(desk.slug, "team", verb, team.id, *patients, *said)] if len(patients) <= WATCHED else []


def _wanted(patients: list[str] | None, file: Path | None) -> list[str]:
    """Whom the command speaks of, each once. Raises InvalidRequest for nobody, InvalidInput for a file without them."""
    named = list(patients or ())
    if file is not None:
        try:
            rows = [line.split(",") for line in file.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
        except (OSError, UnicodeDecodeError):
            raise InvalidInput("This file cannot be read as text; write one patient a line.") from None
        if not rows:
            raise InvalidInput("This file is empty; write one patient a line.")
        heads = [cell.strip().strip('"').casefold() for cell in rows[0]]
        at = heads.index("patient") if "patient" in heads else None
        if at is None and any(len(row) > 1 for row in rows):
            raise InvalidInput("This file has several columns and none of them is called patient.")
        named += [row[at or 0].strip().strip('"') for row in rows[0 if at is None else 1 :] if len(row) > (at or 0)]
        if not named:
            raise InvalidInput("This file has a first line of names and no patient below it.")
    if not named:
        raise InvalidRequest("Name at least one patient, or a file of them with --file.")
    return list(dict.fromkeys(named))


@contextmanager
def _which(number: int, of: int) -> Iterator[None]:
    """Says which of several patients was refused, by its number: an identifier would be a patient's data."""
    try:
        yield
    except CareCircleError as error:
        if of > 1:
            error.message = f"Patient {number:,} of {of:,}: {error.message} Nothing was changed."
        raise


@contextmanager
def _watched(each: list[T]) -> Iterator[Iterable[T]]:
    """A bar on stderr for many, where somebody watches."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    unseen = len(each) < WATCHED or not sys.stderr.isatty()
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console(err=True), transient=True, disable=unseen) as bar:
        yield bar.track(each, total=len(each))
