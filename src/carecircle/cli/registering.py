"""organization, patient, provider: who there is. Registering the same again changes nothing."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from carecircle.cli.circle import Desk, at_desk, database, operator
from carecircle.cli.options import OrganizationOption, OutputOption
from carecircle.cli.output import Output, emit_one

if TYPE_CHECKING:
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
    from carecircle.directory import register_organization
    from carecircle.settings import Settings

    settings, actor = Settings.read(), operator()

    async def add(at: Reach) -> UUID:
        async with assemble(settings, at) as circle, transaction(circle.engine) as session:
            return await register_organization(session, slug=slug, name=name or slug, actor=actor)

    with database(settings) as at:
        emit_one({"organization": slug, "id": asyncio.run(add(at))}, how=output)


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

    async def add(desk: Desk) -> UUID:
        return await desk.change(
            lambda session: register_patient(
                session, patient_id=id_, identifiers=identifier or (), name=name, birth_date=born, sex=sex
            )
        )

    emit_one({"patient": at_desk(organization, add)}, how=output)


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

    async def add(desk: Desk) -> UUID:
        return await desk.change(
            lambda session: register_provider(session, provider_id=id_, identifiers=identifier or (), name=name)
        )

    emit_one({"provider": at_desk(organization, add)}, how=output)


def _day(text: str | None) -> date | None:
    from carecircle.errors import InvalidInstant

    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidInstant("--birth-date: write a day as YYYY-MM-DD.") from None
