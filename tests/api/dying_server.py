"""A server that is killed at a moment of the first change it answers: python -m tests.api.dying_server REACH MOMENT PORT.

`before`: once the change is made, before it is committed. `after`: once it is committed, before anything is answered.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import uvicorn

from carecircle import Settings
from carecircle.api.app import Service
from carecircle.api.v1.door import Door
from carecircle.database.answers_kept import Told

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Dying:
    def __init__(self, service: Service) -> None:
        self._service = service

    async def __call__(self, scope: Any, receive: Any, send: Send) -> None:
        async def mute(message: MutableMapping[str, Any]) -> None:
            if scope["method"] == "POST":
                _die()
            await send(message)

        await self._service(scope, receive, mute if scope["type"] == "http" else send)


async def _settle(self: Door, told: Told) -> None:
    _die()


if __name__ == "__main__":
    at = pickle.loads(bytes.fromhex(sys.argv[1]))  # noqa: S301 - the test that started this wrote it
    if sys.argv[2] == "before":
        Door.settle = _settle  # type: ignore[method-assign]  # the moment between a change and its commit
    uvicorn.run(Dying(Service(Settings.read(), at)), port=int(sys.argv[3]), log_level="error", proxy_headers=False)
