-- The circle of care: what providers hold themselves, and what they have of it by standing in for one who does. Coverage
-- is one hop: it passes on what the other holds, never what they have by coverage; never an action that either of the two
-- scopes lacks; and nothing of a patient who objects to the provider stood in for.
select x.patient_id, w.provider_id,
       case when w.arrangement_id is null then x.basis else 'coverage' end as basis,
       coalesce(w.arrangement_id, x.basis_id) as basis_id,
       case when w.arrangement_id is null then x.under_id else x.basis_id end as under_id,
       case when w.arrangement_id is not null then w.holder_id end as via_id,
       case when w.arrangement_id is null then x.despite else '{}' end as despite,
       {action} = any (x.scope) and (w.scope is null or {action} = any (w.scope)) as grants,
       greatest(x.starts_at, w.starts_at) as starts_at, least(x.own_ends_at, w.ends_at) as own_ends_at,
       least(x.ends_at, w.ends_at, {rests on}) as ends_at,
       case when w.arrangement_id is null then x.rests_on else w.rests_on end as rests_on,
       case when w.arrangement_id is null then x.referral_id end as referral_id
from {holders} w cross join lateral {paths} x
where (w.patient_id is null or w.patient_id = x.patient_id) and (w.care_team_id is null or w.care_team_id = x.care_team_id)
  and (w.arrangement_id is null or (
    select true from carecircle.access_restrictions o
    where o.organization_id = {organization} and o.provider_id = w.holder_id and o.patient_id = x.patient_id and {o holds}
    limit 1) is null)
union all
{emergency_access}
