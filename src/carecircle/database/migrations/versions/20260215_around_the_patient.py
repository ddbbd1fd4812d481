"""Around the patient: credentials, referrals, coverage, restrictions, labels, policies, merged patients, closed teams.

Revision ID: 20260215_around_the_patient
Revises: 20260201_staffing
"""

from __future__ import annotations

from alembic import op

from carecircle.database.migrations.wall import TENANT, guard_entity, guard_fact
from carecircle.database.roles import EVERYWHERE

revision = "20260215_around_the_patient"
down_revision = "20260201_staffing"
branch_labels = None
depends_on = None

NOBODY = "'00000000-0000-0000-0000-000000000000'::uuid"
STILL_BELIEVED = "superseded_at = 'infinity' and not isempty(period)"
DECIDED_ON = (
    "provider_credentials", "referrals", "coverage_arrangements", "access_restrictions", "patient_labels", "policies",
    "patient_merges",
)  # fmt: skip
NOT_DECIDED_ON = ("provider_absences", "care_team_closures")


def fact(table: str, columns: str, *constraints: str) -> None:
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
            and (superseded_at = 'infinity') = (superseded_entry_id is null)),
          {", ".join(constraints)}
        )""")
    op.execute(f"create index {table}_lineage on carecircle.{table} (organization_id, lineage_id, recorded_at)")


def provider(table: str, column: str = "provider_id", name: str = "provider") -> str:
    return (
        f"constraint {table}_{name} foreign key (organization_id, {column})"
        " references carecircle.providers (organization_id, id)"
    )


def patient(table: str, column: str = "patient_id", name: str = "patient") -> str:
    return (
        f"constraint {table}_{name} foreign key (organization_id, {column})"
        " references carecircle.patients (organization_id, id)"
    )


def team(table: str) -> str:
    return (
        f"constraint {table}_team foreign key (organization_id, care_team_id)"
        " references carecircle.care_teams (organization_id, id)"
    )


def once(name: str, *same: str, during: str = "period") -> str:
    """Rows that are the same in these columns never overlap while they are believed."""
    equal = ", ".join(f"{one} with =" for one in ("organization_id", *same))
    return f"constraint {name} exclude using gist ({equal}, {during} with &&) where ({STILL_BELIEVED})"


def untold(index: str, *columns: int) -> None:
    """No statistics on an index's expressions: pg_stats shows them to the owner, whom the wall keeps from every row."""
    for column in columns:
        op.execute(f"alter index carecircle.{index} alter column {column} set statistics 0")


def found_by(table: str, name: str, columns: str, *, over_a_panel: bool = False) -> None:
    """The indexes of believed and of superseded rows that questions look in (see the first migration)."""
    panel = " and starts_at < ends_at" if over_a_panel else ""
    op.execute(
        f"create index {table}_{name} on carecircle.{table} (organization_id, {columns}, ends_at)"
        f" where superseded_at = 'infinity'{panel}"
    )
    if not over_a_panel:
        op.execute(
            f"create index {table}_{name}_superseded on carecircle.{table} (organization_id, {columns})"
            " where superseded_at < 'infinity'"
        )


def upgrade() -> None:
    _serve_all_as_another_role()
    _people()
    _circle()
    _restrictions()
    for table in DECIDED_ON:
        guard_fact(table, decided_on=True)
    for table in NOT_DECIDED_ON:
        guard_fact(table, decided_on=False)
    guard_entity("specialties", editable="display")


def _serve_all_as_another_role() -> None:
    """Databases made before the decider had a second role: the wall is raised anew where it reads and records."""
    bind = op.get_bind()
    if bind.exec_driver_sql("select exists (select from pg_policy where polname = 'everywhere_reads')").scalar_one():
        return
    op.execute(f"grant usage on schema carecircle to {EVERYWHERE}")
    op.execute(f"grant execute on function carecircle.current_organization() to {EVERYWHERE}")
    op.execute(f"grant select on carecircle.schema_version to {EVERYWHERE}")
    for (table,) in bind.exec_driver_sql(
        "select polrelid::regclass::text from pg_policy where polname = 'decider_reads'"
    ):
        told = bind.exec_driver_sql(f"""
            select case when not has_table_privilege('carecircle_decider', '{table}', 'select')
              then '(' || string_agg(quote_ident(attname), ', ' order by attnum) || ')' else '' end
            from pg_attribute
            where attrelid = '{table}'::regclass and attnum > 0 and not attisdropped
              and has_column_privilege('carecircle_decider', attrelid, attnum, 'select')""").scalar_one()
        op.execute(f"alter policy decider_reads on {table} using ({TENANT})")
        op.execute(f"grant select {told} on {table} to {EVERYWHERE}")
        op.execute(f"create policy everywhere_reads on {table} for select to {EVERYWHERE} using (true)")
    told = bind.exec_driver_sql("""
        select string_agg(quote_ident(attname), ', ' order by attnum) from pg_attribute
        where attrelid = 'carecircle.audit_events'::regclass and attnum > 0 and not attisdropped
          and has_column_privilege('carecircle_decider', attrelid, attnum, 'insert')""").scalar_one()
    op.execute(f"grant insert ({told}) on carecircle.audit_events to {EVERYWHERE}")
    op.execute(f"alter policy decider_records on carecircle.audit_events with check ({TENANT})")
    op.execute(
        f"create policy everywhere_records on carecircle.audit_events for insert to {EVERYWHERE} with check (true)"
    )


def _people() -> None:
    fact(
        "provider_credentials",
        "provider_id uuid not null, kind text not null, code text not null, system text not null default ''",
        "constraint credential_kind_is_known check (kind in ('licence', 'specialty', 'certification'))",
        "constraint credential_has_a_code check (code <> '' and code not in ('licence', 'specialty', 'certification'))",
        once("credential_held_once_at_a_time", "provider_id", "kind", "code"),
        provider("provider_credentials"),
    )
    found_by("provider_credentials", "of", "provider_id")
    op.execute("""
        create table carecircle.specialties (
          organization_id uuid        not null references carecircle.organizations (id),
          system          text        not null,
          code            text        not null,
          display         text        not null,
          recorded_at     timestamptz not null default statement_timestamp(),
          constraint specialties_pkey primary key (organization_id, system, code)
        )""")
    fact(
        "provider_absences",
        "provider_id uuid not null",
        once("absent_once_at_a_time", "provider_id"),
        provider("provider_absences"),
    )
    fact(
        "policies",
        "version integer not null, document jsonb not null, actions text[] not null default '{}'",
        once("one_policy_at_a_time"),
    )
    # Among believed rows only: the version that ends when the next begins is recorded again, shorter, under its number.
    op.execute(
        "create unique index policy_version_taken on carecircle.policies (organization_id, version)"
        " where superseded_at = 'infinity'"
    )
    op.execute(
        "create index policies_at on carecircle.policies (organization_id, ends_at) where superseded_at = 'infinity'"
    )
    fact(
        "patient_merges",
        "patient_id uuid not null, into_patient_id uuid not null",
        "constraint nobody_is_merged_into_themselves check (patient_id <> into_patient_id)",
        once("merged_once_at_a_time", "patient_id"),
        patient("patient_merges"),
        patient("patient_merges", "into_patient_id", "into_patient"),
    )
    found_by("patient_merges", "of", "patient_id")


def _circle() -> None:
    for table in ("patient_assignments", "care_team_members"):
        op.execute(f"alter table carecircle.{table} add column rests_on text[] not null default '{{}}'")
    op.execute("alter table carecircle.patient_assignments add column referral_id uuid")
    op.execute("""
        alter table carecircle.patient_assignments add constraint referred_assignment_has_an_end
        check (referral_id is null or ends_at < 'infinity')""")
    fact(
        "referrals",
        """patient_id uuid not null, referring_provider_id uuid not null, provider_id uuid,
           specialty_code text not null""",
        "constraint referral_names_a_specialty check (specialty_code <> '')",
        "constraint nobody_refers_to_themselves check (provider_id <> referring_provider_id)",
        once("one_version_of_a_referral_at_a_time", "lineage_id"),
        patient("referrals"),
        provider("referrals"),
        provider("referrals", "referring_provider_id", "referring_provider"),
    )
    found_by("referrals", "same", "lineage_id")
    found_by("referrals", "of", "patient_id", over_a_panel=True)
    fact(
        "care_team_closures",
        "care_team_id uuid not null",
        once("care_team_closed_once_at_a_time", "care_team_id"),
        team("care_team_closures"),
    )
    # One row for each thing that is covered: everything, the seat on one team, or one named patient.
    # ends_at is when access ends; duty_ends_at is when responsibility does, a grace before.
    fact(
        "coverage_arrangements",
        """arrangement_id uuid not null, covered_provider_id uuid not null, covering_provider_id uuid not null,
           coverage_type text not null, care_team_id uuid, patient_id uuid, scope text[] not null,
           rests_on text[] not null default '{}', duty_ends_at timestamptz not null,
           duty tstzrange generated always as (tstzrange(starts_at, duty_ends_at, '[)')) stored""",
        "constraint coverage_type_is_known check (coverage_type in ('full', 'urgent', 'on_call'))",
        "constraint nobody_covers_themselves check (covered_provider_id <> covering_provider_id)",
        "constraint coverage_is_of_one_thing check (care_team_id is null or patient_id is null)",
        "constraint coverage_grants_something check (cardinality(scope) > 0)",
        "constraint coverage_has_an_end check (ends_at < 'infinity')",
        "constraint duty_ends_before_access check (duty_ends_at > starts_at and duty_ends_at <= ends_at)",
        once(
            "covered_once_by_the_same_at_a_time",
            "covered_provider_id",
            "covering_provider_id",
            f"coalesce(care_team_id, {NOBODY})",
            f"coalesce(patient_id, {NOBODY})",
            during="duty",
        ),
        provider("coverage_arrangements", "covered_provider_id", "covered_provider"),
        provider("coverage_arrangements", "covering_provider_id", "covering_provider"),
        team("coverage_arrangements"),
        patient("coverage_arrangements"),
    )
    untold("covered_once_by_the_same_at_a_time", 4, 5)
    found_by("coverage_arrangements", "covering", "covering_provider_id")
    found_by("coverage_arrangements", "covered", "covered_provider_id")
    op.execute(
        "create index coverage_arrangements_arrangement on carecircle.coverage_arrangements (organization_id, arrangement_id)"
        " where superseded_at = 'infinity' and starts_at < ends_at"
    )


def _restrictions() -> None:
    fact(
        "access_restrictions",
        "kind text not null, provider_id uuid not null, patient_id uuid",
        "constraint restriction_kind_is_known check (kind in ('objection', 'suspension'))",
        "constraint objection_is_a_patients check ((kind = 'objection') = (patient_id is not null))",
        once("restricted_once_at_a_time", "kind", "provider_id", f"coalesce(patient_id, {NOBODY})"),
        provider("access_restrictions"),
        patient("access_restrictions"),
    )
    untold("restricted_once_at_a_time", 4)
    found_by("access_restrictions", "on", "provider_id")
    op.execute(
        "create index access_restrictions_by on carecircle.access_restrictions (organization_id, patient_id, ends_at)"
        " where superseded_at = 'infinity' and patient_id is not null and starts_at < ends_at"
    )
    fact(
        "patient_labels",
        "patient_id uuid not null, label text not null",
        "constraint label_is_known check (label in ('R', 'CEL', 'EMP', 'PSY', 'HIV', 'SUD'))",
        once("labelled_once_at_a_time", "patient_id", "label"),
        patient("patient_labels"),
    )
    found_by("patient_labels", "on", "patient_id")
    op.execute("alter table carecircle.audit_events add column basis_via uuid[]")
    op.execute(
        f"grant insert (basis_via) on carecircle.audit_events to carecircle_app, carecircle_decider, {EVERYWHERE}"
    )


def downgrade() -> None:
    op.execute("alter table carecircle.audit_events drop column basis_via")
    op.execute("alter table carecircle.patient_assignments drop column referral_id, drop column rests_on")
    op.execute("alter table carecircle.care_team_members drop column rests_on")
    op.execute("drop table carecircle.specialties")
    for table in (*DECIDED_ON, *NOT_DECIDED_ON):
        op.execute(f"drop table carecircle.{table}")
