-- Until when every credential holds that the path rests on, and those that standing in for its holder rests on.
case when cardinality(x.rests_on) + cardinality(w.rests_on) = 0 then 'infinity'::timestamptz else (
  select min(coalesce((
      select k.ends_at from carecircle.provider_credentials k
      where k.organization_id = {organization} and needs.name in (k.kind, k.code) and {k holds}
        and k.provider_id = case when needs.number <= cardinality(x.rests_on) then w.holder_id else w.provider_id end
      order by k.ends_at desc limit 1
    ), '-infinity'::timestamptz))
  from unnest(x.rests_on || w.rests_on) with ordinality as needs (name, number)
) end
