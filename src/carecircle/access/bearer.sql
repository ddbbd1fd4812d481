-- What each bearer may now: whether its key, sign-in, account and visit hold, and what key or roles permit.
select b.number, b.organization_id, b.permission, b.asking_roles, b.key_id, b.account_id, b.visit_id, k.may, k.actions, a.roles,
       a.provider_id,
       (b.visit_id is not null or b.home_id = b.organization_id)
         and (b.key_id is null or k.may is not null) and (b.sign_in_id is null or s.live is not null)
         and (b.account_id is null or a.live is not null) and (b.visit_id is null or v.live is not null) as live
from {bearers}
left join lateral (
  select k.may, k.actions from carecircle.api_keys k
  where b.key_id is not null and k.organization_id = b.home_id and k.lineage_id = b.key_id
    and k.superseded_at = 'infinity' and k.starts_at <= {now} and k.ends_at > {now} limit 1
) k on true
left join lateral (
  select true as live from carecircle.sign_ins s
  where b.sign_in_id is not null and s.organization_id = b.home_id and s.id = b.sign_in_id
    and s.superseded_at = 'infinity' and s.ends_at > {now} limit 1
) s on true
left join lateral (
  select true as live, a.provider_id, (
    select array_agg(r.role) from carecircle.account_roles r
    where r.organization_id = b.home_id and r.account_id = b.account_id
      and r.superseded_at = 'infinity' and r.starts_at <= {now} and r.ends_at > {now}) as roles
  from carecircle.accounts a
  where b.account_id is not null and a.organization_id = b.home_id and a.id = b.account_row_id
    and a.lineage_id = b.account_id
    and a.superseded_at = 'infinity' and a.starts_at <= {now} and a.ends_at > {now} limit 1
) a on true
left join lateral (
  select true as live from carecircle.visits v
  where b.visit_id is not null and v.organization_id = b.organization_id and v.id = b.visit_id
    and v.account_id = b.account_id and v.superseded_at = 'infinity' and v.starts_at <= {now} and v.ends_at > {now} limit 1
) v on true
