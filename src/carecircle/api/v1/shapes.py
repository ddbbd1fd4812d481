"""How ids, instants, periods and words are written in bodies, addresses and answers."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from carecircle.errors import CareCircleError
from carecircle.identifiers import Identifier, parse_id, parse_reference, to_text
from carecircle.period import FOREVER, parse_instant, show
from carecircle.policy import ACTION_CODE

UNUSABLE = "unusable"
"""The type of pydantic's errors whose sentence is ours, and so safe to tell."""

OPEN = show(FOREVER)
# In an address, the + of a time zone is read as a space.
_PLUS_LOST = re.compile(r"(T[0-9:.]+) ([0-9]{2}:?[0-9]{2})$")

AN_ID = "01K0000000000000000000000A"
ANOTHER_ID = "01K0000000000000000000000B"
A_THIRD_ID = "01K0000000000000000000000C"


class Body(BaseModel):
    """What a caller sends: every field is known, and has the type it should have."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Answer(BaseModel):
    """What a caller is told: ids as ULIDs, instants as ISO 8601 in UTC, an open end as null."""

    model_config = ConfigDict(frozen=True)


def example(**said: Any) -> ConfigDict:
    """A model's configuration with an example of it for the OpenAPI description."""
    return ConfigDict(json_schema_extra={"example": said})


class Ended(Answer):
    """How many rows were ended, now and ahead."""

    model_config = example(ended=1)
    ended: int


def _own_id(given: Any) -> UUID:
    try:
        return parse_id(given)
    except CareCircleError:
        raise PydanticCustomError(
            UNUSABLE,
            "Write a ULID (26 characters) or a UUID; identifiers such as record numbers stand in a body, never in an address.",
        ) from None


def _reference(given: Any) -> UUID | Identifier:
    try:
        return parse_reference(given)
    except CareCircleError:
        raise PydanticCustomError(
            UNUSABLE, "Write a ULID, a UUID, system|value or an identifier, as printable text."
        ) from None


def _instant(given: Any) -> datetime:
    if isinstance(given, str):
        try:
            return parse_instant(_PLUS_LOST.sub(r"\1+\2", given))
        except (CareCircleError, OverflowError):
            pass
    raise PydanticCustomError(
        UNUSABLE, "Write an instant as ISO 8601 with a time zone, such as 2026-01-31T08:00:00+00:00."
    )


def _printable(given: str) -> str:
    if not given.isprintable() or not given.strip():
        raise PydanticCustomError(UNUSABLE, "Write printable text.")
    return given


def _action(given: str) -> str:
    if not ACTION_CODE.fullmatch(given):
        raise PydanticCustomError(UNUSABLE, "Write an action's code, such as read.")
    return given


OwnId = Annotated[
    UUID, PlainValidator(_own_id), WithJsonSchema({"type": "string", "description": "A ULID or a UUID of ours."})
]
Reference = Annotated[
    UUID | Identifier,
    PlainValidator(_reference),
    WithJsonSchema({"type": "string", "description": "A ULID, a UUID, system|value, or a bare identifier."}),
]
Instant = Annotated[datetime, PlainValidator(_instant), WithJsonSchema({"type": "string", "format": "date-time"})]
Text = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_printable)]
Scope = Annotated[list[Annotated[str, AfterValidator(_action)]], Field(min_length=1, max_length=64)]
RestsOn = Annotated[list[Text], Field(max_length=64)]
"""Credentials by kind or code, beside those that the policy asks for."""

Id = Annotated[str, WithJsonSchema({"type": "string", "minLength": 26, "maxLength": 26})]
Moment = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]


def id_of(value: UUID | None) -> Id | None:
    """An id as it is shown, or None."""
    return None if value is None else to_text(value)


def end_of(instant: datetime | None) -> Moment | None:
    """An end as it is shown: None when it is open, or when there is none."""
    shown = None if instant is None else show(instant)
    return None if shown == OPEN else shown
