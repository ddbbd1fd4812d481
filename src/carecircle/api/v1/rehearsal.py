"""Changes that are only looked at: what one would do, by doing it and taking it back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated

from fastapi import Query

from carecircle.api.v1.door import Door

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

Preview = Annotated[bool, Query(description="Only show what it would do: nothing is changed, or recorded.")]


class _SeenError(Exception):
    """All has been seen; the transaction is given up."""


@asynccontextmanager
async def changing_unless(preview: bool, door: Door) -> AsyncIterator[AsyncSession]:
    """The transaction of a change; for a preview, one of which nothing stays."""
    if not preview:
        async with door.change() as db:
            yield db
        return
    try:
        async with door.read() as db:
            yield db
            raise _SeenError  # noqa: TRY301  this is how the transaction is given up
    except _SeenError:
        pass
