-- The months of the audit trail, made ahead at every upgrade; an entry of a month not made goes to audit_events_other.
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
end $$
