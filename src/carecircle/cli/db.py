"""db: the database's schema, its state, and a shell in it that sees one organization at most."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from carecircle.cli import exits
from carecircle.cli.circle import database, read_settings
from carecircle.cli.options import OrganizationOption, OutputOption
from carecircle.cli.output import Output, emit_one, say
from carecircle.errors import ConfirmationRequired, DatabaseNotMigrated, InvalidSetting

if TYPE_CHECKING:
    from carecircle.database.reach import Reach

app = typer.Typer(no_args_is_help=True, help="The database: migrate it, see its state, open a shell in it.")
# No organization has this id: a shell without --organization sees no tenant's rows, whatever its role.
NOBODY = UUID(int=0)
LIBPQ = {"sslmode": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT", "sslcert": "PGSSLCERT", "sslkey": "PGSSLKEY"}


class Role(StrEnum):
    """The database roles of carecircle."""

    owner = "owner"
    app = "app"
    decider = "decider"
    sealer = "sealer"
    auditor = "auditor"


@app.command()
def upgrade(
    revision: Annotated[str, typer.Argument(metavar="REVISION", help="Which; the newest, unless said.")] = "head",
) -> None:
    """Bring the database to a revision, making the embedded database and the roles where they are missing.

    Example: carecircle db upgrade
    """
    from carecircle.database import migrate

    with database(read_settings(), make=True) as at:
        migrate.upgrade(at, revision)
        say(f"The database is at {asyncio.run(migrate.current_revision(at))}.")


@app.command(context_settings={"ignore_unknown_options": True})
def downgrade(
    revision: Annotated[str, typer.Argument(metavar="REVISION", help="A revision, -1, or base (which drops all).")],
    yes: Annotated[bool, typer.Option("--yes", help="Drop every table when the revision is base.")] = False,
) -> None:
    """Take the database back to an older revision.

    Example: carecircle db downgrade 20260114_rls_coverage
    """
    from carecircle.database import migrate

    if revision == "base" and not yes:
        raise ConfirmationRequired("This drops every table with all that is in them; to do that, add --yes.")
    with database(read_settings()) as at:
        migrate.downgrade(at, revision)
        say(f"The database is at {asyncio.run(migrate.current_revision(at)) or 'no revision'}.")


@app.command()
def status(output: OutputOption = Output.table) -> None:
    """Where the database is and whether its schema is this version's; exits 3 when it is not.

    Example: carecircle db status -o json
    """
    from carecircle.database import migrate
    from carecircle.database.revision import head
    from carecircle.database.roles import open_connection

    settings = read_settings()

    async def look(at: Reach) -> dict[str, Any]:
        revision = await migrate.current_revision(at)
        connection = await open_connection(at.dsn("owner"))
        try:
            version = await connection.fetchval("show server_version")
        finally:
            await connection.close()
        return {
            "database": "embedded" if settings.database_url is None else "configured",
            "server_version": version,
            "revision": revision,
            "head": head(),
            "up_to_date": revision == head(),
        }

    with database(settings) as at:
        state = asyncio.run(look(at))
    emit_one(state, how=output)
    if not state["up_to_date"]:
        say("Bring it up to date with: carecircle db upgrade.")
        raise typer.Exit(exits.exit_code(DatabaseNotMigrated))


@app.command(context_settings={"ignore_unknown_options": True})
def shell(
    role: Annotated[Role, typer.Option(help="As which of carecircle's roles.")] = Role.app,
    organization: OrganizationOption = None,
    arguments: Annotated[list[str] | None, typer.Argument(metavar="-- PSQL ARGS", help="Passed on to psql.")] = None,
) -> None:
    """psql in the database, as one role, seeing one organization; none without --organization. Exits as psql does.

    Example: carecircle db shell --role auditor --organization north-hospital -- -c "table carecircle.audit_events"
    """
    from carecircle.bootstrap import assemble
    from carecircle.database.session import transaction
    from carecircle.directory import find_organization

    settings = read_settings()
    slug = organization or settings.organization

    async def find(at: Reach, wanted: str) -> UUID:
        async with assemble(settings, at) as circle, transaction(circle.engine) as session:
            return await find_organization(session, wanted)

    with database(settings) as at:
        tenant = asyncio.run(find(at, slug)) if slug else NOBODY
        program = _psql(at)
        # Ctrl-C is psql's: it cancels a query, not the shell.
        before = signal.signal(signal.SIGINT, lambda *_: None)
        try:
            done = subprocess.run([program, *(arguments or [])], env=_environment(at, role, tenant), check=False)
        finally:
            signal.signal(signal.SIGINT, before)
    raise typer.Exit(done.returncode)


def _psql(at: Reach) -> str:
    beside = at.bin_dir / "psql" if at.bin_dir is not None else None
    found = str(beside) if beside is not None and beside.exists() else shutil.which("psql")
    if found is None:
        raise InvalidSetting("psql was not found; install the PostgreSQL client programs or put psql on PATH.")
    return found


def _environment(at: Reach, role: Role, tenant: UUID) -> Mapping[str, str]:
    """psql's environment: the password travels in it, never among the arguments, which every user can read."""
    url = at.as_role(role.value)
    asked = {name: value if isinstance(value, str) else ",".join(value) for name, value in url.query.items()}
    told = {
        "PGHOST": url.host or asked.get("host", ""),
        "PGPORT": str(url.port or asked.get("port", "")),
        "PGDATABASE": url.database or "",
        "PGUSER": url.username or "",
        "PGPASSWORD": str(url.password or ""),
        "PGOPTIONS": f"-c carecircle.organization_id={tenant}",
        "PGAPPNAME": f"carecircle db shell {role.value}",
        **{LIBPQ[name]: value for name, value in asked.items() if name in LIBPQ},
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    files = {name: os.environ[name] for name in ("PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY") if name in os.environ}
    return {**kept, **files, **{name: value for name, value in told.items() if value}}
