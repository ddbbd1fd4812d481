"""The statements of the sealer: what is fresh, what has no leaf, and how a part of the tree is written and read back.

Fresh is what comes after the cursor of an organization's newest checkpoint, in the order (xid, id), and belongs to a
transaction before which none is running any more: nothing can appear between two entries that were sealed. All of it is
read in one statement, so in one snapshot.
"""

from __future__ import annotations

from carecircle.audit.canonical import LINE, OWN_TRANSACTION, UNTOUCHED, hash_of

SESSION = """
set timezone = 'UTC'; set bytea_output = 'hex'; set carecircle.every_organization = 'on'; set synchronous_commit = on;
set idle_in_transaction_session_timeout = '30s'; set jit = off; set enable_sort = off; set enable_bitmapscan = off;
set enable_seqscan = off"""
"""What the sealer's session says first. The order is an index's: sorting would look at a whole backlog in every pass."""

LEAD = "select pg_try_advisory_xact_lock(hashtextextended('carecircle.sealer', 0))"
ORGANIZATIONS = "select id from carecircle.organizations order by id"
SYSTEM = "select system_identifier from pg_control_system()"
# Something to be flushed, so that the commit waits for the synchronous standby as any other does.
TELL = "select pg_logical_emit_message(true, 'carecircle', 'sealed until here')"

NOT_COMPARABLE = 0
"""The system of a checkpoint over entries that came from another cluster: what was written by their transactions cannot be
compared here. Its cursor is one of the cluster it was made in."""

_OWN = "e.kind in ('" + "', '".join(OWN_TRANSACTION) + "')"

AS_IT_IS, ALTERED, TOLD, OLD = range(4)
"""How an entry is looked at: its content was unknown before; the same, but its row is not the one its transaction made;
its mark vouches for what its writer told; it is older than marks."""

_OLDER = "(e.mark is null and e.writer_id is null and e.xid < (select xid from carecircle.audit_opening))"
# An entry that claims to be older than marks was written between its own transaction and the opening. The opening's row has
# its own transaction as xmin only where it was made: in a dump that was restored elsewhere no row has, and none is compared.
_WRITTEN_BEFORE = """(
  select o.xmin <> o.xid::xid
    or (e.xmin::text::bigint - e.xid::text::bigint % 4294967296 + 4294967296) % 4294967296
      < o.xid::text::bigint - e.xid::text::bigint
  from carecircle.audit_opening o)"""
_NEVER_SAID = """num_nonnulls(e.purpose, e.allowed, e.as_of, e.believed_at, e.basis_kinds, e.basis_ids, e.basis_under, e.basis_via,
      e.basis_ends, e.policy_version, e.request_id) > 0"""
"""SQL: whether an entry says what only decisions and listings do; of others it is not under the mark."""


def _look(untouched: str) -> str:
    """SQL: how a row `e` is looked at."""
    return f"""case
      when {_OLDER} then case when {_WRITTEN_BEFORE} then {OLD} else {ALTERED} end
      when {_OWN} then case when {untouched} then {AS_IT_IS} else {ALTERED} end
      when {_NEVER_SAID} then {ALTERED}
      else {TOLD} end as look"""


_TOLD = """array[e.kind, e.actor, e.on_behalf_of, e.address, e.provider_id::text, e.patient_id::text, e.action, e.code,
      e.detail]"""
_COLUMNS = f"""
    count(*)::integer as taken, array_agg(e.id) as ids, array_agg(e.recorded_at) as instants, array_agg(e.mark) as marks,
    array_agg({hash_of()}) as hashes, (array_agg(e.xid))[count(*)]::text as last_xid, array_agg(e.look) as looks,
    array_agg({_TOLD}) filter (where e.look = {TOLD}) as told"""
FIRST_TIME, LAST_TIME = "timestamptz '0002-01-01 00:00:00+00'", "timestamptz '9999-01-01 00:00:00+00'"
"""SQL: between these an entry may have been recorded. Others no clock has written, and no program can read them as instants:
they get no leaf, which shows them."""
_POSSIBLE = f"e.recorded_at >= {FIRST_TIME} and e.recorded_at < {LAST_TIME}"
_NOW = """
    pg_snapshot_xmin(pg_current_snapshot())::text::bigint as xmin,
    pg_snapshot_xmax(pg_current_snapshot())::text::bigint as xmax, clock_timestamp() as now"""
_SEALED = """exists (select from carecircle.audit_leaves l
      where l.organization_id = e.organization_id and l.entry_id = e.id)"""


def fresh(*, careful: bool) -> str:
    """For every organization: its newest checkpoint, and at most $2 fresh entries.

    $1: the sealer's system; $3: look at all months and tell all organizations, not only those with something to do;
    $4, $5: organizations and the xid up to which each is done, where its newest checkpoint cannot tell.
    `careful` leaves out what has a leaf already, which the cursor alone does not.
    """
    # `offset 0` and `limit 1` keep what is looked up first apart: the wall lets an index be searched by plain columns only.
    return f"""
select o.id as organization_id, h.epoch, h.tree_size, h.root_hash, h.last_xid::text::bigint as head_xid, h.last_entry_id,
  h.system_id, h.note, t.*, {_NOW}, w.recorded_at as waits_since,
  coalesce(h.system_id not in ({NOT_COMPARABLE}, $1) or h.last_xid >= pg_snapshot_xmax(pg_current_snapshot()), false)
    as foreign_head
from carecircle.organizations o
left join unnest($4::uuid[], $5::text[]) done (organization_id, xid) on done.organization_id = o.id
left join lateral (
  select * from carecircle.audit_checkpoints c where c.organization_id = o.id
  order by c.epoch desc, c.tree_size desc limit 1
) h on true
left join lateral (
  select l.recorded_at from carecircle.audit_leaves l
  where l.organization_id = o.id and l.epoch = h.epoch and l.leaf_index = h.tree_size - 1 limit 1
) last on true
cross join lateral (
  select coalesce(done.xid::xid8, h.last_xid, '0'::xid8) as xid,
    case when done.xid is null then coalesce(h.last_entry_id, '00000000-0000-0000-0000-000000000000') else
      'ffffffff-ffff-ffff-ffff-ffffffffffff' end as id,
    case when $3 or last.recorded_at is null then {FIRST_TIME}
      else least(greatest(last.recorded_at, {FIRST_TIME} + interval '2 days'), statement_timestamp()) - interval '2 days'
      end as earliest,
    case when $3 then {LAST_TIME} else statement_timestamp() + interval '1 day' end as latest,
    done.xid is not null or h.system_id is null
      or (h.system_id in ({NOT_COMPARABLE}, $1) and h.last_xid < pg_snapshot_xmax(pg_current_snapshot())) as own
  offset 0
) cursor
cross join lateral (
  select {_COLUMNS}
  from (
    select e.*, {_look(UNTOUCHED)} from carecircle.audit_events e
    where cursor.own and e.organization_id = o.id and e.xid >= cursor.xid and e.xid < pg_snapshot_xmin(pg_current_snapshot())
      and (e.xid > cursor.xid or e.id > cursor.id)
      and e.recorded_at >= cursor.earliest and e.recorded_at < cursor.latest
      {f"and not {_SEALED}" if careful else ""}
    order by e.xid, e.id limit $2
  ) e
) t
left join lateral (
  select e.recorded_at from carecircle.audit_events e
  where cursor.own and e.organization_id = o.id and e.xid >= pg_snapshot_xmin(pg_current_snapshot())
    and e.recorded_at >= statement_timestamp() - interval '2 days' and e.recorded_at < cursor.latest
  order by e.xid limit 1
) w on true
where t.taken > 0 or w.recorded_at is not null or $3"""


# What is written here while this looks comes later, by the cursor; what was restored is known by its transaction.
LEFT_BEHIND = f"""
select {_COLUMNS}, {_NOW}
from (
  select e.*, {_look("true")} from carecircle.audit_events e
  where e.organization_id = $1 and not {_SEALED} and {_POSSIBLE}
    and (e.xid < pg_snapshot_xmin(pg_current_snapshot()) or e.xid >= pg_snapshot_xmax(pg_current_snapshot())
      or ({_OWN} and not {UNTOUCHED}))
  order by e.recorded_at, e.id limit $2
) e"""
"""At most $2 entries of organization $1 without a leaf, in the order (recorded_at, id)."""

FROM_ELSEWHERE = """
select exists (select from carecircle.audit_events e
               where e.organization_id = $1 and e.xid >= pg_snapshot_xmax(pg_current_snapshot()))"""
"""Whether an organization has entries of transactions that this cluster has not come to: it was restored from another."""

BEHIND = f"""
select h.organization_id, count(*) as entries, min(e.id::text) as first
from carecircle.organizations o
cross join lateral (
  select * from carecircle.audit_checkpoints c where c.organization_id = o.id
  order by c.epoch desc, c.tree_size desc limit 1
) h
join carecircle.audit_events e on e.organization_id = o.id and e.xid <= h.last_xid
  and (e.xid < h.last_xid or e.id <= h.last_entry_id)
where h.system_id in ({NOT_COMPARABLE}, $1) and not {_SEALED}
group by h.organization_id"""
"""Per organization how many entries lie behind the cursor without a leaf: they were put there."""

IMPOSSIBLE = f"""
select e.organization_id, count(*) as entries, min(e.id::text) as first
from carecircle.audit_events e
where (e.recorded_at < {FIRST_TIME} or e.recorded_at >= {LAST_TIME}) and not {_SEALED}
group by e.organization_id"""
"""Per organization how many entries say a time at which nothing can have been recorded: they get no leaf."""

_PROVING = f"e.id, e.mark, e.look, case when e.look = {TOLD} then {_TOLD} end as told"
PROVED = f"""
select {_PROVING}
from (
  select e.*, {_look("true")}
  from carecircle.audit_leaves l
  join carecircle.audit_events e on e.organization_id = l.organization_id and e.id = l.entry_id and e.recorded_at = l.recorded_at
  where l.organization_id = $1 and e.mark is not null and l.leaf_hash = {hash_of()}
  order by l.epoch desc, l.leaf_index desc limit $2
) e"""
"""The newest $2 entries of organization $1 that were sealed as they are, with a mark."""
MARKED = f"""
select {_PROVING}
from (
  select e.*, {_look("true")} from carecircle.audit_events e
  where e.organization_id = $1 and e.mark is not null order by e.xid desc
) e"""
"""All entries of organization $1 that have a mark, the newest first."""

_PREFIXED = "\n  union all ".join(
    f"select e.id, {look} as look, {hash_of(LINE, prefix)} as hash from carecircle.audit_events e"
    f" join unnest($2::uuid[], $3::timestamptz[], $4::integer[]) u (id, recorded_at, look)"
    f" on e.id = u.id and e.recorded_at = u.recorded_at and u.look = {look} where e.organization_id = $1"
    for look, prefix in ((ALTERED, "altered\n"), (TOLD, "unmarked\n"))
)
PREFIXED = f"select id, hash from ({_PREFIXED}) p"
"""The leaf hashes of entries ($2 ids, $3 instants) of organization $1, with what was wrong ($4) put before their bytes."""

SEAL = """
insert into carecircle.audit_leaves (organization_id, epoch, leaf_index, entry_id, recorded_at, leaf_hash)
select * from unnest($1::uuid[], $2::integer[], $3::bigint[], $4::uuid[], $5::timestamptz[], $6::bytea[])"""
KEEP_NODES = """
insert into carecircle.audit_nodes (organization_id, epoch, level, node_index, node_hash)
select * from unnest($1::uuid[], $2::integer[], $3::smallint[], $4::bigint[], $5::bytea[])"""
KEEP_CHECKPOINTS = """
insert into carecircle.audit_checkpoints
  (organization_id, epoch, tree_size, root_hash, last_xid, last_entry_id, snapshot_xmax, system_id, signed_at, note)
select organization_id, epoch, tree_size, root_hash, last_xid::xid8, last_entry_id, snapshot_xmax::xid8, system_id, signed_at, note
from unnest($1::uuid[], $2::integer[], $3::bigint[], $4::bytea[], $5::text[], $6::uuid[], $7::text[], $8::bigint[],
  $9::timestamptz[], $10::text[])
  given (organization_id, epoch, tree_size, root_hash, last_xid, last_entry_id, snapshot_xmax, system_id, signed_at, note)"""

LEAVES = """
select leaf_hash from carecircle.audit_leaves
where organization_id = $1 and epoch = $2 and leaf_index >= $3 and leaf_index < $4 order by leaf_index"""
NODES = """
select node_hash from carecircle.audit_nodes
where organization_id = $1 and epoch = $2 and level = $3 and node_index >= $4 and node_index < $5 order by node_index"""
ROOT_AT = """
select root_hash from carecircle.audit_checkpoints where organization_id = $1 and epoch = $2 and tree_size = $3"""
