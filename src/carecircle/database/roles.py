"""The roles: made once by an administrator, checked at every start."""

from __future__ import annotations

import asyncpg
from sqlalchemy.engine import make_url

from carecircle.database.constraints import DRIVER_ERRORS
from carecircle.database.reach import ROLES, Reach, dsn
from carecircle.database.tls import tls, untrusted
from carecircle.errors import DatabaseRoleUnsafe, DatabaseTooOld, DatabaseUnavailable

OLDEST_VERSION = 150000
EVERYWHERE = "carecircle_decider_everywhere"


async def make_roles(reach: Reach) -> None:
    """Make the roles, their passwords and the schema's owner. Safe to repeat.

    Raises DatabaseUnavailable, DatabaseTooOld, or DatabaseRoleUnsafe when the configured user may not make roles.
    """
    connection = await open_connection(dsn(reach.admin))
    try:
        may = await connection.fetchval("select rolsuper or rolcreaterole from pg_roles where rolname = current_user")
        if not may:
            raise DatabaseRoleUnsafe(
                "The user of CARECIRCLE_DATABASE_URL may not create roles; use an administrator's address for db upgrade."
            )
        async with connection.transaction():
            await connection.execute("select pg_advisory_xact_lock(hashtextextended('carecircle.roles', 0))")
            for role in ROLES:
                name = f"carecircle_{role}"
                if not await connection.fetchval("select exists (select from pg_roles where rolname = $1)", name):
                    await connection.execute(
                        f"create role {name} login nosuperuser nocreatedb nocreaterole nobypassrls"
                    )
                # A password takes no parameter; the server quotes it for us.
                quoted = await connection.fetchval("select quote_literal($1::text)", reach.passwords[role])
                await connection.execute(f"alter role {name} password {quoted}")
            # carecircle_decider sees the tenant it names, or none. To serve all it becomes another role, which it must say:
            # a policy that looks at a setting is worked out anew at every look-up of the deciding statement.
            if not await connection.fetchval("select exists (select from pg_roles where rolname = $1)", EVERYWHERE):
                await connection.execute(f"create role {EVERYWHERE} nologin nosuperuser nobypassrls")
            await connection.execute("alter role carecircle_decider noinherit")
            await connection.execute(f"grant {EVERYWHERE} to carecircle_decider")
            # Planning the deciding statement costs many times what running it does.
            await connection.execute("alter role carecircle_decider set plan_cache_mode = force_generic_plan")
            # And the plan may be made while the tables are empty: a scan must not look cheap then.
            await connection.execute("alter role carecircle_decider set enable_seqscan = off")
            await connection.execute("alter role carecircle_decider set jit = off")
            await connection.execute("alter role carecircle_app set idle_in_transaction_session_timeout = '60s'")
            database = await connection.fetchval("select quote_ident(current_database())")
            await connection.execute(f"grant connect, create, temporary on database {database} to carecircle_owner")
            await connection.execute(
                f"grant connect on database {database}"
                " to carecircle_app, carecircle_decider, carecircle_sealer, carecircle_auditor, carecircle_notifier,"
                " carecircle_keeper"
            )
    finally:
        await connection.close()


async def check_role(connection: asyncpg.Connection) -> None:
    """Refuse to serve with rights that would bypass the tenant wall. Raises DatabaseRoleUnsafe."""
    unsafe = await connection.fetchval(
        """select r.rolsuper or r.rolbypassrls
              or exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace
                         where n.nspname = 'carecircle' and pg_has_role(r.oid, c.relowner, 'member'))
           from pg_roles r where r.rolname = current_user"""
    )
    if unsafe:
        raise DatabaseRoleUnsafe(
            "carecircle must not serve as a superuser, as the owner of its tables or with BYPASSRLS; use carecircle_app."
        )


async def open_connection(address: str, *, timeout: float = 10.0) -> asyncpg.Connection:
    """Connect, and say plainly why not. Raises DatabaseUnavailable, DatabaseTooOld or InvalidSetting; times in seconds."""
    try:
        connection = await asyncpg.connect(address, timeout=timeout, ssl=tls(make_url(address)))
    except (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError):
        raise DatabaseUnavailable(
            "The database refused the login; check CARECIRCLE_DATABASE_URL, then run: carecircle db upgrade."
        ) from None
    except asyncpg.InvalidCatalogNameError:
        raise DatabaseUnavailable("There is no such database; create it, or correct CARECIRCLE_DATABASE_URL.") from None
    except asyncpg.CannotConnectNowError:
        raise DatabaseUnavailable("The database is starting up or shutting down; try again in a moment.") from None
    except asyncpg.TooManyConnectionsError:
        raise DatabaseUnavailable(
            "The database has no connection left; raise max_connections or use fewer lanes."
        ) from None
    except (OverflowError, ValueError, *DRIVER_ERRORS) as error:
        raise untrusted(error) or DatabaseUnavailable(
            "The database cannot be reached; is it running, and is its address right?"
        ) from None
    if connection.get_server_version() < (OLDEST_VERSION // 10000, 0):
        version = connection.get_server_version()
        await connection.close()
        raise DatabaseTooOld(f"This is PostgreSQL {version.major}; carecircle needs PostgreSQL 15 or later.")
    return connection
