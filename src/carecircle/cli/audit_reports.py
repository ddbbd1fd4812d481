"""audit disclosures, audit patient-report: what a patient may ask for, in words, as a page to print, or as data."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from carecircle.cli.audit_options import looked_for
from carecircle.cli.break_glass_options import How, HowOption, emit_record, remark
from carecircle.cli.careful import counted
from carecircle.cli.circle import Desk, at_desk
from carecircle.cli.clock import Clock, TimeZoneOption
from carecircle.cli.options import OrganizationOption, Patient
from carecircle.cli.output import printable
from carecircle.errors import InvalidRequest
from carecircle.identifiers import to_text

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from carecircle.reports.disclosures import Accounting
    from carecircle.reports.patient_access import Day, PatientAccess

HtmlOption = Annotated[
    Path | None,
    typer.Option("--html", metavar="FILE", help="Write it as a page to this new file, or into this folder."),
]
SinceOption = Annotated[
    str | None, typer.Option("--from", metavar="INSTANT", help="From then on: ISO 8601, or a local day and time.")
]
UntilOption = Annotated[str | None, typer.Option("--to", "--until", metavar="INSTANT", help="Until then; now.")]


def register(app: typer.Typer) -> None:
    app.command()(disclosures)
    app.command("patient-report")(patient_report)


def disclosures(
    patient: Patient,
    since: SinceOption = None,
    until: UntilOption = None,
    html: HtmlOption = None,
    time_zone: TimeZoneOption = None,
    organization: OrganizationOption = None,
    output: HowOption = How.table,
) -> None:
    """To whom a patient's record was disclosed, and why, in the six years until now (45 CFR 164.528).

    Treatment, payment, operations and what the patient had asked for are left out; every sharing is there. The page and the
    JSON have the patient's name, so keep them as you keep a record. That you asked is recorded.

    Example: carecircle audit disclosures N-0002 --html disclosures.html
    """
    from carecircle.reports import disclosures_service
    from carecircle.reports.page import disclosures_page

    clock = _clock(time_zone, output)

    async def work(desk: Desk) -> Accounting:
        async def look(session: AsyncSession) -> Accounting:
            return await disclosures_service.account(
                session, patient=patient, auditor=desk.circle.auditor,
                since=clock.instant(since), until=clock.instant(until),
            )  # fmt: skip

        with looked_for():
            return await desk.change(look)

    found = at_desk(organization, work)

    def lines() -> list[str]:
        span = f"from {clock.tell(found.since)} to {clock.tell(found.until)} ({clock.name})"
        told = [f"{counted(len(found.disclosures), 'recipient and purpose', 'recipients and purposes')} {span}"]
        for one in found.disclosures:
            times = f", {one.times} times until {clock.tell(one.last_at)}" if one.times > 1 else ""
            who = one.recipient or f"recipient not known here, shared by {one.made_by}"
            told.append(f"  {clock.tell(one.first_at)}{times}: {who}; {one.description}; {one.purpose_in_words}")
        if found.untraced:
            told.append(
                f"{counted(found.untraced, 'list')} of patients given out for such a purpose: look into who was on it"
            )
        return told

    _leave(found.as_json(), "disclosures", found.patient_id, lambda: disclosures_page(found), lines, html, output)


def patient_report(
    patient: Patient,
    since: SinceOption = None,
    until: UntilOption = None,
    html: HtmlOption = None,
    time_zone: TimeZoneOption = None,
    organization: OrganizationOption = None,
    output: HowOption = How.table,
) -> None:
    """Who looked at a patient's record, when and why, for the patient: the three years until now, in plain words.

    Who was kept out and every emergency are told too; of other patients there is nothing. The page and the JSON have the
    patient's name, so keep them as you keep a record. That you asked is recorded. Days are UTC's unless --time-zone says whose.

    Example: carecircle audit patient-report N-0002 --time-zone Europe/Berlin --html report.html
    """
    from carecircle.reports import patient_access_service
    from carecircle.reports.page import access_page
    from carecircle.reports.words import ALTERED

    clock = _clock(time_zone, output)

    def by_day(days: tuple[Day, ...], at: Clock) -> list[str]:
        told = []
        for day in days:
            told.append(f"  {day.day:%a} {day.day.day} {day.day:%b %Y}")
            for one in day.looks:
                first, last = f"{at.local(one.first_at):%H:%M}", f"{at.local(one.last_at):%H:%M}"
                when = first if first == last else f"{first}–{last}"
                often = f", {one.times} times" if one.times > 1 else ""
                why = " ".join(one.reasons) or "; ".join(one.actions)
                told.append(f"    {when}{often}  {one.person.name}: {why}" + (f" {ALTERED}" if one.altered else ""))
        return told

    async def work(desk: Desk) -> PatientAccess:
        async def look(session: AsyncSession) -> PatientAccess:
            return await patient_access_service.report(
                session, patient=patient, auditor=desk.circle.auditor, time_zone=time_zone or "UTC",
                since=clock.instant(since), until=clock.instant(until),
            )  # fmt: skip

        with looked_for():
            return await desk.change(look)

    found = at_desk(organization, work)

    def lines() -> list[str]:
        at = Clock.of(found.time_zone)
        told = [
            f"{counted(found.persons, 'person was', 'people were')} let in on {counted(len(found.days), 'day')} from"
            f" {at.tell(found.since)} to {at.tell(found.until)} ({found.time_zone})"
        ]
        if found.altered:
            told.append("Some lines are not as they were first written down; the privacy office is looking into it.")
        told += by_day(found.days, at)
        if found.worked:
            told.append("Who worked with the log, or asked who may see the patient")
            told += by_day(found.worked, at)
        kept = sum(one.times for one in found.attempts)
        told.append(
            f"{counted(kept, 'time')} somebody was kept out; {counted(len(found.emergencies), 'emergency', 'emergencies')}"
        )
        return told

    _leave(found.as_json(), "patient-report", found.patient_id, lambda: access_page(found), lines, html, output)


def _clock(time_zone: str | None, how: How) -> Clock:
    if how is How.csv:
        raise InvalidRequest("A report is no table: read it in words, with -o json or -o ndjson, or with --html FILE.")
    return Clock.of(time_zone)


def _leave(
    record: dict[str, Any],
    kind: str,
    patient_id: UUID,
    page: Callable[[], str],
    lines: Callable[[], list[str]],
    html: Path | None,
    how: How,
) -> None:
    """The report as it was asked for: written as a page, as JSON, or in words."""
    from carecircle.reports.page import file_name

    if html is not None:
        where = html / file_name(kind, patient_id, "html") if html.is_dir() else html
        _write(where, page())
        if how is How.table:
            print(printable(f"Written to {where}; only you can read it."))
        else:
            emit_record({"patient": to_text(patient_id), "file": str(where)}, how)
    elif how is not How.table:
        emit_record(record, how)
    else:
        for line in lines():
            print(printable(line))
        remark("As a page to print: --html FILE", how)


def _write(where: Path, page: str) -> None:
    """Write it where nobody else can read it. Raises InvalidRequest for a file that is there, or cannot be made."""
    try:
        with os.fdopen(os.open(where, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
            out.write(page)
    except FileExistsError:
        raise InvalidRequest(f"{where} is there already; name another file.") from None
    except OSError as error:
        raise InvalidRequest(f"{where} cannot be written ({error.strerror}); name another file.") from None
