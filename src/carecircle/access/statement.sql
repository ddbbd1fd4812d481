-- Decide a batch of questions and record every answer: one statement, one commit, no answer without its entry.
with {bearers}question as {materialized} (
  select q.position, q.entry_id, q.organization_id, q.provider_id, q.patient_id, q.action, q.actor, q.purpose,
         q.request_id, q.on_behalf_of, q.address, q.writer_turn, q.mark, {as_of} as as_of, {believed_at} as believed_at,
         {admitted} as admitted
  from {asked}
), answer as materialized (
  select q.*, c.kinds is not null as allowed,
         -- The proof: the bases that let in, or else the restrictions that took every one of them away.
         case when c.granting > 0 then coalesce(c.kinds, r.kinds) end as kinds,
         case when c.granting > 0 then coalesce(c.ids, r.ids) end as ids,
         c.under, c.via, c.starts, c.ends,
         case
           when q.admitted > 0 then case q.admitted when 1 then 'outside-scope' else 'not-admitted' end
           when c.kinds is not null then 'allowed'
           when not {known action} then 'unknown-action'
           when c.granting > 0 then 'restricted'
           when c.held > 0 then 'action-not-granted'
           when {merged} then 'patient-merged'
           when (select true from carecircle.patients p
                 where p.organization_id = q.organization_id and p.id = q.patient_id) is null then 'unknown-patient'
           when (select true from carecircle.providers p
                 where p.organization_id = q.organization_id and p.id = q.provider_id) is null then 'unknown-provider'
           else 'no-relationship'
         end as code,
         c.kinds is null and 'suspension' <> all (coalesce(r.kinds, '{}')) and q.admitted = 0 and {may break glass} as glass
  from question q
  cross join lateral (
    select array_agg(r.restriction) as kinds, array_agg(r.restriction_id) as ids,
           count(*) as held
    from ({restrictions}) r
  ) r
  cross join lateral (
    select count(*) as held,
           count(*) filter (where c.grants) as granting,
           array_agg(c.basis) filter (where c.lets_in) as kinds,
           array_agg(c.basis_id) filter (where c.lets_in) as ids,
           array_agg(c.under_id) filter (where c.lets_in) as under,
           array_agg(c.via_id) filter (where c.lets_in) as via,
           array_agg(c.starts_at) filter (where c.lets_in) as starts,
           array_agg(c.ends_at) filter (where c.lets_in) as ends
    from (
      select c.*, c.grants and (r.held = 0 or r.kinds <@ c.despite) as lets_in
      from ({circle}) c
      where {known action} and q.admitted = 0
    ) c
  ) c
), recorded as (
  insert into carecircle.audit_events
    (organization_id, id, kind, actor, provider_id, patient_id, action, purpose, allowed, code,
     as_of, believed_at, basis_kinds, basis_ids, basis_under, basis_via, basis_ends, request_id,
     on_behalf_of, address, writer_id, writer_turn, mark, policy_version)
  select q.organization_id, q.entry_id, 'decision', q.actor, q.provider_id, q.patient_id, q.action, q.purpose,
         q.allowed, q.code, q.as_of, q.believed_at, q.kinds, q.ids, q.under, q.via, q.ends, q.request_id,
         q.on_behalf_of, q.address, {writer}, q.writer_turn, q.mark,
         (select y.version from carecircle.policies y where y.organization_id = q.organization_id and {y holds} limit 1)
  from answer q
)
select allowed, code, kinds, ids, under, via, starts, ends, as_of, glass from answer {in order}
