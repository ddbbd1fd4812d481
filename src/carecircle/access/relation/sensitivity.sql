-- Taken away by a sensitivity label of the patient; what lets in despite `sensitivity` is spared.
select 'sensitivity' as restriction, l.id as restriction_id
from carecircle.patient_labels l
where l.organization_id = {organization} and l.patient_id = {patient} and {l holds}
