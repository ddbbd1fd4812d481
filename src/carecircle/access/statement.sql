-- Decide a batch of questions and record every answer: one statement, one commit, no answer without its entry.
with question as {materialized} (
  select q.position, q.entry_id, q.organization_id, q.provider_id, q.patient_id, q.action, q.actor, q.purpose,
         q.request_id, {as_of} as as_of, {believed_at} as believed_at
  from {asked}
), answer as materialized (
  select q.*, c.kinds, c.ids, c.under, c.starts, c.ends, c.kinds is not null as allowed,
         case
           when c.kinds is not null then 'allowed'
           when q.action <> all ({actions}) then 'unknown-action'
           when c.held > 0 then 'action-not-granted'
           when (select true from carecircle.patients p
                 where p.organization_id = q.organization_id and p.id = q.patient_id) is null then 'unknown-patient'
           when (select true from carecircle.providers p
                 where p.organization_id = q.organization_id and p.id = q.provider_id) is null then 'unknown-provider'
           else 'no-relationship'
         end as code
  from question q
  cross join lateral (
    select count(*) as held,
           array_agg(c.basis) filter (where q.action = any (c.scope)) as kinds,
           array_agg(c.basis_id) filter (where q.action = any (c.scope)) as ids,
           array_agg(c.under_id) filter (where q.action = any (c.scope)) as under,
           array_agg(c.starts_at) filter (where q.action = any (c.scope)) as starts,
           array_agg(c.ends_at) filter (where q.action = any (c.scope)) as ends
    from ({circle}) c
    where c.organization_id = q.organization_id and c.patient_id = q.patient_id and c.provider_id = q.provider_id
      and q.action = any ({actions})
  ) c
), recorded as (
  insert into carecircle.audit_events
    (organization_id, id, kind, actor, provider_id, patient_id, action, purpose, allowed, code,
     as_of, believed_at, basis_kinds, basis_ids, basis_under, basis_ends, request_id)
  select organization_id, entry_id, 'decision', actor, provider_id, patient_id, action, purpose,
         allowed, code, as_of, believed_at, kinds, ids, under, ends, request_id
  from answer
)
select allowed, code, kinds, ids, under, starts, ends, as_of from answer order by position
