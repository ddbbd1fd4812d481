"""keys: which keys protect what, rotate them while everybody works, and destroy those of one organization."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import typer

from carecircle.cli import exits
from carecircle.cli.careful import command, counted
from carecircle.cli.circle import Desk, at_desk
from carecircle.cli.keys_work import Safe, at_safe, keys_in, new_keys, seal_all, status_in, wait
from carecircle.cli.options import OrganizationOption, OutputOption
from carecircle.cli.output import Output, command_name, emit, emit_one, note
from carecircle.errors import ConfirmationRequired, Conflict, KeyDestroyed

app = typer.Typer(no_args_is_help=True, help="Keys: what protects names, identifiers and words, and rotating them.")
LISTED = ("organization", "key", "purpose", "state", "root", "writes_from", "recorded_at", "destroyed_at")
COUNTED = ("organization", "key", "state", "field", "fields")
SEALED = ("organization", "key", "fields", "unreadable", "left")

Margin = Annotated[
    float, typer.Option("--margin", min=5, max=3600, metavar="SECONDS", help="How long a new key is only read.")
]


@app.command("list")
def list_(organization: OrganizationOption = None, output: OutputOption = Output.table) -> None:
    """The keys of an organization, or of all: what each does, and which root key wraps it. Never a key itself.

    Example: carecircle keys list --organization north-hospital
    """
    rows = [
        {"organization": house.slug, "key": key.key_id.hex(), "purpose": key.purpose, "state": key.state,
         "root": key.root_key_id.hex(), "writes_from": key.writes_from, "recorded_at": key.recorded_at,
         "destroyed_at": key.destroyed_at}
        for house, keys in at_safe(organization, keys_in) for key in keys
    ]  # fmt: skip
    emit(rows, columns=LISTED, name="keys", how=output, shown=LISTED[:-2])
    if not rows:
        note("No organization here has keys of its own yet; give them some with: carecircle keys rotate", output)


@app.command()
def status(organization: OrganizationOption = None, output: OutputOption = Output.table) -> None:
    """How many protected fields are under which key. Exits 11 when a key is not known here.

    A key in state `root` is derived from a root key, as all were before organizations had keys of their own.

    Example: carecircle keys status --organization north-hospital -o json
    """
    rows, wrapped, newest, bare = at_safe(organization, status_in)
    emit(rows, columns=COUNTED, name="fields", how=output, beside={"roots": wrapped})
    for root in wrapped:
        told = f"Root key {root['root']} wraps {counted(root['keys'], 'key')} of these organizations"
        note(f"{told}{' and whatever comes' if root['root'] == newest else ''}.", output)
    for slug in bare:
        note(f"{slug} has no key of its own; give it one with: {_rotating(slug)}", output)
    behind = sum(row["fields"] for row in rows if row["state"] in ("root", "reads") and row["organization"] not in bare)
    if behind:
        note(f"{counted(behind, 'field')} under an older key; seal them anew with: carecircle keys reseal", output)
    if any(row["state"] == "unknown" for row in rows):
        note("Some fields are under a key that is not known here; restore it from its backup.", output)
        raise typer.Exit(exits.FINDINGS)


@app.command()
def rotate(
    root: Annotated[
        bool, typer.Option("--root", help="The root key, which wraps the keys of all organizations.")
    ] = False,
    margin: Margin = 30.0,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Give an organization, or all, a new key, and seal everything anew under it while everybody works.

    The new key is only read at first, so that every process knows it before anybody writes with it. If this is stopped,
    `keys reseal` completes it. With --root the keys are wrapped anew under a new root key; no field changes. Exits 11 when
    fields are left.

    Example: carecircle keys rotate --organization north-hospital
    """
    if root:
        _rotate_root(output)
        return

    async def work(safe: Safe) -> list[dict[str, Any]]:
        until = await new_keys(safe, margin)
        if until is not None:
            await wait(safe, until)
        return await seal_all(safe)

    _tell_sealed(at_safe(organization, work), output)


@app.command()
def reseal(organization: OrganizationOption = None, output: OutputOption = Output.table) -> None:
    """Seal what is under an older key anew: completes a rotation that was stopped. Exits 11 when fields are left.

    Example: carecircle keys reseal --organization north-hospital
    """

    async def work(safe: Safe) -> list[dict[str, Any]]:
        ahead = [key.writes_from for _, keys in await keys_in(safe) for key in keys if key.state == "ahead"]
        if ahead:
            await wait(safe, max(ahead))
        return await seal_all(safe)

    _tell_sealed(at_safe(organization, work), output)


@app.command()
def shred(
    organization: OrganizationOption = None,
    confirm: Annotated[str, typer.Option("--confirm", metavar="SLUG", help="The same slug once more.")] = "",
    output: OutputOption = Output.table,
) -> None:
    """Destroy the keys of one organization: names, identifiers and words are unreadable for ever. Nothing takes it back.

    Decisions by id and the audit trail stay, and can still be verified. Backups hold the keys until they expire.

    Example: carecircle keys shred --organization closed-clinic --confirm closed-clinic
    """
    from carecircle.directory import keys_service

    async def work(desk: Desk) -> dict[str, Any]:
        if confirm != desk.slug:
            raise ConfirmationRequired(
                f"This makes every name, identifier and word of {desk.slug} unreadable for ever; to do that, add:"
                f" --confirm {desk.slug}."
            )
        derived = await desk.read(lambda _: _derived(desk.organization))
        keys = await desk.change(lambda db: keys_service.shred(db))
        return {"organization": desk.slug, "keys_destroyed": keys, "blind_key_derivable": derived}

    done = at_desk(organization, work)
    emit_one(done, how=output)
    note(
        "Processes that run forget these keys within 2 seconds; backups hold them, wrapped, until they expire.", output
    )
    if done["blind_key_derivable"]:
        note(
            "Its blind indexes are older than its keys: who has the first root key and the database can still test whether"
            " an identifier that they know is among them.",
            output,
        )


async def _derived(organization: UUID) -> bool:
    from carecircle.directory.keys_service import keeps_derived_blind_key

    try:
        return keeps_derived_blind_key(organization)
    except KeyDestroyed:
        return False


def _rotating(slug: str) -> str:
    """The command that gives one organization a key, whichever one the environment names."""
    return f"{command_name()} keys rotate --organization {slug}"


def _tell_sealed(rows: list[dict[str, Any]], output: Output) -> None:
    emit(rows, columns=SEALED, name="organizations", how=output)
    if any(row["unreadable"] for row in rows):
        note("What does not open was left as it is: its key is not known here, or it was changed.", output)
    if any(row["left"] for row in rows):
        note(f"Not everything is under the new key; run again: {command(None, 'keys', 'reseal')}", output)
        raise typer.Exit(exits.FINDINGS)


def _rotate_root(output: Output) -> None:
    from carecircle.database.keys_source import add_root
    from carecircle.directory import keys_service

    async def work(safe: Safe) -> tuple[str, int]:
        ring = safe.circle.keyring
        found = await keys_in(safe)
        if bare := [house.slug for house, keys in found if not keys]:
            raise Conflict(
                f"Nothing was changed: without keys of their own {'is' if len(bare) == 1 else 'are'} {', '.join(bare)}."
                f" Give them some first: {'; '.join(map(_rotating, bare))}."
            )
        ring.read_roots_again()
        if all(key.root_key_id == ring.newest_root or key.state == "destroyed" for _, keys in found for key in keys):
            add_root(safe.circle.settings.home)
        done = await safe.in_each(
            lambda house, db: keys_service.wrap_under_newest_root(db, organization=house.organization, actor=safe.actor)
        )
        return ring.newest_root.hex(), sum(count for _, count in done)

    root, count = at_safe(None, work, every=True)
    emit_one({"root": root, "keys_wrapped": count}, how=output)
    note("Before an older root key is taken out, see what it still holds: carecircle keys status", output)
