"""The attempts to see or infer another tenant's row, as SQL for psql. `@name@` stands for a value, `@t@` for a table.

An attempt succeeds when psql prints something of the other tenant's that the attempt did not itself say, when it prints
LEAK, or, for an oracle, when it prints something else for a real value of the other's than for one made up.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from carecircle.database.reach import Role
from carecircle.database.roles import EVERYWHERE


@dataclass(frozen=True)
class Attempt:
    name: str
    sql: str
    oracle: bool = False


# The table each role can do most with, and a column of it whose values are the other tenant's ids.
TARGETS: dict[Role, tuple[str, str]] = {
    "app": ("patient_assignments", "provider_id"),
    "owner": ("patient_assignments", "provider_id"),
    "decider": ("patient_assignments", "provider_id"),
    "sealer": ("audit_events", "provider_id"),
    "auditor": ("audit_events", "provider_id"),
    # It reads nothing but the outbox, and of that what NOTIFYING leaves out: it must not get at what a notice is about.
    "notifier": ("emergency_access", "provider_id"),
    "keeper": ("organization_keys", "id"),
}

COUNT = "select case when count(*) > 0 then 'LE' || 'AK' else 'none' end from"
PEEK = """create function pg_temp.peek(@type@) returns boolean language plpgsql cost 0.0000001
  as $$ begin raise notice 'seen %', $1; return true; end $$;
"""
ONLY_SEQUENTIAL = "set enable_seqscan = on; set enable_indexscan = off; set enable_bitmapscan = off;"
EXPLAIN = "explain (analyze, costs off, timing off, summary off, buffers off)"

READING = (
    Attempt("the other's rows by its id", "select * from @t@ where organization_id = '@other@'"),
    Attempt("everything but one's own", f"{COUNT} @t@ where organization_id <> '@own@'"),
    Attempt("every row as JSON", "select json_agg(t) from @t@ t"),
    Attempt("a row's system columns", "select tableoid::regclass, ctid, xmin, t from @t@ t"),
    Attempt("a sample", "select * from @t@ tablesample system (100)"),
    Attempt("a joined pair", "select a.* from @t@ a join @t@ b on b.organization_id = '@other@' or true"),
    Attempt("a lateral look", "select x.* from (values ('@other@'::uuid)) v (o), lateral (select * from @t@ t"
            " where t.organization_id = v.o) x"),
    Attempt("a recursive walk", "with recursive r as (select * from @t@ union select t.* from @t@ t join r on true)"
            " select * from r"),
    Attempt("a window over all", f"{COUNT} (select count(*) over () c, organization_id from @t@) x"
            " where organization_id <> '@own@'"),
    Attempt("copy of the table", "copy @t@ to stdout"),
    Attempt("copy of a query", "copy (select * from @t@ where organization_id = '@other@') to stdout"),
    Attempt("copy by psql", "\\copy (select * from @t@) to stdout"),
    Attempt("copy through a program", "copy (select * from @t@) to program 'cat >&2'"),
    Attempt("a generic prepared statement", "set plan_cache_mode = force_generic_plan;\n"
            "prepare q (uuid) as select * from @t@ where organization_id = $1; execute q ('@other@');\nexecute q ('@own@')"),
    Attempt("a prepared statement from before row security", "set row_security = off; prepare q as select * from @t@;\n"
            "set row_security = on; execute q"),
    Attempt("a cursor", "begin; declare c scroll cursor with hold for select * from @t@; fetch all c; commit;\n"
            "fetch backward all c"),
    Attempt("a temporary view", "create temp view v with (security_barrier = false, security_invoker = false)"
            " as select * from @t@; select * from v where organization_id = '@other@'; select * from v"),
    Attempt("a temporary table of it", "create temp table c as select * from @t@; select * from c"),
    Attempt("a temporary child of it", "create temp table kid () inherits (@t@); select * from @t@"),
    Attempt("a materialized view", "create materialized view carecircle.m as select * from @t@;\n"
            "select * from carecircle.m; drop materialized view carecircle.m"),
    Attempt("a function that tells what it is given", PEEK.replace("@type@", "uuid")
            + "select count(*) from @t@ where pg_temp.peek(@column@)"),
    Attempt("the same on text", PEEK.replace("@type@", "text")
            + "select count(*) from @t@ t where pg_temp.peek(t::text) and organization_id = '@other@'"),
    Attempt("a cheap operator of one's own", PEEK.replace("@type@", "uuid, uuid")
            + "create operator pg_temp.<<<< (leftarg = uuid, rightarg = uuid, function = pg_temp.peek);\n"
            "select * from @t@ where @column@ operator(pg_temp.<<<<) organization_id"),
    Attempt("a function of one's own definer", "create function pg_temp.all_rows() returns setof @t@ language sql"
            " security definer as 'select * from @t@'; select * from pg_temp.all_rows()"),
    Attempt("an equality of one's own, first on the path", "create function pg_temp.yes(uuid, uuid) returns boolean"
            " language sql as 'select true';\ncreate operator pg_temp.= (leftarg = uuid, rightarg = uuid,"
            " function = pg_temp.yes); set search_path = pg_temp, pg_catalog;\nselect * from @t@"),
    Attempt("a tenant function of one's own", "create function pg_temp.current_organization() returns uuid language sql"
            " as $$ select '@other@'::uuid $$; set search_path = pg_temp, carecircle; select * from @t@"),
    Attempt("a cast that fails aloud", "select @column@::text::int from @t@ where organization_id = '@other@'"),
    Attempt("a division by the other", "select 1 / (case when organization_id = '@other@' then 0 else 1 end) from @t@",
            oracle=True),
    Attempt("a lock on its rows", "begin; select * from @t@ where organization_id = '@other@' for update; rollback"),
    Attempt("a lock on the table", "begin; lock table @t@ in share mode; select * from @t@; rollback"),
)  # fmt: skip

SESSION = (
    Attempt("row security off", "set row_security = off; select * from @t@"),
    Attempt("row security off by its owner", "begin; set local row_security = off; table @t@; rollback; table @t@"),
    Attempt("reset of the tenant", "reset carecircle.organization_id; select * from @t@"),
    Attempt("the default tenant", "set carecircle.organization_id = default; select * from @t@"),
    Attempt("reset of everything", "reset all; select * from @t@; discard all; select * from @t@"),
    Attempt("a tenant that is none", "set carecircle.organization_id = 'x'; select * from @t@"),
    Attempt("a tenant that is always true", "set carecircle.organization_id = ''' or true --'; select * from @t@"),
    Attempt("a savepoint rolled back", "begin; savepoint s; set local carecircle.organization_id ="
            " '00000000-0000-0000-0000-000000000000'; rollback to s; select * from @t@; commit; select * from @t@"),
    Attempt("an aborted transaction", "begin; select 1/0; rollback; select * from @t@"),
    *(Attempt(f"set role {role}", f"set role carecircle_{role}; select * from @t@")
      for role in ("owner", "app", "decider", "sealer", "auditor", "notifier", "admin")),
    Attempt("set role postgres", "set role postgres; select * from @t@"),
    Attempt("another session's authorization", "set session authorization carecircle_admin; select * from @t@;\n"
            "set session authorization carecircle_decider; select * from @t@"),
    Attempt("a grant to oneself", "grant carecircle_owner, carecircle_sealer to current_user; select * from @t@;\n"
            "grant pg_read_all_data to current_user; select * from @t@"),
    Attempt("bypassrls for oneself", "alter role current_user bypassrls; select * from @t@"),
)  # fmt: skip

ORACLES = (
    Attempt("rows removed by a filter", f"{ONLY_SEQUENTIAL} {EXPLAIN}"
            " select * from @t@ where organization_id = '@other@' and @column@ = '@provider@'", oracle=True),
    Attempt("rows removed from an index", f"set enable_seqscan = off; set enable_bitmapscan = off; {EXPLAIN}"
            " select * from @t@ where organization_id = '@other@' and id = '@target_id@'", oracle=True),
    Attempt("rows removed from a bitmap", f"set enable_seqscan = off; set enable_indexscan = off; {EXPLAIN}"
            " select * from @t@ where organization_id = '@other@' and id = '@target_id@'", oracle=True),
    Attempt("a scan of the index only", f"set enable_seqscan = off; set enable_bitmapscan = off; {EXPLAIN}"
            " select organization_id, id from @t@ where organization_id = '@other@' and id = '@target_id@'", oracle=True),
    Attempt("a foreign key to the other's row", "begin; insert into carecircle.patient_assignments (organization_id, id,"
            " lineage_id, patient_id, provider_id, assignment_type, scope, starts_at, entry_id) values ('@own@',"
            " gen_random_uuid(), gen_random_uuid(), '@patient@', '@own_provider@', 'consulting', '{read}', now(),"
            " gen_random_uuid()); rollback", oracle=True),
    Attempt("a key that may be taken", "begin; insert into carecircle.provider_identifiers (organization_id, system, value,"
            " provider_id) values ('@own@', 'urn:staff', '@staff@', '@own_provider@'); rollback", oracle=True),
    Attempt("a key that may be taken, there", "begin; insert into carecircle.providers (organization_id, id)"
            " values ('@other@', '@provider@'); rollback", oracle=True),
    Attempt("on conflict do nothing", "begin; insert into carecircle.providers (organization_id, id) values ('@other@',"
            " '@provider@') on conflict do nothing returning *; rollback", oracle=True),
    Attempt("on conflict do update", "begin; insert into carecircle.providers as p (organization_id, id, name)"
            " values ('@other@', '@provider@', 'x') on conflict (organization_id, id) do update set name = p.name"
            " returning p.*; rollback", oracle=True),
    Attempt("an entry with a known id", "begin; insert into carecircle.audit_events (organization_id, id, kind, actor, code)"
            " values ('@other@', '@entry@', 'change', 'x', 'x'); rollback", oracle=True),
    Attempt("an update of the other's row", "begin; update carecircle.providers set name = 'x' where organization_id ="
            " '@other@' and id = '@provider@'; rollback", oracle=True),
    Attempt("a delete of the other's row", "begin; delete from @t@ where organization_id = '@other@'; rollback", oracle=True),
    Attempt("a merge into the other's row", "begin; merge into carecircle.providers p using (select 1) s on p.id ="
            " '@provider@' when matched then update set name = 'x'; rollback", oracle=True),
)  # fmt: skip

CATALOG = (
    Attempt("statistics", "select * from pg_stats where schemaname = 'carecircle'"),
    Attempt("statistics, raw", "select * from pg_statistic; select * from pg_stats_ext; select * from pg_stats_ext_exprs"),
    Attempt("statistics of one's own asking", "analyze @t@; select * from pg_stats where schemaname = 'carecircle'"),
    Attempt("what others are running", "select * from pg_stat_activity"),
    Attempt("what others have prepared or opened", "select * from pg_prepared_statements; select * from pg_cursors;\n"
            "select * from pg_prepared_xacts"),
    Attempt("a slice of the write-ahead log", "create extension pg_walinspect; select * from pg_create_logical_replication_slot"
            "('s', 'test_decoding'); select * from pg_logical_slot_get_changes('s', null, null)"),
    Attempt("the table's pages", "create extension pageinspect; select get_raw_page('@t@', 0);\n"
            "select pg_read_binary_file(pg_relation_filepath('@t@'))"),
    Attempt("every object's definition", "\\d+ carecircle.*\n\\sf carecircle.current_organization\n\\dp carecircle.*"),
    Attempt("a connection of one's own", "create extension dblink; select * from dblink('dbname=carecircle',"
            " 'select * from @t@') as t (x text)"),
    Attempt("large objects and files", "select lo_get(oid) from pg_largeobject_metadata; select pg_ls_dir('base')"),
)  # fmt: skip

# Only who does not own the tables: an owner who does this takes the wall down, which is the control below.
DEFINING = (
    Attempt("the wall down", "alter table @t@ disable row level security; select * from @t@"),
    Attempt("a policy of one's own", "create policy p on @t@ using (true); select * from @t@"),
    Attempt("the policies gone", "drop policy app_reads on @t@; select * from @t@"),
    Attempt("an index that tells", PEEK.replace("@type@", "uuid").replace("boolean", "boolean immutable")
            + "create index on @t@ (pg_temp.peek(@column@))"),
    Attempt("a trigger that tells", "create trigger t before insert on @t@ execute function suppress_redundant_updates_trigger()"),
    Attempt("another function for the policies", "create or replace function carecircle.current_organization() returns uuid"
            " language sql as $$ select '@other@'::uuid $$; select * from @t@"),
)  # fmt: skip


# Only who may not become the role that serves every tenant: the decider may, and must say so (tenancy_roles.py).
BECOMING = (
    Attempt("becoming who serves all", f"set role {EVERYWHERE}; select * from @t@"),
    Attempt("becoming who serves all, for a while", f"begin; set local role {EVERYWHERE}; select * from @t@; rollback"),
    Attempt("being made who serves all", f"grant {EVERYWHERE} to current_user; set role {EVERYWHERE}; select * from @t@"),
    Attempt("the setting that served all", "set carecircle.every_organization = 'on'; select * from @t@"),
)  # fmt: skip

_UNTOLD = ("id", "kind", "subject_id", "recipient_id", "address", "attempts", "outcome", "recorded_at", "entry_id")
# Only the notifier, who may know for whom something is due, and when: never what, whom it tells, or what it is about.
NOTIFYING = (
    *(Attempt(f"the outbox's {column}", f"select '{column}', {column} from carecircle.outbox") for column in _UNTOLD),
    *(Attempt(f"a guess at the outbox's {column}", "select case when count(*) = 0 then 'none' else 'LE' || 'AK' end"
              f" from carecircle.outbox where organization_id = '@other@' and {column} is not null") for column in _UNTOLD),
    Attempt("the outbox's order", "select due_at from carecircle.outbox order by subject_id"),
    Attempt("the outbox by row", "select o from carecircle.outbox o"),
    Attempt("the outbox as JSON", "select to_jsonb(o) from carecircle.outbox o"),
    Attempt("the outbox's system columns", "select 'LE' || 'AK', ctid, xmin from carecircle.outbox"),
    Attempt("copies of the outbox", "copy carecircle.outbox to stdout;\ncopy carecircle.outbox (organization_id, kind) to stdout"),
    Attempt("something due, put down", "insert into carecircle.outbox (organization_id, id, kind, subject_id, due_at, entry_id)"
            " values ('@other@', '@fact@', 'email', '@fact@', now(), '@fact@') returning 'LE' || 'AK'"),
    Attempt("something due, settled", "update carecircle.outbox set settled_at = now() where organization_id = '@other@'"
            " returning 'LE' || 'AK'"),
    Attempt("something due, gone", "delete from carecircle.outbox where organization_id = '@other@' returning 'LE' || 'AK'"),
    Attempt("something due, locked", "select 'LE' || 'AK' from carecircle.outbox for update"),
)  # fmt: skip


def attempts(role: Role, tables: list[str]) -> Iterator[Attempt]:
    """All attempts of one role: looks at every table and partition, then every trick on the role's own target."""
    if role == "notifier":
        # Whether another's rows are in the outbox is what it is there to see.
        tables = [table for table in tables if table != "outbox"]
        yield from NOTIFYING
    for table in tables:
        key = "id" if table == "organizations" else "organization_id"
        yield Attempt(f"all of {table}", f"table carecircle.{table};\ncopy carecircle.{table} to stdout;\n"
                      f"{COUNT} carecircle.{table} where {key} <> '@own@'")  # fmt: skip
        # Not the owner: of a tenant it names, EXPLAIN counts the rows before it shows none. Not organizations: whether an
        # id is taken, registering one tells. Not each month of the trail, which nobody may read but through the whole.
        if role != "owner" and table != "organizations" and not re.search(r"\d$", table):
            yield Attempt(f"rows removed from {table}", f"set enable_seqscan = off; set enable_bitmapscan = off; {EXPLAIN}"
                          f" select organization_id from carecircle.{table} where organization_id = '@other@'",
                          oracle=True)  # fmt: skip
    yield from READING + SESSION + ORACLES + CATALOG
    if role != "owner":
        yield from DEFINING
    if role != "decider":
        yield from BECOMING
