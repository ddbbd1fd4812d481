-- The months of the audit trail: made ahead at every upgrade, and indexed once they are over where that is quick. An entry of a
-- month not made goes to audit_events_other. `carecircle audit months --prepare` does the same, and indexes large months too.
do $$
declare
  month timestamptz;
  partition text;
begin
  if to_regclass('carecircle.audit_events') is null then
    return;
  end if;
  for ahead in 0..24 loop
    -- Months are added to a timestamp without time zone: added to one with, they would follow the session's.
    month := (date_trunc('month', statement_timestamp() at time zone 'UTC') + make_interval(months => ahead)) at time zone 'UTC';
    partition := 'audit_events_' || to_char(month at time zone 'UTC', 'YYYY_MM');
    continue when to_regclass('carecircle.' || partition) is not null;
    begin
      execute format('create table carecircle.%I partition of carecircle.audit_events for values from (%L) to (%L)',
                     partition, month, (month at time zone 'UTC' + interval '1 month') at time zone 'UTC');
      execute format('alter table carecircle.%I enable row level security', partition);
      execute format('alter table carecircle.%I force row level security', partition);
    exception when check_violation then
      raise notice 'entries of % are in audit_events_other already; they stay there', to_char(month, 'YYYY-MM');
    end;
  end loop;
  -- The month being written stays lean; searches by patient and by provider are of months that are over. Nobody writes those.
  for partition in
    select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'carecircle.audit_events'::regclass and c.relname ~ '^audit_events_\d{4}_\d\d$'
      and (to_date(right(c.relname, 7), 'YYYY_MM') + interval '1 month 1 day') at time zone 'UTC' < statement_timestamp()
      and pg_relation_size(c.oid) < 64 * 1024 * 1024
  loop
    execute format('create index if not exists %I on carecircle.%I (organization_id, patient_id, recorded_at)',
                   partition || '_by_patient', partition);
    execute format('create index if not exists %I on carecircle.%I (organization_id, provider_id, recorded_at)',
                   partition || '_by_provider', partition);
  end loop;
  -- Row-level security keeps its owner too from changing an entry; from emptying the table only this does, and the owner could
  -- take it back: it is against mistakes.
  for partition in
    select c.relname from pg_class c
    where c.relnamespace = 'carecircle'::regnamespace and c.relkind in ('r', 'p')
      and (c.relname ~ '^audit_events(_\d{4}_\d\d|_other)?$' or c.relname in ('audit_leaves', 'audit_nodes', 'audit_checkpoints'))
      and has_table_privilege(c.oid, 'truncate')
  loop
    execute format('revoke truncate on carecircle.%I from current_user', partition);
  end loop;
end $$
