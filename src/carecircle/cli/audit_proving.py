"""audit key, checkpoint, proof, check-proof: what an outsider needs to check the trail, and the proof of a single entry."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from carecircle.cli import exits
from carecircle.cli.audit_verifying import KeysOption, trust
from carecircle.cli.careful import agreed
from carecircle.cli.circle import Desk, at_desk, read_settings
from carecircle.cli.keys_work import Safe, at_safe
from carecircle.cli.options import OrganizationOption, OutputOption
from carecircle.cli.output import Output, emit_json, emit_one, note, printable, say
from carecircle.errors import CareCircleError, ConfirmationRequired, InvalidInput
from carecircle.errors.audit import NotSealedYet
from carecircle.identifiers import parse_id

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from carecircle.audit.proof_service import Proof
    from carecircle.audit.reading_service import Checkpoint
    from carecircle.audit.sealing_key import SealingKey

WhichEntry = Annotated[str, typer.Argument(metavar="ENTRY", help="The entry's ULID or UUID.")]


def register(app: typer.Typer) -> None:
    app.command()(key)
    app.command()(checkpoint)
    app.command()(proof)
    app.command("check-proof")(check_proof)


def key(
    rotate: Annotated[bool, typer.Option("--rotate", help="First make a new key, which signs from now on.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    output: OutputOption = Output.table,
) -> None:
    """The keys that verify this installation's checkpoints, the one that signs now first. Note them down elsewhere.

    Whoever verifies with a key from another place need not believe this machine. That it was rotated is recorded in every
    organization, where the database answers.

    Example: carecircle audit key
    """
    from carecircle.audit.sealing_key import SealingKey, rotate_sealing_key

    home = read_settings().home
    if rotate and not yes:
        if not sys.stdin.isatty():
            raise ConfirmationRequired(
                "A new key would sign every checkpoint from now on, and whoever verifies needs it too; to go on, add --yes."
            )
        say("A new key signs every checkpoint from now on; whoever verifies needs it beside the one before.")
        if not agreed():
            note("Nothing was changed.", output)
            return
    signing = rotate_sealing_key(home) if rotate else SealingKey.open(home)
    keys = signing.vkeys()
    if output is Output.table:
        print("\n".join(map(printable, keys)))
    elif output is Output.json:
        emit_json({"keys": keys})
    else:
        emit_one({"key": keys[0]}, how=output)
    if rotate:
        _record_rotation(signing)
        note("Give the new key to every witness and auditor today; without it, their next check fails.", output)


def _record_rotation(signing: SealingKey) -> None:
    """An entry about it in every organization; says on stderr where none could be left. The new key signs either way."""
    from carecircle.audit.entry import Entry, append
    from carecircle.database.session import transaction

    new, old = (one.split("+")[1] for one in signing.vkeys()[:2])
    detail = {"replaces": old, "key": new}

    async def work(safe: Safe) -> list[str]:
        without = []
        for house in safe.houses:
            entry = Entry(house.organization, "change", safe.actor, "sealing-key-rotated", detail=detail)
            try:
                async with transaction(safe.circle.engine, house.organization) as db:
                    await append(db, entry)
            except CareCircleError as error:
                without.append(f"{house.slug} ({error.message})")
        return without

    try:
        without = at_safe(None, work, every=True)
    except CareCircleError as error:
        say(f"The new key signs, but no entry says so: {error.message}")
    else:
        for one in without:
            say(f"The new key signs, but no entry says so in {one}")


def checkpoint(organization: OrganizationOption = None, output: OutputOption = Output.table) -> None:
    """The newest signed checkpoint, as it is: a note that is worth keeping in another place.

    Example: carecircle audit checkpoint --organization north-hospital >> /mnt/elsewhere/witness.log
    """
    from carecircle.audit import reading_service

    async def work(desk: Desk) -> Checkpoint | None:
        return await reading_service.newest_checkpoint(desk.circle.auditor)

    found = at_desk(organization, work)
    if found is None:
        raise NotSealedYet("Nothing was sealed yet; run: carecircle worker.")
    if output is Output.table:
        print(found.note)
    else:
        told = {
            "epoch": found.epoch,
            "tree_size": found.tree_size,
            "root_hash": found.root_hash.hex(),
            "signed_at": found.signed_at,
            "note": found.note,
        }
        emit_one(told, how=output)


def proof(
    entry: WhichEntry,
    bare: Annotated[
        bool, typer.Option("--bare", help="Leave out the entry itself: whoever checks must have it already.")
    ] = False,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """The proof (C2SP tlog-proof) that an entry is in the trail, under the newest checkpoint. That you did is recorded.

    Example: carecircle audit proof 01K5V0000000000000000000AB > entry.tlog-proof
    """
    from carecircle.audit import proof_service

    wanted = parse_id(entry)

    async def work(desk: Desk) -> Proof:
        async def prove(session: AsyncSession) -> Proof:
            return await proof_service.prove(session, wanted, auditor=desk.circle.auditor, bare=bare)

        return await desk.change(prove)

    made = at_desk(organization, work)
    if output is Output.table:
        print(made.text, end="")
    else:
        emit_one({"line": made.line, "proof": made.text}, how=output)


def check_proof(
    file: Annotated[str, typer.Argument(metavar="FILE", help="The proof; - reads it from standard input.")],
    entry: Annotated[
        Path | None,
        typer.Option("--entry", metavar="FILE", help="The entry's line, where the proof does not bring it."),
    ] = None,
    key: KeysOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Check a proof, without a database: that the entry is in a log which a key signed. Exits 11 where it is not.

    Example: carecircle audit check-proof entry.tlog-proof --key "carecircle+2d1f0c7a+AS9h…"
    """
    from carecircle.audit import tlog_proof

    keys = trust(read_settings(), key, (), ask=True).keys
    line = None if entry is None else _read(str(entry)).removesuffix(b"\n")
    try:
        text = _read(file).decode()
    except UnicodeDecodeError:
        raise InvalidInput(f"This is no proof: {file}.") from None
    checked = tlog_proof.check(text, keys, line)
    if output is Output.table:
        print(printable(checked.sentence))
        if checked.holds and checked.entry:
            print(printable(checked.entry.decode()))
    else:
        told = {"holds": checked.holds, "sentence": checked.sentence, "entry": checked.entry.decode() or None}
        emit_one(told, how=output)
    if not checked.holds:
        raise typer.Exit(exits.FINDINGS)


def _read(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise InvalidInput(f"This file cannot be read ({error.strerror}): {file}.") from None
