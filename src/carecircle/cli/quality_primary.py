"""quality primary-providers: patients with several primary providers, in carecircle's tables or an application's own."""

from __future__ import annotations

import asyncio
import csv
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from carecircle.cli import exits
from carecircle.cli.careful import counted
from carecircle.cli.circle import database, read_settings
from carecircle.cli.host_table import (
    DOCUMENT,
    AddressOption,
    AssignedAtColumn,
    DeletedAtColumn,
    IdColumn,
    LockTimeout,
    OrganizationColumn,
    PatientColumn,
    PrimaryColumn,
    ProviderColumn,
    QuietOption,
    SchemaOption,
    StatementTimeout,
    Watch,
    address_of,
    host_table,
    patience_of,
    progress,
)
from carecircle.cli.options import OrganizationOption, OutputOption
from carecircle.cli.output import SCHEMA_VERSION, Output, formula_safe, json_text, note, printable
from carecircle.errors import OrganizationRequired

if TYPE_CHECKING:
    from carecircle.adoption.scan import SeveralPrimaries

RULE = "=" * 70
OPENING = f"""\
{RULE}
PRIMARY PROVIDER CONSTRAINT VIOLATION CHECK
{RULE}

Checking for patients with multiple primary providers...
"""
CLEAN = """\
✅ SUCCESS: No violations found

All patients have at most ONE primary provider.
Safe to apply the unique constraint migration."""
COLUMNS = ("organization", "patient", "id", "provider", "assigned_at", "keep")


def primary_providers(
    table: Annotated[
        str | None,
        typer.Option("--table", metavar="NAME", help="An application's own table; without it, carecircle's."),
    ] = None,
    database_url: AddressOption = None,
    schema: SchemaOption = DOCUMENT.schema,
    organization_column: OrganizationColumn = DOCUMENT.organization,
    patient_column: PatientColumn = DOCUMENT.patient,
    provider_column: ProviderColumn = DOCUMENT.provider,
    primary_column: PrimaryColumn = DOCUMENT.primary,
    assigned_at_column: AssignedAtColumn = DOCUMENT.assigned_at,
    id_column: IdColumn = DOCUMENT.id,
    deleted_at_column: DeletedAtColumn = None,
    lock_timeout: LockTimeout = 4,
    statement_timeout: StatementTimeout = 900,
    quiet: QuietOption = False,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Find patients with several primary providers, and how that would be resolved; changes nothing. Exits 11 when there are any.

    Example: carecircle quality primary-providers --table care_team_assignments
    """
    named = (
        schema,
        organization_column,
        patient_column,
        provider_column,
        primary_column,
        assigned_at_column,
        id_column,
    )
    usual = (
        DOCUMENT.schema, DOCUMENT.organization, DOCUMENT.patient, DOCUMENT.provider, DOCUMENT.primary,
        DOCUMENT.assigned_at, DOCUMENT.id,
    )  # fmt: skip
    with progress(quiet=quiet) as watch:
        if table is None:
            if named != usual or deleted_at_column is not None:
                raise typer.BadParameter("names of columns go with --table; carecircle's own are known.")
            found = _check_own(database_url, organization, watch, output)
        else:
            host = host_table(
                table=table, schema=schema, organization=organization_column, patient=patient_column,
                provider=provider_column, primary=primary_column, assigned_at=assigned_at_column, row_id=id_column,
                deleted_at=deleted_at_column,
            )  # fmt: skip
            from carecircle.adoption.check import host_several_primaries

            patience = patience_of(lock_timeout, statement_timeout)
            rows = host_several_primaries(address_of(database_url), host, patience, watch)
            found = asyncio.run(_show(rows, output, watch))
    if found:
        raise typer.Exit(exits.FINDINGS)


def _check_own(address: str | None, slug: str | None, watch: Watch, output: Output) -> int:
    from pydantic import SecretStr

    from carecircle.adoption.service import own_several_primaries

    settings = read_settings()
    if address is not None:
        settings = settings.model_copy(update={"database_url": SecretStr(address)})
    wanted = slug or settings.organization
    if not wanted:
        raise OrganizationRequired(
            "Say which organization: --organization SLUG, or set CARECIRCLE_ORGANIZATION; for an application's own table:"
            " --table."
        )
    with database(settings) as at:
        return asyncio.run(_show(own_several_primaries(at, wanted, watch), output, watch))


async def _show(found: AsyncGenerator[SeveralPrimaries, None], how: Output, watch: Watch) -> int:
    """Print each patient as it is found, so that a million rows need no memory; how many there were."""
    out = _Printer(how, watch)
    async with aclosing(found) as patients:
        async for one in patients:
            out.add(one)
    out.end()
    return out.patients


class _Printer:
    """Writes findings to stdout as they come: the document's text, one JSON object, or a CSV row for each assignment."""

    def __init__(self, how: Output, watch: Watch) -> None:
        self.how, self.watch, self.patients, self.rows = how, watch, 0, 0
        self.csv = csv.writer(sys.stdout, lineterminator="\n")

    def begin(self) -> None:
        """Nothing is printed before the first row was read: what cannot be read leaves stdout empty."""
        if sys.stdout.isatty():
            self.watch.stop()
        if self.how is Output.table:
            print(OPENING)
        elif self.how is Output.json:
            print(f'{{"schema_version": {SCHEMA_VERSION}, "violations": [', end="")
        else:
            self.csv.writerow(COLUMNS)

    def add(self, one: SeveralPrimaries) -> None:
        if not self.patients:
            self.begin()
            if self.how is Output.table:
                print("❌ VIOLATIONS FOUND: these patients have several primary providers\n")
        self.patients, self.rows = self.patients + 1, self.rows + len(one.demoted)
        if self.how is Output.json:
            separator = "," if self.patients > 1 else ""
            print(f"{separator}\n  {json_text(asdict(one))}", end="")
        elif self.how is Output.csv:
            for row in one.rows:
                cells = (
                    one.organization,
                    one.patient,
                    row.id,
                    row.provider,
                    row.assigned_at or "",
                    str(row.keep).lower(),
                )
                self.csv.writerow(formula_safe(printable(cell)) for cell in cells)
        else:
            print(text_of(one))

    def end(self) -> None:
        if not self.patients:
            self.begin()
        if self.how is Output.json:
            print(f'\n], "patients": {self.patients}, "rows_to_demote": {self.rows}}}')
        elif self.how is Output.table and not self.patients:
            print(CLEAN)
        elif self.how is Output.table:
            patients, rows = counted(self.patients, "patient"), counted(self.rows, "row")
            print(
                f"{patients} {'has' if self.patients == 1 else 'have'} several primary providers; {rows} would be demoted.\n"
                "The migration keeps the earliest of each. To decide otherwise, run your own form of the SQL above first."
            )
        if self.patients:
            note("Exit code 11: findings.", self.how)


def text_of(one: SeveralPrimaries) -> str:
    """A patient's primaries as people read them: ids, which stays, and the SQL."""
    lines = [f"Patient {printable(one.patient)} in organization {printable(one.organization)}:"]
    for row in one.rows:
        what, since = "keep  " if row.keep else "demote", row.assigned_at or "at an unknown time"
        lines.append(f"  {what}  {printable(row.id)}  provider {printable(row.provider)}, assigned {printable(since)}")
    return "\n".join([*lines, "  To fix it by hand:", *(f"    {printable(line)}" for line in one.fix.split("\n")), ""])
