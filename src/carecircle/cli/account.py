"""account: who signs in. Ending one revokes the person: account, roles and open sign-ins in one act."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from carecircle.cli.account_words import COLUMNS, SHOWN, AccountArgument, YesOption, find, go_on, named, record
from carecircle.cli.careful import changed, command, counted, unchanged
from carecircle.cli.circle import Desk, at_desk
from carecircle.cli.options import OrganizationOption, OutputOption
from carecircle.cli.output import Output, emit, note
from carecircle.errors import InvalidRequest

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from carecircle.directory.account_reading_service import Signer

app = typer.Typer(no_args_is_help=True, help="Accounts: who signs in, as which provider, with which roles.")


@app.command()
def add(
    issuer: Annotated[
        str,
        typer.Argument(
            metavar="ISSUER", help="Who vouches for them: the claim `iss` of their tokens, to the last slash."
        ),
    ],
    subject: Annotated[str, typer.Argument(metavar="SUBJECT", help="Who they are there: the claim `sub`.")],
    provider: Annotated[
        str | None,
        typer.Option(metavar="PROVIDER", help="Which provider they are: what they ask, they ask as that one."),
    ] = None,
    label: Annotated[str, typer.Option(help="What people call the account.")] = "",
    role: Annotated[
        list[str] | None,
        typer.Option("--role", metavar="ROLE", help="A role they have; may be repeated; none unless said."),
    ] = None,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Let somebody sign in, from now on.

    Example: carecircle account add https://login.hospital.example a.okafor --provider okafor --role clinician

    Example: carecircle account add https://login.hospital.example it.desk --label "IT desk" --role org_admin
    """
    from carecircle.directory.account_service import add_account

    said: dict[str, Any] = {"issuer": issuer, "subject": subject, "provider": provider, "label": label}

    def work(session: AsyncSession) -> Any:
        return add_account(session, **said, roles=role or (), operator=True)

    signer: Signer = at_desk(organization, lambda desk: desk.change(work))
    roles = f" as {', '.join(signer.roles)}" if signer.roles else ", with no role yet"
    undo = command(organization, "account", "end", signer.id, "--yes")
    changed(f"{_upper(named(signer))} may sign in{roles}.", record(signer), [undo], output)


@app.command()
def change(
    account: AccountArgument,
    provider: Annotated[
        str | None, typer.Option(metavar="PROVIDER", help="Which provider they are from now on.")
    ] = None,
    no_provider: Annotated[bool, typer.Option("--no-provider", help="They are no provider any more.")] = False,
    label: Annotated[str | None, typer.Option(help="What people call the account.")] = None,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Say anew which provider an account is, or what it is called. Whoever is signed in is looked up again at once.

    Example: carecircle account change "https://login.hospital.example|a.okafor" --label "Dr. A. Okafor"
    """
    from carecircle.directory.account_service import change_account

    if provider is None and not no_provider and label is None:
        raise InvalidRequest("Say what changes: --provider, --no-provider or --label.")

    async def work(session: AsyncSession) -> tuple[Signer, Signer]:
        was = await find(session, account)
        now = await change_account(
            session, account_id=was.id, provider=provider, without_provider=no_provider, label=label
        )
        return was, now

    was, now = at_desk(organization, lambda desk: desk.change(work))
    if was.row_id == now.row_id:
        unchanged(record(now), output)
        return
    back: list[Any] = []
    if was.provider_id != now.provider_id:
        back += ["--no-provider"] if was.provider_id is None else ["--provider", was.provider_id]
    back += ["--label", was.label] if was.label != now.label else []
    undo = command(organization, "account", "change", now.id, *back)
    changed(f"{_upper(named(now))} was changed.", record(now), [undo], output)


@app.command()
def end(
    account: AccountArgument,
    yes: YesOption = False,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Revoke a person: their account, roles and open sign-ins end now, together, on every worker.

    Example: carecircle account end "https://login.hospital.example|a.okafor" --yes
    """
    from carecircle.directory.account_service import end_account
    from carecircle.directory.sign_in_service import sign_ins

    async def look(session: AsyncSession) -> tuple[Signer, int]:
        signer = await find(session, account)
        return signer, len(await sign_ins(session, account_id=signer.id))

    async def work(desk: Desk) -> Signer | None:
        signer, signed_in = await desk.read(look)
        roles = ", ".join(signer.roles) or "no role"
        what = f"{_upper(named(signer))} ({roles}) is kept out; {counted(signed_in, 'open sign-in')} end with it."
        if not go_on(what, yes):
            return None
        return await desk.change(lambda session: end_account(session, account_id=signer.id))

    was = at_desk(organization, work)
    if was is None:
        return
    again: list[Any] = [was.issuer, was.subject]
    again += [] if was.provider_id is None else ["--provider", was.provider_id]
    again += ["--label", was.label] if was.label else []
    for role in was.roles:
        again += ["--role", role]
    undo = command(organization, "account", "add", *again)
    changed(f"{_upper(named(was))} has ended, with its roles and sign-ins.", record(was), [undo], output)


@app.command("list")
def list_(
    provider: Annotated[str | None, typer.Option(metavar="PROVIDER", help="Only this provider's.")] = None,
    role: Annotated[str | None, typer.Option(metavar="ROLE", help="Only those with this role.")] = None,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """The accounts that may sign in now, with their roles; as JSON or CSV, with what those permit too.

    Example: carecircle account list --role org_admin --organization north-hospital
    """
    from carecircle.directory.account_reading_service import accounts

    async def ask(desk: Desk) -> tuple[list[Signer], dict[Any, str]]:
        found = await desk.read(lambda session: accounts(session, provider=provider, role=role))
        people = {one.provider_id for one in found if one.provider_id is not None}
        return found, await desk.names(people) if people and output is Output.table else {}

    found, names = at_desk(organization, ask)
    rows = [record(one) for one in found]
    if output is Output.table:
        rows = [one | {"provider": names.get(one["provider"]) or one["provider"]} for one in rows]
    emit(rows, columns=COLUMNS, name="accounts", how=output, shown=SHOWN)
    note(f"{counted(len(rows), 'account')}.", output)


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]
