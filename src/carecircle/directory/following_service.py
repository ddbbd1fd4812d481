"""Following merges: which patient a question or a change about a patient is about now. The one text for every door."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

# Nobody is merged so often; whoever writes a circle past the services gets an answer all the same.
_MOST_STEPS = 32
# Locks kept per organization, however many patients a transaction is about.
_BUCKETS = 64


def following(*, organization: str, wanted: str, believed_at: str | None = None) -> str:
    """SQL of rows (asked, patient_id): who each patient of the array `wanted` is since records were merged.

    As we believe now, or believed at `believed_at` (where that is null: now). The arguments are the driver's placeholders.
    A patient nobody merged is followed to themselves.
    """
    believed = "m.superseded_at = 'infinity'"
    if believed_at is not None:
        then = f"cast({believed_at} as timestamptz)"
        believed = f"(({then} is null and {believed}) or (m.recorded_at <= {then} and m.superseded_at > {then}))"
    return (
        "with recursive line (asked, patient_id, seen) as ("
        "  select s.patient_id, s.patient_id, array[s.patient_id]"
        f" from unnest(cast({wanted} as uuid[])) s (patient_id)"
        "  union all"
        "  select line.asked, m.into_patient_id, line.seen || m.into_patient_id"
        "  from line join carecircle.patient_merges m"
        f"   on m.organization_id = {organization} and m.patient_id = line.patient_id and {believed}"
        "   and m.starts_at <= statement_timestamp() and m.ends_at > statement_timestamp()"
        f" where m.into_patient_id <> all (line.seen) and cardinality(line.seen) <= {_MOST_STEPS})"
        " select distinct on (asked) asked, patient_id from line order by asked, cardinality(seen) desc"
    )


_FOLLOW = text(following(organization=":organization", wanted=":wanted"))


async def survivors_of(db: AsyncSession, tenant: UUID, patient_ids: Collection[UUID]) -> dict[UUID, UUID]:
    """Who each of these patients is now; one statement, however many there are."""
    if not patient_ids:
        return {}
    found = await db.execute(_FOLLOW, {"organization": tenant, "wanted": list(patient_ids)})
    return {row.asked: row.patient_id for row in found}


async def settled(db: AsyncSession, tenant: UUID, patient_id: UUID) -> UUID:
    """Who this patient is now and, no merge coming between, until the transaction ends."""
    seen: set[UUID] = set()
    while patient_id not in seen:
        seen.add(patient_id)
        await keep_apart(db, tenant, [patient_id])
        patient_id = (await survivors_of(db, tenant, [patient_id]))[patient_id]
    return patient_id


async def keep_apart(
    db: AsyncSession, tenant: UUID, patient_ids: Collection[UUID] | None = None, *, merging: bool = False
) -> None:
    """Let nobody merge these patients (None: any) until the transaction ends; who merges them keeps everybody else out.

    Taken before any other lock, so that who waits for a merge holds nothing that it needs. Patients share locks: a
    transaction about ten thousand of them needs no more than the server has.
    """
    own = int.from_bytes(tenant.bytes[-8:], "big", signed=True)
    buckets = range(_BUCKETS) if patient_ids is None else sorted({one.bytes[-1] % _BUCKETS for one in patient_ids})
    lock = "pg_advisory_xact_lock" if merging else "pg_advisory_xact_lock_shared"
    await db.execute(
        text(f"select {lock}(key) from unnest(cast(:keys as bigint[])) k (key)"),
        {"keys": [own ^ (0x4D45524745 << 8 | bucket) for bucket in buckets]},
    )
