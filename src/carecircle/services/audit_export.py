"""Writing the audit trail out in one of its formats, between the entry that it begins and the one that says what was written."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Literal

from carecircle.audit import csv, export_service, reading_service
from carecircle.audit.search import Filter, shown
from carecircle.errors import InvalidRequest
from carecircle.interop.fhir.audit_event import to_audit_event

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

Format = Literal["verifiable", "ndjson", "csv", "fhir"]
"""The whole trail with its tree, or the entries that fit a filter: as lines of JSON, as CSV, as FHIR AuditEvents."""
Begin = Callable[[], "AbstractAsyncContextManager[AsyncSession]"]
Render = Callable[[Sequence[str]], bytes]


async def begin(db: AsyncSession, format_: Format, wanted: Filter) -> None:
    """Leave the entry that somebody begins: who ends it before it is done has read all that was written until then.

    Raises InvalidRequest for a filter where the whole trail is written.
    """
    if format_ == "verifiable" and wanted.names():
        raise InvalidRequest("A verifiable export is of the whole trail; filters go with ndjson, csv and fhir.")
    await reading_service.record(db, "audit-export-begun", wanted, format=format_)


async def write_out(
    auditor: AsyncEngine,
    write: Callable[[bytes], Awaitable[None]],
    format_: Format,
    wanted: Filter,
    *,
    organization: UUID,
    change: Begin,
    progress: export_service.Progress | None = None,
) -> dict[str, int]:
    """Write it in blocks of whole lines in UTF-8; how much it was, once the entry that says so is committed by `change`.

    Whoever hands the last of it on waits for this. Raises DatabaseUnavailable, and what `write` raises.
    """
    if format_ == "verifiable":
        whole = await export_service.export(auditor, write, organization=organization, progress=progress)
        counts = {
            "entries": whole.leaves + whole.unsealed, "checkpoints": whole.checkpoints, "unsealed": whole.unsealed,
        }  # fmt: skip
    else:
        if format_ == "csv":
            await write(csv.header())
        entries = await export_service.export_entries(
            auditor, write, RENDER[format_], wanted, organization=organization, progress=progress
        )
        counts = {"entries": entries}
    async with change() as db:
        await reading_service.record(db, "audit-exported", wanted, format=format_, **counts)  # type: ignore[arg-type]  # counts
    return counts


def _ndjson(lines: Sequence[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _csv(lines: Sequence[str]) -> bytes:
    return csv.lines(shown(json.loads(line)) for line in lines)


def _fhir(lines: Sequence[str]) -> bytes:
    events = (to_audit_event(json.loads(line)) for line in lines)
    return "".join(f"{json.dumps(one, ensure_ascii=False, separators=(',', ':'))}\n" for one in events).encode()


RENDER: dict[Literal["ndjson", "csv", "fhir"], Render] = {"ndjson": _ndjson, "csv": _csv, "fhir": _fhir}
"""How the lines of entries (canonical form) are written."""
