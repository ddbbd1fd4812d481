-- 50 organizations, 2,000 providers, 100,000 patients with 1 primary and 0-3 consulting each, 20,000 teams of 3-8,
-- and for every live row ten that ended and one that was corrected. Ids are hashes of what they number.
-- Constraints' own triggers are off while it loads: the rows are right by construction.
create schema workload;
create function workload.id(what text) returns uuid language sql immutable parallel safe return md5(what)::uuid;
create function workload.organization(i int) returns uuid language sql immutable parallel safe return workload.id('o' || i % 50);
create function workload.provider(patient int, turn int) returns uuid language sql immutable parallel safe
  return workload.id('p' || (patient % 50 + 50 * ((patient / 50 + turn * 13) % 40)));

insert into carecircle.organizations (id, slug, name) select workload.organization(i), 'org-' || i, 'Organization ' || i from generate_series(0, 49) i;
insert into carecircle.providers (organization_id, id) select workload.organization(i), workload.id('p' || i) from generate_series(0, 1999) i;
insert into carecircle.patients (organization_id, id) select workload.organization(i), workload.id('t' || i) from generate_series(0, 99999) i;
insert into carecircle.care_teams (organization_id, id, name, value)
  select workload.organization(i), workload.id('team' || i), 'Team ' || i, 'team' || i from generate_series(0, 19999) i;

-- turn 0 is the primary, 1-3 are consulting; age 0 is live, 1-10 have ended, 11 is what was corrected.
insert into carecircle.patient_assignments
  (organization_id, id, lineage_id, patient_id, provider_id, assignment_type, scope, starts_at, ends_at,
   recorded_at, superseded_at, superseded_xid, superseded_entry_id, entry_id)
select workload.organization(i), workload.id(format('a%s/%s/%s', i, turn, age)), workload.id(format('a%s/%s', i, turn)),
       workload.id('t' || i), workload.provider(i, turn + case when age between 1 and 10 then age * 4 else 0 end),
       case turn when 0 then 'primary' else 'consulting' end,
       case turn when 0 then array['read', 'write', 'order', 'share'] else array['read', 'write', 'order'] end,
       now() - interval '30 days' * (age % 11 + 1),
       case when age between 1 and 10 then now() - interval '30 days' * age else 'infinity' end,
       now() - interval '1 hour', case age when 11 then now() - interval '30 minutes' else 'infinity' end,
       case age when 11 then pg_current_xact_id() end, case age when 11 then workload.id('entry') end, workload.id('entry')
from generate_series(0, 99999) i, generate_series(0, 3) turn, generate_series(0, 11) age
where turn <= (i::bigint * 7919) % 4;

insert into carecircle.care_team_patients
  (organization_id, id, lineage_id, care_team_id, patient_id, starts_at, ends_at,
   recorded_at, superseded_at, superseded_xid, superseded_entry_id, entry_id)
select workload.organization(i), workload.id(format('tp%s/%s', i, age)), workload.id('tp' || i), workload.id('team' || i),
       workload.id('t' || (i % 50 + 50 * ((i / 50 * 5 + case when age between 1 and 10 then age else 0 end) % 2000))),
       now() - interval '30 days' * (age % 11 + 1),
       case when age between 1 and 10 then now() - interval '30 days' * age else 'infinity' end,
       now() - interval '1 hour', case age when 11 then now() - interval '30 minutes' else 'infinity' end,
       case age when 11 then pg_current_xact_id() end, case age when 11 then workload.id('entry') end, workload.id('entry')
from generate_series(0, 19999) i, generate_series(0, 11) age;

insert into carecircle.care_team_members
  (organization_id, id, lineage_id, care_team_id, provider_id, member_role, scope, starts_at, ends_at,
   recorded_at, superseded_at, superseded_xid, superseded_entry_id, entry_id)
select workload.organization(i), workload.id(format('tm%s/%s/%s', i, seat, age)), workload.id(format('tm%s/%s', i, seat)),
       workload.id('team' || i), workload.provider(i, seat + case when age between 1 and 10 then age * 8 else 0 end),
       'nurse', array['read', 'write'],
       now() - interval '30 days' * (age % 11 + 1),
       case when age between 1 and 10 then now() - interval '30 days' * age else 'infinity' end,
       now() - interval '1 hour', case age when 11 then now() - interval '30 minutes' else 'infinity' end,
       case age when 11 then pg_current_xact_id() end, case age when 11 then workload.id('entry') end, workload.id('entry')
from generate_series(0, 19999) i, generate_series(0, 7) seat, generate_series(0, 11) age
where seat < 3 + i % 6;
