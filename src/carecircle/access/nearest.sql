-- The paths that come closest to letting somebody in: lapsed, ended, not begun, or without the action; nearest first.
-- Cover is lapsed as well while what it passes on rests on something that its holder lacks.
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
           select needs.name
           from (
             select name, c.provider_id as holder_id from unnest(c.rests_on) as name
             union all
             select name, c.via_id from unnest(u.rests_on) as name
           ) needs
           where not exists (
             select from carecircle.provider_credentials k
             where k.organization_id = $1 and k.provider_id = needs.holder_id
               and needs.name in (k.kind, k.code) and {k holds})
           group by needs.name
         ) || case
           when exists (
             select from (values (c.referral_id, c.provider_id), (u.referral_id, c.via_id)) as r (referral_id, holder_id)
             where r.referral_id is not null and not exists (
               select from carecircle.referrals f
               where f.organization_id = $1 and f.lineage_id = r.referral_id and f.patient_id = $3
                 and (f.provider_id is null or f.provider_id = r.holder_id) and {f holds}))
           then array['referral']
         end as lacking
  from ({circle}) c
  left join lateral (
    select a.rests_on, a.referral_id
    from carecircle.patient_assignments a where a.organization_id = $1 and a.id = c.under_id
    union all
    select m.rests_on, null
    from carecircle.care_team_members m where m.organization_id = $1 and m.id = c.under_id
  ) u on c.via_id is not null
) n
where n.starts_at < n.own_ends_at and n.basis <> 'emergency_access' -- an emergency that is over is nothing to renew
  and not (n.starts_at <= $4 and n.own_ends_at > $4 and n.lacking = '{}' and n.grants)
order by case
           when n.own_ends_at <= $4 then $4 - n.own_ends_at when n.starts_at > $4 then n.starts_at - $4 else interval '0'
         end,
         n.basis_id
limit {most}
