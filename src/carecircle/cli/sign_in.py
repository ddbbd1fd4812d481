"""sign-in: who is in now, and putting them out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from carecircle.cli.account_words import YesOption, find, go_on
from carecircle.cli.careful import counted
from carecircle.cli.circle import Desk, at_desk
from carecircle.cli.options import OrganizationOption, OutputOption
from carecircle.cli.output import Output, emit, emit_one, note
from carecircle.errors import InvalidRequest
from carecircle.identifiers import parse_id

if TYPE_CHECKING:
    from uuid import UUID

    from carecircle.directory.account_tables import SignIn

app = typer.Typer(no_args_is_help=True, help="Sign-ins: who is in now, and putting them out.")
COLUMNS = ("id", "actor", "account", "starts_at", "ends_at")

AccountOption = Annotated[
    str | None, typer.Option("--account", metavar="ACCOUNT", help="Those of this account: its id, or ISSUER|SUBJECT.")
]
ActorOption = Annotated[
    str | None, typer.Option("--actor", metavar="ACTOR", help="Those of this actor, as the audit trail names them.")
]


@app.command("list")
def list_(
    account: AccountOption = None,
    actor: ActorOption = None,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """The sign-ins that are open now, the newest first: since their first use, until their token ends.

    Example: carecircle sign-in list --account "https://login.hospital.example|a.okafor"
    """
    from carecircle.directory.sign_in_service import sign_ins

    async def ask(desk: Desk) -> list[SignIn]:
        account_id = await _account(desk, account)
        return await desk.read(lambda session: sign_ins(session, account_id=account_id, actor_name=actor))

    rows = [
        {
            "id": one.id,
            "actor": one.actor,
            "account": one.account_id,
            "starts_at": one.starts_at,
            "ends_at": one.ends_at,
        }
        for one in at_desk(organization, ask)
    ]
    emit(rows, columns=COLUMNS, name="sign_ins", how=output)
    note(f"{counted(len(rows), 'sign-in')} open.", output)


@app.command()
def end(
    sign_in: Annotated[str | None, typer.Argument(metavar="SIGN-IN", help="One, by its id from: sign-in list.")] = None,
    account: AccountOption = None,
    actor: ActorOption = None,
    yes: YesOption = False,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """End one sign-in, or all of an account or actor, on every worker. They may sign in again; to keep them out: account end.

    Example: carecircle sign-in end --account "https://login.hospital.example|a.okafor" --yes
    """
    from carecircle.directory.sign_in_service import end_sign_in, end_sign_ins, sign_ins

    if sum(one is not None for one in (sign_in, account, actor)) != 1:
        raise InvalidRequest("Say which: one SIGN-IN, or --account, or --actor.")
    sign_in_id = None if sign_in is None else parse_id(sign_in)

    async def work(desk: Desk) -> int | None:
        if sign_in_id is not None:
            if not go_on("Whoever is in by this sign-in is put out.", yes):
                return None
            await desk.change(lambda session: end_sign_in(session, sign_in_id=sign_in_id))
            return 1
        account_id = await _account(desk, account)
        found = await desk.read(lambda session: sign_ins(session, account_id=account_id, actor_name=actor))
        if not go_on(f"{counted(len(found), 'open sign-in')} end.", yes):
            return None
        return await desk.change(lambda session: end_sign_ins(session, account_id=account_id, actor_name=actor))

    ended = at_desk(organization, work)
    if ended is None:
        return
    if output is Output.table:
        print(f"{counted(ended, 'sign-in')} ended.")
    else:
        emit_one({"ended": ended}, how=output)


async def _account(desk: Desk, account: str | None) -> UUID | None:
    if account is None:
        return None
    return (await desk.read(lambda session: find(session, account))).id
