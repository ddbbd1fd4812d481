"""What the demo does after its questions: the HTTP door and, beside it, the worker; and what to try with both."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any

from carecircle.cli.circle import operator
from carecircle.cli.output import command_name, say
from carecircle.cli.serving import HOST
from carecircle.errors import CareCircleError

if TYPE_CHECKING:
    from carecircle.database.reach import Reach
    from carecircle.identifiers import OrganizationId
    from carecircle.settings import Settings

PATIENCE = 15.0
"""Seconds the worker may take to finish what it has begun."""


def serve_demo(settings: Settings, at: Reach, organization: OrganizationId, port: int) -> None:
    """Say what can be tried, then serve and work until stopped."""
    from carecircle.api.serve import serve
    from carecircle.logs import written

    token = asyncio.run(_token(settings, at, organization))
    print(_to_try(token, port), flush=True)
    with written(settings.log_format, "warning", passed=_unless_unconfigured), _working(settings, at):
        serve(settings, at, host=HOST, port=port, workers=1)


async def _token(settings: Settings, at: Reach, organization: OrganizationId) -> str:
    from carecircle.api.token_issue import issue
    from carecircle.database.crypto import Keyring
    from carecircle.database.session import open_engine, transaction

    engine, keyring = open_engine(at, connections=1), Keyring.open(settings.home)
    try:
        async with transaction(engine, organization) as db:
            return await issue(
                db, keyring, issued_by=operator(), organization_id=organization, actor=operator(), hours=8
            )
    finally:
        await engine.dispose()


def _to_try(token: str, port: int) -> str:
    from carecircle.demo.people import NORTH
    from carecircle.demo.stories import AT_HOME, BREAKER, ON_THE_WARD, QUESTIONS, REVIEWER, SUPERVISOR

    provider, name, door = QUESTIONS[0].provider, command_name(), f"http://{HOST}:{port}"
    question = (
        f'{{"subject": {{"type": "provider", "id": "{provider}"}}, "action": {{"name": "read"}},'
        f' "resource": {{"type": "patient", "id": "{AT_HOME}"}}}}'
    )
    glass = f'{{"patient": "{ON_THE_WARD}", "reason": "life-threat", "attested": true}}'
    return f"""
In another terminal, and in every further one, first:
  export CARECIRCLE_ORGANIZATION={NORTH.slug}

Ask, and look around:
  {name} check {provider} read {AT_HOME} --explain
  {name} who-can {AT_HOME}
  {name} assign history {AT_HOME}

Over HTTP, with a token that is believed for 8 hours:
  TOKEN={token}
  curl -s {door}/access/v1/evaluation -H "Authorization: Bearer $TOKEN" \\
    -H "Content-Type: application/json" -d '{question}'

Break the glass. First, as the supervisor, watch what arrives; leave it running:
  {name} break-glass watch --as {SUPERVISOR}
As the doctor, who must have signed in within the last 5 minutes; making the token counts as signing in:
  DOCTOR=$({name} token --as {BREAKER})
  curl -s {door}/v1/break-glass -H "Authorization: Bearer $DOCTOR" \\
    -H "Content-Type: application/json" -d '{glass}'
As the supervisor, approve it, by the id in that answer; without a decision it goes to the duty manager after 5 minutes:
  SUPERVISOR=$({name} token --as {SUPERVISOR})
  curl -s -X POST {door}/v1/break-glass/ID/approval -H "Authorization: Bearer $SUPERVISOR"
As the privacy office, what waits for a review:
  {name} break-glass list --to-review
  {name} break-glass review REFERENCE --as {REVIEWER} --verdict justified

Serving at {door} until Ctrl-C."""


@contextmanager
def _working(settings: Settings, at: Reach) -> Iterator[None]:
    """A worker in a thread of its own for as long as the block; at its end it finishes what it has begun.

    Its mail and webhook are as configured; without any, their notices wait.
    """
    started: SimpleQueue[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = SimpleQueue()

    async def work() -> None:
        from carecircle.worker import run_worker

        stop = asyncio.Event()
        started.put((asyncio.get_running_loop(), stop))
        await run_worker(settings, at, stop=stop)

    def run() -> None:
        try:
            asyncio.run(work())
        except CareCircleError as error:
            say(f"The worker has stopped: {error.message}")

    thread = Thread(target=run, name="demo-worker", daemon=True)
    thread.start()
    try:
        yield
    finally:
        loop, stop = started.get()
        with suppress(RuntimeError):  # it has stopped by itself
            loop.call_soon_threadsafe(stop.set)
        thread.join(PATIENCE)


def _unless_unconfigured(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Notices wait, and the log need not say so: in the demo nobody has configured where they go."""
    import structlog

    if str(event.get("event")).startswith("not configured"):
        raise structlog.DropEvent
    return event
