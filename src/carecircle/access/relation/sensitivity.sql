-- Taken away by a sensitivity label of the patient; it spares who is let in by a direct assignment.
select 'sensitivity' as restriction, l.id as restriction_id, false as spares_nobody
from carecircle.patient_labels l
where l.organization_id = {organization} and l.patient_id = {patient} and {l holds}
