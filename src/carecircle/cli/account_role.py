"""role: who may do what in carecircle itself. A role lets nobody see a patient; the circle of care does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from carecircle.cli.account_words import AccountArgument, RoleArgument, YesOption, find, go_on, named
from carecircle.cli.careful import changed, command
from carecircle.cli.circle import Desk, at_desk
from carecircle.cli.options import OrganizationOption, OutputOption
from carecircle.cli.output import Output, emit, emit_json, note
from carecircle.directory.permissions import PERMISSIONS, ROLES

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from carecircle.directory.account_reading_service import Signer
    from carecircle.directory.account_tables import AccountRole

app = typer.Typer(no_args_is_help=True, help="Roles: who may do what here. A role lets nobody see a patient.")


@app.command()
def give(
    account: AccountArgument,
    role: RoleArgument,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Give an account a role. super_admin is given here only, never over HTTP.

    Example: carecircle role give "https://login.hospital.example|a.okafor" care_coordinator
    """
    from carecircle.directory.account_role_service import give_role

    async def work(session: AsyncSession) -> Signer:
        signer = await find(session, account)
        await give_role(session, account_id=signer.id, role=role, operator=True)
        return signer

    signer = at_desk(organization, lambda desk: desk.change(work))
    undo = command(organization, "role", "take", signer.id, role, "--yes")
    changed(f"Role {role} given to {named(signer)}.", {"account": signer.id, "role": role}, [undo], output)


@app.command()
def take(
    account: AccountArgument,
    role: RoleArgument,
    yes: YesOption = False,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Take a role away: the next request is decided without it. Refused where nobody could administer any more.

    Example: carecircle role take "https://login.hospital.example|a.okafor" care_coordinator --yes
    """
    from carecircle.directory.account_role_service import take_role

    async def work(desk: Desk) -> Signer | None:
        signer = await desk.read(lambda session: find(session, account))
        if not go_on(f"Role {role} is taken from {named(signer)}.", yes):
            return None
        await desk.change(lambda session: take_role(session, account_id=signer.id, role=role))
        return signer

    signer = at_desk(organization, work)
    if signer is not None:
        undo = command(organization, "role", "give", signer.id, role)
        changed(f"Role {role} taken from {named(signer)}.", {"account": signer.id, "role": role}, [undo], output)


@app.command("list")
def list_(
    account: AccountArgument, organization: OrganizationOption = None, output: OutputOption = Output.table
) -> None:
    """The roles an account holds now, since when, and what each permits.

    Example: carecircle role list "https://login.hospital.example|a.okafor"
    """
    from carecircle.directory.account_role_service import roles_of

    async def ask(session: AsyncSession) -> list[AccountRole]:
        signer = await find(session, account)
        return await roles_of(session, account_id=signer.id)

    held = at_desk(organization, lambda desk: desk.read(ask))
    may = {str(role): [one for one in PERMISSIONS if one in permitted] for role, permitted in ROLES.items()}
    rows = [{"role": one.role, "may": may[one.role], "starts_at": one.starts_at} for one in held]
    emit(rows, columns=("role", "may", "starts_at"), name="roles", how=output)
    if not rows:
        note("This account holds no role: it may sign in, and do nothing.", output)


@app.command()
def show(output: OutputOption = Output.table) -> None:
    """Which role permits what: one table, the same in every organization.

    Example: carecircle role show
    """
    if output is Output.json:
        rows = [
            {"role": role, "may": [one for one in PERMISSIONS if one in permitted]} for role, permitted in ROLES.items()
        ]
        emit_json({"permissions": list(PERMISSIONS), "roles": rows})
        return
    marks = [
        {"role": role, **{one: "x" if one in permitted else "" for one in PERMISSIONS}}
        for role, permitted in ROLES.items()
    ]
    emit(marks, columns=("role", *PERMISSIONS), name="roles", how=output)
    note(
        "ask: about oneself. ask-for-others: about anybody. read: lists and facts. change: circle, teams, cover, duties."
        " privacy: holds, reports about patients. audit: the audit trail. administer: accounts, roles, keys, policy, units."
        " all-organizations: visit another one. No role lets anybody see a patient.",
        output,
    )
