"""Which version of each record was taken, and which records wait with an open finding."""

from __future__ import annotations

from collections.abc import Sequence

from carecircle.interop.fhir.service import Desk
from carecircle.interop.fhir.spool import Kept, Version


async def versions_taken(desk: Desk, records: Sequence[str]) -> dict[str, tuple[Version, bytes]]:
    """Version and digest of those of these records that were taken before."""
    rows = await desk.rows(
        "select record, version, version_at, digest from carecircle.source_records"
        " where organization_id = :organization and source = :source and record = any(:records)",
        source=desk.run.source,
        records=list(records),
    )
    return {row.record: (Version(row.version, row.version_at), bytes(row.digest)) for row in rows}


async def records_waiting(desk: Desk, records: Sequence[str]) -> set[str]:
    """Those of these records of which something could not be taken."""
    rows = await desk.rows(
        "select distinct source_record from carecircle.findings"
        " where organization_id = :organization and source = :source and source_record = any(:records)"
        " and superseded_at = 'infinity'",
        source=desk.run.source,
        records=list(records),
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
        records=[kept.record for kept in batch],
        versions=[kept.version.id for kept in batch],
        ats=[kept.version.at for kept in batch],
        digests=[kept.digest for kept in batch],
    )
