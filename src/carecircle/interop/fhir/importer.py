"""Importing FHIR R4 files: read and check all of them, decide what would change, then take it in small transactions."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson

from carecircle.actor import Actor
from carecircle.audit.entry import Entry, append
from carecircle.database.crypto import Keyring
from carecircle.errors import ConfirmationRequired, InvalidRequest
from carecircle.findings.service import count_open
from carecircle.identifiers import to_text
from carecircle.interop.fhir.codes import BYSTANDERS, KEPT, PHASES, text_of
from carecircle.interop.fhir.dates import UnusableDate, first_instant
from carecircle.interop.fhir.files import Found, input_files, read_file
from carecircle.interop.fhir.merge import take_apart, take_linked
from carecircle.interop.fhir.names import base_of, is_absolute, kind_of, normalized, record_at
from carecircle.interop.fhir.people import register_patients
from carecircle.interop.fhir.plan import live_facts, plan
from carecircle.interop.fhir.problems import SECOND_PRIMARY
from carecircle.interop.fhir.record_tables import base_known, keep_base, records_waiting
from carecircle.interop.fhir.references import Reader, names_of, reader_of
from carecircle.interop.fhir.report import ImportReport, Progress, Tally
from carecircle.interop.fhir.said import replacements
from carecircle.interop.fhir.service import Desk, Engine, Import, alone, desk
from carecircle.interop.fhir.spool import Kept, Spool, Verdict, Version, phase_of
from carecircle.interop.fhir.take import TAKING

__all__ = ["ImportReport", "Progress", "import_fhir"]

DEFAULT_SOURCE = "fhir"
_BATCH = 500
# Ending fewer facts than this, or a smaller part of all live ones, is everyday work.
_FEW = 10
_SHARE = 0.10
_EVERY = 500
# FHIR allows ids of 64 characters; some allow themselves more, but none a thousand.
_LONGEST_NAME = 512

_TO_TAKE = (Verdict.NEW, Verdict.CHANGED, Verdict.RETRY)


async def import_fhir(
    engine: Engine,
    keyring: Keyring,
    *,
    organization_id: UUID,
    actor: Actor,
    path: Path,
    source: str | None = None,
    confirmed: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> ImportReport:
    """Import a file or a folder of R4 resources into one organization, as the app role of `engine`.

    `source` names where the records come from; the same name next time, and they are the same records.
    Importing the same files twice changes nothing. Raises InvalidInput for files that cannot be read (before anything
    is written), ConfirmationRequired when more than a tenth of the live imported facts would end and `confirmed` is
    not set (nothing is written either). A run that stops in between is completed by running it again.
    """
    run = Import(engine, keyring, organization_id, actor, _source(source))
    started = time.monotonic()
    tally = Tally()
    async with desk(run) as at:
        base = await base_known(at)
    with closing(Spool(run.key_of, base)) as spool:
        size = await _read(spool, input_files(path), tally, progress)
        _link(spool, reader_of(run, spool))
        async with alone(run):
            await _agree(run, await plan(run, spool, tally), confirmed)
            async with desk(run) as at:
                await keep_base(at, spool.base)
            await _take(run, spool, tally, size, progress)
    async with desk(run) as at:
        waiting = sum((await count_open(at.session, organization_id)).values())
        report = tally.report(waiting, time.monotonic() - started)
        if not report.changed_nothing:
            await _summarize(at, report)
    return report


async def _agree(run: Import, ending: int, confirmed: bool) -> None:
    """Raise ConfirmationRequired, with the figures, before more is ended than is usual."""
    if ending < _FEW or confirmed:
        return
    live = await live_facts(run)
    if ending > live * _SHARE:
        raise ConfirmationRequired(
            f"This import would end {ending} of {live} live imported facts, more than a tenth; nothing was written."
            " Look at the files, and confirm (--yes) if it is right.",
            ending=ending,
            live=live,
        )


async def _read(spool: Spool, files: list[Path], tally: Tally, progress: Callable[[Progress], None] | None) -> int:
    """Read everything once, keep what is to be taken; the size of the input in bytes."""
    sizes = [file.stat().st_size for file in files]
    total, before = sum(sizes), 0
    told = time.monotonic()
    for file, size in zip(files, sizes, strict=True):
        at = [0]
        for found in read_file(file, lambda position, at=at: at.__setitem__(0, position)):  # type: ignore[misc]  # a default binds the loop's own list
            tally.resources += 1
            _keep(spool, found, tally)
            if tally.resources % _EVERY == 0:
                await asyncio.sleep(0)
                if progress is not None and time.monotonic() - told > 0.1:
                    told = time.monotonic()
                    progress(Progress(tally.resources, before + at[0], total))
        tally.files += 1
        before += size
        if progress is not None:
            progress(Progress(tally.resources, before, total))
    return total


def _keep(spool: Spool, found: Found, tally: Tally) -> None:
    """Keep what is needed of one resource, under the name by which others refer to it."""
    resource = found.resource
    kind = resource["resourceType"]
    tally.by_type[kind] += 1
    phase = phase_of(kind)
    url = normalized(found.full_url.strip())
    record = _record(spool, kind, text_of(resource.get("id")), url)
    if record and url.startswith("urn:") and (phase is not None or kind in BYSTANDERS):
        spool.name(url, record)
    if phase is None or not record:
        tally.skipped += 1
        return
    body: dict[str, Any] = {key: resource[key] for key in KEPT[kind] if key in resource}
    if kind in ("Organization", "Location"):
        for identifier in names_of(resource.get("identifier")):
            spool.name(f"identifier:{identifier}", record)
    digest = hashlib.sha256(orjson.dumps(resource, option=orjson.OPT_SORT_KEYS)).digest()
    spool.keep(record, phase, _version(resource.get("meta")), digest, body)


def _record(spool: Spool, kind: str, local_id: str, url: str) -> str:
    """What a resource is called; empty when nothing names it. The first server that is met is the source's own."""
    if is_absolute(url):
        if kind_of(url) == kind:
            spool.base = spool.base or base_of(url)
            record = record_at(url, spool.base)
        else:
            record = f"{url}/{kind}/{local_id}" if local_id else ""
    else:
        local_id = local_id or url.removeprefix("urn:uuid:") * url.startswith("urn:uuid:")
        record = f"{kind}/{local_id}" if local_id else ""
    return record if len(record.encode()) <= _LONGEST_NAME else ""


def _link(spool: Spool, reader: Reader) -> None:
    """Note which patient replaces which, once every URL of the import is known."""
    for batch in spool.batches(PHASES.index("Patient"), _BATCH):
        for kept in batch:
            if kept.body.get("link"):
                spool.link(kept.record, replacements(kept.body, reader.of(kept.record), kept.record))


def _version(meta: Any) -> Version:
    given = meta if isinstance(meta, dict) else {}
    at: datetime | None
    try:
        at = first_instant(given.get("lastUpdated"))
    except UnusableDate:
        at = None
    return Version(text_of(given.get("versionId")), at)


async def _take(
    run: Import, spool: Spool, tally: Tally, size: int, progress: Callable[[Progress], None] | None
) -> None:
    to_take = spool.count(_TO_TAKE)
    done = 0

    def tell(count: int) -> None:
        nonlocal done
        done += count
        if progress is not None:
            progress(Progress(tally.resources, size, size, done, to_take))

    for phase, kind in enumerate(PHASES):
        for batch in spool.batches(phase, _BATCH, _TO_TAKE):
            linked = [kept for kept in batch if kind == "Patient" and spool.is_linked(kept.record)]
            plain = [kept for kept in batch if kept not in linked] if linked else batch
            async with desk(run) as at:
                if kind == "Patient":
                    await take_apart(at, spool, batch, tally)
                if linked:
                    await _register(at, linked)
                await TAKING[kind](at, spool, plain, tally)
            tell(len(plain))
        if kind == "Patient":
            for batch in spool.batches(phase, _BATCH, _TO_TAKE):
                linked = [kept for kept in batch if spool.is_linked(kept.record)]
                if linked:
                    async with desk(run) as at:
                        await take_linked(at, spool, linked, tally)
                    tell(len(linked))
            await _once_more(run, spool, tally, phase)


async def _once_more(run: Import, spool: Spool, tally: Tally, phase: int) -> None:
    """Try again the patients whose primary was refused: another record may have given the place up after them."""
    if not tally.facts_ended + tally.facts_superseded:
        return
    for batch in spool.batches(phase, _BATCH, _TO_TAKE):
        async with desk(run) as at:
            waiting = await records_waiting(at, [kept.key for kept in batch], SECOND_PRIMARY)
            again = [replace(kept, verdict=Verdict.RETRY, times=0) for kept in batch if kept.key in waiting]
            linked = [kept for kept in again if spool.is_linked(kept.record)]
            await TAKING["Patient"](at, spool, [kept for kept in again if kept not in linked], tally)
            await take_linked(at, spool, linked, tally)


async def _register(at: Desk, linked: list[Kept]) -> None:
    """Register patients whose records were merged, so that their links find each other later."""
    known = await register_patients(at, linked)
    entries = [
        Entry(
            at.run.organization_id,
            "import",
            at.run.actor,
            "fhir-record-taken",
            patient_id=known[kept.record].id,
            detail={"source": at.run.source, "record": f"Patient/{to_text(known[kept.record].id)}"},
        )
        for kept in linked
        if known[kept.record].wrote
    ]
    await append(at.session, *entries)


async def _summarize(at: Desk, report: ImportReport) -> None:
    detail: dict[str, str | int | bool | None] = {
        "source": at.run.source,
        "resources": report.resources,
        "taken": report.taken,
        "unchanged": report.unchanged,
        "skipped_older": report.skipped_older,
        "skipped": report.skipped,
        "facts_recorded": report.facts_recorded,
        "facts_superseded": report.facts_superseded,
        "facts_ended": report.facts_ended,
        "findings_opened": report.findings_opened,
        "findings_closed": report.findings_closed,
    }
    await append(at.session, Entry(at.run.organization_id, "import", at.run.actor, "fhir-imported", detail=detail))


def _source(given: str | None) -> str:
    name = DEFAULT_SOURCE if given is None else given.strip()
    if not name or len(name) > 100 or not name.isprintable() or "|" in name:
        raise InvalidRequest("The source of an import is a short name without |, such as fhir or st-marys-epic.")
    return name
