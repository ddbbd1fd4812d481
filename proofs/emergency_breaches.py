"""What must never be found in the database, whatever was killed, as the proof `emergency` looks for it.

Everything here reads tables as the administrator, who sees all rows; nothing goes through code that the proof is about.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from uuid import UUID

import asyncpg

# Each finds ids of what is wrong. An access is what `lineage_id` names; the entry that wrote its first row opened it.
STATES = """('emergency-opened', 'emergency-requested', 'emergency-seconded', 'emergency-approved', 'emergency-denied',
  'emergency-ended', 'emergency-extension-asked', 'emergency-extended', 'emergency-converted', 'emergency-reviewed')"""
NOTES = "('emergency-acknowledged', 'emergency-asked', 'emergency-answered')"
CHANGES = "carecircle.audit_events e where e.kind = 'change' and e.code like 'emergency-%'"
OPENED = """(select distinct on (a.lineage_id) a.lineage_id, a.entry_id, a.mode, a.organization_id
             from carecircle.emergency_access a order by a.lineage_id, a.recorded_at, a.starts_at) a"""
BELIEVED = "(select * from carecircle.emergency_access where superseded_at = 'infinity')"
IN_TURN = f"""(select lineage_id, state, starts_at, ends_at,
                lag(state) over lineage as before, lag(ends_at) over lineage as ended
               from {BELIEVED} b window lineage as (partition by lineage_id order by starts_at)) s"""
LEGAL = """(null, 'requested'), (null, 'provisional'), ('requested', 'requested'), ('requested', 'approved'),
  ('requested', 'denied'), ('requested', 'ended'), ('provisional', 'provisional'), ('provisional', 'approved'),
  ('provisional', 'denied'), ('provisional', 'ended'), ('provisional', 'reviewed'), ('approved', 'approved'),
  ('approved', 'denied'), ('approved', 'ended'), ('approved', 'reviewed'), ('denied', 'reviewed'), ('ended', 'reviewed')"""
BREACHES: Mapping[str, str] = {
    "a state without its entry": """
      select a.lineage_id from carecircle.emergency_access a where not exists (
        select from carecircle.audit_events e where e.organization_id = a.organization_id and e.id = a.entry_id
          and e.kind = 'change' and e.code like 'emergency-%' and e.provider_id = a.provider_id and e.patient_id = a.patient_id)
      or (a.superseded_entry_id is not null and not exists (
        select from carecircle.audit_events e where e.id = a.superseded_entry_id))""",
    "an entry without what it records": f"""
      select e.id from {CHANGES} and (
        e.code in {STATES} and not exists (select from carecircle.emergency_access a where a.entry_id = e.id)
          and not exists (select from carecircle.emergency_notes n where n.entry_id = e.id)
        or e.code in {NOTES} and not exists (select from carecircle.emergency_notes n where n.entry_id = e.id))""",
    "an entry without its webhook in the outbox": f"""
      select e.id from {CHANGES} and not exists (
        select from carecircle.outbox o where o.organization_id = e.organization_id and o.entry_id = e.id
          and o.kind like 'webhook:emergency-%')""",
    "a state without its webhook in the outbox": """
      select a.lineage_id from carecircle.emergency_access a where not exists (
        select from carecircle.outbox o join carecircle.audit_events e on e.id = o.entry_id
        where o.subject_id = a.lineage_id and o.entry_id = a.entry_id and o.kind = 'webhook:' || e.code)""",
    "an access without what is due about it": f"""
      select a.lineage_id from {OPENED}, unnest(array['relationship', 'review-due']
          || case a.mode when 'immediate' then '{{}}' else array['unacknowledged', 'undecided'] end) as wanted
      where not exists (select from carecircle.outbox o
                        where o.subject_id = a.lineage_id and o.entry_id = a.entry_id and o.kind = wanted)""",
    "an access of which nobody is told by mail": f"""
      select a.lineage_id from {OPENED} where not exists (
        select from carecircle.outbox o where o.subject_id = a.lineage_id and o.entry_id = a.entry_id and o.kind like 'email:%')""",
    "an access that nobody may decide about": f"""
      select a.lineage_id from {OPENED} where not exists (
        select from carecircle.emergency_approvers p where p.emergency_id = a.lineage_id and p.entry_id = a.entry_id)""",
    "something due, noted or asked of somebody without an entry": """
      select x.id from (select id, entry_id from carecircle.outbox union all select id, entry_id from carecircle.emergency_notes
                        union all select id, entry_id from carecircle.emergency_approvers) x
      where not exists (select from carecircle.audit_events e where e.id = x.entry_id)""",
    "two states at one time": f"""
      select x.lineage_id from {BELIEVED} x join {BELIEVED} y
      on x.lineage_id = y.lineage_id and x.id < y.id and x.period && y.period""",
    "two accesses of one provider to one patient at one time": f"""
      select x.lineage_id from {BELIEVED} x join {BELIEVED} y on x.provider_id = y.provider_id
        and x.patient_id = y.patient_id and x.lineage_id < y.lineage_id and x.period && y.period
      where x.state in ('requested', 'provisional', 'approved') and y.state in ('requested', 'provisional', 'approved')""",
    "a state that cannot follow the one before": f"""
      select s.lineage_id from {IN_TURN} where not exists (
        select from (values {LEGAL}) as legal (before, state)
        where legal.before is not distinct from s.before and legal.state = s.state)""",
    "a time without a state": f"""
      select s.lineage_id from {IN_TURN} where s.ended < s.starts_at and s.state <> 'reviewed'""",
    "a state cut off with nothing after it": f"""
      select a.lineage_id from carecircle.emergency_access a where a.superseded_at < 'infinity' and not exists (
        select from {BELIEVED} b where b.lineage_id = a.lineage_id and b.entry_id = a.superseded_entry_id)""",
}
OVERDUE = """
  select kind || ' ' || outcome || ' ' || attempts from carecircle.outbox
  where settled_at is null and due_at <= clock_timestamp()"""
NOTICES = """
  select id, split_part(kind, ':', 1) as channel, settled_at is not null as settled, outcome
  from carecircle.outbox where kind like 'email:%' or kind like 'webhook:%'"""

Acknowledged = Mapping[UUID, Collection[str]]
"""What a client was told of, by the access: states, and notes as `note NAME`."""


async def breaches(connection: asyncpg.Connection, acknowledged: Acknowledged) -> list[str]:
    """Everything that is wrong at one instant, in words. What was acknowledged before the call must be there."""
    told = {one: set(states) for one, states in acknowledged.items()}
    found = []
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        for name, query in BREACHES.items():
            rows = await connection.fetch(query)
            if rows:
                found.append(f"{name}: {len(rows)}, such as {rows[0][0]}")
        kept: dict[UUID, set[str]] = {}
        for one, state in await connection.fetch(
            "select lineage_id, state from carecircle.emergency_access union"
            " select emergency_id, 'note ' || kind from carecircle.emergency_notes"
        ):
            kept.setdefault(one, set()).add(state)
    lost = {one: states - kept.get(one, set()) for one, states in told.items()}
    found += [f"acknowledged and lost: {one} {sorted(states)}" for one, states in lost.items() if states]
    return found


async def not_delivered(connection: asyncpg.Connection, taken: Mapping[str, Mapping[UUID, int]]) -> list[str]:
    """Notices that are unsettled, or that their channel's receiver never took; and ones it took that nobody put down."""
    found = []
    rows = await connection.fetch(NOTICES)
    for channel, keys in taken.items():
        own = {row["id"]: row for row in rows if row["channel"] == channel}
        if not own:
            found.append(f"{channel}: there was nothing to deliver, so this shows nothing")
        unsettled = [one for one, row in own.items() if not row["settled"] or row["outcome"] != "sent"]
        never = own.keys() - keys.keys()
        nobodys = keys.keys() - own.keys()
        for wrong, what in (
            (unsettled, "not settled as sent"),
            (never, "never delivered"),
            (nobodys, "delivered of nothing"),
        ):
            if wrong:
                found.append(f"{channel}: {len(wrong)} {what}, such as {next(iter(wrong))}")
    return found
