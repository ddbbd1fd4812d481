-- Who holds something: each provider for themselves, and whoever stands in for another by a coverage arrangement.
select {self} as provider_id, {self} as holder_id, null::uuid as arrangement_id, null::uuid as patient_id,
       null::uuid as care_team_id, null::text[] as scope, '-infinity'::timestamptz as starts_at,
       'infinity'::timestamptz as ends_at, '{}'::text[] as rests_on
union all
select v.covering_provider_id, v.covered_provider_id, v.id, v.patient_id,
       v.care_team_id, v.scope, v.starts_at, v.ends_at, v.rests_on
from carecircle.coverage_arrangements v
where v.organization_id = {organization} and {v of one} and {v holds}
