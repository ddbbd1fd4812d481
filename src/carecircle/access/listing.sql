-- List one side of the circle and record the answer as one entry: who asked, both clocks, the count, a keyed digest.
with listed as materialized (
  select c.{wanted} as id, array_agg(distinct c.basis order by c.basis) as kinds, max(c.ends_at) as ends_at
  from ({circle}) c
  where c.grants and {known action}
    and not exists (select from ({restrictions}) r where r.restriction <> all (c.despite))
  group by c.{wanted}
), verdict as materialized (
  select case
           when not {known action} then 'unknown-action'
           {when merged}
           when not exists (select from carecircle.{given_table} g where g.organization_id = $2 and g.id = $3) then '{unknown}'
           else 'listed'
         end as code,
         (select count(*) from listed) as count,
         (select encode(sha256($8 || coalesce(string_agg(uuid_send(id), ''::bytea order by id), ''::bytea)), 'hex')
          from listed) as digest
), recorded as (
  insert into carecircle.audit_events
    (organization_id, id, kind, actor, {given}, action, purpose, allowed, code, as_of, believed_at,
     request_id, detail, on_behalf_of, address, mark, writer_id, writer_turn, policy_version)
  select $2, $1, 'listing', $5, $3, $4, $6, count > 0, code, {as_of}, {believed_at}, $7,
         json_build_object('listed', '{wanted}', 'count', count, 'digest', digest)::text, $9, $10, $11::bytea,
         carecircle.writer(), carecircle.writer_turn($2),
         (select y.version from carecircle.policies y where y.organization_id = $2 and {y holds} limit 1)
  from verdict
)
select v.code, {as_of} as as_of, l.id, l.kinds, l.ends_at from verdict v left join listed l on true order by l.id
