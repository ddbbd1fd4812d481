"""api-key: keys for programs. The text of one is printed once, when it is made."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from carecircle.cli.account_words import YesOption, go_on
from carecircle.cli.careful import command, counted, undoing
from carecircle.cli.circle import Desk, at_desk
from carecircle.cli.options import OrganizationOption, OutputOption
from carecircle.cli.output import Output, emit, emit_one, note, printable
from carecircle.errors.service import ApiKeyNotFound
from carecircle.identifiers import parse_id
from carecircle.period import show as shown_instant

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncSession

    from carecircle.directory.account_tables import ApiKey
    from carecircle.directory.api_key_service import Listed, Made

app = typer.Typer(no_args_is_help=True, help="API keys: for programs that ask or change something over HTTP.")
COLUMNS = ("id", "name", "may", "actions", "ends_at", "made_at", "made_by")

KeyArgument = Annotated[str, typer.Argument(metavar="KEY", help="The key's id, from: api-key list.")]
DaysOption = Annotated[int, typer.Option(min=1, max=400, help="How many days it lasts.")]


@app.command()
def make(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Which program uses it; the audit trail names it so.")],
    may: Annotated[
        list[str],
        typer.Option(
            "--may",
            metavar="PERMISSION",
            help="What it may; may be repeated. Questions take ask-for-others: a key is no person.",
        ),
    ],
    action: Annotated[
        list[str] | None,
        typer.Option(
            "--action", metavar="ACTION", help="About which actions it may ask; may be repeated; about all unless said."
        ),
    ] = None,
    days: DaysOption = 90,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Make a key. Its text is printed once, on stdout; nobody can read it again.

    Example: carecircle api-key make "ward screens" --may ask --may ask-for-others --action read --days 90
    """
    from carecircle.directory.api_key_service import make_key

    def work(session: AsyncSession) -> Any:
        return make_key(session, name=name, may=may, actions=action or None, days=days)

    _tell(at_desk(organization, lambda desk: desk.change(work)), organization, output)
    if "ask" in may and "ask-for-others" not in may:
        note(
            "A key is no person, and has nobody to ask about: to ask about others it needs --may ask-for-others.",
            output,
        )


@app.command()
def rotate(
    key: KeyArgument,
    overlap: Annotated[
        float, typer.Option(min=0, max=720, metavar="HOURS", help="How long the old one is good for yet.")
    ] = 24,
    days: DaysOption = 90,
    yes: YesOption = False,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Make another key that may the same; the old one ends after the overlap. The new text is printed once.

    Example: carecircle api-key rotate 01KC… --overlap 24
    """
    from carecircle.directory.api_key_service import rotate_key

    key_id = parse_id(key)

    async def work(desk: Desk) -> Made | None:
        if overlap == 0:
            found = await _one(desk, key_id)
            if not go_on(f"Whatever uses the old key {printable(found.name)!r} stops working now.", yes):
                return None
        return await desk.change(
            lambda session: rotate_key(session, key_id=key_id, overlap=timedelta(hours=overlap), days=days)
        )

    made = at_desk(organization, work)
    if made is not None:
        _tell(made, organization, output)
        note(f"The old key ends {'now' if overlap == 0 else f'within {overlap:g} hours'}.", output)


@app.command()
def revoke(
    key: KeyArgument,
    yes: YesOption = False,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """End a key now: the next request with it is refused, on every worker. Nothing takes it back; make another.

    Example: carecircle api-key revoke 01KC… --yes
    """
    from carecircle.directory.api_key_service import revoke_key

    key_id = parse_id(key)

    async def work(desk: Desk) -> ApiKey | None:
        found = await _one(desk, key_id)
        if not go_on(f"Whatever uses the key {printable(found.name)!r} stops working now.", yes):
            return None
        return await desk.change(lambda session: revoke_key(session, key_id=key_id))

    was = at_desk(organization, work)
    if was is None:
        return
    if output is Output.table:
        print(f"The key {printable(was.name)!r} has ended.")
    else:
        emit_one(_record(was), how=output)


@app.command("list")
def list_(
    expiring: Annotated[
        int | None, typer.Option("--expiring", min=0, max=400, metavar="DAYS", help="Only those that end so soon.")
    ] = None,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """The keys that may be used now, until when, and who made them; never what they are.

    Example: carecircle api-key list --expiring 14
    """
    from carecircle.directory.api_key_service import api_keys, makers

    async def ask(desk: Desk) -> tuple[list[Listed], Any]:
        within = None if expiring is None else timedelta(days=expiring)
        found = await desk.read(lambda session: api_keys(session, ends_within=within))
        return found, await makers(desk.circle.auditor, [one.made_by for one in found]) if found else {}

    found, made_by = at_desk(organization, ask)
    rows = [
        {"id": one.id, "name": one.name, "may": list(one.may), "actions": one.actions and list(one.actions),
         "ends_at": one.ends_at, "made_at": one.made_at, "made_by": made_by.get(one.made_by)}
        for one in found
    ]  # fmt: skip
    emit(
        rows, columns=COLUMNS, name="api_keys", how=output, shown=("id", "name", "may", "actions", "ends_at", "made_by")
    )
    note(f"{counted(len(rows), 'key')}.", output)


async def _one(desk: Desk, key_id: UUID) -> Listed:
    from carecircle.directory.api_key_service import api_keys

    found = await desk.read(lambda session: api_keys(session))
    key = next((one for one in found if one.id == key_id), None)
    if key is None:
        raise ApiKeyNotFound
    return key


def _record(row: ApiKey) -> dict[str, Any]:
    return {
        "id": row.lineage_id, "name": row.name, "may": list(row.may),
        "actions": None if row.actions is None else list(row.actions), "ends_at": row.ends_at,
    }  # fmt: skip


def _tell(made: Made, organization: str | None, output: Output) -> None:
    """The text on stdout, alone, where people look: it can be piped into wherever it is kept."""
    undo = [command(organization, "api-key", "revoke", made.key.lineage_id, "--yes")]
    if output is not Output.table:
        emit_one({**_record(made.key), "key": made.text, "undo": undo}, how=output)
        return
    print(made.text)
    may = ", ".join(made.key.may)
    note(f"{printable(made.key.name)!r} may {may} until {shown_instant(made.key.ends_at)}.", output)
    note("This is the key's text; it is not shown again.", output)
    undoing(undo, output)
