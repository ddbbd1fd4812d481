-- Let in by a direct assignment; its type names the basis: primary, consulting, attending, admitting, emergency.
select a.organization_id, a.patient_id, a.provider_id,
       a.assignment_type as basis, a.id as basis_id, null::uuid as under_id,
       a.scope, a.starts_at, a.ends_at
from carecircle.patient_assignments a
where {a holds}
