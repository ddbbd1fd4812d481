"""Who a request is made by, where only a person may make it: the provider whom the token's subject names."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends

from carecircle.api.tokens import Caller
from carecircle.api.v1.door import Asking
from carecircle.errors import InvalidIdentifier
from carecircle.errors.emergency import PersonRequired
from carecircle.identifiers import ProviderId, parse_id


def person_of(caller: Caller) -> ProviderId | None:
    """The provider of a subject `provider:ID`; None for every other subject."""
    kind, _, own = caller.actor.name.partition(":")
    try:
        return ProviderId(parse_id(own)) if kind == "provider" else None
    except InvalidIdentifier:
        return None


async def person(door: Asking) -> ProviderId:
    """For routes that only a person may use, as themselves. Raises PersonRequired, and leaves an entry of it."""
    found = person_of(door.caller)
    if found is None:
        raise await door.refused(PersonRequired())
    return found


Person = Annotated[ProviderId, Depends(person)]
