-- Let in by broken glass, for oneself alone: nobody stands in for that. What it overrides was said when it was opened.
select e.patient_id, e.provider_id, 'emergency_access' as basis, e.id as basis_id, e.lineage_id as under_id,
       null::uuid as via_id, e.despite, {action} = any (e.scope) as grants, e.starts_at, e.ends_at as own_ends_at, e.ends_at,
       '{}'::text[] as rests_on, null::uuid as referral_id
from carecircle.emergency_access e
where e.organization_id = {organization} and {e of patient} and {e of provider} and e.scope <> '{}' and {e holds}
