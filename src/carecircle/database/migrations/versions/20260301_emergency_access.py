"""Emergency access: grants and their states, duties, who reports to whom, who is related to whom, and the outbox.

Revision ID: 20260301_emergency_access
Revises: 20260215_around_the_patient
"""

from __future__ import annotations

from alembic import op

from carecircle.database.migrations.wall import guard_entity, guard_fact

revision = "20260301_emergency_access"
down_revision = "20260215_around_the_patient"
branch_labels = None
depends_on = None

NOBODY = "'00000000-0000-0000-0000-000000000000'::uuid"
STILL_BELIEVED = "superseded_at = 'infinity' and not isempty(period)"
FACTS = ("emergency_access", "duties", "reporting_lines", "personal_relations")
ENTITIES = ("emergency_approvers", "emergency_notes", "outbox")
NOTIFIER = "carecircle_notifier"


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


def refers(table: str, column: str, to: str, name: str) -> str:
    return (
        f"constraint {table}_{name} foreign key (organization_id, {column})"
        f" references carecircle.{to} (organization_id, id)"
    )


def once(name: str, *same: str, where: str = STILL_BELIEVED) -> str:
    """Rows that are the same in these columns never overlap while they are believed."""
    equal = ", ".join(f"{one} with =" for one in ("organization_id", *same))
    return f"constraint {name} exclude using gist ({equal}, period with &&) where ({where})"


def upgrade() -> None:
    _duties()
    _grants()
    _around_a_grant()
    _outbox()
    for table in FACTS:
        guard_fact(table, decided_on=table in ("emergency_access", "duties"))
    # A decision that rests on broken glass is found again for the report about it; no other entry is in this index.
    op.execute(
        "create index audit_events_emergency on carecircle.audit_events (organization_id, provider_id, patient_id, recorded_at)"
        " where basis_kinds @> array['emergency_access']"
    )


def _duties() -> None:
    fact(
        "duties",
        """provider_id uuid not null, duty text not null, unit_id uuid, call_order integer not null default 1,
           contact text not null default ''""",
        "constraint duty_is_known check (duty in ('supervisor', 'duty_manager', 'privacy_office', 'break_glass'))",
        "constraint call_order_is_positive check (call_order > 0)",
        once("duty_held_once_at_a_time", "provider_id", "duty", f"coalesce(unit_id, {NOBODY})"),
        refers("duties", "provider_id", "providers", "provider"),
        refers("duties", "unit_id", "units", "unit"),
    )
    op.execute("alter index carecircle.duty_held_once_at_a_time alter column 4 set statistics 0")
    op.execute(
        "create index duties_of on carecircle.duties (organization_id, provider_id, ends_at)"
        " where superseded_at = 'infinity'"
    )
    # Who decides are few; who may break the glass are many, and a question about one of them must not look here.
    op.execute(
        "create index duties_deciding on carecircle.duties (organization_id, duty, ends_at)"
        " where superseded_at = 'infinity' and duty <> 'break_glass'"
    )
    fact(
        "reporting_lines",
        "provider_id uuid not null, reports_to_id uuid not null",
        "constraint nobody_reports_to_themselves check (provider_id <> reports_to_id)",
        once("reports_once_at_a_time", "provider_id", "reports_to_id"),
        refers("reporting_lines", "provider_id", "providers", "provider"),
        refers("reporting_lines", "reports_to_id", "providers", "superior_provider"),
    )
    op.execute(
        "create index reporting_lines_to on carecircle.reporting_lines (organization_id, reports_to_id, ends_at)"
        " where superseded_at = 'infinity'"
    )
    fact(
        "personal_relations",
        "provider_id uuid not null, patient_id uuid not null, relation text not null",
        "constraint relation_is_known check (relation in ('self', 'family', 'household'))",
        once("related_once_at_a_time", "provider_id", "patient_id"),
        refers("personal_relations", "provider_id", "providers", "provider"),
        refers("personal_relations", "patient_id", "patients", "patient"),
    )


def _grants() -> None:
    # A row says which state held from when until when; the rows of one lineage follow each other. What lets somebody in
    # is the scope alone: it is empty in every state that grants nothing. Past the end of its last row, it has expired.
    fact(
        "emergency_access",
        """provider_id uuid not null, patient_id uuid not null, state text not null, mode text not null,
           scope text[] not null default '{}', despite text[] not null default '{}',
           reason_code text not null, reason bytea, reason_digest bytea, second_reason_code text, second_reason bytea,
           wanted_scope text[] not null, wanted_until timestamptz not null, asked_at timestamptz not null,
           opened_at timestamptz, decided_at timestamptz, two_persons boolean not null default false,
           seconded_by_id uuid, decided_by_id uuid, reviewed_by_id uuid, ended_because text, verdict text,
           review_due_at timestamptz, signals text[] not null default '{}', unit_id uuid, reopens_id uuid,
           authenticated_at timestamptz, attested boolean not null default false""",
        """constraint emergency_state_is_known check (
             state in ('requested', 'provisional', 'approved', 'denied', 'ended', 'reviewed'))""",
        "constraint emergency_mode_is_known check (mode in ('provisional', 'immediate', 'gated', 'downtime'))",
        "constraint emergency_reason_is_given check (reason_code <> '')",
        "constraint only_an_open_state_grants check (scope = '{}' or state in ('provisional', 'approved'))",
        "constraint emergency_grant_was_opened check (scope = '{}' or opened_at is not null)",
        # 72 hours is the longest that any policy may say.
        """constraint emergency_grant_has_an_end check (
             scope = '{}' or (ends_at < 'infinity' and ends_at <= opened_at + interval '72 hours'))""",
        "constraint nothing_overrides_a_suspension check (despite <@ array['sensitivity', 'objection'])",
        "constraint downtime_grants_nothing check (mode <> 'downtime' or scope = '{}')",
        "constraint approved_by_somebody check (state <> 'approved' or decided_by_id is not null)",
        "constraint approved_by_two_where_needed check (state <> 'approved' or not two_persons or seconded_by_id is not null)",
        """constraint nobody_decides_for_themselves check (
             decided_by_id is distinct from provider_id and seconded_by_id is distinct from provider_id)""",
        "constraint second_person_is_another check (seconded_by_id is null or seconded_by_id is distinct from decided_by_id)",
        "constraint reviewed_with_a_verdict check ((state = 'reviewed') = (verdict is not null and reviewed_by_id is not null))",
        "constraint verdict_is_known check (verdict in ('justified', 'concern', 'escalated'))",
        """constraint reviewer_is_another check (reviewed_by_id is null or (reviewed_by_id <> provider_id
             and reviewed_by_id is distinct from decided_by_id and reviewed_by_id is distinct from seconded_by_id))""",
        once("one_state_of_emergency_access_at_a_time", "lineage_id"),
        f"""constraint emergency_access_reopened_once exclude using gist (
             organization_id with =, reopens_id with =, lineage_id with <>)
             where (reopens_id is not null and {STILL_BELIEVED})""",
        refers("emergency_access", "provider_id", "providers", "provider"),
        refers("emergency_access", "patient_id", "patients", "patient"),
        refers("emergency_access", "unit_id", "units", "unit"),
        refers("emergency_access", "seconded_by_id", "providers", "seconding_provider"),
        refers("emergency_access", "decided_by_id", "providers", "deciding_provider"),
        refers("emergency_access", "reviewed_by_id", "providers", "reviewing_provider"),
    )
    granting = "superseded_at = 'infinity' and scope <> '{}'"
    op.execute(
        "create index emergency_access_of on carecircle.emergency_access (organization_id, provider_id, patient_id, ends_at)"
        f" where {granting}"
    )
    op.execute(
        "create index emergency_access_to on carecircle.emergency_access (organization_id, patient_id, ends_at)"
        f" where {granting}"
    )
    op.execute(
        "create index emergency_access_of_superseded on carecircle.emergency_access (organization_id, provider_id, patient_id)"
        " where superseded_at < 'infinity' and scope <> '{}'"
    )
    op.execute(
        "create index emergency_access_to_superseded on carecircle.emergency_access (organization_id, patient_id)"
        " where superseded_at < 'infinity' and scope <> '{}'"
    )
    op.execute(
        "create index emergency_access_asked on carecircle.emergency_access (organization_id, asked_at)"
        " where superseded_at = 'infinity'"
    )


def _around_a_grant() -> None:
    op.execute("""
        create table carecircle.emergency_approvers (
          organization_id uuid        not null references carecircle.organizations (id),
          id              uuid        not null,
          emergency_id    uuid        not null,
          provider_id     uuid        not null,
          duty            text        not null,
          duty_id         uuid        not null,
          call_order      integer     not null,
          recorded_at     timestamptz not null default statement_timestamp(),
          entry_id        uuid        not null,
          constraint emergency_approvers_pkey primary key (organization_id, id),
          constraint emergency_approvers_provider foreign key (organization_id, provider_id)
            references carecircle.providers (organization_id, id)
        )""")
    op.execute(
        "create index emergency_approvers_on on carecircle.emergency_approvers (organization_id, emergency_id, provider_id)"
    )
    op.execute(
        "create index emergency_approvers_of on carecircle.emergency_approvers (organization_id, provider_id, emergency_id)"
    )
    op.execute("""
        create table carecircle.emergency_notes (
          organization_id uuid        not null references carecircle.organizations (id),
          id              uuid        not null,
          emergency_id    uuid        not null,
          kind            text        not null,
          provider_id     uuid,
          body            bytea,
          recorded_at     timestamptz not null default statement_timestamp(),
          entry_id        uuid        not null,
          constraint emergency_notes_pkey primary key (organization_id, id),
          constraint emergency_note_kind_is_known check (
            kind in ('acknowledged', 'asked', 'answered', 'decided', 'reviewed', 'converted', 'escalated')),
          constraint emergency_notes_provider foreign key (organization_id, provider_id)
            references carecircle.providers (organization_id, id)
        )""")
    op.execute(
        "create index emergency_notes_on on carecircle.emergency_notes (organization_id, emergency_id, recorded_at)"
    )
    guard_entity("emergency_approvers")
    guard_entity("emergency_notes")


def _outbox() -> None:
    # What is due: a notice to be sent, a step to be taken. Its id is the key by which a receiver knows it again.
    op.execute("""
        create table carecircle.outbox (
          organization_id uuid        not null references carecircle.organizations (id),
          id              uuid        not null,
          kind            text        not null,
          subject_id      uuid        not null,
          recipient_id    uuid,
          address         text        not null default '',
          due_at          timestamptz not null,
          attempts        integer     not null default 0,
          settled_at      timestamptz,
          outcome         text        not null default '',
          recorded_at     timestamptz not null default statement_timestamp(),
          entry_id        uuid        not null,
          constraint outbox_pkey primary key (organization_id, id),
          constraint outbox_kind_is_given check (kind <> ''),
          constraint outbox_recipient_provider foreign key (organization_id, recipient_id)
            references carecircle.providers (organization_id, id)
        )""")
    op.execute("create index outbox_due on carecircle.outbox (organization_id, due_at) where settled_at is null")
    op.execute("create index outbox_about on carecircle.outbox (organization_id, subject_id, recorded_at)")
    guard_entity("outbox", editable="due_at, attempts, settled_at, outcome")
    # The notifier knows for whom something is due, and when; what it is only the organization's own transaction reads.
    op.execute(f"grant usage on schema carecircle to {NOTIFIER}")
    op.execute(f"grant select on carecircle.schema_version to {NOTIFIER}")
    op.execute(f"grant select (organization_id, due_at, settled_at) on carecircle.outbox to {NOTIFIER}")
    op.execute(f"create policy notifier_reads on carecircle.outbox for select to {NOTIFIER} using (true)")


def downgrade() -> None:
    op.execute("drop index carecircle.audit_events_emergency")
    for table in (*ENTITIES, *FACTS):
        op.execute(f"drop table carecircle.{table}")
    op.execute(f"revoke select on carecircle.schema_version from {NOTIFIER}")
    op.execute(f"revoke usage on schema carecircle from {NOTIFIER}")
