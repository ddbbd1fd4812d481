"""The same check on carecircle's own assignments, at any revision that has them: overlapping primaries, nothing changed."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import datetime
from uuid import UUID

import asyncpg

from carecircle.adoption.connection import host_errors
from carecircle.adoption.scan import AT_A_TIME, PrimaryRow, Progress, SeveralPrimaries, Tell, untold
from carecircle.database.reach import Reach
from carecircle.database.roles import check_role, open_connection
from carecircle.errors import DatabaseNotMigrated, OrganizationNotFound
from carecircle.identifiers import to_text
from carecircle.period import FOREVER, show

_BELIEVED = """
    from carecircle.patient_assignments
    where organization_id = $1 and is_primary_provider and superseded_at = 'infinity'"""
# In the order in which the migration decides who stays.
_ROWS = f"""
    select id, patient_id, provider_id, starts_at, ends_at {_BELIEVED}
    order by organization_id, patient_id, starts_at, recorded_at, id"""

# Facts are never edited: the row is closed, and a consulting one of the same lineage follows it, under one audit entry.
_FIX = """BEGIN;
SET LOCAL carecircle.organization_id = '{organization}';
WITH entry AS MATERIALIZED (SELECT gen_random_uuid() AS id), closed AS (
  UPDATE carecircle.patient_assignments
  SET superseded_at = statement_timestamp(), superseded_xid = pg_current_xact_id(), superseded_entry_id = entry.id
  FROM entry
  WHERE organization_id = '{organization}' AND patient_assignments.id IN ({rows}) AND superseded_at = 'infinity'
  RETURNING patient_assignments.*
), told AS (
  INSERT INTO carecircle.audit_events (organization_id, id, kind, actor, patient_id, code)
  SELECT '{organization}', entry.id, 'change', 'operator:' || session_user, '{patient}', 'primary-demoted' FROM entry
)
INSERT INTO carecircle.patient_assignments (organization_id, id, lineage_id, patient_id, provider_id, assignment_type,
  scope, starts_at, ends_at, entry_id, source, source_record, source_item)
SELECT organization_id, gen_random_uuid(), lineage_id, patient_id, provider_id, 'consulting',
  scope, starts_at, ends_at, entry.id, source, source_record, source_item FROM closed, entry;
COMMIT;"""


async def own_several_primaries(at: Reach, slug: str, tell: Tell = untold) -> AsyncGenerator[SeveralPrimaries, None]:
    """Patients of one organization with overlapping primaries, as the app role, in one READ ONLY transaction.

    Ids are the 26 characters shown outside, `assigned_at` is `starts_at`. Raises OrganizationNotFound,
    DatabaseUnavailable, DatabaseNotMigrated where there are no such tables, DatabaseRoleUnsafe.
    """
    with host_errors():
        connection = await open_connection(at.dsn("app"))
        try:
            await check_role(connection)
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                async for one in _several(connection, slug, tell):
                    yield one
        except (asyncpg.UndefinedTableError, asyncpg.UndefinedFunctionError, asyncpg.InvalidSchemaNameError):
            raise DatabaseNotMigrated from None
        except asyncpg.InsufficientPrivilegeError:
            raise DatabaseNotMigrated from None
        finally:
            await connection.close(timeout=5)


async def _several(connection: asyncpg.Connection, slug: str, tell: Tell) -> AsyncGenerator[SeveralPrimaries, None]:
    organization = await _enter(connection, slug)
    total = await connection.fetchval(f"select count(*) {_BELIEVED}", organization)
    tell(Progress("checking", 0, total))
    cursor = await connection.cursor(_ROWS, organization)
    done = 0
    group: list[asyncpg.Record] = []
    while rows := await cursor.fetch(AT_A_TIME):
        for row in rows:
            if group and group[0]["patient_id"] != row["patient_id"]:
                if told := _told(organization, group):
                    yield told
                group = []
            group.append(row)
        done += len(rows)
        tell(Progress("checking", done, total))
    if group and (told := _told(organization, group)):
        yield told


async def _enter(connection: asyncpg.Connection, slug: str) -> UUID:
    await connection.execute("select set_config('carecircle.organization_slug', $1, true)", slug)
    found: UUID | None = await connection.fetchval("select id from carecircle.organizations where slug = $1", slug)
    if found is None:
        raise OrganizationNotFound(f"There is no organization {slug!r} here.")
    await connection.execute("select set_config('carecircle.organization_id', $1, true)", str(found))
    return found


def _told(organization: UUID, group: list[asyncpg.Record]) -> SeveralPrimaries | None:
    """A patient's rows, earliest first, or None where none overlap: one is demoted when it overlaps one that stays."""
    judged: list[tuple[asyncpg.Record, bool]] = []
    last = group[0]
    involved: set[UUID] = set()
    for row in group:
        stays = row is group[0] or row["starts_at"] >= _end(last)
        if stays:
            last = row
        else:
            involved |= {last["id"], row["id"]}
        judged.append((row, stays))
    if not involved:
        return None
    rows = tuple(
        PrimaryRow(to_text(row["id"]), to_text(row["provider_id"]), show(row["starts_at"]), stays)
        for row, stays in judged
        if row["id"] in involved
    )
    patient = group[0]["patient_id"]
    demoted = ", ".join(f"'{row['id']}'" for row, stays in judged if not stays)
    fix = _FIX.format(organization=organization, patient=patient, rows=demoted)
    return SeveralPrimaries(to_text(organization), to_text(patient), rows, fix)


def _end(row: asyncpg.Record) -> datetime:
    """An open end comes from the driver without a time zone, and could not be compared."""
    ends_at: datetime = row["ends_at"]
    return FOREVER if ends_at.tzinfo is None else ends_at
