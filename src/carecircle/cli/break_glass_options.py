"""What the break-glass commands share: their options, which emergency access is meant, and how an answer leaves."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from carecircle.cli.options import Invocation
from carecircle.cli.output import SCHEMA_VERSION, Output, emit, emit_one, json_text, note, printable, say
from carecircle.emergency.rules import REASONS
from carecircle.errors import InvalidIdentifier, InvalidInput, InvalidRequest
from carecircle.errors.emergency import EmergencyAccessNotFound, ReasonRequired
from carecircle.identifiers import parse_id, to_text

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

RECENT = timedelta(days=30)
"""For how long a reference is looked for; what is older is named by its id."""
LONGEST_WORDS = 10_000
REFERENCE = "BG-"
LABELS = {"end": "End it", "show": "Look", "approve": "Approve", "deny": "Deny and end", "review": "Review"}
"""The commands that may follow, as people are told of them."""


class How(StrEnum):
    """How a command writes its data: ndjson is one JSON object a line."""

    table = "table"
    json = "json"
    ndjson = "ndjson"
    csv = "csv"

    @property
    def output(self) -> Output:
        """The same for what knows no lines of JSON."""
        return Output.json if self is How.ndjson else Output(self.value)


def _remember(context: typer.Context, how: How) -> How:
    context.ensure_object(Invocation).output = how.output
    return how


HowOption = Annotated[
    How, typer.Option("--output", "-o", callback=_remember, is_eager=True, help="How data is written to stdout.")
]
Which = Annotated[str, typer.Argument(metavar="ID", help="Its id, or its reference, such as BG-7K2M4Q.")]
AsOption = Annotated[
    str, typer.Option("--as", metavar="PROVIDER", help="Who does this: ULID, UUID, system|value or identifier.")
]
WordsOption = Annotated[
    str | None,
    typer.Option("--words", metavar="TEXT", help="In words; - reads them from standard input. Kept sealed."),
]
HoursOption = Annotated[float | None, typer.Option("--hours", metavar="N", help="For how many hours.")]
ScopeOption = Annotated[str | None, typer.Option("--scope", metavar="A,B", help="To do what, such as read,write.")]

KNOWN = "; ".join(f"{code} ({words[0].lower()}{words[1:]})" for code, words in REASONS.items())
ReasonOption = Annotated[
    str | None,
    typer.Option("--reason", metavar="CODE", help=f"Why: {KNOWN}; or a code of your policy. Asked for on a terminal."),
]


def words_of(text: str | None, *, asking: str | None = None) -> str:
    """What somebody says in words: from the option, from standard input with `-`, or asked for on a terminal with `asking`.

    Empty where nothing was said. Raises InvalidInput for what is no text, InvalidRequest for too much of it.
    """
    if text is None and asking is not None and sys.stdin.isatty():
        text = typer.prompt(asking, err=True)
    if text == "-":
        given = sys.stdin.buffer.read(4 * LONGEST_WORDS + 1)
        try:
            text = given.decode() if len(given) <= 4 * LONGEST_WORDS else given.decode(errors="ignore")
        except UnicodeDecodeError:
            raise InvalidInput("The words on standard input cannot be read as text (UTF-8).") from None
    said = (text or "").strip()
    if len(said) > LONGEST_WORDS:
        raise InvalidRequest(f"Say it in at most {LONGEST_WORDS:,} characters.")
    return said


def needed(words: str) -> str:
    """The words. Raises InvalidRequest where there are none."""
    if not words:
        raise InvalidRequest("Say it in words: --words TEXT, or --words - to read them from standard input.")
    return words


def chosen_reason(code: str | None) -> str:
    """The code of a reason, or the one chosen on a terminal. Raises ReasonRequired where nobody can be asked."""
    if code is not None:
        return code.strip()
    if not sys.stdin.isatty():
        raise ReasonRequired(f"Say why with --reason CODE; known are {', '.join(REASONS)}, and those of your policy.")
    codes = list(REASONS)
    for number, (one, words) in enumerate(REASONS.items(), 1):
        say(f"  {number}  {words} ({one})")
    chosen = 0
    while not 1 <= chosen <= len(codes):
        chosen = typer.prompt("Why (its number)", type=int, err=True)
    return codes[chosen - 1]


async def meant(session: AsyncSession, text: str) -> UUID:
    """The emergency access of an id, or of a reference among the recent ones.

    Raises EmergencyAccessNotFound, InvalidIdentifier, and InvalidRequest where several recent ones have the reference.
    """
    from carecircle.database.session import instant
    from carecircle.emergency.reading_service import emergencies

    given = text.strip()
    if not given.upper().startswith(REFERENCE):
        try:
            return parse_id(given)
        except InvalidIdentifier:
            raise InvalidIdentifier(
                "Name an emergency access by its id (26 characters) or its reference, such as BG-7K2M4Q;"
                " see: carecircle break-glass list."
            ) from None
    recent = await emergencies(session, since=await instant(session) - RECENT)
    found = [one.id for one in recent if one.reference == given.upper()]
    if len(found) > 1:
        ids = ", ".join(map(to_text, found))
        raise InvalidRequest(f"{len(found)} recent ones have this reference; say which one by its id: {ids}.")
    if not found:
        raise EmergencyAccessNotFound(
            f"No emergency access of the last {RECENT.days} days has this reference; name an older one by its id,"
            " from: carecircle break-glass list."
        )
    return found[0]


def tell(sentences: Sequence[str], record: Mapping[str, Any], following: Mapping[str, str], how: How) -> None:
    """An answer in words, with the commands that may follow it by their verb; for machines the record with both."""
    if how is How.table:
        for sentence in sentences:
            print("\n".join(map(printable, sentence.split("\n"))))
        if following:
            say()
        widest = max((len(LABELS[verb]) for verb in following), default=0)
        for verb, line in following.items():
            say(f"{LABELS[verb] + ':':<{widest + 1}} {line}")
        return
    whole = {**record, "next": dict(following)}
    if how is How.csv:
        emit_one({name: value for name, value in record.items() if not isinstance(value, dict)}, how=Output.csv)
    else:
        emit_record(whole, how)


def emit_record(record: Mapping[str, Any], how: How) -> None:
    """One object, over several lines or on one."""
    if how is How.ndjson:
        print(json_text({"schema_version": SCHEMA_VERSION, **record}), flush=True)
    else:
        emit_one(record, how=how.output)


def emit_rows(
    rows: Sequence[Mapping[str, Any]],
    *,
    columns: Sequence[str],
    name: str,
    how: How,
    beside: Mapping[str, Any] | None = None,
) -> None:
    """Rows as one JSON object, as lines of JSON or as CSV."""
    if how is How.ndjson:
        for row in rows:
            emit_record(row, how)
    else:
        emit(rows, columns=columns, name=name, how=how.output, beside=beside)


def remark(message: str, how: How) -> None:
    note(message, how.output)
