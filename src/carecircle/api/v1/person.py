"""Who a request is made by, where only a person may make it: the provider whose sign-in it is."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends

from carecircle.api.caller import Caller
from carecircle.api.v1.door import Asking
from carecircle.errors.emergency import PersonRequired
from carecircle.identifiers import ProviderId


def person_of(caller: Caller) -> ProviderId | None:
    """The provider whose sign-in this is; None for machines, and for persons who are no provider here."""
    return caller.provider_id


async def person(door: Asking) -> ProviderId:
    """For routes that only a person may use, as themselves. Raises PersonRequired, and leaves an entry of it."""
    found = person_of(door.caller)
    if found is None:
        raise await door.refused(PersonRequired())
    return found


Person = Annotated[ProviderId, Depends(person)]
