"""Tenants never meet: forced row-level security on every table, and each role's few privileges.

Revision ID: 20260114_rls_coverage
Revises: 20260110_the_circle
"""

from __future__ import annotations

from alembic import op

from carecircle.database.migrations.wall import (
    EVERY_TENANT_UNLESS_NAMED,
    TENANT,
    guard_entity,
    guard_fact,
    raise_wall,
)
from carecircle.database.roles import EVERYWHERE

revision = "20260114_rls_coverage"
down_revision = "20260110_the_circle"
branch_labels = None
depends_on = None

ROLES = f"carecircle_app, carecircle_decider, {EVERYWHERE}, carecircle_sealer, carecircle_auditor"
FACTS = ("provider_roles", "patient_assignments", "care_team_patients", "care_team_members")
TABLES = (
    "organizations", "units", "providers", "provider_identifiers", "patients", "patient_identifiers", "care_teams",
    "findings", "source_records", "audit_events", "audit_events_other", *FACTS,
)  # fmt: skip


def upgrade() -> None:
    op.execute("""
        create function carecircle.current_organization() returns uuid
        language sql stable parallel safe
        return nullif(current_setting('carecircle.organization_id', true), '')::uuid""")
    op.execute("revoke all on function carecircle.current_organization() from public")
    op.execute(f"grant execute on function carecircle.current_organization() to {ROLES}")
    op.execute(f"grant usage on schema carecircle to {ROLES}")
    # Each role reads which revision the schema is at, and refuses to serve at another.
    op.execute(f"grant select on carecircle.schema_version to {ROLES}")

    # An organization is found by the slug the caller names, or by its id: a list of all of them is nobody's.
    raise_wall("organizations")
    op.execute("grant select, insert, update (name) on carecircle.organizations to carecircle_app")
    op.execute("""
        create policy app_reads on carecircle.organizations for select to carecircle_app
        using (id = carecircle.current_organization()
               or slug = nullif(current_setting('carecircle.organization_slug', true), ''))""")
    own = "id = carecircle.current_organization()"
    op.execute(f"create policy app_inserts on carecircle.organizations for insert to carecircle_app with check ({own})")
    op.execute(
        "create policy app_edits on carecircle.organizations for update to carecircle_app"
        f" using ({own}) with check ({own})"
    )

    guard_entity("units", editable="name")
    guard_entity("providers", editable="name", decided_on="organization_id, id, recorded_at")
    guard_entity("provider_identifiers", decided_on="organization_id, system, value, provider_id")
    guard_entity("patients", editable="demographics", decided_on="organization_id, id, recorded_at")
    guard_entity("patient_identifiers", decided_on="organization_id, blind_index, patient_id")
    guard_entity("care_teams", editable="name, team_type")
    guard_entity("source_records", editable="version, version_at, digest, recorded_at")
    guard_fact("provider_roles", decided_on=False)
    guard_fact("patient_assignments", decided_on=True)
    guard_fact("care_team_patients", decided_on=True)
    guard_fact("care_team_members", decided_on=True)
    guard_fact("findings", decided_on=False)

    # Entries are inserted by those who act, read by those who prove, and changed by nobody.
    # When, by which transaction and under which snapshot is the database's to say: nobody may insert those columns.
    told = (
        "organization_id, id, kind, actor, provider_id, patient_id, action, purpose, allowed, code, as_of, believed_at,"
        " basis_kinds, basis_ids, basis_under, basis_ends, request_id, detail"
    )
    for table in ("audit_events", "audit_events_other"):
        raise_wall(table)
    op.execute(f"grant insert ({told}) on carecircle.audit_events to carecircle_app, carecircle_decider, {EVERYWHERE}")
    op.execute("grant select on carecircle.audit_events to carecircle_sealer, carecircle_auditor")
    op.execute(
        f"create policy app_records on carecircle.audit_events for insert to carecircle_app with check ({TENANT})"
    )
    op.execute(
        f"create policy decider_records on carecircle.audit_events for insert to carecircle_decider with check ({TENANT})"
    )
    op.execute(
        f"create policy everywhere_records on carecircle.audit_events for insert to {EVERYWHERE} with check (true)"
    )
    op.execute(
        "create policy sealer_reads on carecircle.audit_events for select to carecircle_sealer"
        f" using ({EVERY_TENANT_UNLESS_NAMED})"
    )
    op.execute(
        f"create policy auditor_reads on carecircle.audit_events for select to carecircle_auditor using ({TENANT})"
    )


def downgrade() -> None:
    for table in TABLES:
        op.execute(f"revoke all on carecircle.{table} from {ROLES}")
        op.execute(f"""
            do $$ declare policy text; begin
              for policy in select polname from pg_policy where polrelid = 'carecircle.{table}'::regclass loop
                execute format('drop policy %I on carecircle.{table}', policy);
              end loop;
            end $$""")
        op.execute(f"alter table carecircle.{table} no force row level security")
        op.execute(f"alter table carecircle.{table} disable row level security")
    op.execute("drop function carecircle.current_organization()")
    op.execute(f"revoke select on carecircle.schema_version from {ROLES}")
    op.execute(f"revoke usage on schema carecircle from {ROLES}")
