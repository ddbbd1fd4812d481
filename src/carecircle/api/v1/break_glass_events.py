"""What awaits a person's decision, and what becomes of their own requests, as live events: ids of accesses and states only."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from fastapi.responses import Response

from carecircle.api.stream import EventStream
from carecircle.api.v1.door import Asking, Door, routes
from carecircle.api.v1.person import Person
from carecircle.api.v1.shapes import id_of
from carecircle.database.session import instant
from carecircle.emergency.concern_service import Glance, followed
from carecircle.emergency.rules import OPEN_STATES
from carecircle.identifiers import ProviderId
from carecircle.notices.words import reference
from carecircle.period import EARLIEST, show

router = routes("break-glass")

Told = dict[str, Any]
LOOK_AT_ALL = timedelta(minutes=1)
"""How often everything is looked at: what nobody follows any more is forgotten, what took long to be committed is found."""
COMMITTED_BY = timedelta(seconds=10)
"""By when a change is committed that bears an instant: looks overlap by as much."""


class Following:
    """What one stream has told, and so what is new: an access is told when it comes up, and then whenever it changes."""

    def __init__(self, door: Door, person: ProviderId) -> None:
        self._door, self._person = door, person
        self._told: dict[UUID, Told] = {}
        self._looked_at = self._looked_at_all = EARLIEST

    async def look(self) -> list[Told]:
        """What is new, the oldest request first. Raises AccessUnavailable.

        Now and then it looks at everything, otherwise at what changed: many looks must not cost more where much is open.
        """
        async with self._door.read() as db:
            now = await instant(db)
            all_of_it = now - self._looked_at_all > LOOK_AT_ALL
            since = None if all_of_it else self._looked_at - COMMITTED_BY
            found = await followed(db, provider=self._person, changed_since=since)
        told = {one.id: _told(one) for one in found if one.id in self._told or _comes_up(one)}
        new = [said for one, said in told.items() if self._told.get(one) != said]
        self._told, self._looked_at = told if all_of_it else self._told | told, now
        if all_of_it:
            self._looked_at_all = now
        return new


def _comes_up(one: Glance) -> bool:
    """What awaits a decision, what is one's own and open, and what opened as asked: nobody must decide, somebody may deny."""
    return one.decide_by is not None or one.state == "provisional" or (one.own and one.state in OPEN_STATES)


def _told(one: Glance) -> Told:
    decide_by = None if one.decide_by is None else show(one.decide_by)
    return {"id": id_of(one.id), "reference": reference(one.id), "state": one.state, "decide_by": decide_by}


@router.get("/break-glass/events", response_class=Response, responses={200: {"content": {"text/event-stream": {}}}})
async def follow_emergencies(door: Asking, person: Person) -> Response:
    """Server-sent events named `emergency`, to the person of the token: `id`, `reference`, `state`, `decide_by`.

    At first what stands, then each change, within a second. There is no replay: what was missed is told by how it stands.
    """
    return EventStream(door.live, door.caller, person, "emergency", Following(door, person).look, door.holds)
