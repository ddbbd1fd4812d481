"""The SQL that puts a table behind the tenant wall: forced row-level security, one policy per command and role, privileges."""

from __future__ import annotations

from alembic import op

from carecircle.database.roles import EVERYWHERE

TENANT = "organization_id = carecircle.current_organization()"
# A connection of the sealer that says `every_organization` serves all; any other sees the tenant it names, or none. The
# decider becomes another role instead (database/roles.py): its statement looks things up a dozen times for a question.
# A range, because an index answers it: a filter would tell, in EXPLAIN ANALYZE, which rows of others it took out.
_EVERY = "case when current_setting('carecircle.every_organization', true) = 'on' then '{bound}'::uuid end"
_BOUND = "coalesce(carecircle.current_organization(), " + _EVERY + ")"
EVERY_TENANT_UNLESS_NAMED = (
    f"organization_id >= {_BOUND.format(bound='00000000-0000-0000-0000-000000000000')}"
    f" and organization_id <= {_BOUND.format(bound='ffffffff-ffff-ffff-ffff-ffffffffffff')}"
)

STILL_BELIEVED = "superseded_at = 'infinity'"
# The new closing is of this transaction and of no other instant than between its start and this statement.
CLOSED_JUST_NOW = (
    "superseded_at between transaction_timestamp() and statement_timestamp() and superseded_xid = pg_current_xact_id()"
)
RECORDED_JUST_NOW = (
    "superseded_at = 'infinity' and superseded_xid is null and superseded_entry_id is null"
    " and recorded_at between transaction_timestamp() and statement_timestamp() and recorded_xid = pg_current_xact_id()"
)
CLOSING = "superseded_at, superseded_xid, superseded_entry_id"


def raise_wall(table: str) -> None:
    """Row-level security on, for the owner too: without a policy a role sees and does nothing."""
    op.execute(f"alter table carecircle.{table} enable row level security")
    op.execute(f"alter table carecircle.{table} force row level security")
    op.execute(f"revoke all on carecircle.{table} from public")


def guard_fact(table: str, *, decided_on: bool) -> None:
    """A fact: the app reads its tenant's, inserts, and closes a row once; the decider reads where decisions do."""
    raise_wall(table)
    op.execute(f"grant select, insert, update ({CLOSING}) on carecircle.{table} to carecircle_app")
    op.execute(f"create policy app_reads on carecircle.{table} for select to carecircle_app using ({TENANT})")
    op.execute(
        f"create policy app_records on carecircle.{table} for insert to carecircle_app"
        f" with check ({TENANT} and {RECORDED_JUST_NOW})"
    )
    op.execute(
        f"create policy app_supersedes on carecircle.{table} for update to carecircle_app"
        f" using ({TENANT} and {STILL_BELIEVED}) with check ({TENANT} and {CLOSED_JUST_NOW})"
    )
    if decided_on:
        let_decider_read(table)


def guard_entity(table: str, *, editable: str = "", decided_on: str = "") -> None:
    """An entity: the app reads its tenant's, inserts, and may change only `editable`; the decider reads `decided_on`."""
    raise_wall(table)
    op.execute(f"grant select, insert on carecircle.{table} to carecircle_app")
    op.execute(f"create policy app_reads on carecircle.{table} for select to carecircle_app using ({TENANT})")
    op.execute(f"create policy app_inserts on carecircle.{table} for insert to carecircle_app with check ({TENANT})")
    if editable:
        op.execute(f"grant update ({editable}) on carecircle.{table} to carecircle_app")
        op.execute(
            f"create policy app_edits on carecircle.{table} for update to carecircle_app"
            f" using ({TENANT}) with check ({TENANT})"
        )
    if decided_on:
        let_decider_read(table, columns=decided_on)


def let_decider_read(table: str, *, columns: str = "") -> None:
    """The decider reads the tenant it names; become EVERYWHERE, whatever the statement binds to a question's organization."""
    selected = f"select ({columns})" if columns else "select"
    op.execute(f"grant {selected} on carecircle.{table} to carecircle_decider, {EVERYWHERE}")
    op.execute(f"create policy decider_reads on carecircle.{table} for select to carecircle_decider using ({TENANT})")
    op.execute(f"create policy everywhere_reads on carecircle.{table} for select to {EVERYWHERE} using (true)")
