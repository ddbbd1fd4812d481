-- Let in by broken glass, for oneself alone: nobody stands in for that. What it overrides was said when it was opened.
select g.patient_id, g.provider_id, 'emergency_access' as basis, g.id as basis_id, g.lineage_id as under_id,
       null::uuid as via_id, g.despite, {action} = any (g.scope) as grants, g.starts_at, g.ends_at as own_ends_at, g.ends_at,
       '{}'::text[] as rests_on, null::uuid as referral_id
from carecircle.emergency_access g
where g.organization_id = {organization} and {g of patient} and {g of provider} and g.scope <> '{}' and {g holds}
