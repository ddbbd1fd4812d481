"""Reading a list page by page: what lies beyond the last row that was seen, never how many rows to skip."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Select, tuple_
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.types import TypeDecorator, TypeEngine

from carecircle.errors.service import InvalidCursor

Key = UUID | str | int | datetime
Q = TypeVar("Q", bound=Select[Any])


def beyond(
    query: Q, *by: InstrumentedAttribute[Any], after: Sequence[Key] | None, limit: int | None, descending: bool = False
) -> Q:
    """The query in the order of the columns `by`, from beyond their values `after` on, at most `limit` rows where there is one.

    The columns are never null, and the last of them tells rows apart: (name, id). Raises InvalidCursor when `after` does not
    fit them.
    """
    if after is not None:
        kinds = [_kind(column.type) for column in by]
        if len(kinds) != len(after) or not all(isinstance(said, kind) for said, kind in zip(after, kinds, strict=True)):
            raise InvalidCursor
        query = query.where(tuple_(*by) < tuple_(*after) if descending else tuple_(*by) > tuple_(*after))
    return query.order_by(*(column.desc() if descending else column.asc() for column in by)).limit(limit)


def _kind(type_: TypeEngine[Any]) -> type[Any]:
    """The type of a column's values; a decorated type does not say its own."""
    return type_.impl_instance.python_type if isinstance(type_, TypeDecorator) else type_.python_type
