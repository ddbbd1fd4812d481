"""audit verify: whether the trail is whole, from the database or from an export; and whether facts fit their entries."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from carecircle.actor import acting_as
from carecircle.cli.audit_exporting import progress
from carecircle.cli.audit_verdict import tell, tell_verdict
from carecircle.cli.circle import at_desk, database, operator, read_settings
from carecircle.cli.options import OrganizationOption, OutputOption
from carecircle.cli.output import Output, note
from carecircle.errors import InvalidInput, InvalidRequest
from carecircle.identifiers import OrganizationId

if TYPE_CHECKING:
    from uuid import UUID

    from carecircle.audit.online_service import Found
    from carecircle.audit.verify import Verdict, VerifyKey
    from carecircle.bootstrap import CareCircle
    from carecircle.cli.circle import Desk
    from carecircle.database.reach import Reach
    from carecircle.settings import Settings

KeysOption = Annotated[
    list[str] | None,
    typer.Option(
        "--key", metavar="VKEY", help="A key that may sign (audit key); may be given again. This installation's."
    ),
]
WitnessOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--witness", metavar="FILE", help="Checkpoints kept elsewhere; may be given again. The settings' file."
    ),
]


@dataclass(frozen=True)
class Trust:
    """The keys that may sign, and the notes that witnesses kept."""

    keys: tuple[VerifyKey, ...]
    witnessed: tuple[str, ...]


def register(app: typer.Typer) -> None:
    app.command()(verify)


def verify(
    export: Annotated[
        Path | None, typer.Option("--export", metavar="FILE", help="Verify this file, without a database.")
    ] = None,
    key: KeysOption = None,
    witness: WitnessOption = None,
    every_organization: Annotated[
        bool, typer.Option("--every-organization", help="One after the other, all there are.")
    ] = False,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Verify that no entry was changed, taken away or slipped in, and that every fact names its entry. Exits 11 otherwise.

    Keys you noted elsewhere (--key), and a witness file from another machine, prove more than what lies beside the database.

    Example: carecircle audit verify --key "carecircle+2d1f0c7a+AS9h…" --witness /mnt/elsewhere/witness.log
    """
    settings = read_settings()
    if export is not None:
        if every_organization:
            raise InvalidRequest("An export is of one organization: leave out --every-organization.")
        tell_verdict(_offline(export, trust(settings, key, witness, ask=True), output), output)
        return
    trusted = trust(settings, key, witness)
    if not key:
        note(
            "Signatures are checked with this installation's own keys; with --key, with those you noted elsewhere.",
            output,
        )
    if not trusted.witnessed:
        note("There is no witness: entries cut off the trail's end cannot be seen (--witness FILE).", output)

    if every_organization:
        with database(settings) as at:
            found = asyncio.run(_everywhere(settings, at, trusted, output))
    else:

        async def work(desk: Desk) -> list[tuple[str, Found]]:
            return [(desk.slug, await _verified(desk.circle, desk.organization, trusted, output))]

        found = at_desk(organization, work)
    tell(found, output)


def trust(
    settings: Settings, keys: Sequence[str] | None, witnesses: Sequence[Path] | None, *, ask: bool = False
) -> Trust:
    """What to believe: what was given, else what this installation has; with `ask`, keys are not made where there are none.

    Raises InvalidRequest for a key that is none, InvalidInput for a witness that cannot be read, KeyUnavailable.
    """
    from carecircle.audit.sealing_key import SealingKey
    from carecircle.audit.trusted import own_keys, read_keys

    given = [word for one in keys or () for word in one.split()]
    if not given:
        given = own_keys(settings)
        if ask and not given:
            raise InvalidRequest(
                "Say who may have signed: --key VKEY, as `carecircle audit key` shows it where it was signed."
            )
        given = given or SealingKey.open(settings.home).vkeys()
    read = read_keys(given)
    return Trust(read, tuple(_notes(file, given=bool(witnesses)) for file in witnesses or _kept(settings)))


def _kept(settings: Settings) -> list[Path]:
    from carecircle.audit.trusted import witness_file

    file = witness_file(settings)
    return [] if file is None else [file]


def _notes(file: Path, *, given: bool) -> str:
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        which = "This witness file" if given else "The witness file of the settings"
        raise InvalidInput(f"{which} cannot be read: {file}.") from None


def _offline(export: Path, trusted: Trust, how: Output) -> Verdict:
    from carecircle.audit.verify import Unreadable
    from carecircle.audit.verify import verify as check

    try:
        with export.open("rb") as lines, progress("Verifying", how) as told:
            return check(
                lines, trusted.keys, trusted.witnessed, (lambda done: told(done, done)) if told else (lambda done: None)
            )
    except Unreadable:
        raise InvalidInput(f"This is no verifiable export of the audit trail: {export}.") from None
    except OSError as error:
        raise InvalidInput(f"The export cannot be read ({error.strerror}): {export}.") from None


async def _everywhere(settings: Settings, at: Reach, trusted: Trust, how: Output) -> list[tuple[str, Found]]:
    from carecircle.audit.online_service import every_organization, slug_of
    from carecircle.bootstrap import assemble
    from carecircle.database.session import transaction

    actor = operator()
    found = []
    async with assemble(settings, at) as circle:
        slugs: dict[OrganizationId, str] = {}
        for organization in await every_organization(at):
            async with transaction(circle.engine, organization) as session:
                slugs[organization] = await slug_of(session, organization)
        for organization, slug in sorted(slugs.items(), key=lambda one: one[1]):
            with acting_as(organization=organization, actor=actor):
                found.append((slug, await _verified(circle, organization, trusted, how)))
    return found


async def _verified(circle: CareCircle, organization: UUID, trusted: Trust, how: Output) -> Found:
    """What was found of one organization, once the entry that it was looked for is there."""
    from carecircle.audit import reading_service
    from carecircle.audit.online_service import verify_online
    from carecircle.database.session import transaction

    with progress("Verifying", how) as told:
        found = await verify_online(
            circle.auditor, trusted.keys, trusted.witnessed, organization=organization, progress=told
        )
    async with transaction(circle.engine, organization) as session:
        await reading_service.record(
            session, "audit-verified", organization=organization, entries=found.verdict.entries, findings=found.total
        )
    return found
