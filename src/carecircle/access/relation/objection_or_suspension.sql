-- Taken away by the patient's objection to this provider, or by the provider's suspension, which names no patient.
select o.kind as restriction, o.id as restriction_id
from carecircle.access_restrictions o
where o.organization_id = {organization} and o.provider_id = {provider}
  and (o.patient_id = {patient} or o.patient_id is null) and {o holds}
