"""Options that name an existing application's table and its database, and the progress bar of work on it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from carecircle.cli.circle import read_settings
from carecircle.cli.output import console

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from carecircle.adoption.connection import Patience
    from carecircle.adoption.host_table import HostTable
    from carecircle.adoption.scan import Progress

NAMES = "Names of the table"


def _column(flag: str, of: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(flag, metavar="NAME", help=of, rich_help_panel=NAMES)
    return option


AddressOption = Annotated[
    str | None,
    typer.Option(
        "--database-url",
        metavar="URL",
        help="PostgreSQL that holds the table; CARECIRCLE_DATABASE_URL, which other users of this machine cannot read.",
    ),
]
TableOption = Annotated[str, typer.Option("--table", metavar="NAME", help="The table of assignments.")]
SchemaOption = Annotated[str, _column("--schema", "Its schema.")]
OrganizationColumn = Annotated[str, _column("--organization-column", "The organization of an assignment.")]
PatientColumn = Annotated[str, _column("--patient-column", "Its patient.")]
ProviderColumn = Annotated[str, _column("--provider-column", "Its provider.")]
PrimaryColumn = Annotated[str, _column("--primary-column", "Boolean: is this the primary provider?")]
AssignedAtColumn = Annotated[str, _column("--assigned-at-column", "Since when; the earliest is kept.")]
IdColumn = Annotated[str, _column("--id-column", "What identifies a row.")]
DeletedAtColumn = Annotated[
    str | None, _column("--deleted-at-column", "Where rows are soft-deleted: when; such rows do not count.")
]
IndexName = Annotated[str, _column("--index-name", "What the unique index is called.")]
LockTimeout = Annotated[float, typer.Option("--lock-timeout", min=0.1, help="Seconds to wait for a row's lock.")]
StatementTimeout = Annotated[float, typer.Option("--statement-timeout", min=1, help="Seconds one statement may take.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")]


@dataclass(frozen=True)
class Defaults:
    """The primary-provider document's names."""

    table: str = "care_team_assignments"
    schema: str = "public"
    organization: str = "organization_id"
    patient: str = "patient_id"
    provider: str = "provider_id"
    primary: str = "is_primary_provider"
    assigned_at: str = "assigned_at"
    id: str = "id"
    index: str = "idx_unique_primary_provider_per_patient"


DOCUMENT = Defaults()


def host_table(
    *,
    table: str,
    schema: str,
    organization: str = DOCUMENT.organization,
    patient: str = DOCUMENT.patient,
    provider: str = DOCUMENT.provider,
    primary: str = DOCUMENT.primary,
    assigned_at: str = DOCUMENT.assigned_at,
    row_id: str = DOCUMENT.id,
    deleted_at: str | None = None,
    index: str = DOCUMENT.index,
) -> HostTable:
    """The named table. Raises InvalidRequest for a name no database can have."""
    from carecircle.adoption.host_table import HostTable as Named

    return Named(
        table=table, schema=schema, organization=organization, patient=patient, provider=provider, primary=primary,
        assigned_at=assigned_at, id=row_id, deleted_at=deleted_at, index=index,
    )  # fmt: skip


def address_of(given: str | None) -> str:
    """The database with the table: as said, or CARECIRCLE_DATABASE_URL; a usage error where neither is."""
    if given is not None:
        return given
    known = read_settings().database_url
    if known is None:
        raise typer.BadParameter("say which database: --database-url, or CARECIRCLE_DATABASE_URL.")
    return known.get_secret_value()


def patience_of(lock: float, statement: float) -> Patience:
    from carecircle.adoption.connection import Patience as Limits

    return Limits(lock=lock, statement=statement)


class Watch:
    """A bar for each stage, with rate and time left; `stop` takes it away for good."""

    def __init__(self, bar: Bar) -> None:
        self._bar, self._stages = bar, dict[str, "TaskID"]()
        self._stopped = False

    def __call__(self, told: Progress) -> None:
        if self._stopped:
            return
        task = self._stages.get(told.stage)
        if task is None:
            task = self._stages[told.stage] = self._bar.add_task(told.stage, total=told.total, rate="")
        elapsed = self._bar.tasks[task].elapsed or 0
        rate = f"{told.done / elapsed:,.0f}/s" if elapsed > 0.5 else ""
        self._bar.update(task, completed=told.done, total=told.total, rate=rate)

    def stop(self) -> None:
        self._stopped = True
        self._bar.stop()


@contextmanager
def progress(*, quiet: bool) -> Iterator[Watch]:
    """Progress on stderr while the block works; silent where nobody watches. What is printed to stdout stays there."""
    from rich.progress import BarColumn, SpinnerColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Shown

    columns = (
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(),
        TextColumn("{task.completed:,.0f} done"), TextColumn("{task.fields[rate]}"), TimeRemainingColumn(),
    )  # fmt: skip
    with Shown(
        *columns, console=console(err=True), transient=True, redirect_stdout=False, redirect_stderr=False,
        disable=quiet or not sys.stderr.isatty(),
    ) as bar:  # fmt: skip
        yield Watch(bar)
