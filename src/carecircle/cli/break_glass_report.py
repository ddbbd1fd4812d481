"""break-glass report: what happened in one emergency access, one thing after the other; in words, as a page or as data."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from carecircle.cli.break_glass_options import How, HowOption, Which, emit_record, meant, remark
from carecircle.cli.break_glass_words import SIGNALS, Told, headline, labelled, quoted, reason
from carecircle.cli.careful import counted
from carecircle.cli.circle import Desk, at_desk
from carecircle.cli.clock import Clock, TimeZoneOption
from carecircle.cli.options import OrganizationOption
from carecircle.cli.output import printable
from carecircle.errors import InvalidRequest
from carecircle.identifiers import to_text

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from carecircle.emergency.report import Report


def register(app: typer.Typer) -> None:
    app.command()(report)


def report(
    which: Which,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Write it as a page to this new file, or into this folder."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="The same as -o json.")] = False,
    time_zone: TimeZoneOption = None,
    organization: OrganizationOption = None,
    output: HowOption = How.table,
) -> None:
    """What happened in one emergency access: who, why, what was opened by it, who decided, and what became of it.

    It holds the reasons in words, so keep it as you keep a record. That you read it is recorded.

    Example: carecircle break-glass report BG-7K2M4Q --html report.html
    """
    from carecircle.emergency import report_service

    clock, how = Clock.of(time_zone), How.json if json and output is How.table else output
    if how is How.csv:
        raise InvalidRequest("A report is no table: write it in words, with -o json or -o ndjson, or with --html FILE.")

    async def work(desk: Desk) -> Report:
        async def look(session: AsyncSession) -> Report:
            emergency_id = await meant(session, which)
            return await report_service.report(session, emergency_id=emergency_id, auditor=desk.circle.auditor)

        return await desk.change(look)

    found = at_desk(organization, work)
    if html is not None:
        _write(found, html, how)
    elif how is not How.table:
        emit_record(found.as_json(), how)
    else:
        for line in _lines(found, Told(found.names, found.written_at, clock)):
            print(line)
        remark("As a page to keep: --html FILE", how)


def _write(found: Report, path: Path, how: How) -> None:
    """Write the page where nobody else can read it. Raises InvalidRequest for a file that is there, or cannot be made."""
    from carecircle.emergency.report_page import as_html, file_name

    where = path / file_name(found.emergency.id, "html") if path.is_dir() else path
    try:
        with os.fdopen(os.open(where, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
            out.write(as_html(found))
    except FileExistsError:
        raise InvalidRequest(f"{where} is there already; name another file.") from None
    except OSError as error:
        raise InvalidRequest(f"{where} cannot be written ({error.strerror}); name another file.") from None
    if how is How.table:
        print(printable(f"Written to {where}; only you can read it."))
    else:
        emit_record({"emergency": found.emergency.id, "reference": found.emergency.reference, "file": str(where)}, how)


def _lines(found: Report, told: Told) -> list[str]:
    from carecircle.emergency.timeline import lasted, timeline

    one = found.emergency
    lines = [
        headline(one, told),
        labelled("who", told.who(one.provider_id)),
        labelled("patient", to_text(one.patient_id)),
    ]
    lines.append(labelled("where", found.unit or "no unit"))
    lines.append(labelled("why", f"{reason(one.reason_code)}{': ' + quoted(one.words) if one.words else ''}"))
    if one.signals:
        lines.append(labelled("stands out", "; ".join(SIGNALS.get(each, each) for each in one.signals)))
    times = f"opened {counted(len(found.opened), 'time')}" if found.opened else "never opened by it"
    if not one.downtime:
        lines.append(labelled("record", f"{times}; it could have been for {lasted(found.seconds_open)}"))
    if found.supposed:
        lines.append(
            labelled("", f"{counted(len(found.supposed), 'question')} about another instant; that opens nothing")
        )
    lines.append("")
    drawn = timeline(found).marks
    widest = max((len(mark.after) for mark in drawn), default=0)
    day = None
    for mark in drawn:
        at = told.clock.local(mark.at)
        if at.date() != day:
            day = at.date()
            lines.append(f"  {at:%a} {at.day} {at:%b %Y}")
        lines.append(labelled(f"{at:%H:%M:%S}", f"{'+' + mark.after:>{widest + 1}}  {mark.text}"))
    said = [note for note in found.notes if note.words]
    lines += ["", *(labelled(note.kind, f"{told.who(note.provider_id)}: {quoted(note.words or '')}") for note in said)]
    if found.relations:
        kinds = ", ".join(dict.fromkeys(relation.kind.replace("_", " ") for relation in found.relations))
        lines.append(labelled("today", f"the circle lets them read this record without it: {kinds}"))
    if found.disclosure is not None:
        lines.append(
            labelled("42 CFR 2", "a note under 2.51(c) is due in the patient's record; the page has a draft of it")
        )
    return [*lines, labelled("now", f"{told.at(told.now)} ({told.clock.name})")]
