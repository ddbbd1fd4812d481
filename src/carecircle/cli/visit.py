"""visit: a super admin in another organization, for a while and with a reason, on record in both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from carecircle.cli.account_words import YesOption, find, go_on
from carecircle.cli.careful import changed, command, counted
from carecircle.cli.circle import Desk, at_desk
from carecircle.cli.options import OrganizationOption, OutputOption
from carecircle.cli.output import Output, emit, note
from carecircle.identifiers import parse_id
from carecircle.period import show

if TYPE_CHECKING:
    from carecircle.directory.visit_service import Stay

app = typer.Typer(
    no_args_is_help=True, help="Visits: a super admin in another organization, for a while, with a reason."
)
COLUMNS = ("id", "home", "account", "reason", "starts_at", "ends_at", "open")


@app.command()
def begin(
    visited: Annotated[str, typer.Argument(metavar="SLUG", help="Which organization is visited.")],
    account: Annotated[
        str, typer.Option("--account", metavar="ACCOUNT", help="Whose: a super admin's id, or ISSUER|SUBJECT, at home.")
    ],
    reason: Annotated[str, typer.Option(help="At least 10 characters; those who are visited read it.")],
    minutes: Annotated[int, typer.Option(min=1, max=480, help="How long.")] = 60,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Let a super admin of this organization into another one. A visit shows no patient to anybody.

    Example: carecircle visit begin south-hospital --account "https://login.example|root" --reason "Restore the ward list"
    """
    from carecircle.directory.visit_service import begin_visit

    async def work(desk: Desk) -> Stay:
        signer = await desk.read(lambda session: find(session, account))

        async def begun(_: Any) -> Stay:
            return await begin_visit(
                desk.circle.engine, account_id=signer.id, organization=visited, reason=reason, minutes=minutes
            )

        return await desk.change(begun)

    stay = at_desk(organization, work)
    undo = command(visited, "visit", "end", stay.id, "--yes")
    told = f"The visit to {visited} has begun and ends {show(stay.ends_at)}."
    changed(told, _record(stay), [undo], output)


@app.command()
def end(
    visit: Annotated[str, typer.Argument(metavar="VISIT", help="The visit's id, from: visit list.")],
    yes: YesOption = False,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """End a visit to this organization before its time.

    Example: carecircle visit end 01KC… --organization south-hospital --yes
    """
    from carecircle.directory.visit_service import end_visit

    visit_id = parse_id(visit)

    async def work(desk: Desk) -> Stay | None:
        if not go_on("The visitor is put out.", yes):
            return None

        async def ended(_: Any) -> Stay:
            return await end_visit(desk.circle.engine, visit_id=visit_id)

        return await desk.change(ended)

    was = at_desk(organization, work)
    if was is not None:
        changed("The visit has ended.", _record(was), [], output)


@app.command("list")
def list_(organization: OrganizationOption = None, output: OutputOption = Output.table) -> None:
    """Every visit to this organization, open and past, the newest first, with its reason.

    Example: carecircle visit list --organization south-hospital
    """
    from carecircle.directory.visit_service import visits

    rows = [_record(one) for one in at_desk(organization, lambda desk: desk.read(lambda session: visits(session)))]
    emit(rows, columns=COLUMNS, name="visits", how=output)
    note(f"{counted(len(rows), 'visit')}, {sum(one['open'] for one in rows)} open.", output)


def _record(stay: Stay) -> dict[str, Any]:
    return {
        "id": stay.id, "home": stay.home_id, "account": stay.account_id, "reason": stay.reason,
        "starts_at": stay.starts_at, "ends_at": stay.ends_at, "open": stay.is_open,
    }  # fmt: skip
