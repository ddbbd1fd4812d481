"""The audit trail over HTTP as a stream: the whole of it for a verifier, or the entries that fit, in the format wanted."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Any

from fastapi.responses import Response
from starlette.types import Receive, Scope, Send

from carecircle.actor import acting_as
from carecircle.api.v1.aside import auditor_aside
from carecircle.api.v1.audit_seeking import Seeking
from carecircle.api.v1.door import Auditing, Door, routes
from carecircle.audit.search import Filter
from carecircle.errors import AccessUnavailable
from carecircle.identifiers import to_text
from carecircle.services.audit_export import Format, begin, write_out

router = routes("audit")

PATIENCE = 60.0
"""Seconds for which a reader may stop reading before they are let go."""
LOOK_AGAIN = 1.0
"""Seconds after which it is asked anew whether the reader's sign-in or key still holds."""
KINDS: dict[Format, tuple[str, str]] = {
    "verifiable": ("application/x-ndjson", "ndjson"),
    "ndjson": ("application/x-ndjson", "ndjson"),
    "csv": ("text/csv; charset=utf-8", "csv"),
    "fhir": ("application/fhir+ndjson", "ndjson"),
}
"""Media type and ending of a file's name."""
STREAMED: dict[str, Any] = {
    "description": "Lines as they are read; an answer that breaks off is not whole.",
    "content": {kind.partition(";")[0]: {"schema": {"type": "string"}} for kind, _ in KINDS.values()},
}


@router.get("/audit/export", response_class=Response, responses={200: STREAMED})
async def export_audit(door: Auditing, sought: Seeking, format: Format = "ndjson") -> Response:  # noqa: A002 - its name in the address
    """`verifiable`: the whole trail with its tree, which anybody checks offline; `ndjson`, `csv`, `fhir`: the entries that fit,
    the oldest first. That it begins is recorded before the first line, what was written before the last: an export that ends
    as it should is on record."""
    async with door.change() as db:
        wanted = await sought.meant(db, door.caller.organization_id)
        await begin(db, format, wanted)
    return Export(door, format, wanted)


class Export(Response):
    """Sends blocks as the database gives them, none before the one before it was taken: memory does not grow with the trail.

    Whoever leaves, stops reading for a minute or whose token, key or sign-in ends gets no end of it, so that nobody takes a part
    for the whole.
    """

    def __init__(self, door: Door, format_: Format, wanted: Filter) -> None:
        kind, ending = KINDS[format_]
        name = f"audit-{to_text(door.caller.organization_id)}.{ending}"
        super().__init__(media_type=kind, headers={"content-disposition": f'attachment; filename="{name}"'})
        del self.headers["content-length"]
        self._door, self._format, self._wanted = door, format_, wanted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        door, begun, looked = self._door, False, time.monotonic()
        gone = asyncio.create_task(_gone(receive))

        async def write(block: bytes) -> None:
            nonlocal begun, looked
            ended = gone.done() or time.time() >= door.caller.expires_at
            if not ended and time.monotonic() - looked > LOOK_AGAIN:
                ended, looked = not await door.holds("audit"), time.monotonic()
            if ended:
                raise AccessUnavailable("Nobody may read on, so the export ended early.")
            async with asyncio.timeout(PATIENCE):
                if not begun:
                    begun = True
                    await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
                await send({"type": "http.response.body", "body": block, "more_body": True})

        own = door.caller.organization_id
        try:
            async with auditor_aside(door) as auditor:
                with acting_as(organization=own, actor=door.caller.actor):
                    await write_out(auditor, write, self._format, self._wanted, organization=own, change=door.change)
            await write(b"")
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            gone.cancel()
            with suppress(asyncio.CancelledError):
                await gone


async def _gone(receive: Receive) -> None:
    """Returns when the reader has left."""
    while (await receive())["type"] != "http.disconnect":
        pass
