-- Around the patients: 500 coverage arrangements, a licence of every provider on which every tenth consulting assignment
-- rests, 2,000 referrals that consulting assignments rest on, 500 objections, 10 suspensions, 1,000 labels; and again, for
-- every live row, ten that ended and one that was corrected.
create function workload.starts(age int) returns timestamptz language sql stable parallel safe
  return now() - interval '30 days' * (age % 11 + 1);
create function workload.ends(age int, live timestamptz) returns timestamptz language sql stable parallel safe
  return case when age between 1 and 10 then now() - interval '30 days' * age else live end;
create function workload.superseded(age int) returns timestamptz language sql stable parallel safe
  return case age when 11 then now() - interval '30 minutes' else 'infinity' end;

insert into carecircle.coverage_arrangements
  (organization_id, id, lineage_id, arrangement_id, covered_provider_id, covering_provider_id, coverage_type, scope,
   starts_at, ends_at, duty_ends_at, recorded_at, superseded_at, superseded_xid, superseded_entry_id, entry_id)
select workload.organization(i), workload.id(format('v%s/%s', i, age)), workload.id('v' || i), workload.id('v' || i),
       workload.id('p' || i), workload.id('p' || (i + 350) % 2000), 'full', array['read', 'write', 'order', 'share'],
       workload.starts(age), workload.ends(age, now() + interval '1 year'), workload.ends(age, now() + interval '1 year'),
       now() - interval '1 hour', workload.superseded(age),
       case age when 11 then pg_current_xact_id() end, case age when 11 then workload.id('entry') end, workload.id('entry')
from generate_series(0, 499) i, generate_series(0, 11) age;

insert into carecircle.provider_credentials
  (organization_id, id, lineage_id, provider_id, kind, code,
   starts_at, ends_at, recorded_at, superseded_at, superseded_xid, superseded_entry_id, entry_id)
select workload.organization(i), workload.id(format('k%s/%s', i, age)), workload.id('k' || i), workload.id('p' || i),
       'licence', 'MD', workload.starts(age), workload.ends(age, 'infinity'), now() - interval '1 hour', workload.superseded(age),
       case age when 11 then pg_current_xact_id() end, case age when 11 then workload.id('entry') end, workload.id('entry')
from generate_series(0, 1999) i, generate_series(0, 11) age;

insert into carecircle.referrals
  (organization_id, id, lineage_id, patient_id, referring_provider_id, specialty_code,
   starts_at, ends_at, recorded_at, superseded_at, superseded_xid, superseded_entry_id, entry_id)
select workload.organization(i), workload.id(format('f%s/%s', i, age)), workload.id('f' || i), workload.id('t' || i),
       workload.provider(i, 0), '207RC0000X', workload.starts(age), workload.ends(age, now() + interval '1 year'),
       now() - interval '1 hour', workload.superseded(age),
       case age when 11 then pg_current_xact_id() end, case age when 11 then workload.id('entry') end, workload.id('entry')
from generate_series(0, 99999, 50) i, generate_series(0, 11) age;

update carecircle.patient_assignments a set rests_on = array['licence']
from generate_series(0, 99999, 10) i
where a.organization_id = workload.organization(i) and a.patient_id = workload.id('t' || i) and a.assignment_type = 'consulting';

update carecircle.patient_assignments a set referral_id = workload.id('f' || i), ends_at = least(a.ends_at, now() + interval '1 year')
from generate_series(0, 99999, 50) i
where a.organization_id = workload.organization(i) and a.patient_id = workload.id('t' || i) and a.assignment_type = 'consulting';

insert into carecircle.access_restrictions
  (organization_id, id, lineage_id, kind, provider_id, patient_id,
   starts_at, ends_at, recorded_at, superseded_at, superseded_xid, superseded_entry_id, entry_id)
select workload.organization(i), workload.id(format('o%s/%s', i, age)), workload.id('obj' || i), 'objection',
       workload.provider(i, 1), workload.id('t' || i), workload.starts(age), workload.ends(age, 'infinity'),
       now() - interval '1 hour', workload.superseded(age),
       case age when 11 then pg_current_xact_id() end, case age when 11 then workload.id('entry') end, workload.id('entry')
from generate_series(3, 99999, 200) i, generate_series(0, 11) age
union all
select workload.organization(i), workload.id(format('s%s/%s', i, age)), workload.id('s' || i), 'suspension',
       workload.id('p' || i), null, workload.starts(age), workload.ends(age, 'infinity'),
       now() - interval '1 hour', workload.superseded(age),
       case age when 11 then pg_current_xact_id() end, case age when 11 then workload.id('entry') end, workload.id('entry')
from generate_series(1990, 1999) i, generate_series(0, 11) age;

insert into carecircle.patient_labels
  (organization_id, id, lineage_id, patient_id, label,
   starts_at, ends_at, recorded_at, superseded_at, superseded_xid, superseded_entry_id, entry_id)
select workload.organization(i), workload.id(format('l%s/%s', i, age)), workload.id('l' || i), workload.id('t' || i), 'CEL',
       workload.starts(age), workload.ends(age, 'infinity'), now() - interval '1 hour', workload.superseded(age),
       case age when 11 then pg_current_xact_id() end, case age when 11 then workload.id('entry') end, workload.id('entry')
from generate_series(5, 99999, 100) i, generate_series(0, 11) age;
