"""credential: licences, specialties and certifications of providers; what rests on them holds as long as they do."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from carecircle.cli.careful import changed, command, counted, rehearsed, unchanged, until
from carecircle.cli.circle import at_desk
from carecircle.cli.options import AsOfOption, OrganizationOption, OutputOption, Provider, instant
from carecircle.cli.output import Output, emit, emit_one, note
from carecircle.period import show

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncSession

    from carecircle.directory.tables import ProviderCredential
    from carecircle.staffing.suspended_service import SuspendedHolding

app = typer.Typer(
    no_args_is_help=True, help="Licences, specialties, certifications, and what is suspended without them."
)
COLUMNS = ("id", "kind", "code", "system", "state", "starts_at", "ends_at", "recorded_at")
SHOWN = ("kind", "code", "state", "starts_at", "ends_at")


class Kind(StrEnum):
    """Kinds of credential."""

    licence = "licence"
    specialty = "specialty"
    certification = "certification"


KindArgument = Annotated[Kind, typer.Argument(metavar="KIND", help="licence, specialty or certification.")]
Code = Annotated[str, typer.Argument(metavar="CODE", help="Its number or code, such as 207RC0000X.")]
Until = Annotated[str | None, typer.Option("--until", metavar="INSTANT", help="Ends at; open.")]


@app.command()
def add(
    provider: Provider,
    kind: KindArgument,
    code: Code,
    from_: Annotated[str | None, typer.Option("--from", metavar="INSTANT", help="Starts at; now.")] = None,
    until_: Until = None,
    system: Annotated[str, typer.Option(help="Whose code it is, such as a register's address.")] = "",
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Record a credential for a period. The same one again changes nothing.

    Example: carecircle credential add okafor licence MD-4411 --until 2030-01-31 --organization north-hospital
    """
    from carecircle.directory.credential_service import add_credential, credentials_of

    starts_at, ends_at = instant(from_), instant(until_)

    async def work(session: AsyncSession) -> tuple[ProviderCredential, bool]:
        known = {one.id for one in await credentials_of(session, provider=provider)}
        row = await add_credential(
            session, provider=provider, kind=kind.value, code=code, system=system, starts_at=starts_at, ends_at=ends_at
        )
        return row, row.id in known

    row, known = at_desk(organization, lambda desk: desk.change(work))
    if known:
        unchanged(_record(row), output)
        return
    undo = command(organization, "credential", "end", row.provider_id, kind.value, code)
    changed(f"Recorded: {_holds(row)}.", _record(row), [undo], output)


@app.command()
def renew(
    provider: Provider,
    kind: KindArgument,
    code: Code,
    until_: Until = None,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Let a credential last longer; one that has lapsed holds again from now on, and so does what rests on it.

    Example: carecircle credential renew okafor licence MD-4411 --until 2032-01-31 --organization north-hospital
    """
    from carecircle.directory.credential_service import credentials_of, renew_credential

    ends_at = instant(until_)

    async def work(session: AsyncSession) -> tuple[ProviderCredential, list[ProviderCredential]]:
        before = await credentials_of(session, provider=provider)
        row = await renew_credential(session, provider=provider, kind=kind.value, code=code, ends_at=ends_at)
        return row, before

    row, before = at_desk(organization, lambda desk: desk.change(work))
    if row.id in {one.id for one in before}:
        unchanged(_record(row), output)
        return
    undo = [command(organization, "credential", "end", row.provider_id, kind.value, code)]
    # One that was only prolonged held, and holds on until its former end; one that had lapsed did not.
    former = [one.ends_at for one in before if one.lineage_id == row.lineage_id and one.starts_at == row.starts_at]
    words: list[str | UUID | datetime] = ["credential", "add", row.provider_id, kind.value, code]
    undo += [command(organization, *words, "--until", end) for end in former]
    changed(f"Renewed: {_holds(row)}; so does what rests on it.", _record(row), undo, output)


@app.command()
def end(
    provider: Provider,
    kind: KindArgument,
    code: Code,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would suspend.")] = False,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """End a credential now; what rests on it lets nobody in from that instant, until it is renewed.

    Example: carecircle credential end okafor licence MD-4411 --dry-run --organization north-hospital
    """
    from carecircle.database.session import instant as clock
    from carecircle.directory.credential_service import end_credential
    from carecircle.staffing.suspended_service import suspended_holdings

    async def work(session: AsyncSession) -> tuple[dict[str, Any], list[SuspendedHolding], list[str]]:
        before = {one.id for one in await suspended_holdings(session)}
        rows = await end_credential(session, provider=provider, kind=kind.value, code=code)
        fresh = [one for one in await suspended_holdings(session) if one.id not in before]
        now = await clock(session)
        told = {
            "provider": rows[0].provider_id,
            "kind": kind.value,
            "code": code,
            "dry_run": dry_run,
            "ended": len(rows),
            "suspended": len(fresh),
        }
        return told, fresh, [_again(organization, row, now) for row in rows]

    told, fresh, undo = at_desk(organization, lambda desk: rehearsed(desk, work) if dry_run else desk.change(work))
    if dry_run:
        changed(f"This would suspend {_holdings(fresh)}. Nothing was changed.", told, [], output)
        return
    changed(f"Ended: {kind.value} {code}. Suspended with it: {_holdings(fresh)}.", told, undo, output)
    if fresh:
        note(f"See: {command(organization, 'credential', 'suspended')}", output)


@app.command("list")
def list_(
    provider: Provider,
    as_of: AsOfOption = None,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """What a provider is licensed, certified and specialized for: lapsed, present and ahead.

    Example: carecircle credential list okafor --organization north-hospital
    """
    from carecircle.database.session import instant as clock
    from carecircle.directory.credential_service import credentials_of

    at = instant(as_of)

    async def work(session: AsyncSession) -> tuple[list[ProviderCredential], datetime]:
        return await credentials_of(session, provider=provider, as_of=at), at or await clock(session)

    found, now = at_desk(organization, lambda desk: desk.read(work))
    rows = [{**_record(row), "id": row.id, "state": _state(row, now), "recorded_at": row.recorded_at} for row in found]
    if rows or output is not Output.table:
        emit(rows, columns=COLUMNS, shown=SHOWN, name="credentials", how=output)
    note(f"{counted(len(rows), 'credential')}." if rows else "No credential of this provider is on record.", output)


@app.command("import-specialties")
def import_specialties(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The NUCC's CSV, or any with columns code and display.")],
    system: Annotated[str | None, typer.Option(help="Whose codes they are; the NUCC's, unless said.")] = None,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Load the organization's taxonomy of specialties; from then on a specialty must be in it. All of the file, or nothing.

    Example: carecircle credential import-specialties nucc_taxonomy.csv --organization north-hospital
    """
    from carecircle.directory import specialty_service

    async def work(session: AsyncSession) -> specialty_service.SpecialtiesImported:
        return await specialty_service.import_specialties(session, file, system=system or specialty_service.NUCC)

    done = at_desk(organization, lambda desk: desk.change(work))
    emit_one({"added": done.added, "renamed": done.changed, "unchanged": done.unchanged}, how=output)
    known = "Nothing changed: all of it was known."
    taken = "Codes are not taken back: one does nothing until a provider is given it."
    note(taken if done.added or done.changed else known, output)


def _again(organization: str | None, row: ProviderCredential, now: datetime) -> str:
    """The command that gives back what was ended: renewed where it had begun, added again where it had not."""
    from carecircle.period import FOREVER

    until: list[str | datetime] = ["--until", row.ends_at] if row.ends_at != FOREVER else []
    named = (row.provider_id, row.kind, row.code)
    if row.starts_at < now:
        return command(organization, "credential", "renew", *named, *until)
    system = ["--system", row.system] if row.system else []
    return command(organization, "credential", "add", *named, "--from", row.starts_at, *until, *system)


def _holdings(rows: list[SuspendedHolding]) -> str:
    kinds = {"direct-assignment": "assignment", "care-team-seat": "team seat", "coverage": "coverage arrangement"}
    counts = {word: sum(one.kind == kind for one in rows) for kind, word in kinds.items()}
    return ", ".join(counted(number, word) for word, number in counts.items() if number) or "nothing"


def _holds(row: ProviderCredential) -> str:
    begins = "now" if row.starts_at == row.recorded_at else show(row.starts_at)
    return f"{row.kind} {row.code} holds from {begins} {until(row.ends_at)}"


def _state(row: ProviderCredential, now: datetime) -> str:
    if row.ends_at <= now:
        return "lapsed"
    return "holds" if row.starts_at <= now else "ahead"


def _record(row: ProviderCredential) -> dict[str, Any]:
    return {
        "provider": row.provider_id,
        "kind": row.kind,
        "code": row.code,
        "system": row.system or None,
        "starts_at": row.starts_at,
        "ends_at": row.ends_at,
    }
