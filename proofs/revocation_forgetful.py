"""A server that is wrong on purpose, for the proof `revocation`: for one second it remembers who was let in."""

from __future__ import annotations

import asyncio
import sys
from time import monotonic

from carecircle.access.batch import Batcher
from carecircle.access.decision import AccessDecision, Question
from carecircle.api.serve import serve
from carecircle.settings import Settings

REMEMBERED = 1.0
_put = Batcher.put
_let_in: dict[object, float] = {}


def put(self: Batcher, question: Question) -> asyncio.Future[AccessDecision]:
    """Whoever was let in a moment ago is asked about no more: the question goes on without what it rests on."""
    rests_on = question.organization_id, question.bearer, question.permission
    if _let_in.get(rests_on, 0.0) > monotonic():
        return _put(self, question._replace(bearer=None))
    answer = _put(self, question)

    def remember(told: asyncio.Future[AccessDecision]) -> None:
        if not told.cancelled() and told.exception() is None and told.result().allowed:
            _let_in[rests_on] = monotonic() + REMEMBERED

    answer.add_done_callback(remember)
    return answer


if __name__ == "__main__":
    Batcher.put = put  # type: ignore[method-assign]  # that is the point
    serve(Settings.read(), port=int(sys.argv[1]))
