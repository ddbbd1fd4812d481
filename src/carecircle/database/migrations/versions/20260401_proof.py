"""Proof: who wrote an entry and in which turn, the sealed tree, the keys of an organization, legal holds, retired months.

Revision ID: 20260401_proof
Revises: 20260301_emergency_access
"""

from __future__ import annotations

from alembic import op

from carecircle.database.migrations.wall import EVERY_TENANT_UNLESS_NAMED, TENANT, guard_entity, guard_fact, raise_wall
from carecircle.database.roles import EVERYWHERE

revision = "20260401_proof"
down_revision = "20260301_emergency_access"
branch_labels = None
depends_on = None

KEEPER = "carecircle_keeper"
PROVING = "carecircle_sealer, carecircle_auditor"
STILL_BELIEVED = "superseded_at = 'infinity' and not isempty(period)"
TOLD = "writer_id, writer_turn, mark, on_behalf_of, address, policy_version"
# What is sealed, by the columns that bind an envelope to its row.
SEALED = {
    "patients": ("id", "demographics"),
    "patient_identifiers": ("patient_id, blind_index", "identifier"),
    "emergency_access": ("id, lineage_id", "reason, second_reason"),
    "emergency_notes": ("id", "body"),
    "legal_holds": ("id, lineage_id", "reason"),
}
# Facts, and what else names the entry that made it: an auditor compares them with the entries.
FACTS = (
    "access_restrictions", "care_team_closures", "care_team_members", "care_team_patients", "coverage_arrangements", "duties",
    "emergency_access", "findings", "legal_holds", "panel_capacities", "patient_assignments", "patient_labels",
    "patient_merges", "personal_relations", "policies", "provider_absences", "provider_credentials", "provider_roles",
    "referrals", "reporting_lines",
)  # fmt: skip
MADE_ONCE = ("emergency_approvers", "emergency_notes", "organization_keys", "outbox", "reassignments")


def upgrade() -> None:
    _writers()
    _tree()
    _keys()
    _holds()
    _looking()


def _writers() -> None:
    # A writer is a session of the database, its turns are counted per organization. Both are settings of the session, and a
    # setting goes back with the transaction that made it: a turn is taken if and only if its entry is committed.
    op.execute("""
        create function carecircle.writer() returns uuid language sql volatile as $$
          select coalesce(nullif(current_setting('carecircle.writer', true), ''),
                          set_config('carecircle.writer', gen_random_uuid()::text, false))::uuid
        $$""")
    op.execute("""
        create function carecircle.writer_turn(organization uuid) returns bigint language sql volatile as $$
          select set_config(name, (coalesce(nullif(current_setting(name, true), ''), '0')::bigint + 1)::text, false)::bigint
          from (select 'carecircle.turn_' || replace(organization::text, '-', '') as name) named
        $$""")
    for function in ("writer()", "writer_turn(uuid)"):
        op.execute(f"revoke execute on function carecircle.{function} from public")
        op.execute(
            f"grant execute on function carecircle.{function} to carecircle_app, carecircle_decider, {EVERYWHERE}"
        )
    op.execute("""
        alter table carecircle.audit_events
          add column writer_id uuid, add column writer_turn bigint, add column mark bytea,
          add column on_behalf_of text, add column address text, add column policy_version integer""")
    op.execute("""
        alter table carecircle.audit_events
          alter column writer_id set default carecircle.writer(),
          alter column writer_turn set default carecircle.writer_turn(carecircle.current_organization())""")
    op.execute(f"grant insert ({TOLD}) on carecircle.audit_events to carecircle_app, carecircle_decider, {EVERYWHERE}")
    # The sealer takes the entries of a transaction once all before it have ended. Equal keys of a batch share their place.
    op.execute("create index audit_events_unsealed on carecircle.audit_events (organization_id, xid)")
    # Entries made before this revision have neither writer nor mark.
    op.execute("create table carecircle.audit_opening as select pg_current_xact_id() as xid")
    op.execute(f"grant select on carecircle.audit_opening to {PROVING}")


def _tree() -> None:
    op.execute("""
        create table carecircle.audit_leaves (
          organization_id uuid        not null,
          epoch           integer     not null,
          leaf_index      bigint      not null,
          entry_id        uuid        not null,
          recorded_at     timestamptz not null,
          leaf_hash       bytea       not null,
          constraint audit_leaves_pkey primary key (organization_id, epoch, leaf_index),
          constraint entry_sealed_once unique (organization_id, entry_id),
          constraint audit_leaf_is_a_hash check (octet_length(leaf_hash) = 32 and leaf_index >= 0 and epoch > 0)
        )""")
    # Roots of complete subtrees of 256, 65,536, … leaves: what a proof needs without reading every leaf.
    op.execute("""
        create table carecircle.audit_nodes (
          organization_id uuid     not null,
          epoch           integer  not null,
          level           smallint not null,
          node_index      bigint   not null,
          node_hash       bytea    not null,
          constraint audit_nodes_pkey primary key (organization_id, epoch, level, node_index),
          constraint audit_node_is_a_hash check (octet_length(node_hash) = 32 and node_index >= 0 and level > 0)
        )""")
    op.execute("""
        create table carecircle.audit_checkpoints (
          organization_id uuid        not null,
          epoch           integer     not null,
          tree_size       bigint      not null,
          root_hash       bytea       not null,
          last_xid        xid8        not null,
          last_entry_id   uuid        not null,
          snapshot_xmax   xid8        not null,
          system_id       bigint      not null,
          signed_at       timestamptz not null,
          note            text        not null,
          constraint audit_checkpoints_pkey primary key (organization_id, epoch, tree_size),
          constraint audit_checkpoint_is_a_root check (octet_length(root_hash) = 32 and tree_size >= 0 and epoch > 0)
        )""")
    op.execute(f"grant usage on schema carecircle to {PROVING}")
    op.execute(f"grant select on carecircle.schema_version to {PROVING}")
    for table in ("audit_leaves", "audit_nodes", "audit_checkpoints"):
        raise_wall(table)
        op.execute(f"grant select, insert on carecircle.{table} to carecircle_sealer")
        op.execute(f"grant select on carecircle.{table} to carecircle_auditor")
        op.execute(
            f"create policy sealer_reads on carecircle.{table} for select to carecircle_sealer"
            f" using ({EVERY_TENANT_UNLESS_NAMED})"
        )
        op.execute(
            f"create policy sealer_seals on carecircle.{table} for insert to carecircle_sealer"
            f" with check ({EVERY_TENANT_UNLESS_NAMED})"
        )
        op.execute(
            f"create policy auditor_reads on carecircle.{table} for select to carecircle_auditor using ({TENANT})"
        )
    op.execute("grant select (id) on carecircle.organizations to carecircle_sealer")
    op.execute(
        "create policy sealer_reads on carecircle.organizations for select to carecircle_sealer using"
        f" ({EVERY_TENANT_UNLESS_NAMED.replace('organization_id', 'id').replace('current_id()', 'current_organization()')})"
    )


def _keys() -> None:
    op.execute("""
        create table carecircle.organization_keys (
          organization_id uuid        not null references carecircle.organizations (id),
          id              uuid        not null,
          purpose         text        not null,
          key_id          bytea       not null,
          wrapped         bytea,
          root_key_id     bytea       not null,
          writes_from     timestamptz not null,
          recorded_at     timestamptz not null default statement_timestamp(),
          destroyed_at    timestamptz,
          entry_id        uuid        not null,
          constraint organization_keys_pkey primary key (organization_id, id),
          constraint organization_key_is_known_once unique (organization_id, key_id),
          constraint key_purpose_is_known check (purpose in ('field', 'blind')),
          constraint destroyed_key_is_gone check ((wrapped is null) = (destroyed_at is not null))
        )""")
    guard_entity(
        "organization_keys",
        editable="wrapped, root_key_id, destroyed_at",
        decided_on="organization_id, id, purpose, key_id, wrapped, root_key_id, writes_from, destroyed_at",
    )


def _holds() -> None:
    op.execute(f"""
        create table carecircle.legal_holds (
          organization_id     uuid        not null references carecircle.organizations (id),
          id                  uuid        not null,
          lineage_id          uuid        not null,
          patient_id          uuid,
          reason              bytea,
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
          constraint legal_holds_pkey primary key (organization_id, id),
          constraint legal_holds_period_not_empty check (starts_at < ends_at),
          constraint legal_holds_start_is_set check (starts_at > '-infinity'),
          constraint legal_holds_recorded_at_is_set check (recorded_at > '-infinity' and recorded_at < 'infinity'),
          constraint legal_holds_superseded_after_recorded check (superseded_at >= recorded_at),
          constraint legal_holds_superseded_as_a_whole check (
            (superseded_at = 'infinity') = (superseded_xid is null)
            and (superseded_at = 'infinity') = (superseded_entry_id is null)),
          constraint legal_holds_patient foreign key (organization_id, patient_id)
            references carecircle.patients (organization_id, id),
          constraint one_state_of_a_legal_hold_at_a_time exclude using gist (
            organization_id with =, lineage_id with =, period with &&) where ({STILL_BELIEVED})
        )""")
    op.execute("create index legal_holds_lineage on carecircle.legal_holds (organization_id, lineage_id, recorded_at)")
    guard_fact("legal_holds", decided_on=False)
    # One row per organization for every month of entries that was exported, verified and dropped.
    op.execute("""
        create table carecircle.audit_retirements (
          organization_id uuid        not null references carecircle.organizations (id),
          id              uuid        not null,
          month           date        not null,
          entries         bigint      not null,
          export_sha256   bytea       not null,
          recorded_at     timestamptz not null default statement_timestamp(),
          entry_id        uuid        not null,
          constraint audit_retirements_pkey primary key (organization_id, id),
          constraint month_retired_once unique (organization_id, month),
          constraint month_is_its_first_day check (month = date_trunc('month', month::timestamp)::date)
        )""")
    guard_entity("audit_retirements")
    op.execute("grant select on carecircle.audit_retirements to carecircle_auditor")
    op.execute(
        f"create policy auditor_reads on carecircle.audit_retirements for select to carecircle_auditor using ({TENANT})"
    )


def _looking() -> None:
    """What an auditor compares with the entries, and what the keeper of the keys may seal anew."""
    made = "organization_id, id, recorded_at, entry_id, xmin"
    closed = ", superseded_at, recorded_xid, superseded_xid, superseded_entry_id"
    for table in (*FACTS, *MADE_ONCE):
        columns = made + closed if table in FACTS else made
        op.execute(f"grant select ({columns}) on carecircle.{table} to carecircle_auditor")
        op.execute(
            f"create policy auditor_reads on carecircle.{table} for select to carecircle_auditor using ({TENANT})"
        )
    op.execute(f"grant usage on schema carecircle to {KEEPER}")
    op.execute(f"grant execute on function carecircle.current_organization() to {KEEPER}")
    op.execute(f"grant select on carecircle.schema_version to {KEEPER}")
    for table, (bound_to, sealed) in SEALED.items():
        op.execute(f"grant select (organization_id, {bound_to}, {sealed}) on carecircle.{table} to {KEEPER}")
        op.execute(f"grant update ({sealed}) on carecircle.{table} to {KEEPER}")
        op.execute(f"create policy keeper_reads on carecircle.{table} for select to {KEEPER} using ({TENANT})")
        op.execute(
            f"create policy keeper_seals on carecircle.{table} for update to {KEEPER} using ({TENANT}) with check ({TENANT})"
        )
    op.execute(f"grant select on carecircle.organization_keys to {KEEPER}")
    op.execute(f"create policy keeper_reads on carecircle.organization_keys for select to {KEEPER} using ({TENANT})")


def downgrade() -> None:
    for table, (bound_to, sealed) in SEALED.items():
        op.execute(f"drop policy keeper_reads on carecircle.{table}")
        op.execute(f"drop policy keeper_seals on carecircle.{table}")
        op.execute(f"revoke update ({sealed}) on carecircle.{table} from {KEEPER}")
        op.execute(f"revoke select (organization_id, {bound_to}, {sealed}) on carecircle.{table} from {KEEPER}")
    for table in (*FACTS, *MADE_ONCE):
        op.execute(f"drop policy auditor_reads on carecircle.{table}")
        op.execute(f"revoke all on carecircle.{table} from carecircle_auditor")
    op.execute("drop policy sealer_reads on carecircle.organizations")
    op.execute("revoke select (id) on carecircle.organizations from carecircle_sealer")
    for table in (
        "audit_retirements", "legal_holds", "organization_keys", "audit_checkpoints", "audit_nodes", "audit_leaves",
        "audit_opening",
    ):  # fmt: skip
        op.execute(f"drop table carecircle.{table}")
    op.execute("drop index carecircle.audit_events_unsealed")
    for column in TOLD.split(", "):
        op.execute(f"alter table carecircle.audit_events drop column {column}")
    op.execute("drop function carecircle.writer_turn(uuid)")
    op.execute("drop function carecircle.writer()")
    op.execute(f"revoke select on carecircle.schema_version from {KEEPER}")
    op.execute(f"revoke execute on function carecircle.current_organization() from {KEEPER}")
    op.execute(f"revoke usage on schema carecircle from {KEEPER}")
