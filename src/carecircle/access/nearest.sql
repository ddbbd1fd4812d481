-- The paths that come closest to letting somebody in: ended, not begun, or holding without the action; nearest first.
select c.basis, c.basis_id, c.starts_at, c.ends_at,
       case when c.ends_at <= $4 then 'ended' when c.starts_at > $4 then 'not-begun' else 'action-not-granted' end as lack
from ({circle}) c
where c.organization_id = $1 and c.provider_id = $2 and c.patient_id = $3
  and c.starts_at < c.ends_at and not (c.starts_at <= $4 and c.ends_at > $4 and $5 = any (c.scope))
order by case when c.ends_at <= $4 then $4 - c.ends_at when c.starts_at > $4 then c.starts_at - $4 else interval '0' end,
         c.basis_id
limit {most}
