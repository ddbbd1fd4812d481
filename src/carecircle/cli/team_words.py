"""What commands about care teams share: which team is meant, what a seat lets do, and how a change is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from carecircle.cli.output import Output, emit_one, printable, say
from carecircle.errors import CareTeamNotFound, InvalidIdentifier, InvalidRequest
from carecircle.identifiers import parse_id, to_text
from carecircle.period import LATEST

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from carecircle.care_teams.reading_service import Team

TeamArgument = Annotated[str, typer.Argument(metavar="TEAM", help="Its id, or its name where only one has it.")]
ActionsOption = Annotated[
    str | None, typer.Option(metavar="A,B", help="Only these, such as read,write; what is usual, unless said.")
]


async def find_team(session: AsyncSession, text: str) -> Team:
    """The team of an id, or of a name: capitals do not matter, and of several only the open one is meant.

    Raises CareTeamNotFound, and InvalidRequest when more than one has the name.
    """
    from carecircle.care_teams.reading_service import team_of, teams

    try:
        care_team_id = parse_id(text)
    except InvalidIdentifier:
        pass
    else:
        return await team_of(session, care_team_id=care_team_id)
    every = await teams(session)
    named = [team for team in every if team.name.casefold() == text.strip().casefold()]
    opened = [team for team in named if team.closed_since is None]
    found = opened if len(named) > 1 and opened else named
    if len(found) > 1:
        ids = ", ".join(to_text(team.id) for team in found)
        raise InvalidRequest(f"{len(found)} care teams have this name; say which one by its id: {ids}.")
    if found:
        return found[0]
    by_name = {team.name.casefold(): team.name for team in every}
    like = [by_name[name] for name in get_close_matches(text.strip().casefold(), by_name, n=3, cutoff=0.5)]
    hint = f"did you mean {' or '.join(like)}?" if like else "see: carecircle team list."
    raise CareTeamNotFound(f"There is no care team of this name; {hint}")


async def closing_ahead(session: AsyncSession, care_team_id: UUID) -> datetime | None:
    """When a team is closed for good, as far as is on record; None for one that stays open."""
    from carecircle.care_teams.reading_service import team_of

    return (await team_of(session, care_team_id=care_team_id, as_of=LATEST - timedelta(days=1))).closed_since


def actions_of(text: str | None) -> list[str] | None:
    """`read,write` as a list; None where nothing was said. Raises InvalidRequest when it names none."""
    if text is None:
        return None
    named = list(dict.fromkeys(one.strip() for one in text.split(",") if one.strip()))
    if not named:
        raise InvalidRequest("Name the actions, separated by commas, such as: --actions read,write.")
    return named


def listed(words: Sequence[str]) -> str:
    """`read, write and order`."""
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1]))) if words else "nothing"


def tell(
    sentences: Sequence[str],
    record: Mapping[str, Any],
    undo: Sequence[str],
    output: Output,
    *,
    label: str = "Take it back with",
) -> None:
    """A change in words, with the command that takes it back beside them; for machines the record with both."""
    if output is not Output.table:
        emit_one({**record, "undo": list(undo)}, how=output)
        return
    for sentence in sentences:
        print(printable(sentence))
    for line in undo:
        say(f"{label}: {line}")
