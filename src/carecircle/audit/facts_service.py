"""Comparing facts with the entries they name: what was recorded or closed behind the application's back.

A fact names the entry that made it and the transaction of that entry; a closed one both for its closing as well. What nobody
can write is PostgreSQL's own xmin of the row: the transaction, or the part of one, that wrote the row as it is. It lies
between the entry's transaction and the snapshot in which the entry was sealed, or somebody wrote the row later.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from carecircle.actor import organization_of
from carecircle.audit.export_service import snapshot

FACTS = (
    "access_restrictions", "care_team_closures", "care_team_members", "care_team_patients", "coverage_arrangements", "duties",
    "emergency_access", "findings", "legal_holds", "panel_capacities", "patient_assignments", "patient_labels",
    "patient_merges", "personal_relations", "policies", "provider_absences", "provider_credentials", "provider_roles",
    "referrals", "reporting_lines",
)  # fmt: skip
MADE_ONCE = ("audit_retirements", "emergency_approvers", "emergency_notes", "reassignments")
"""What names the entry that made it, and is never changed afterwards."""
EDITED = ("organization_keys", "outbox")
"""What names the entry that made it, and is changed as it is used: only whether there is such an entry can be compared."""
RESEALED = ("emergency_access", "emergency_notes", "legal_holds")
"""Whose sealed words the keeper of the keys writes anew, between an entry that says it begins and one that says it is done."""


@dataclass(frozen=True, slots=True)
class Stray:
    """A row that does not fit its entry: `code` is fact-without-entry or closing-without-entry; `sentence` says what is wrong."""

    code: Literal["fact-without-entry", "closing-without-entry"]
    table: str
    id: UUID
    entry_id: UUID | None
    sentence: str


@dataclass(frozen=True, slots=True)
class Compared:
    """What came of it. `rows` were looked at; of those `moved`, the times of writing were not compared, because the entry
    was sealed in another database cluster: this one was restored from a dump."""

    strays: tuple[Stray, ...]
    rows: int
    moved: int


_WRONG = {
    "none": "names an entry that is not there",
    "other": "names an entry of another transaction",
    "doubted": "names an entry that carecircle did not write as it is",
    "later": "was written later than the entry it names was sealed",
}

# Who wrote a row as it is now: the entry and the transaction it names, and the xmin that PostgreSQL knows.
_FACT = """
    select '{table}' as table_name, f.id, f.entry_id, f.recorded_xid::text::bigint as recorded_xid, f.superseded_entry_id,
      f.superseded_xid::text::bigint as superseded_xid, f.superseded_at < 'infinity' as closed,
      f.xmin::text::bigint as xmin, {edited} as edited, {resealed} as resealed
    from carecircle.{table} f where f.organization_id = '{tenant}'"""
_MADE = """
    select '{table}', f.id, f.entry_id, null, null, null, false, f.xmin::text::bigint, {edited}, {resealed}
    from carecircle.{table} f where f.organization_id = '{tenant}'"""
_ENTRIES = (
    "(select e.id, e.xid::text::bigint as xid from carecircle.audit_events e where e.organization_id = '{tenant}')"
)
_NO_ENTRY = """
    case
      when exists (select from carecircle.audit_events e where e.organization_id = '{tenant}' and e.id = {named}) then 'other'
      when exists (
        select from carecircle.audit_leaves l
        join carecircle.audit_retirements r on r.organization_id = l.organization_id
          and r.month = date_trunc('month', l.recorded_at at time zone 'UTC')::date
        where l.organization_id = '{tenant}' and l.entry_id = {named}) then null
      else 'none'
    end"""
# One pass over the entries for all tables together. When an entry was sealed is only looked up where a savepoint was around
# the row: without one, xmin is the transaction itself. PostgreSQL keeps the low 32 bits of it.
_COMPARE = """
    with written as ({rows}),
    told as materialized (
      select e.xid::text::bigint as xid, e.code from carecircle.audit_events e
      where e.organization_id = '{tenant}' and e.kind = 'change' and e.code in ('fields-resealing', 'fields-resealed')
    ),
    resealings as materialized (
      select b.xid as began, coalesce(
        (select min(d.xid) from told d where d.code = 'fields-resealed' and d.xid > b.xid),
        pg_snapshot_xmax(pg_current_snapshot())::text::bigint) as ended
      from told b where b.code = 'fields-resealing'
    ),
    matched as (
      select w.*,
        case when w.closed then coalesce(s.xid, w.superseded_xid) else coalesce(m.xid, w.recorded_xid) end as by_xid,
        case when w.closed then w.superseded_entry_id else w.entry_id end as by_entry,
        case when w.entry_id = any ($1) then 'doubted' when m.id is null then {no_maker} end as maker,
        case when not w.closed then null when w.superseded_entry_id = any ($1) then 'doubted'
          when s.id is null then {no_closer} end as closer
      from written w
      left join {entries} m on m.id = w.entry_id and m.xid = coalesce(w.recorded_xid, m.xid)
      left join {entries} s on w.closed and s.id = w.superseded_entry_id and s.xid = w.superseded_xid
    ),
    judged as (
      select m.table_name, m.id, m.entry_id, m.superseded_entry_id, m.closed, m.maker, m.closer,
        case
          when m.edited or m.by_xid is null or m.ahead = 0 then null
          when k.elsewhere then 'moved'
          when m.ahead < coalesce(k.sealed_by, pg_snapshot_xmax(pg_current_snapshot())::text::bigint) - m.by_xid then null
          when m.resealed and exists (
            select from resealings r
            where (m.xmin - r.began % 4294967296 + 4294967296) % 4294967296 < r.ended - r.began) then null
          else 'later'
        end as written
      from (select *, (xmin - by_xid % 4294967296 + 4294967296) % 4294967296 as ahead from matched) m
      left join lateral (
        select c.snapshot_xmax::text::bigint as sealed_by,
          c.system_id <> (select system_identifier from pg_control_system()) as elsewhere
        from carecircle.audit_leaves l
        join lateral (
          select c.snapshot_xmax, c.system_id from carecircle.audit_checkpoints c
          where c.organization_id = l.organization_id and c.epoch = l.epoch and c.tree_size > l.leaf_index
          order by c.tree_size limit 1) c on true
        where l.organization_id = '{tenant}' and l.entry_id = m.by_entry and m.ahead <> 0) k on true
    )
    select j.*, n.rows, n.moved
    from (select count(*) as rows, count(*) filter (where written = 'moved') as moved from judged) n
    left join judged j on j.maker is not null or j.closer is not null or j.written = 'later'
    order by j.table_name, j.id"""


async def compare(
    auditor: AsyncEngine, *, doubted: Collection[UUID] = (), organization: UUID | str | None = None
) -> Compared:
    """Compare every fact, closing and row made once with the entries of one organization, as one moment has them.

    `doubted` are entries that verifying the trail found to be written or changed by somebody else: whoever names one is told
    as well. Raises DatabaseUnavailable.
    """
    tenant = UUID(bytes=organization_of(organization).bytes)
    query = _COMPARE.format(
        rows=" union all ".join(_rows(tenant)),
        entries=_ENTRIES.format(tenant=tenant),
        no_maker=_NO_ENTRY.format(tenant=tenant, named="w.entry_id"),
        no_closer=_NO_ENTRY.format(tenant=tenant, named="w.superseded_entry_id"),
        tenant=tenant,
    )  # fmt: skip
    async with snapshot(auditor, tenant) as connection:
        found = await connection.fetch(query, list(doubted))
    strays: dict[tuple[str, str, UUID], Stray] = {}
    for row in found:
        if row["id"] is not None:
            for one in _told(row):
                strays[one.code, one.table, one.id] = one
    return Compared(tuple(strays.values()), found[0]["rows"], found[0]["moved"])


def _rows(tenant: UUID) -> Iterator[str]:
    for tables, shape in ((FACTS, _FACT), (MADE_ONCE, _MADE), (EDITED, _MADE)):
        for table in tables:
            yield shape.format(table=table, tenant=tenant, edited=table in EDITED, resealed=table in RESEALED)


def _told(row: asyncpg.Record) -> Iterator[Stray]:
    table, own = row["table_name"], row["id"]
    if row["maker"]:
        yield Stray("fact-without-entry", table, own, row["entry_id"], _WRONG[row["maker"]])
    if row["closer"]:
        yield Stray(
            "closing-without-entry", table, own, row["superseded_entry_id"], f"its closing {_WRONG[row['closer']]}"
        )
    if not row["maker"] and not row["closer"]:
        if row["closed"]:
            yield Stray(
                "closing-without-entry", table, own, row["superseded_entry_id"], f"its closing {_WRONG['later']}"
            )
        else:
            yield Stray("fact-without-entry", table, own, row["entry_id"], _WRONG["later"])
