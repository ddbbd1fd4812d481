-- The paths that come closest to letting somebody in: lapsed, ended, not begun, or without the action; nearest first.
select n.basis, n.basis_id, n.starts_at, n.own_ends_at as ends_at, n.lacking,
       case
         when n.own_ends_at <= $4 then 'ended'
         when n.starts_at > $4 then 'not-begun'
         when n.lacking <> '{}' then 'lapsed'
         else 'action-not-granted'
       end as lack
from (
  select c.*,
         array(
           select need from unnest(c.rests_on) as need
           where not exists (
             select from carecircle.provider_credentials k
             where k.organization_id = $1 and k.provider_id = $2 and need in (k.kind, k.code) and {k holds})
         ) || case
           when c.referral_id is not null and not exists (
             select from carecircle.referrals f
             where f.organization_id = $1 and f.lineage_id = c.referral_id and f.patient_id = $3
               and (f.provider_id is null or f.provider_id = $2) and {f holds})
           then array['referral']
         end as lacking
  from ({circle}) c
) n
where n.starts_at < n.own_ends_at
  and not (n.starts_at <= $4 and n.own_ends_at > $4 and n.lacking = '{}' and n.grants)
order by case
           when n.own_ends_at <= $4 then $4 - n.own_ends_at when n.starts_at > $4 then n.starts_at - $4 else interval '0'
         end,
         n.basis_id
limit {most}
