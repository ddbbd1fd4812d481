"""organization, patient, provider: who there is. Registering the same again changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

import typer

from carecircle.cli.circle import at_desk, database, operator
from carecircle.cli.options import OrganizationOption, OutputOption
from carecircle.cli.output import Output, emit_one, note
from carecircle.errors import InvalidRequest, NotFound
from carecircle.identifiers import OrganizationId

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from carecircle.database.reach import Reach

organization_app = typer.Typer(no_args_is_help=True, help="Organizations: tenants that never see each other.")
patient_app = typer.Typer(no_args_is_help=True, help="Patients, under an id of yours, identifiers, or both.")
provider_app = typer.Typer(no_args_is_help=True, help="Providers, under an id of yours, identifiers, or both.")

Identifiers = Annotated[
    list[str] | None, typer.Option("--identifier", metavar="SYSTEM|VALUE", help="An identifier; may be repeated.")
]
Id = Annotated[str | None, typer.Option("--id", metavar="ID", help="Your own UUID, ULID or system|value; it is kept.")]
Team = Annotated[str, typer.Argument(metavar="TEAM", help="The team's id.")]


@organization_app.command("add")
def add_organization(
    slug: Annotated[str, typer.Argument(metavar="SLUG", help="Small letters, digits and hyphens.")],
    name: Annotated[str, typer.Option(help="What people call it.")] = "",
    output: OutputOption = Output.table,
) -> None:
    """Add an organization.

    Example: carecircle organization add north-hospital --name "North Hospital"
    """
    from carecircle.bootstrap import assemble
    from carecircle.database.session import transaction
    from carecircle.directory import find_organization, register_organization
    from carecircle.errors import OrganizationNotFound
    from carecircle.settings import Settings

    settings, actor = Settings.read(), operator()

    async def add(at: Reach) -> tuple[UUID, bool]:
        async with assemble(settings, at) as circle, transaction(circle.engine) as session:
            try:
                return await find_organization(session, slug), False
            except OrganizationNotFound:
                return await register_organization(session, slug=slug, name=name or slug, actor=actor), True

    with database(settings) as at:
        found, added = asyncio.run(add(at))
    _tell({"organization": slug, "id": found}, added, output)


@patient_app.command("add")
def add_patient(
    id_: Id = None,
    identifier: Identifiers = None,
    name: Annotated[str | None, typer.Option(help="Kept encrypted.")] = None,
    birth_date: Annotated[str | None, typer.Option(metavar="YYYY-MM-DD", help="Kept encrypted.")] = None,
    sex: Annotated[str | None, typer.Option(help="Kept encrypted.")] = None,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Register a patient, or find it when its identifier is known.

    Example: carecircle patient add --identifier "urn:mrn|4711" --organization north-hospital
    """
    from carecircle.directory import register_patient

    born = _day(birth_date)

    _require_something(id_, identifier)

    async def add(session: AsyncSession, tenant: OrganizationId) -> tuple[UUID, bool]:
        known = await _known(session, tenant, "patient", id_, identifier or ())
        found = await register_patient(
            session, patient_id=id_, identifiers=identifier or (), name=name, birth_date=born, sex=sex
        )
        return found, not known

    found, added = at_desk(
        organization, lambda desk: desk.change(lambda session: add(session, OrganizationId(desk.organization)))
    )
    _tell({"patient": found}, added, output)


@provider_app.command("add")
def add_provider(
    id_: Id = None,
    identifier: Identifiers = None,
    name: Annotated[str, typer.Option(help="What people call them.")] = "",
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Register a provider, or find it when its identifier is known.

    Example: carecircle provider add --identifier "urn:npi|1234567893" --name "Dr. A. Okafor" --organization north-hospital
    """
    from carecircle.directory import register_provider

    _require_something(id_, identifier)

    async def add(session: AsyncSession, tenant: OrganizationId) -> tuple[UUID, bool]:
        known = await _known(session, tenant, "provider", id_, identifier or ())
        found = await register_provider(session, provider_id=id_, identifiers=identifier or (), name=name)
        return found, not known

    found, added = at_desk(
        organization, lambda desk: desk.change(lambda session: add(session, OrganizationId(desk.organization)))
    )
    _tell({"provider": found}, added, output)


def _require_something(id_: str | None, identifiers: Sequence[str] | None) -> None:
    """Raises InvalidRequest for somebody whom nobody could find again."""
    if id_ is None and not identifiers:
        raise InvalidRequest("Say by what they are found again: --identifier SYSTEM|VALUE, --id ID, or both.")


async def _known(
    session: AsyncSession,
    tenant: OrganizationId,
    kind: Literal["patient", "provider"],
    id_: str | None,
    identifiers: Sequence[str],
) -> bool:
    """Whether somebody is registered already under the id or one of the identifiers."""
    from carecircle.database.session import enter_tenant
    from carecircle.directory.service import is_registered, resolve_patient, resolve_provider

    await enter_tenant(session, tenant)
    resolve = resolve_patient if kind == "patient" else resolve_provider
    for one in filter(None, (id_, *identifiers)):
        with suppress(NotFound):
            if await is_registered(session, tenant, kind, await resolve(session, tenant, one)):
                return True
    return False


def _tell(record: Mapping[str, Any], added: bool, output: Output) -> None:
    if output is Output.table:
        emit_one(record, how=output)
        note("Added." if added else "Known already; nothing was added.", output)
    else:
        emit_one({**record, "added": added}, how=output)


def _day(text: str | None) -> date | None:
    from carecircle.errors import InvalidInstant

    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidInstant("--birth-date: write a day as YYYY-MM-DD.") from None
