"""A database with enough rows that the planner has something to choose from: four organizations, every table that decides."""

from __future__ import annotations

import asyncpg

from carecircle.database.reach import Reach, dsn

# Per organization; of every fact, one that is believed and one that was corrected.
ROWS = {
    "patient_assignments": (
        4000,
        {"patient_id": "who('t', i / 2)", "provider_id": "who('p', i % 150)", "assignment_type": "'consulting'",
         "scope": "'{read,write}'::text[]", "rests_on": "case when i % 10 = 0 then '{licence}'::text[] else '{}' end",
         "referral_id": "case when i % 20 = 1 then who('f', i / 20) end"},
    ),
    "care_team_patients": (2000, {"care_team_id": "who('c', i % 100)", "patient_id": "who('t', i)"}),
    "care_team_members": (
        500,
        {"care_team_id": "who('c', i % 100)", "provider_id": "who('p', (i * 7) % 150 + i / 150)", "member_role": "'nurse'",
         "scope": "'{read}'::text[]"},
    ),
    "provider_credentials": (300, {"provider_id": "who('p', i % 150)", "kind": "'licence'", "code": "'MD-' || i"}),
    "referrals": (
        400,
        {"patient_id": "who('t', i * 5)", "referring_provider_id": "who('p', 1)", "specialty_code": "'207RC0000X'"},
    ),
    "coverage_arrangements": (
        500,
        {"arrangement_id": "who('v', i)", "covered_provider_id": "who('p', i % 150)",
         "covering_provider_id": "who('p', (i + 40 + i / 150) % 150)", "coverage_type": "'full'",
         "scope": "'{read}'::text[]", "duty_ends_at": "now() + interval '1 year'"},
    ),
    "access_restrictions": (
        400, {"kind": "'objection'", "provider_id": "who('p', i % 150)", "patient_id": "who('t', i * 3)"},
    ),
    "patient_labels": (300, {"patient_id": "who('t', i * 4)", "label": "'CEL'"}),
    "patient_merges": (200, {"patient_id": "who('t', 1999 - i)", "into_patient_id": "who('t', i)"}),
    "policies": (1, {"version": "1", "document": "'{}'::jsonb", "actions": "'{transport}'::text[]"}),
}  # fmt: skip
ENTITIES = (
    "insert into carecircle.organizations (id, slug, name) select who('o', o), 'crowd-' || o, 'x' from generate_series(0, 3) o",
    "insert into carecircle.providers (organization_id, id) select who('o', o), who('p', i)"
    " from generate_series(0, 3) o, generate_series(0, 199) i",
    "insert into carecircle.patients (organization_id, id) select who('o', o), who('t', i)"
    " from generate_series(0, 3) o, generate_series(0, 1999) i",
)


async def crowd(at: Reach) -> None:
    """Fill a migrated database, as its administrator; foreign keys are not asked, the rows are right by construction."""
    connection = await asyncpg.connect(dsn(at.admin))
    try:
        await connection.execute("set session_replication_role = replica")
        await connection.execute(
            "create function pg_temp.who(kind text, i int) returns uuid language sql immutable"
            " return md5(kind || i)::uuid; set search_path = pg_temp, public"
        )
        for statement in ENTITIES:
            await connection.execute(statement.replace("who(", "pg_temp.who("))
        for table, (count, columns) in ROWS.items():
            ends = (
                "now() + interval '1 year'"
                if table in ("coverage_arrangements", "patient_assignments")
                else "'infinity'"
            )
            lineage = "who('f', i)" if table == "referrals" else "gen_random_uuid()"
            values = ", ".join(columns.values())
            await connection.execute(
                f"""insert into carecircle.{table} (organization_id, id, lineage_id, entry_id, starts_at, ends_at, recorded_at,
                      superseded_at, superseded_xid, superseded_entry_id, {", ".join(columns)})
                    select who('o', o), gen_random_uuid(), {lineage}, gen_random_uuid(), now() - interval '1 year', {ends},
                      now() - interval '1 hour', case age when 0 then 'infinity' else now() end,
                      case age when 1 then pg_current_xact_id() end, case age when 1 then gen_random_uuid() end, {values}
                    from generate_series(0, 3) o, generate_series(0, {count - 1}) i, generate_series(0, 1) age
                 """.replace("who(", "pg_temp.who(")
            )
        await connection.execute("analyze")
    finally:
        await connection.close()
