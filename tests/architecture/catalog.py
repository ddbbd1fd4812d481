"""The schema's rules as catalog queries: each returns one line per breach, and stands beside a breach that it must find."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg

from carecircle.database.reach import Reach, dsn
from carecircle.database.roles import EVERYWHERE

SERVING = (
    f"'carecircle_app', 'carecircle_decider', '{EVERYWHERE}', 'carecircle_sealer', 'carecircle_auditor',"
    " 'carecircle_notifier'"
)
# organizations is the reference table: its own id is the tenant. schema_version is Alembic's, audit_opening says when marks
# began: neither holds a row of anybody.
TENANT_TABLES = """select c.oid, c.relname, c.relkind, c.relrowsecurity, c.relforcerowsecurity, c.relacl, c.relowner,
         c.relispartition
  from pg_class c
  where c.relnamespace = 'carecircle'::regnamespace and c.relkind in ('r', 'p')
    and c.relname not in ('schema_version', 'audit_opening')"""

OURS = "c.relnamespace = 'carecircle'::regnamespace"


@dataclass(frozen=True)
class Rule:
    """`breaches` selects one text column; `planted` are statements after which it must select something."""

    name: str
    breaches: str
    planted: tuple[str, ...]


RULES = (
    Rule(
        "row-level security is on and forced, on partitions too",
        f"select relname from ({TENANT_TABLES}) t where not (relrowsecurity and relforcerowsecurity)",
        ("alter table carecircle.audit_events_other no force row level security",),
    ),
    Rule(
        "organization_id is there and not null",
        f"""select relname from ({TENANT_TABLES}) t where relname <> 'organizations' and not exists (
              select from pg_attribute a where a.attrelid = t.oid and a.attname = 'organization_id' and a.attnotnull)""",
        ("create table carecircle.planted (organization_id uuid)",),
    ),
    Rule(
        "organization_id comes first in every key and index",
        f"""select i.indexrelid::regclass::text from pg_index i join ({TENANT_TABLES}) t on t.oid = i.indrelid
            left join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
            where t.relname <> 'organizations' and a.attname is distinct from 'organization_id'""",
        ("create index planted on carecircle.patients (id, organization_id)",),
    ),
    Rule(
        "organization_id comes first in every exclusion",
        """select c.conname from pg_constraint c where c.connamespace = 'carecircle'::regnamespace and c.contype = 'x'
             and (select attname from pg_attribute where attrelid = c.conrelid and attnum = c.conkey[1])
                 is distinct from 'organization_id'""",
        (
            """alter table carecircle.provider_roles add constraint planted
               exclude using gist (provider_id with =, period with &&) where (false)""",
        ),
    ),
    Rule(
        "organization_id comes first in every foreign key, on both sides",
        """select c.conname from pg_constraint c
           join pg_attribute here on here.attrelid = c.conrelid and here.attnum = c.conkey[1]
           join pg_attribute there on there.attrelid = c.confrelid and there.attnum = c.confkey[1]
           where c.connamespace = 'carecircle'::regnamespace and c.contype = 'f'
             and (here.attname <> 'organization_id' or there.attname <> case c.confrelid
                    when 'carecircle.organizations'::regclass then 'id' else 'organization_id' end)""",
        (
            "alter table carecircle.care_teams add column parent uuid, add constraint planted"
            " foreign key (parent, organization_id) references carecircle.care_teams (id, organization_id)",
        ),
    ),
    Rule(
        "one permissive policy per table, command and role",
        """select p.polrelid::regclass || ' ' || p.cmd || ' ' || role::regrole
           from (select polrelid, polroles, unnest(case polcmd when '*' then '{r,a,w,d}'::text[]
                   else array[polcmd::text] end) as cmd from pg_policy) p, unnest(p.polroles) role
           where p.polrelid in (select oid from pg_class where relnamespace = 'carecircle'::regnamespace)
           group by p.polrelid, p.cmd, role having count(*) > 1""",
        ("create policy planted on carecircle.patients for select to carecircle_app using (true)",),
    ),
    Rule(
        "no policy is restrictive, for everybody, or looks into another table",
        """select polrelid::regclass || ' ' || polname from pg_policy
           where polrelid in (select oid from pg_class where relnamespace = 'carecircle'::regnamespace)
             and (not polpermissive or polroles @> '{0}'
                  or concat(pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)) ~* '\\mselect\\M')""",
        (
            "create policy planted on carecircle.patients as restrictive for delete to carecircle_app using (true)",
            "create policy planted on carecircle.patients for delete using (true)",
            "create policy planted on carecircle.patients for delete to carecircle_app"
            " using (exists (select from carecircle.units))",
        ),
    ),
    Rule(
        "no statistics on an index's expressions, which pg_stats would show the owner",
        """select a.attrelid::regclass || '.' || a.attname from pg_index i
           join pg_class t on t.oid = i.indrelid join pg_attribute a on a.attrelid = i.indexrelid
           where t.relnamespace = 'carecircle'::regnamespace and t.relname <> 'schema_version'
             and i.indexprs is not null and i.indkey[a.attnum - 1] = 0 and a.attstattarget is distinct from 0""",
        ("create index planted on carecircle.patients (organization_id, (id::text))",),
    ),
    Rule(
        "no trigger but those of foreign keys",
        """select tgrelid::regclass || ' ' || tgname from pg_trigger t join pg_class c on c.oid = t.tgrelid
           where c.relnamespace = 'carecircle'::regnamespace and not tgisinternal""",
        (
            "create trigger planted before update on carecircle.patients"
            " for each row execute function suppress_redundant_updates_trigger()",
        ),
    ),
    Rule(
        "no foreign key changes rows by itself",
        """select conname from pg_constraint where connamespace = 'carecircle'::regnamespace and contype = 'f'
             and (confdeltype not in ('a', 'r') or confupdtype not in ('a', 'r'))""",
        (
            "alter table carecircle.care_teams add constraint planted foreign key (organization_id)"
            " references carecircle.organizations (id) on delete set null",
        ),
    ),
    Rule(
        "no enum types",
        "select typname from pg_type where typnamespace = 'carecircle'::regnamespace and typtype = 'e'",
        ("create type carecircle.planted as enum ('a', 'b')",),
    ),
    Rule(
        "views are security_invoker, and none is materialized",
        """select relname from pg_class where relnamespace = 'carecircle'::regnamespace and relkind in ('v', 'm')
             and (relkind = 'm' or not coalesce(reloptions, '{}') && '{security_invoker=true,security_invoker=on}')""",
        (
            "create view carecircle.planted as select id from carecircle.patients",
            "create materialized view carecircle.planted as select id from carecircle.patients",
        ),
    ),
    Rule(
        "functions are nobody's unless granted, and SECURITY DEFINER ones pin search_path",
        """select p.proname from pg_proc p where p.pronamespace = 'carecircle'::regnamespace
             and (exists (select from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) where grantee = 0)
                  or p.prosecdef and not exists (
                       select from unnest(p.proconfig) setting where setting like 'search_path=%'))""",
        (
            "create function carecircle.planted() returns int language sql return 1",
            "create function carecircle.planted() returns int language sql security definer return 1;"
            " revoke all on function carecircle.planted() from public",
        ),
    ),
    Rule(
        "PUBLIC may do nothing here",
        """select c.relname || ' ' || a.privilege_type from pg_class c,
                aclexplode(coalesce(c.relacl, acldefault(case c.relkind when 'S' then 's' else 'r' end::"char", c.relowner))) a
           where c.relnamespace = 'carecircle'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'S') and a.grantee = 0
           union all
           select t.attrelid::regclass || '.' || t.attname from pg_attribute t join pg_class c on c.oid = t.attrelid,
                aclexplode(t.attacl) a
           where c.relnamespace = 'carecircle'::regnamespace and a.grantee = 0
           union all
           select 'schema ' || a.privilege_type from pg_namespace n, aclexplode(n.nspacl) a
           where n.nspname = 'carecircle' and a.grantee = 0""",
        (
            "grant select on carecircle.patients to public",
            "grant select (id) on carecircle.patients to public",
            "grant usage on schema carecircle to public",
        ),
    ),
    Rule(
        "roles are plain, and no role is another",
        f"""select rolname from pg_roles where rolname in ({SERVING}, 'carecircle_owner')
              and (rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication)
            union all
            select roleid::regrole || ' to ' || member::regrole from pg_auth_members
            where member::regrole::text in ({SERVING}, 'carecircle_owner')
              and not (roleid::regrole::text = '{EVERYWHERE}' and member::regrole::text = 'carecircle_decider')
            union all
            select 'carecircle_decider inherits' from pg_roles where rolname = 'carecircle_decider' and rolinherit
            union all
            select rolname || ' has what {EVERYWHERE} has' from pg_roles
            where rolname in ({SERVING}, 'carecircle_owner') and rolname <> '{EVERYWHERE}'
              and pg_has_role(rolname, '{EVERYWHERE}', 'usage')
            union all
            select '{EVERYWHERE} logs in' from pg_roles where rolname = '{EVERYWHERE}' and rolcanlogin
            union all
            select r.rolname || ' is set ' || setting from pg_db_role_setting s join pg_roles r on r.oid = s.setrole,
                 unnest(s.setconfig) setting
            where r.rolname in ({SERVING}, 'carecircle_owner') and setting ~ '^(role|row_security|carecircle\\.)'""",
        (
            "alter role carecircle_app bypassrls",
            "grant carecircle_owner to carecircle_app",
            f"grant {EVERYWHERE} to carecircle_app",
            "alter role carecircle_decider inherit",
            f"alter role {EVERYWHERE} login",
            f"alter role carecircle_decider set role = {EVERYWHERE}",
            "alter role carecircle_app set carecircle.organization_id = '00000000-0000-0000-0000-000000000001'",
        ),
    ),
    Rule(
        "those who serve own nothing",
        f"""select c.relname from pg_class c join pg_roles r on r.oid = c.relowner where r.rolname in ({SERVING})
            union all select proname from pg_proc p join pg_roles r on r.oid = p.proowner where r.rolname in ({SERVING})
            union all select nspname from pg_namespace n join pg_roles r on r.oid = n.nspowner
              where r.rolname in ({SERVING}) and nspname !~ '^pg_'""",
        ("create table carecircle.planted (id int); alter table carecircle.planted owner to carecircle_auditor",),
    ),
    Rule(
        "those who serve delete, truncate and rewire nothing",
        f"""select r.rolname || ' ' || c.relname || ' ' || a.privilege_type
            from pg_class c, aclexplode(c.relacl) a join pg_roles r on r.oid = a.grantee
            where c.relnamespace = 'carecircle'::regnamespace and r.rolname in ({SERVING})
              and (a.privilege_type not in ('SELECT', 'INSERT') or a.is_grantable)""",
        (
            "grant delete on carecircle.patients to carecircle_app",
            "grant truncate on carecircle.care_teams to carecircle_decider",
            "grant references on carecircle.patients to carecircle_app",
            "grant trigger on carecircle.patients to carecircle_sealer",
            "grant update on carecircle.patients to carecircle_app",
            "grant select on carecircle.patients to carecircle_app with grant option",
        ),
    ),
    Rule(
        "a fact can be closed and nothing else",
        f"""select r.rolname || ' ' || c.relname || '.' || t.attname from pg_class c
            join pg_attribute t on t.attrelid = c.oid, aclexplode(t.attacl) a join pg_roles r on r.oid = a.grantee
            where c.relnamespace = 'carecircle'::regnamespace and r.rolname in ({SERVING})
              and exists (select from pg_attribute f where f.attrelid = c.oid and f.attname = 'superseded_at')
              and a.privilege_type = 'UPDATE' and (r.rolname <> 'carecircle_app'
                or t.attname not in ('superseded_at', 'superseded_xid', 'superseded_entry_id'))""",
        (
            "grant update (ends_at) on carecircle.patient_assignments to carecircle_app",
            "grant update (superseded_at) on carecircle.care_team_members to carecircle_decider",
        ),
    ),
    Rule(
        "nobody but the owner changes an entry, in whichever partition",
        f"""select r.rolname || ' ' || c.relname from pg_class c cross join pg_roles r
            where ({OURS} and c.relname in ('audit_events', 'audit_leaves', 'audit_nodes', 'audit_checkpoints')
                   or c.oid in (select inhrelid from pg_inherits where inhparent = 'carecircle.audit_events'::regclass))
              and r.rolname in ({SERVING})
              and (has_table_privilege(r.oid, c.oid, 'UPDATE, DELETE, TRUNCATE')
                   or has_any_column_privilege(r.oid, c.oid, 'UPDATE'))""",
        (
            "grant delete on carecircle.audit_events to carecircle_sealer",
            "grant delete on carecircle.audit_leaves to carecircle_sealer",
            "grant update (code) on carecircle.audit_events_other to carecircle_app",
        ),
    ),
    Rule(
        "partitions are reached through their parent",
        f"""select r.rolname || ' ' || t.relname from ({TENANT_TABLES}) t, aclexplode(t.relacl) a
            join pg_roles r on r.oid = a.grantee where t.relispartition and r.rolname in ({SERVING})""",
        ("grant select on carecircle.audit_events_other to carecircle_auditor",),
    ),
    Rule(
        "whoever serves every tenant reads what the decider reads, in whole and by column, and nothing else",
        f"""select relname || ' ' || coalesce(attname, '') || ' ' || privilege_type from (
              select c.relname, null::name as attname, a.privilege_type, a.grantee::regrole::text
              from pg_class c, aclexplode(c.relacl) a where c.relnamespace = 'carecircle'::regnamespace
              union all
              select c.relname, t.attname, a.privilege_type, a.grantee::regrole::text
              from pg_class c join pg_attribute t on t.attrelid = c.oid, aclexplode(t.attacl) a
              where c.relnamespace = 'carecircle'::regnamespace
            ) told (relname, attname, privilege_type, grantee)
            where grantee in ('carecircle_decider', '{EVERYWHERE}')
            group by relname, attname, privilege_type having count(*) <> 2""",
        (
            f"grant select on carecircle.care_teams to {EVERYWHERE}",
            f"grant select (name) on carecircle.providers to {EVERYWHERE}",
            "grant select (name) on carecircle.providers to carecircle_decider",
        ),
    ),
    Rule(
        "only the roles that serve every tenant have a policy that looks at no tenant",
        f"""select polrelid::regclass || ' ' || polname from pg_policy
            where polrelid in (select oid from pg_class where relnamespace = 'carecircle'::regnamespace)
              and coalesce(pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid))
                  !~ 'current_organization'
              and polroles <> array[(select oid from pg_roles where rolname = '{EVERYWHERE}')]
              and not (polrelid = 'carecircle.outbox'::regclass and polcmd = 'r'
                       and polroles = array[(select oid from pg_roles where rolname = 'carecircle_notifier')])""",
        (
            "create policy planted on carecircle.care_teams for select to carecircle_auditor using (true)",
            "create policy planted on carecircle.care_teams for select to carecircle_notifier using (true)",
            "create policy planted on carecircle.outbox for update to carecircle_notifier using (true)",
            "create policy planted on carecircle.outbox for select to carecircle_auditor using (true)",
        ),
    ),
    Rule(
        "the notifier reads for whom something is due, and when, and nothing else",
        f"""select relname || ' ' || coalesce(attname, '') || ' ' || privilege_type from (
              select c.relname, null::name as attname, a.privilege_type, a.grantee
              from pg_class c, aclexplode(c.relacl) a where {OURS}
              union all
              select c.relname, t.attname, a.privilege_type, a.grantee
              from pg_class c join pg_attribute t on t.attrelid = c.oid, aclexplode(t.attacl) a where {OURS}
            ) told
            where grantee = (select oid from pg_roles where rolname = 'carecircle_notifier')
              and (relname, coalesce(attname, ''), privilege_type) not in (
                ('schema_version', '', 'SELECT'), ('outbox', 'organization_id', 'SELECT'),
                ('outbox', 'due_at', 'SELECT'), ('outbox', 'settled_at', 'SELECT'))
            union all
            select 'function ' || p.proname from pg_proc p
            where p.pronamespace = 'carecircle'::regnamespace and has_function_privilege('carecircle_notifier', p.oid, 'EXECUTE')
            union all
            select 'creates in the schema' where has_schema_privilege('carecircle_notifier', 'carecircle', 'CREATE')""",
        (
            "grant select on carecircle.outbox to carecircle_notifier",
            "grant select (kind) on carecircle.outbox to carecircle_notifier",
            "grant update (settled_at) on carecircle.outbox to carecircle_notifier",
            "grant insert on carecircle.outbox to carecircle_notifier",
            "grant select on carecircle.emergency_access to carecircle_notifier",
            "grant select (organization_id) on carecircle.duties to carecircle_notifier",
            "grant execute on function carecircle.current_organization() to carecircle_notifier",
            "grant create on schema carecircle to carecircle_notifier",
        ),
    ),
    Rule(
        "only carecircle_app writes facts and entities; the decider inserts entries, the sealer the tree, others nothing",
        f"""select r.rolname || ' ' || c.relname from pg_class c, aclexplode(c.relacl) a
            join pg_roles r on r.oid = a.grantee
            where c.relnamespace = 'carecircle'::regnamespace and r.rolname in ({SERVING})
              and a.privilege_type = 'INSERT' and r.rolname <> 'carecircle_app'
              and not (r.rolname = 'carecircle_decider' and c.relname = 'audit_events')
              and not (r.rolname = 'carecircle_sealer'
                       and c.relname in ('audit_leaves', 'audit_nodes', 'audit_checkpoints'))""",
        (
            "grant insert on carecircle.patient_assignments to carecircle_decider",
            "grant insert on carecircle.audit_leaves to carecircle_decider",
            "grant insert on carecircle.audit_events to carecircle_sealer",
        ),
    ),
)


@asynccontextmanager
async def rolled_back(at: Reach) -> AsyncIterator[asyncpg.Connection]:
    """An administrator's transaction that leaves no trace: for reading the catalog, and for planting breaches."""
    connection = await asyncpg.connect(dsn(at.admin))
    try:
        transaction = connection.transaction()
        await transaction.start()
        # A test that runs beside this one holds its locks shortly; a planted grant must not wait for it for ever.
        await connection.execute("set local lock_timeout = '20s'")
        yield connection
    finally:
        await connection.close()


async def breaches(connection: asyncpg.Connection, rule: Rule) -> list[str]:
    return [str(row[0]) for row in await connection.fetch(rule.breaches)]
