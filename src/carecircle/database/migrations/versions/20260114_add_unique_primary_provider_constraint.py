"""One primary provider per patient and organization, at any instant, from any door.

Duplicates that are there already are resolved first: the earliest `starts_at` stays primary, every other row that
overlaps it is superseded by a consulting one of the same lineage, and a finding names it.

Revision ID: 20260114_unique_primary
Revises: 20260114_rls_coverage
"""

from __future__ import annotations

from alembic import op

revision = "20260114_unique_primary"
down_revision = "20260114_rls_coverage"
branch_labels = None
depends_on = None

# Row by row, earliest first: a row is demoted when it overlaps one that stays, so three in a chain keep first and third.
RESOLVE_DUPLICATES = """
do $$
declare
  duplicate record;
  entry uuid;
  demoted integer := 0;
begin
  for duplicate in
    select a.* from carecircle.patient_assignments a
    where a.is_primary_provider and a.superseded_at = 'infinity'
      and exists (select from carecircle.patient_assignments b
                  where b.organization_id = a.organization_id and b.patient_id = a.patient_id
                    and b.is_primary_provider and b.superseded_at = 'infinity' and b.id <> a.id
                    and b.period && a.period)
    order by a.organization_id, a.patient_id, a.starts_at, a.recorded_at, a.id
  loop
    continue when not exists (
      select from carecircle.patient_assignments b
      where b.organization_id = duplicate.organization_id and b.patient_id = duplicate.patient_id
        and b.is_primary_provider and b.superseded_at = 'infinity' and b.id <> duplicate.id
        and b.period && duplicate.period
        and (b.starts_at, b.recorded_at, b.id) < (duplicate.starts_at, duplicate.recorded_at, duplicate.id));
    entry := gen_random_uuid();
    insert into carecircle.audit_events
      (organization_id, id, kind, actor, provider_id, patient_id, code, detail)
    values (duplicate.organization_id, entry, 'change', 'operator:migration', duplicate.provider_id,
            duplicate.patient_id, 'primary-demoted', '{"migration":"20260114_unique_primary"}');
    update carecircle.patient_assignments
       set superseded_at = statement_timestamp(), superseded_xid = pg_current_xact_id(), superseded_entry_id = entry
     where organization_id = duplicate.organization_id and id = duplicate.id;
    insert into carecircle.patient_assignments
      (organization_id, id, lineage_id, patient_id, provider_id, assignment_type, scope, starts_at, ends_at,
       entry_id, source, source_record, source_item)
    values (duplicate.organization_id, gen_random_uuid(), duplicate.lineage_id, duplicate.patient_id,
            duplicate.provider_id, 'consulting', duplicate.scope, duplicate.starts_at, duplicate.ends_at,
            entry, duplicate.source, duplicate.source_record, duplicate.source_item);
    insert into carecircle.findings
      (organization_id, id, lineage_id, code, sentence, remedy, source, source_record, patient_id, provider_id, entry_id)
    values (duplicate.organization_id, gen_random_uuid(), duplicate.lineage_id, 'primary-demoted',
            'Two primary providers overlapped; the earlier one stayed and this one became consulting.',
            'If this one is the true primary: carecircle assign primary PATIENT PROVIDER.',
            'migration', duplicate.id::text, duplicate.patient_id, duplicate.provider_id, entry);
    demoted := demoted + 1;
  end loop;
  raise notice 'primary providers demoted to consulting: %', demoted;
end $$"""

# The owner is behind the wall as well; it steps through for this transaction only.
BEHIND_THE_WALL = ("patient_assignments", "findings", "audit_events", "audit_events_other")


def upgrade() -> None:
    for table in BEHIND_THE_WALL:
        op.execute(f"alter table carecircle.{table} no force row level security")
    op.execute(RESOLVE_DUPLICATES)
    for table in BEHIND_THE_WALL:
        op.execute(f"alter table carecircle.{table} force row level security")
    op.execute("""
        alter table carecircle.patient_assignments add constraint one_primary_provider_at_a_time
        exclude using gist (organization_id with =, patient_id with =, period with &&)
        where (is_primary_provider and superseded_at = 'infinity')""")
    op.execute("""
        create unique index idx_unique_primary_provider_per_patient
        on carecircle.patient_assignments (organization_id, patient_id)
        where is_primary_provider and superseded_at = 'infinity' and ends_at = 'infinity'""")


def downgrade() -> None:
    op.execute("drop index carecircle.idx_unique_primary_provider_per_patient")
    op.execute("alter table carecircle.patient_assignments drop constraint one_primary_provider_at_a_time")
