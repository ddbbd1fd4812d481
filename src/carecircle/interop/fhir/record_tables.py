"""Which version of each record was taken, from which server, and which records wait with an open finding."""

from __future__ import annotations

from collections.abc import Sequence

from carecircle.errors import Conflict
from carecircle.interop.fhir.service import Desk
from carecircle.interop.fhir.spool import Kept, Version

# A pseudo-record: no resource is called so.
_BASE = "server"


async def versions_taken(desk: Desk, records: Sequence[str]) -> dict[str, tuple[Version, bytes]]:
    """Version and digest of those of these records that were taken before."""
    rows = await desk.rows(
        "select record, version, version_at, digest from carecircle.source_records"
        " where organization_id = :organization and source = :source and record = any(:records)",
        source=desk.run.source,
        records=list(records),
    )
    return {row.record: (Version(row.version, row.version_at), bytes(row.digest)) for row in rows}


async def records_waiting(desk: Desk, records: Sequence[str], code: str = "") -> set[str]:
    """Those of these records of which something could not be taken; only for the reason `code` where one is given."""
    rows = await desk.rows(
        "select distinct source_record from carecircle.findings"
        " where organization_id = :organization and source = :source and source_record = any(:records)"
        " and superseded_at = 'infinity' and :code in ('', code)",
        source=desk.run.source,
        records=list(records),
        code=code,
    )
    return {row.source_record for row in rows}


async def keep_versions(desk: Desk, batch: Sequence[Kept]) -> None:
    """Remember which version of each record was taken."""
    if not batch:
        return
    await desk.write(
        "insert into carecircle.source_records (organization_id, source, record, version, version_at, digest)"
        " select :organization, :source, t.record, t.version, t.version_at, t.digest"
        " from unnest(cast(:records as text[]), cast(:versions as text[]), cast(:ats as timestamptz[]),"
        " cast(:digests as bytea[])) as t (record, version, version_at, digest)"
        " on conflict (organization_id, source, record) do update set version = excluded.version,"
        " version_at = excluded.version_at, digest = excluded.digest, recorded_at = statement_timestamp()",
        source=desk.run.source,
        records=[kept.key for kept in batch],
        versions=[kept.version.id for kept in batch],
        ats=[kept.version.at for kept in batch],
        digests=[kept.digest for kept in batch],
    )


async def forget_versions(desk: Desk, records: Sequence[str]) -> None:
    """Let these records be taken again when they are met, though they say what they said."""
    await desk.write(
        "update carecircle.source_records set digest = ''"
        " where organization_id = :organization and source = :source and record = any(:records)",
        source=desk.run.source,
        records=list(records),
    )


async def base_known(desk: Desk) -> str:
    """The URL of the server whose records our source calls by kind and id alone; empty while nobody said."""
    rows = await desk.rows(
        "select version from carecircle.source_records"
        " where organization_id = :organization and source = :source and record = :record",
        source=desk.run.source,
        record=_BASE,
    )
    return rows[0].version if rows else ""


async def keep_base(desk: Desk, base: str) -> None:
    """Remember that URL for good. Raises Conflict when another import has set another in the meantime."""
    if base:
        await desk.write(
            "insert into carecircle.source_records (organization_id, source, record, version, digest)"
            " values (:organization, :source, :record, :base, '') on conflict do nothing",
            source=desk.run.source,
            record=_BASE,
            base=base,
        )
        if await base_known(desk) != base:
            raise Conflict("Another import of this source has just been done; nothing was imported. Import again.")
