"""policy: what an organization requires and allows beyond the rules that always hold; every version kept."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from carecircle.cli.careful import command
from carecircle.cli.circle import Desk, at_desk
from carecircle.cli.options import AsOfOption, OrganizationOption, OutputOption, instant
from carecircle.cli.output import Output, emit, emit_json, json_text, note, say
from carecircle.cli.policy_words import EXAMPLE, MEANINGS, in_words
from carecircle.errors import InvalidInput, InvalidPolicy, InvalidRequest

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncSession

    from carecircle.directory.tables import PolicyVersion
    from carecircle.policy import Policy

app = typer.Typer(no_args_is_help=True, help="The organization's own rules: credentials, roles, limits, actions.")
DIFFERENCE = ("key", "before", "after")
Version = Annotated[int | None, typer.Option(min=0, help="Which version; 0 is what holds where none is set.")]


@app.command()
def show(
    version: Version = None,
    as_of: AsOfOption = None,
    document: Annotated[bool, typer.Option("--document", help="Only the document, as policy set takes it.")] = False,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Every value with what it means; `*` marks what differs from the default.

    Example: carecircle policy show --organization north-hospital
    """
    from carecircle.directory.policy_service import difference, document_of
    from carecircle.policy import Policy

    at = instant(as_of)
    policy, row = at_desk(organization, lambda desk: desk.read(lambda session: _found(session, version, at)))
    whole = document_of(policy)
    if document:
        print(json_text(whole, indent=2))
        return
    differs = {key for key, _, _ in difference(Policy(), policy)}
    since = {"starts_at": row.starts_at if row else None, "ends_at": row.ends_at if row else None}
    if output is Output.json:
        emit_json({"version": policy.version, **since, "policy": whole, "differs_from_default": sorted(differs)})
    elif output is Output.csv:
        rows = [
            {"key": key, "value": in_words(value), "differs": key in differs, "meaning": MEANINGS[key]}
            for key, value in whole.items()
        ]
        emit(rows, columns=("key", "value", "differs", "meaning"), name="policy", how=output)
    else:
        _print_whole(policy.version, row, whole, differs)


@app.command("set")
def set_(
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="A JSON document; - reads it from stdin.")] = None,
    version: Annotated[int | None, typer.Option(min=0, help="Set again what this version said.")] = None,
    from_: Annotated[str | None, typer.Option("--from", metavar="INSTANT", help="Holds from; now.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would differ.")] = False,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Let a document be the whole policy from now on; what it leaves out is as by default. Prints what differs.

    Example: carecircle policy set policy.json --dry-run --organization north-hospital
    """
    from carecircle.database.session import instant as clock
    from carecircle.directory.policy_service import difference, document_of, parse_policy, policy_versions, set_policy

    if (file is None) == (version is None):
        raise InvalidRequest("Say what to set: a FILE with a JSON document, or --version with the number of a version.")
    given, starts_at = _read(file) if file is not None else None, instant(from_)

    async def work(session: AsyncSession) -> tuple[Policy, list[Any], PolicyVersion | None, list[PolicyVersion]]:
        document = document_of((await _found(session, version, None))[0]) if given is None else given
        at = starts_at or await clock(session)
        before, _ = await _found(session, None, at)
        differing = difference(before, parse_policy(document))
        ahead = [row for row in await policy_versions(session) if row.starts_at > at]
        if dry_run or not (differing or ahead):
            return before, differing, None, ahead
        return before, differing, await set_policy(session, document=document, starts_at=starts_at), ahead

    async def act(desk: Desk) -> tuple[Policy, list[Any], PolicyVersion | None, list[PolicyVersion]]:
        return await (desk.read(work) if dry_run else desk.change(work))

    before, differing, row, ahead = at_desk(organization, act)
    _show_set(organization, before, differing, row, ahead, dry_run, output)


@app.command()
def history(organization: OrganizationOption = None, output: OutputOption = Output.table) -> None:
    """The versions that held, hold or are to hold, oldest first, and what each changed.

    Example: carecircle policy history --organization north-hospital
    """
    from carecircle.directory.policy_service import difference, policy_of, policy_versions
    from carecircle.policy import Policy

    versions = at_desk(organization, lambda desk: desk.read(lambda session: policy_versions(session)))
    rows: list[dict[str, Any]] = []
    before = Policy()
    for one in versions:
        policy = policy_of(one)
        rows.append(
            {
                "version": one.version,
                "starts_at": one.starts_at,
                "ends_at": one.ends_at,
                "recorded_at": one.recorded_at,
                "changed": [key for key, _, _ in difference(before, policy)],
                "entry": one.entry_id,
            }
        )
        before = policy
    columns = ("version", "starts_at", "ends_at", "recorded_at", "changed", "entry")
    if rows or output is not Output.table:
        emit(rows, columns=columns, shown=columns[:3] + columns[4:5], name="versions", how=output)
    if not rows:
        note(f"No policy was ever set: the defaults hold; see: {command(organization, 'policy', 'show')}", output)


@app.command()
def example() -> None:
    """A document with every key filled in, to begin with; it is not set.

    Example: carecircle policy example > policy.json
    """
    print(json_text(EXAMPLE, indent=2))


async def _found(
    session: AsyncSession, version: int | None, at: datetime | None
) -> tuple[Policy, PolicyVersion | None]:
    """A version by its number, or what holds at an instant (now by default); no row where nobody has set one."""
    from carecircle.database.session import instant as clock
    from carecircle.directory.policy_service import policy_of, policy_versions
    from carecircle.policy import Policy

    moment = at or await clock(session)
    for row in await policy_versions(session):
        if row.version == version or (version is None and row.starts_at <= moment < row.ends_at):
            return policy_of(row), row
    if version:
        raise InvalidRequest(f"There is no policy version {version}; see: carecircle policy history.")
    return Policy(), None


def _read(file: Path) -> Mapping[str, Any]:
    """A JSON document. Raises InvalidInput when it cannot be read, InvalidPolicy when it is no object."""
    name = "stdin" if str(file) == "-" else file.name
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8-sig")
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidInput(f"{name}, line {error.lineno}: this is not JSON: {error.msg}.") from None
    except UnicodeDecodeError:
        raise InvalidInput(f"{name} cannot be read: it is not UTF-8 text.") from None
    except OSError as error:
        raise InvalidInput(f"{name} cannot be read: {error.strerror}.") from None
    if not isinstance(document, dict):
        raise InvalidPolicy("A policy is a JSON object, such as carecircle policy example prints.")
    return document


def _show_set(
    organization: str | None,
    before: Policy,
    differing: list[tuple[str, Any, Any]],
    row: PolicyVersion | None,
    ahead: list[PolicyVersion],
    dry_run: bool,
    output: Output,
) -> None:
    from carecircle.period import show as told

    undo = [command(organization, "policy", "set", "--version", str(before.version))] if row is not None else []
    rows = [{"key": key, "before": old, "after": new} for key, old, new in differing]
    beside = {
        "dry_run": dry_run,
        "version": row.version if row else None,
        "version_before": before.version,
        "starts_at": row.starts_at if row else None,
        "taken_back": [{"version": one.version, "starts_at": one.starts_at, "policy": one.document} for one in ahead],
        "undo": undo,
    }
    if output is not Output.table:
        emit(rows, columns=DIFFERENCE, name="differences", how=output, beside=beside)
        return
    worded = [{"key": key, "before": in_words(old), "after": in_words(new)} for key, old, new in differing]
    if worded:
        emit(worded, columns=DIFFERENCE, name="differences", how=output)
    if ahead:
        planned = ", ".join(f"version {one.version} (from {told(one.starts_at)})" for one in ahead)
        say(f"Planned for later and taken back by this: {planned}; set it again where it should still come.")
    if row is None:
        say("Nothing was changed." if rows or ahead else "This is what holds already; nothing was changed.")
        return
    begins = "now" if row.starts_at == row.recorded_at else told(row.starts_at)
    say(f"Version {row.version} holds from {begins}. What it requires counts for what is recorded from then on.")
    say(f"Undo: {undo[0]}")


def _print_whole(version: int, row: PolicyVersion | None, whole: Mapping[str, Any], differs: set[str]) -> None:
    from carecircle.cli.explained import since_until
    from carecircle.period import Period

    if row is None:
        print("No policy is set; these are the defaults.")
    else:
        print(f"Policy version {version}, {since_until(Period(row.starts_at, row.ends_at))}.")
    for key, value in whole.items():
        print(f"\n{'*' if key in differs else ' '} {key}: {in_words(value)}\n    {MEANINGS[key]}")
    if differs:
        print("\n* differs from the default")
