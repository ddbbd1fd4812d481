-- Until when the referral holds that an assignment rests on.
case when a.referral_id is null then 'infinity'::timestamptz else coalesce((
  select f.ends_at from carecircle.referrals f
  where f.organization_id = {organization} and f.lineage_id = a.referral_id and f.patient_id = a.patient_id
    and (f.provider_id is null or f.provider_id = a.provider_id) and {f holds}
  order by f.ends_at desc limit 1
), '-infinity'::timestamptz) end
