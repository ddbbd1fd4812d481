"""Rotas over HTTP: several who cover in turn, shown beforehand or arranged."""

from __future__ import annotations

import re
from datetime import datetime, time, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import Response
from pydantic import Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from carecircle.api.v1.coverage import Arrangement, arrangement_of
from carecircle.api.v1.door import Reading, routes
from carecircle.api.v1.shapes import (
    A_THIRD_ID,
    ANOTHER_ID,
    UNUSABLE,
    Answer,
    Body,
    Instant,
    Moment,
    OwnId,
    Reference,
    Scope,
    Text,
    example,
)
from carecircle.coverage import rota_service
from carecircle.coverage.rules import CoverageType
from carecircle.identifiers import Identifier, to_text
from carecircle.period import show

router = routes("coverage")

_WALL_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2})?")
_CLOCK = re.compile(r"[0-9]{2}:[0-9]{2}")
_DURATION = re.compile(r"P(?:([0-9]{1,3})D)?(?:T(?=[0-9])(?:([0-9]{1,4})H)?(?:([0-9]{1,5})M)?)?")


def _wall_time(given: Any) -> datetime:
    if isinstance(given, str) and _WALL_TIME.fullmatch(given):
        try:
            return datetime.fromisoformat(given)
        except ValueError:
            pass
    raise PydanticCustomError(UNUSABLE, "Write a local time without a zone, such as 2026-01-31T18:00.")


def _lasts(given: Any) -> timedelta | time:
    if isinstance(given, str):
        if _CLOCK.fullmatch(given):
            try:
                return time.fromisoformat(given)
            except ValueError:
                pass
        elif (found := _DURATION.fullmatch(given)) and any(found.groups()):
            days, hours, minutes = (int(one or 0) for one in found.groups())
            return timedelta(days=days, hours=hours, minutes=minutes)
    raise PydanticCustomError(
        UNUSABLE, "Write the local time at which a turn ends, such as 08:00, or how long it is, such as PT14H."
    )


WallTime = Annotated[
    datetime, PlainValidator(_wall_time), WithJsonSchema({"type": "string", "description": "A local time, no zone."})
]
Lasts = Annotated[
    timedelta | time,
    PlainValidator(_lasts),
    WithJsonSchema({"type": "string", "description": "The local time a turn ends (08:00), or its length (PT14H)."}),
]


class NewRota(Body):
    """Who covers in turn, by an RFC 5545 rule of local times."""

    model_config = example(
        covered="npi|1234567893", covering=[ANOTHER_ID, A_THIRD_ID], rule="FREQ=DAILY;COUNT=14",
        first="2026-01-31T18:00", lasts="08:00", time_zone="Europe/Berlin", coverage_type="on_call",
    )  # fmt: skip
    covered: Reference
    covering: Annotated[list[Reference], Field(min_length=1, max_length=100)]
    rule: Text
    first: WallTime
    lasts: Lasts
    time_zone: Text
    until: Instant | None = None
    coverage_type: CoverageType = "full"
    care_team_id: OwnId | None = None
    scope: Scope | None = None


TURN = {"covering": ANOTHER_ID, "starts_at": "2026-01-31T17:00:00Z", "ends_at": "2026-02-01T07:00:00Z"}


class Turn(Answer):
    """One turn: who covers, as the request names them, and from when until when."""

    model_config = example(**TURN)
    covering: str
    starts_at: Moment
    ends_at: Moment


class Turns(Answer):
    model_config = example(turns=[TURN])
    turns: list[Turn]


@router.post("/rotas", status_code=201, responses={200: {"model": Turns, "description": "With preview: the turns."}})
async def arrange_rota(door: Reading, response: Response, body: NewRota, preview: bool = False) -> Arrangement | Turns:
    """Arrange all the turns, or none. With `preview`, show them and write nothing, which who may only ask may do too."""
    if preview:
        response.status_code = 200
        return await _preview(body)
    await door.require_change()
    async with door.change() as db:
        return arrangement_of(
            await rota_service.arrange_rota(
                db, covered=body.covered, covering=body.covering, rule=body.rule, first=body.first, lasts=body.lasts,
                time_zone=body.time_zone, until=body.until, coverage_type=body.coverage_type,
                care_team_id=body.care_team_id, scope=body.scope,
            )
        )  # fmt: skip


async def _preview(body: NewRota) -> Turns:
    turns = await rota_service.turns_of(
        covering=body.covering, rule=body.rule, first=body.first, lasts=body.lasts, time_zone=body.time_zone,
        until=body.until,
    )  # fmt: skip
    return Turns(
        turns=[
            Turn(covering=_named(one.covering), starts_at=show(one.period.starts_at), ends_at=show(one.period.ends_at))
            for one in turns
        ]
    )


def _named(covering: UUID | Identifier) -> str:
    return to_text(covering) if isinstance(covering, UUID) else str(covering)
