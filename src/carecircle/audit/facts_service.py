"""Comparing facts with the entries they name: what was recorded or closed behind the application's back.

A fact names the entry that made it and the transaction of that entry; a closed one both for its closing as well. What nobody
can write is PostgreSQL's own xmin of the row: the transaction, or the part of one, that wrote the row as it is. It lies
between the entry's transaction and the snapshot in which the entry was sealed, or somebody wrote the row later. And an entry
whose code always comes with a row that names it has one, or somebody took the row away.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from carecircle.actor import organization_of
from carecircle.audit.canonical import hash_of
from carecircle.audit.entry import content_of
from carecircle.audit.export_service import snapshot
from carecircle.database.crypto import keyring

FACTS = (
    "access_restrictions", "account_roles", "accounts", "api_keys", "care_team_closures", "care_team_members",
    "care_team_patients", "coverage_arrangements", "duties", "emergency_access", "findings", "legal_holds",
    "panel_capacities", "patient_assignments", "patient_labels", "patient_merges", "personal_relations", "policies",
    "provider_absences", "provider_credentials", "provider_roles", "referrals", "reporting_lines", "sign_ins", "visits",
)  # fmt: skip
MADE_ONCE = ("audit_retirements", "emergency_approvers", "emergency_notes", "reassignments")
"""What names the entry that made it, and is never changed afterwards."""
EDITED = ("organization_keys", "outbox")
"""What names the entry that made it, and is changed as it is used: only whether there is such an entry can be compared."""
RESEALED = ("emergency_access", "emergency_notes", "legal_holds", "visits")
"""Whose sealed words the keeper of the keys writes anew, between an entry that says it begins and one that says it is done."""

MAKING: Mapping[str, str] = {
    "access_restrictions": "objection-recorded provider-suspended",
    "patient_labels": "patient-labelled",
    "patient_assignments": "primary-assigned assignment-added assignment-corrected",
    "care_team_members": "member-added member-changed",
    "care_team_patients": "team-patient-added",
    "care_team_closures": "care-team-closed",
    "coverage_arrangements": "coverage-arranged",
    "provider_absences": "absence-recorded",
    "emergency_access": "emergency-requested emergency-opened emergency-downtime-recorded emergency-approved emergency-denied"
    " emergency-extended emergency-extension-asked emergency-ended emergency-converted",
    "referrals": "referred referral-redirected referral-prolonged",
    "provider_credentials": "credential-added credential-renewed",
    "policies": "policy-set",
    "duties": "duty-added",
    "legal_holds": "hold-placed",
    "personal_relations": "relation-added",
    "reporting_lines": "reporting-line-added",
    "accounts": "account-added account-changed",
    "account_roles": "role-given",
    "api_keys": "api-key-made",
    "visits": "visit-begun",
}
"""Changes, by their codes, of which every one is recorded with a row of this table that names its entry, whatever else
happens. Others, such as those that end something that may not have begun, may have none."""


@dataclass(frozen=True, slots=True)
class Stray:
    """A row that does not fit its entry: `code` says of what kind, `sentence` what is wrong. Where the row is gone
    (fact-missing), `id` is its entry's; where it cannot be told (fact-unbounded), the checkpoint of its entry is gone."""

    code: Literal["fact-without-entry", "closing-without-entry", "fact-missing", "fact-unbounded"]
    table: str
    id: UUID
    entry_id: UUID | None
    sentence: str


@dataclass(frozen=True, slots=True)
class Compared:
    """What came of it. `rows` were looked at; of those `moved`, the times of writing were not compared, because the entry
    was sealed, or the row written, in another database cluster: this one was restored from a dump."""

    strays: tuple[Stray, ...]
    rows: int
    moved: int


_WRONG = {
    "none": "names an entry that is not there",
    "other": "names an entry of another transaction",
    "doubted": "names an entry that carecircle did not write as it is",
    "later": "was written later than the entry it names was sealed",
}

_UNBOUNDED = "may have been written later than its entry was sealed, for the checkpoint that tells is missing"

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
_COMPARE = r"""
    with written as ({rows}),
    resealings as materialized (select * from unnest($2::bigint[], $3::bigint[]) as r (began, ended)),
    cluster as materialized (
      select system_identifier as own, exists (
        select from carecircle.audit_checkpoints c
        where c.organization_id = '{tenant}' and c.system_id <> system_identifier) as changed
      from pg_control_system()
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
          -- Written before its own transaction: loading a dump wrote it, in a cluster that had not come so far.
          when m.ahead >= 2147483648 and (select changed from cluster) then 'moved'
          when m.ahead < coalesce(k.sealed_by, pg_snapshot_xmax(pg_current_snapshot())::text::bigint) - m.by_xid
            and not coalesce(k.open, false) then null
          when m.resealed and exists (
            select from resealings r
            where (m.xmin - r.began % 4294967296 + 4294967296) % 4294967296 < r.ended - r.began) then null
          when m.ahead < coalesce(k.sealed_by, pg_snapshot_xmax(pg_current_snapshot())::text::bigint) - m.by_xid
            then 'unbounded'
          else 'later'
        end as written
      from (select *, (xmin - by_xid % 4294967296 + 4294967296) % 4294967296 as ahead from matched) m
      left join lateral (
        -- A checkpoint names the one before it: what that one sealed was sealed earlier than this one tells. A system of 0
        -- says that the checkpoint was made after a restore elsewhere.
        select c.snapshot_xmax::text::bigint as sealed_by, c.system_id <> (select own from cluster) as elsewhere,
          c.tree_size is null or coalesce(
            substring(c.note from '\nprevious ([0-9]{{1,18}})\n')::bigint > l.leaf_index, false) as open
        from carecircle.audit_leaves l
        left join lateral (
          select c.snapshot_xmax, c.system_id, c.tree_size, c.note from carecircle.audit_checkpoints c
          where c.organization_id = l.organization_id and c.epoch = l.epoch and c.tree_size > l.leaf_index
          order by c.tree_size limit 1) c on true
        where l.organization_id = '{tenant}' and l.entry_id = m.by_entry and m.ahead <> 0) k on true
    )
    select j.*, n.rows, n.moved
    from (select count(*) as rows, count(*) filter (where written = 'moved') as moved from judged) n
    left join judged j on j.maker is not null or j.closer is not null or j.written in ('later', 'unbounded')
    order by j.table_name, j.id"""
# Only entries that were sealed as carecircle wrote them are missed a row of: others are findings themselves.
_MISSING = f"""
    with making as materialized (
      select e.id, e.recorded_at, e.code from carecircle.audit_events e
      where e.organization_id = '{{tenant}}' and e.kind = 'change' and e.mark is not null and e.code = any ($1)
        and e.id <> all ($2)
    ),
    missing as materialized ({{tables}})
    select m.table_name, e.id, e.code from missing m
    join carecircle.audit_events e
      on e.organization_id = '{{tenant}}' and e.id = m.id and e.recorded_at = m.recorded_at
    where exists (
      select from carecircle.audit_leaves l
      where l.organization_id = '{{tenant}}' and l.entry_id = e.id and l.leaf_hash = {hash_of()})
    order by 1, 2"""
_NONE_OF = """
    select '{table}' as table_name, m.id, m.recorded_at from making m
    where m.code in ({codes}) and not exists (
      select from carecircle.{table} f where f.organization_id = '{tenant}' and f.entry_id = m.id)"""
# A resealing ends where it says so, or, where it was cut off, no later than its writer or another resealing does.
_RESEALINGS = f"""
    select e.id, e.kind, e.actor, e.on_behalf_of, e.address, e.provider_id, e.patient_id, e.action, e.code, e.detail, e.mark,
      e.xid::text::bigint as began,
      least(
        (select min(d.xid::text::bigint) from carecircle.audit_events d
         where d.organization_id = e.organization_id and d.kind = 'change' and d.code = 'fields-resealed' and d.xid > e.xid),
        (select min(n.xid::text::bigint) from carecircle.audit_events n
         where n.organization_id = e.organization_id and n.writer_id = e.writer_id and n.writer_turn > e.writer_turn
           and n.xid > e.xid),
        pg_snapshot_xmax(pg_current_snapshot())::text::bigint) as ended,
      l.entry_id is not null as sealed, l.leaf_hash = {hash_of()} as as_written
    from carecircle.audit_events e
    left join carecircle.audit_leaves l on l.organization_id = e.organization_id and l.entry_id = e.id
    where e.organization_id = $1 and e.kind = 'change' and e.code = 'fields-resealing' and e.mark is not null"""


async def compare(
    auditor: AsyncEngine, *, doubted: Collection[UUID] = (), organization: UUID | str | None = None
) -> Compared:
    """Compare every fact, closing and row made once with the entries of one organization, as one moment has them.

    `doubted` are entries that verifying the trail found to be written or changed by somebody else: whoever names one is told
    as well. Raises DatabaseUnavailable, and KeyUnavailable where only the keys tell whether an entry is ours.
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
        resealings = [
            one
            for one in await connection.fetch(_RESEALINGS, tenant)
            if one["id"] not in doubted and _ours(tenant, one)
        ]
        found = await connection.fetch(
            query, list(doubted), [one["began"] for one in resealings], [one["ended"] for one in resealings]
        )
        codes = [code for listed in MAKING.values() for code in listed.split()]
        missing = await connection.fetch(_missing(tenant), codes, list(doubted))
    strays: dict[tuple[str, str, UUID], Stray] = {}
    for row in found:
        if row["id"] is not None:
            for one in _told(row):
                strays[one.code, one.table, one.id] = one
    for row in missing:
        said = f"is gone: its entry ({row['code']}) is there, and no row names it"
        strays["fact-missing", row["table_name"], row["id"]] = Stray(
            "fact-missing", row["table_name"], row["id"], row["id"], said
        )
    return Compared(tuple(strays.values()), found[0]["rows"], found[0]["moved"])


def _rows(tenant: UUID) -> Iterator[str]:
    for tables, shape in ((FACTS, _FACT), (MADE_ONCE, _MADE), (EDITED, _MADE)):
        for table in tables:
            yield shape.format(table=table, tenant=tenant, edited=table in EDITED, resealed=table in RESEALED)


def _missing(tenant: UUID) -> str:
    """The statement that finds entries without the row they were recorded with; its codes are words of ours."""
    tables = (
        _NONE_OF.format(table=table, tenant=tenant, codes=", ".join(f"'{code}'" for code in codes.split()))
        for table, codes in MAKING.items()
    )
    return _MISSING.format(tenant=tenant, tables=" union all ".join(tables))


def _ours(tenant: UUID, row: asyncpg.Record) -> bool:
    """Whether a process that holds the keys wrote this entry: its leaf says so or, before it is sealed, its mark."""
    if row["sealed"]:
        return bool(row["as_written"])
    said = content_of(
        tenant, row["id"], row["kind"], row["actor"], row["on_behalf_of"], row["address"], row["provider_id"],
        row["patient_id"], row["action"], row["code"], row["detail"],
    )  # fmt: skip
    return bool(row["mark"] == keyring().mark(said))


def _told(row: asyncpg.Record) -> Iterator[Stray]:
    table, own = row["table_name"], row["id"]
    if row["maker"]:
        yield Stray("fact-without-entry", table, own, row["entry_id"], _WRONG[row["maker"]])
    if row["closer"]:
        yield Stray(
            "closing-without-entry", table, own, row["superseded_entry_id"], f"its closing {_WRONG[row['closer']]}"
        )
    if row["written"] == "unbounded":
        named = row["superseded_entry_id"] if row["closed"] else row["entry_id"]
        yield Stray("fact-unbounded", table, own, named, _UNBOUNDED)
    elif not row["maker"] and not row["closer"]:
        if row["closed"]:
            yield Stray(
                "closing-without-entry", table, own, row["superseded_entry_id"], f"its closing {_WRONG['later']}"
            )
        else:
            yield Stray("fact-without-entry", table, own, row["entry_id"], _WRONG["later"])
