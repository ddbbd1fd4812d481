"""The tables of the circle: entities, facts on two clocks, findings, and the audit trail by month.

Revision ID: 20260110_the_circle
Revises:
"""

from __future__ import annotations

from alembic import op

revision = "20260110_the_circle"
down_revision = None
branch_labels = None
depends_on = None


# Two predicates below always hold, and are there for the planner: it takes a patient's circle and a provider's panel for
# equally small, and a constraint's own GiST index for as good as a B-tree. `starts_at < ends_at` keeps a panel index for
# the questions that repeat it (access/relation), `not isempty(period)` keeps a constraint's index for its constraint.


def fact(table: str, columns: str, constraints: str = "") -> None:
    """A fact says when it holds (starts_at, ends_at) and since when, until when, it was believed."""
    op.execute(f"""
        create table carecircle.{table} (
          organization_id     uuid        not null references carecircle.organizations (id),
          id                  uuid        not null,
          lineage_id          uuid        not null,
          {columns},
          starts_at           timestamptz not null,
          ends_at             timestamptz not null default 'infinity',
          recorded_at         timestamptz not null default statement_timestamp(),
          superseded_at       timestamptz not null default 'infinity',
          recorded_xid        xid8        not null default pg_current_xact_id(),
          superseded_xid      xid8,
          entry_id            uuid        not null,
          superseded_entry_id uuid,
          source              text        not null default '',
          source_record       text        not null default '',
          source_item         text        not null default '',
          period              tstzrange   generated always as (tstzrange(starts_at, ends_at, '[)')) stored,
          constraint {table}_pkey primary key (organization_id, id),
          constraint {table}_period_not_empty check (starts_at < ends_at),
          constraint {table}_start_is_set check (starts_at > '-infinity'),
          constraint {table}_recorded_at_is_set check (recorded_at > '-infinity' and recorded_at < 'infinity'),
          constraint {table}_superseded_after_recorded check (superseded_at >= recorded_at),
          constraint {table}_superseded_as_a_whole check (
            (superseded_at = 'infinity') = (superseded_xid is null)
            and (superseded_at = 'infinity') = (superseded_entry_id is null))
          {"," + constraints if constraints else ""}
        )""")
    op.execute(
        f"create index {table}_source on carecircle.{table} (organization_id, source, source_record)"
        " where superseded_at = 'infinity' and source <> ''"
    )
    op.execute(f"create index {table}_lineage on carecircle.{table} (organization_id, lineage_id, recorded_at)")


def upgrade() -> None:
    op.execute("create extension if not exists btree_gist")
    op.execute("""
        create table carecircle.organizations (
          id          uuid        not null,
          slug        text        not null,
          name        text        not null,
          recorded_at timestamptz not null default statement_timestamp(),
          constraint organizations_pkey primary key (id),
          constraint organizations_slug_is_plain check (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
          constraint organizations_slug_taken unique (slug)
        )""")
    op.execute("""
        create table carecircle.units (
          organization_id uuid        not null references carecircle.organizations (id),
          id              uuid        not null,
          name            text        not null,
          system          text        not null default '',
          value           text        not null,
          recorded_at     timestamptz not null default statement_timestamp(),
          constraint units_pkey primary key (organization_id, id),
          constraint unit_identifier_taken unique (organization_id, system, value)
        )""")
    op.execute("""
        create table carecircle.providers (
          organization_id uuid        not null references carecircle.organizations (id),
          id              uuid        not null,
          name            text        not null default '',
          recorded_at     timestamptz not null default statement_timestamp(),
          constraint providers_pkey primary key (organization_id, id)
        )""")
    op.execute("""
        create table carecircle.provider_identifiers (
          organization_id uuid        not null,
          system          text        not null,
          value           text        not null,
          provider_id     uuid        not null,
          recorded_at     timestamptz not null default statement_timestamp(),
          constraint provider_identifier_taken primary key (organization_id, system, value),
          constraint provider_identifiers_provider foreign key (organization_id, provider_id)
            references carecircle.providers (organization_id, id)
        )""")
    op.execute("create index provider_identifiers_of on carecircle.provider_identifiers (organization_id, provider_id)")
    op.execute("""
        create table carecircle.patients (
          organization_id uuid        not null references carecircle.organizations (id),
          id              uuid        not null,
          demographics    bytea,
          recorded_at     timestamptz not null default statement_timestamp(),
          constraint patients_pkey primary key (organization_id, id)
        )""")
    op.execute("""
        create table carecircle.patient_identifiers (
          organization_id uuid        not null,
          blind_index     bytea       not null,
          patient_id      uuid        not null,
          identifier      bytea       not null,
          recorded_at     timestamptz not null default statement_timestamp(),
          constraint patient_identifier_taken primary key (organization_id, blind_index),
          constraint patient_identifiers_patient foreign key (organization_id, patient_id)
            references carecircle.patients (organization_id, id)
        )""")
    op.execute("create index patient_identifiers_of on carecircle.patient_identifiers (organization_id, patient_id)")
    op.execute("""
        create table carecircle.care_teams (
          organization_id uuid        not null references carecircle.organizations (id),
          id              uuid        not null,
          name            text        not null,
          team_type       text        not null default 'primary',
          system          text        not null default '',
          value           text        not null,
          recorded_at     timestamptz not null default statement_timestamp(),
          constraint care_teams_pkey primary key (organization_id, id),
          constraint care_team_type_is_known check (team_type in ('primary', 'specialty', 'emergency')),
          constraint care_team_identifier_taken unique (organization_id, system, value)
        )""")

    fact(
        "provider_roles",
        "provider_id uuid not null, role_code text not null, specialty_code text not null default '', unit_id uuid",
        """constraint provider_roles_provider foreign key (organization_id, provider_id)
             references carecircle.providers (organization_id, id),
           constraint provider_roles_unit foreign key (organization_id, unit_id)
             references carecircle.units (organization_id, id)""",
    )
    op.execute(
        "create index provider_roles_of on carecircle.provider_roles (organization_id, provider_id, ends_at)"
        " where superseded_at = 'infinity'"
    )
    fact(
        "patient_assignments",
        """patient_id uuid not null, provider_id uuid not null, assignment_type text not null, scope text[] not null,
           is_primary_provider boolean generated always as (assignment_type = 'primary') stored""",
        """constraint assignment_type_is_known
             check (assignment_type in ('primary', 'consulting', 'attending', 'admitting', 'emergency')),
           constraint emergency_assignment_has_an_end check (assignment_type <> 'emergency' or ends_at < 'infinity'),
           constraint assignment_grants_something check (cardinality(scope) > 0),
           constraint patient_assignments_patient foreign key (organization_id, patient_id)
             references carecircle.patients (organization_id, id),
           constraint patient_assignments_provider foreign key (organization_id, provider_id)
             references carecircle.providers (organization_id, id)""",
    )
    op.execute(
        "create index patient_assignments_circle on carecircle.patient_assignments"
        " (organization_id, patient_id, provider_id, ends_at) where superseded_at = 'infinity'"
    )
    op.execute(
        "create index patient_assignments_panel on carecircle.patient_assignments"
        " (organization_id, provider_id, ends_at) where superseded_at = 'infinity' and starts_at < ends_at"
    )
    op.execute(
        "create index patient_assignments_superseded on carecircle.patient_assignments"
        " (organization_id, patient_id, provider_id) where superseded_at < 'infinity'"
    )
    fact(
        "care_team_patients",
        "care_team_id uuid not null, patient_id uuid not null",
        """constraint patient_on_team_once_at_a_time exclude using gist
             (organization_id with =, care_team_id with =, patient_id with =, period with &&)
             where (superseded_at = 'infinity' and not isempty(period)),
           constraint care_team_patients_team foreign key (organization_id, care_team_id)
             references carecircle.care_teams (organization_id, id),
           constraint care_team_patients_patient foreign key (organization_id, patient_id)
             references carecircle.patients (organization_id, id)""",
    )
    op.execute(
        "create index care_team_patients_circle on carecircle.care_team_patients"
        " (organization_id, patient_id, ends_at) where superseded_at = 'infinity'"
    )
    op.execute(
        "create index care_team_patients_panel on carecircle.care_team_patients"
        " (organization_id, care_team_id, ends_at) where superseded_at = 'infinity' and starts_at < ends_at"
    )
    op.execute(
        "create index care_team_patients_superseded on carecircle.care_team_patients"
        " (organization_id, patient_id) where superseded_at < 'infinity'"
    )
    fact(
        "care_team_members",
        "care_team_id uuid not null, provider_id uuid not null, member_role text not null, scope text[] not null",
        """constraint member_listed_once_at_a_time exclude using gist
             (organization_id with =, care_team_id with =, provider_id with =, period with &&)
             where (superseded_at = 'infinity' and not isempty(period)),
           constraint member_is_granted_something check (cardinality(scope) > 0),
           constraint care_team_members_team foreign key (organization_id, care_team_id)
             references carecircle.care_teams (organization_id, id),
           constraint care_team_members_provider foreign key (organization_id, provider_id)
             references carecircle.providers (organization_id, id)""",
    )
    op.execute(
        "create index care_team_members_circle on carecircle.care_team_members"
        " (organization_id, care_team_id, provider_id, ends_at) where superseded_at = 'infinity'"
    )
    op.execute(
        "create index care_team_members_panel on carecircle.care_team_members"
        " (organization_id, provider_id, ends_at) where superseded_at = 'infinity' and starts_at < ends_at"
    )
    op.execute(
        "create index care_team_members_superseded on carecircle.care_team_members"
        " (organization_id, care_team_id, provider_id) where superseded_at < 'infinity'"
    )
    op.execute("""
        create table carecircle.findings (
          organization_id     uuid        not null references carecircle.organizations (id),
          id                  uuid        not null,
          lineage_id          uuid        not null,
          code                text        not null,
          sentence            text        not null,
          remedy              text        not null default '',
          source              text        not null default '',
          source_record       text        not null default '',
          source_item         text        not null default '',
          patient_id          uuid,
          provider_id         uuid,
          recorded_at         timestamptz not null default statement_timestamp(),
          superseded_at       timestamptz not null default 'infinity',
          recorded_xid        xid8        not null default pg_current_xact_id(),
          superseded_xid      xid8,
          entry_id            uuid        not null,
          superseded_entry_id uuid,
          constraint findings_pkey primary key (organization_id, id),
          constraint findings_superseded_after_recorded check (superseded_at >= recorded_at),
          constraint findings_superseded_as_a_whole check (
            (superseded_at = 'infinity') = (superseded_xid is null)
            and (superseded_at = 'infinity') = (superseded_entry_id is null))
        )""")
    op.execute(
        "create unique index finding_told_once on carecircle.findings"
        " (organization_id, source, source_record, source_item, code) where superseded_at = 'infinity'"
    )
    op.execute("""
        create table carecircle.source_records (
          organization_id uuid        not null references carecircle.organizations (id),
          source          text        not null,
          record          text        not null,
          version         text        not null default '',
          version_at      timestamptz,
          digest          bytea       not null,
          recorded_at     timestamptz not null default statement_timestamp(),
          constraint source_records_pkey primary key (organization_id, source, record)
        )""")
    op.execute("""
        create table carecircle.audit_events (
          organization_id uuid        not null,
          id              uuid        not null,
          recorded_at     timestamptz not null default statement_timestamp(),
          kind            text        not null,
          actor           text        not null,
          provider_id     uuid,
          patient_id      uuid,
          action          text,
          purpose         text,
          allowed         boolean,
          code            text        not null,
          as_of           timestamptz,
          believed_at     timestamptz,
          basis_kinds     text[],
          basis_ids       uuid[],
          basis_under     uuid[],
          basis_ends      timestamptz[],
          request_id      text,
          detail          text,
          xid             xid8        not null default pg_current_xact_id(),
          snapshot        pg_snapshot not null default pg_current_snapshot(),
          constraint audit_events_pkey primary key (organization_id, id, recorded_at)
        ) partition by range (recorded_at)""")
    # Months are made ahead by objects/audit_months.sql; an entry outside them is kept here, never refused.
    op.execute("create table carecircle.audit_events_other partition of carecircle.audit_events default")


def downgrade() -> None:
    op.execute("""
        drop table carecircle.audit_events, carecircle.source_records, carecircle.findings,
          carecircle.care_team_members, carecircle.care_team_patients, carecircle.patient_assignments,
          carecircle.provider_roles, carecircle.care_teams, carecircle.patient_identifiers, carecircle.patients,
          carecircle.provider_identifiers, carecircle.providers, carecircle.units, carecircle.organizations""")
