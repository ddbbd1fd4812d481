"""The service: accounts with their roles, API keys, sign-ins, visits, answers kept for repetition, names found without opening.

Revision ID: 20260501_service
Revises: 20260401_proof
"""

from __future__ import annotations

from alembic import op

from carecircle.database.migrations.wall import guard_entity, guard_fact

revision = "20260501_service"
down_revision = "20260401_proof"
branch_labels = None
depends_on = None

STILL_BELIEVED = "superseded_at = 'infinity' and not isempty(period)"
FACTS = ("accounts", "account_roles", "api_keys", "sign_ins", "visits")
ENTITIES = ("idempotent_answers", "patient_name_indexes")
PERMISSIONS = "array['ask', 'ask-for-others', 'read', 'change', 'privacy', 'audit', 'administer', 'all-organizations']"
ROLES = "('super_admin', 'org_admin', 'care_coordinator', 'supervisor', 'privacy_officer', 'clinician', 'auditor', 'service')"


def fact(table: str, columns: str, *constraints: str) -> None:
    """A fact says when it holds (starts_at, ends_at), and since when, until when, it was believed."""
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
    guard_fact(table, decided_on=True)
    op.execute(f"grant select (organization_id, id, recorded_at, entry_id, superseded_at, recorded_xid, superseded_xid,"
               f" superseded_entry_id, xmin) on carecircle.{table} to carecircle_auditor")  # fmt: skip
    op.execute(
        f"create policy auditor_reads on carecircle.{table} for select to carecircle_auditor"
        " using (organization_id = carecircle.current_organization())"
    )


def once(name: str, *same: str) -> str:
    """Rows that are the same in these columns never overlap while they are believed."""
    equal = ", ".join(f"{one} with =" for one in ("organization_id", *same))
    return f"constraint {name} exclude using gist ({equal}, period with &&) where ({STILL_BELIEVED})"


def upgrade() -> None:
    fact(
        "accounts",
        "issuer text not null, subject text not null, provider_id uuid, label text not null default ''",
        "constraint account_is_named check (issuer <> '' and subject <> '')",
        once("account_of_a_subject_once_at_a_time", "issuer", "subject"),
        once("one_state_of_an_account_at_a_time", "lineage_id"),
        "constraint accounts_provider foreign key (organization_id, provider_id)"
        " references carecircle.providers (organization_id, id)",
    )
    fact(
        "account_roles",
        "account_id uuid not null, role text not null",
        f"constraint account_role_is_known check (role in {ROLES})",
        once("role_held_once_at_a_time", "account_id", "role"),
    )
    op.execute(
        "create index account_roles_of on carecircle.account_roles (organization_id, account_id, ends_at)"
        " where superseded_at = 'infinity'"
    )
    fact(
        "api_keys",
        "name text not null, secret_hash bytea not null, may text[] not null, actions text[]",
        "constraint api_key_expires check (ends_at < 'infinity')",
        "constraint api_key_hash_is_whole check (octet_length(secret_hash) = 32)",
        f"constraint api_key_permissions_are_known check (may <> '{{}}' and may <@ {PERMISSIONS}"
        " and 'all-organizations' <> all (may))",
        once("one_state_of_an_api_key_at_a_time", "lineage_id"),
    )
    fact(
        "sign_ins",
        "account_id uuid, actor text not null, token_id text not null",
        once("one_state_of_a_sign_in_at_a_time", "lineage_id"),
    )
    fact(
        "visits",
        "home_id uuid not null, account_id uuid not null, reason bytea not null",
        "constraint visit_is_short check (ends_at <= starts_at + interval '8 hours')",
        "constraint visit_is_elsewhere check (home_id <> organization_id)",
        once("one_visit_at_a_time", "account_id"),
    )
    # The keeper of the keys seals a visit's reason anew.
    op.execute("grant select (organization_id, id, lineage_id, reason) on carecircle.visits to carecircle_keeper")
    op.execute("grant update (reason) on carecircle.visits to carecircle_keeper")
    tenant = "organization_id = carecircle.current_organization()"
    op.execute(f"create policy keeper_reads on carecircle.visits for select to carecircle_keeper using ({tenant})")
    op.execute(
        f"create policy keeper_seals on carecircle.visits for update to carecircle_keeper using ({tenant}) with check ({tenant})"
    )
    _kept_answers()
    _names()


def _kept_answers() -> None:
    # What a repeated request is answered with, for a day; the body is sealed.
    op.execute("""
        create table carecircle.idempotent_answers (
          organization_id uuid        not null references carecircle.organizations (id),
          caller          text        not null,
          key             text        not null,
          request_digest  bytea       not null,
          status          integer,
          headers         jsonb,
          body            bytea,
          recorded_at     timestamptz not null default statement_timestamp(),
          constraint idempotent_answers_pkey primary key (organization_id, caller, key),
          constraint idempotency_key_is_short check (length(key) between 1 and 255)
        )""")
    guard_entity("idempotent_answers", editable="request_digest, status, headers, body, recorded_at")


def _names() -> None:
    # Filled only for an organization that turned the family rule on; null again once it is off.
    op.execute("""
        create table carecircle.patient_name_indexes (
          organization_id uuid  not null references carecircle.organizations (id),
          patient_id      uuid  not null,
          kind            text  not null,
          blind_index     bytea,
          constraint patient_name_indexes_pkey primary key (organization_id, patient_id, kind),
          constraint name_index_is_known check (kind in ('surname', 'address')),
          constraint patient_name_indexes_patient foreign key (organization_id, patient_id)
            references carecircle.patients (organization_id, id)
        )""")
    op.execute(
        "create index patient_name_indexes_found on carecircle.patient_name_indexes (organization_id, kind, blind_index)"
    )
    guard_entity("patient_name_indexes", editable="blind_index")


def downgrade() -> None:
    for table in (*ENTITIES, *reversed(FACTS)):
        op.execute(f"drop table carecircle.{table}")
