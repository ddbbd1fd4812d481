"""Staffing: how many patients a provider takes, and planned handovers of everything a provider holds.

A plan, its items and what became of each are rows of their own, inserted and never changed: a run that dies resumes from
them, and the key of an outcome lets each step of an item happen once.

Revision ID: 20260201_staffing
Revises: 20260114_unique_primary
"""

from __future__ import annotations

from alembic import op

from carecircle.database.migrations.wall import guard_entity, guard_fact

revision = "20260201_staffing"
down_revision = "20260114_unique_primary"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        create table carecircle.panel_capacities (
          organization_id     uuid        not null references carecircle.organizations (id),
          id                  uuid        not null,
          lineage_id          uuid        not null,
          provider_id         uuid        not null,
          capacity            integer,
          accepts_new         boolean     not null,
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
          constraint panel_capacities_pkey primary key (organization_id, id),
          constraint panel_capacities_period_not_empty check (starts_at < ends_at),
          constraint panel_capacities_start_is_set check (starts_at > '-infinity'),
          constraint panel_capacities_recorded_at_is_set check (recorded_at > '-infinity' and recorded_at < 'infinity'),
          constraint panel_capacities_superseded_after_recorded check (superseded_at >= recorded_at),
          constraint panel_capacities_superseded_as_a_whole check (
            (superseded_at = 'infinity') = (superseded_xid is null)
            and (superseded_at = 'infinity') = (superseded_entry_id is null)),
          constraint panel_capacity_is_not_negative check (capacity >= 0),
          constraint one_panel_capacity_at_a_time exclude using gist
            (organization_id with =, provider_id with =, period with &&)
            where (superseded_at = 'infinity' and not isempty(period)),
          constraint panel_capacities_provider foreign key (organization_id, provider_id)
            references carecircle.providers (organization_id, id)
        )""")
    op.execute(
        "create index panel_capacities_lineage on carecircle.panel_capacities (organization_id, lineage_id, recorded_at)"
    )
    op.execute("""
        create table carecircle.reassignments (
          organization_id uuid        not null references carecircle.organizations (id),
          id              uuid        not null,
          provider_id     uuid        not null,
          effective_at    timestamptz not null,
          recorded_at     timestamptz not null default statement_timestamp(),
          entry_id        uuid        not null,
          constraint reassignments_pkey primary key (organization_id, id),
          constraint reassignments_provider foreign key (organization_id, provider_id)
            references carecircle.providers (organization_id, id)
        )""")
    op.execute("""
        create table carecircle.reassignment_destinations (
          organization_id uuid    not null,
          reassignment_id uuid    not null,
          provider_id     uuid    not null,
          cap             integer,
          constraint reassignment_destinations_pkey primary key (organization_id, reassignment_id, provider_id),
          constraint reassignment_cap_is_not_negative check (cap >= 0),
          constraint reassignment_destinations_reassignment foreign key (organization_id, reassignment_id)
            references carecircle.reassignments (organization_id, id),
          constraint reassignment_destinations_provider foreign key (organization_id, provider_id)
            references carecircle.providers (organization_id, id)
        )""")
    op.execute("""
        create table carecircle.reassignment_items (
          organization_id uuid not null,
          reassignment_id uuid not null,
          id              uuid not null,
          kind            text not null,
          fact_id         uuid not null,
          named           text not null,
          patient_id      uuid,
          care_team_id    uuid,
          provider_id     uuid,
          planned         text not null,
          reason          text not null,
          constraint reassignment_items_pkey primary key (organization_id, reassignment_id, id),
          constraint reassignment_item_listed_once unique (organization_id, reassignment_id, fact_id),
          constraint reassignment_item_is_planned check (planned in ('hand-over', 'end', 'exception')),
          constraint reassignment_item_goes_to_somebody check ((planned = 'hand-over') = (provider_id is not null)),
          constraint reassignment_items_reassignment foreign key (organization_id, reassignment_id)
            references carecircle.reassignments (organization_id, id),
          constraint reassignment_items_patient foreign key (organization_id, patient_id)
            references carecircle.patients (organization_id, id),
          constraint reassignment_items_team foreign key (organization_id, care_team_id)
            references carecircle.care_teams (organization_id, id),
          constraint reassignment_items_provider foreign key (organization_id, provider_id)
            references carecircle.providers (organization_id, id)
        )""")
    op.execute(
        "create index reassignment_items_by_patient on carecircle.reassignment_items"
        " (organization_id, reassignment_id, patient_id)"
    )
    op.execute("""
        create table carecircle.reassignment_outcomes (
          organization_id uuid        not null,
          reassignment_id uuid        not null,
          item_id         uuid        not null,
          step            text        not null,
          outcome         text        not null,
          ended_id        uuid,
          successor_id    uuid,
          entry_id        uuid,
          recorded_at     timestamptz not null default statement_timestamp(),
          constraint reassignment_step_done_once primary key (organization_id, reassignment_id, item_id, step),
          constraint reassignment_step_is_known check (step in ('apply', 'revert')),
          constraint reassignment_outcomes_item foreign key (organization_id, reassignment_id, item_id)
            references carecircle.reassignment_items (organization_id, reassignment_id, id)
        )""")
    guard_fact("panel_capacities", decided_on=False)
    for table in ("reassignments", "reassignment_destinations", "reassignment_items", "reassignment_outcomes"):
        guard_entity(table)


def downgrade() -> None:
    op.execute("""
        drop table carecircle.reassignment_outcomes, carecircle.reassignment_items, carecircle.reassignment_destinations,
          carecircle.reassignments, carecircle.panel_capacities""")
