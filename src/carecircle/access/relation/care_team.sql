-- Let in by a seat on a care team that looks after the patient; the seat is the basis, under it lies the team's patient row.
select p.patient_id, m.provider_id, 'care_team' as basis, m.id as basis_id, p.id as under_id,
       '{}'::text[] as despite, m.care_team_id, m.scope, greatest(p.starts_at, m.starts_at) as starts_at,
       least(p.ends_at, m.ends_at) as own_ends_at, least(p.ends_at, m.ends_at) as ends_at, m.rests_on, null::uuid as referral_id
from carecircle.care_team_patients p
join carecircle.care_team_members m on m.organization_id = p.organization_id and m.care_team_id = p.care_team_id
where p.organization_id = {organization} and {p of patient} and {m of provider} and {p holds} and {m holds}
