"""adopt: making one primary provider per patient the rule of an application's own table, and undoing it."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from carecircle.cli import exits
from carecircle.cli.host_table import (
    DOCUMENT,
    AddressOption,
    AssignedAtColumn,
    DeletedAtColumn,
    IdColumn,
    IndexName,
    LockTimeout,
    OrganizationColumn,
    PatientColumn,
    PrimaryColumn,
    ProviderColumn,
    QuietOption,
    SchemaOption,
    StatementTimeout,
    TableOption,
    address_of,
    host_table,
    patience_of,
    progress,
)
from carecircle.cli.options import OutputOption
from carecircle.cli.output import Output, emit, emit_json, emit_one, note, printable, say
from carecircle.cli.quality_primary import text_of
from carecircle.errors import ConfirmationRequired

if TYPE_CHECKING:
    from carecircle.adoption.adopt import Plan
    from carecircle.adoption.host_table import HostTable

app = typer.Typer(no_args_is_help=True, help="Adopt carecircle's rules in a database of your own.")
primary_app = typer.Typer(no_args_is_help=True, help="One primary provider per patient, in a table of your own.")
app.add_typer(primary_app, name="primary-provider")

BatchOption = Annotated[int, typer.Option("--batch", min=1, max=100_000, help="Rows a transaction looks at, about.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Do it without asking.")]


@app.callback()
def _group() -> None:
    """Adopt carecircle's rules in a database of your own."""


@primary_app.command("plan")
def plan_(
    table: TableOption = DOCUMENT.table,
    database_url: AddressOption = None,
    schema: SchemaOption = DOCUMENT.schema,
    organization_column: OrganizationColumn = DOCUMENT.organization,
    patient_column: PatientColumn = DOCUMENT.patient,
    provider_column: ProviderColumn = DOCUMENT.provider,
    primary_column: PrimaryColumn = DOCUMENT.primary,
    assigned_at_column: AssignedAtColumn = DOCUMENT.assigned_at,
    id_column: IdColumn = DOCUMENT.id,
    deleted_at_column: DeletedAtColumn = None,
    index_name: IndexName = DOCUMENT.index,
    lock_timeout: LockTimeout = 4,
    statement_timeout: StatementTimeout = 900,
    quiet: QuietOption = False,
    output: OutputOption = Output.table,
) -> None:
    """What apply would do: counts, samples, DDL; changes nothing. Exits 11 when there is something to do.

    Example: carecircle adopt primary-provider plan --table care_team_assignments
    """
    from carecircle.adoption.adopt import plan

    host = host_table(
        table=table, schema=schema, organization=organization_column, patient=patient_column, provider=provider_column,
        primary=primary_column, assigned_at=assigned_at_column, row_id=id_column, deleted_at=deleted_at_column,
        index=index_name,
    )  # fmt: skip
    patience = patience_of(lock_timeout, statement_timeout)
    with progress(quiet=quiet) as tell:
        found = asyncio.run(plan(address_of(database_url), host, patience=patience, tell=tell))
    if output is Output.json:
        emit_json(asdict(found) | {"nothing_to_do": found.nothing_to_do})
    elif output is Output.csv:
        emit_one(_figures(found), how=output)
    else:
        print("\n".join(map(printable, _described(host, found).split("\n"))))
    if not found.nothing_to_do:
        raise typer.Exit(exits.FINDINGS)


@primary_app.command("apply")
def apply_(
    table: TableOption = DOCUMENT.table,
    database_url: AddressOption = None,
    schema: SchemaOption = DOCUMENT.schema,
    organization_column: OrganizationColumn = DOCUMENT.organization,
    patient_column: PatientColumn = DOCUMENT.patient,
    provider_column: ProviderColumn = DOCUMENT.provider,
    primary_column: PrimaryColumn = DOCUMENT.primary,
    assigned_at_column: AssignedAtColumn = DOCUMENT.assigned_at,
    id_column: IdColumn = DOCUMENT.id,
    deleted_at_column: DeletedAtColumn = None,
    index_name: IndexName = DOCUMENT.index,
    batch: BatchOption = 1000,
    lock_timeout: LockTimeout = 4,
    statement_timeout: StatementTimeout = 900,
    yes: YesOption = False,
    quiet: QuietOption = False,
    output: OutputOption = Output.table,
) -> None:
    """Demote later primaries, each recorded, and build the unique index; run it again after an interruption.

    Example: carecircle adopt primary-provider apply --table care_team_assignments --yes
    """
    from carecircle.adoption.adopt import apply, plan

    host = host_table(
        table=table, schema=schema, organization=organization_column, patient=patient_column, provider=provider_column,
        primary=primary_column, assigned_at=assigned_at_column, row_id=id_column, deleted_at=deleted_at_column,
        index=index_name,
    )  # fmt: skip
    address, patience = address_of(database_url), patience_of(lock_timeout, statement_timeout)
    if not yes:
        with progress(quiet=quiet) as tell:
            found = asyncio.run(plan(address, host, patience=patience, tell=tell))
        if not found.nothing_to_do:
            say(_described(host, found))
            _ask("Apply this plan?")
    with progress(quiet=quiet) as tell:
        done = asyncio.run(apply(address, host, patience=patience, batch=batch, tell=tell))
    emit_one(asdict(done), how=output)
    if done.nothing_to_do:
        note("Nothing to do: the index is there and valid.", output)
    else:
        note(
            f"{done.demoted:,} rows demoted{' after an interrupted run' if done.resumed else ''}; {host.index} is valid."
            " Undo with: carecircle adopt primary-provider revert.",
            output,
        )


@primary_app.command("revert")
def revert_(
    table: TableOption = DOCUMENT.table,
    database_url: AddressOption = None,
    schema: SchemaOption = DOCUMENT.schema,
    batch: BatchOption = 1000,
    lock_timeout: LockTimeout = 4,
    statement_timeout: StatementTimeout = 900,
    yes: YesOption = False,
    quiet: QuietOption = False,
    output: OutputOption = Output.table,
) -> None:
    """Drop the index and make every demoted row primary again that nobody changed since; lists those left alone.

    Example: carecircle adopt primary-provider revert --table care_team_assignments --yes
    """
    from carecircle.adoption.revert import revert, status

    host, address = host_table(table=table, schema=schema), address_of(database_url)
    patience = patience_of(lock_timeout, statement_timeout)
    if not yes:
        stands = asyncio.run(status(address, host, patience=patience))
        say(f"{stands.totals.open:,} demoted rows of {schema}.{table} are open; the index is {stands.index}.")
        _ask("Drop the index and restore them?")
    with progress(quiet=quiet) as tell:
        done = asyncio.run(revert(address, host, patience=patience, batch=batch, tell=tell))
    if output is Output.json:
        emit_json(asdict(done))
    elif done.left_alone or output is Output.csv:
        columns = ("organization", "patient", "row_id", "because")
        rows = [asdict(one) for one in done.left_alone]
        emit(rows, columns=columns, name="left_alone", how=output)
    if done.nothing_to_do:
        note("Nothing to revert: no run on this table waits to be undone.", output)
    else:
        dropped = "the index is dropped; " if done.dropped_index else ""
        note(f"{dropped}{done.restored:,} rows restored, {done.left_alone_count:,} left alone.", output)


@primary_app.command("status")
def status_(
    table: TableOption = DOCUMENT.table,
    database_url: AddressOption = None,
    schema: SchemaOption = DOCUMENT.schema,
    output: OutputOption = Output.table,
) -> None:
    """The index, the newest run and the ledger's totals; the table is not read. Exits 11 unless the index is valid.

    Example: carecircle adopt primary-provider status --table care_team_assignments -o json
    """
    from carecircle.adoption.revert import status
    from carecircle.adoption.unique_index import IndexState

    found = asyncio.run(status(address_of(database_url), host_table(table=table, schema=schema)))
    run = found.run
    state: dict[str, Any] = {
        "index": found.index,
        "run": None if run is None else run.id,
        "started_at": None if run is None else run.started_at,
        "finished_at": None if run is None else run.finished_at,
        "reverted_at": None if run is None else run.reverted_at,
        **asdict(found.totals),
    }
    emit_one(state, how=output)
    if found.index is not IndexState.valid:
        raise typer.Exit(exits.FINDINGS)


def _ask(question: str) -> None:
    """Go on only with a yes from somebody at a terminal."""
    if not sys.stdin.isatty():
        raise ConfirmationRequired("Nothing was changed; to go on without being asked, add --yes.")
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        say("Nothing was changed.")
        raise typer.Exit(exits.INTERRUPTED)


def _figures(found: Plan) -> dict[str, Any]:
    return {
        "index": found.index,
        "primary_rows": found.primaries,
        "patients_with_several": found.patients,
        "rows_to_demote": found.to_demote,
        "rows_without_organization_or_patient": found.without_key,
        "interrupted_run": found.interrupted,
    }


def _described(host: HostTable, found: Plan) -> str:
    """The plan as people read it, without a trailing line break."""
    lines = [f"{name.replace('_', ' ')}: {value}" for name, value in _figures(found).items()]
    if found.samples:
        lines += ["", f"{len(found.samples)} of {found.patients:,} patients, the earliest of each is kept:"]
        lines += [text_of(one).partition("  To fix")[0].rstrip() for one in found.samples]
    if found.nothing_to_do:
        return "\n".join([*lines, "", "Nothing to do: the index is there and valid."])
    lines += ["", "Rows are demoted in small transactions, each row recorded in carecircle_adoption.demotions; then:"]
    ddl = [statement for statement in found.statements if not statement.startswith("UPDATE")]
    return "\n".join(
        [*lines, *ddl, "", f"Do it with: carecircle adopt primary-provider apply --table {host.table!r} …"]
    )
