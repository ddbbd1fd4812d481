-- Let in by a direct assignment, despite any label; its type names the basis: primary, consulting, attending, …
select a.patient_id, a.provider_id, a.assignment_type as basis, a.id as basis_id, null::uuid as under_id,
       array['sensitivity'] as despite, null::uuid as care_team_id, a.scope, a.starts_at, a.ends_at as own_ends_at,
       least(a.ends_at, {referred}) as ends_at, a.rests_on, a.referral_id
from carecircle.patient_assignments a
where a.organization_id = {organization} and {a of patient} and {a of provider} and {a holds}
