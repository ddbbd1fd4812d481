"""That access ends when it was said to end: `expiry(practice)`, asked over HTTP around the end of grants.

Every question is answered at an instant that its decision says (`as_of` in the audit trail), by the database's clock. No
answer at or after the end may let in, none before it may refuse, and the first refusal must come within a second.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
import httpx

from carecircle import to_text
from carecircle.database.reach import dsn
from carecircle.emergency.deciding_service import approve
from carecircle.emergency.opening_service import request
from proofs.emergency_practice import Practice, serving

EVERY = 0.05
BEFORE, AFTER = timedelta(seconds=0.6), timedelta(seconds=0.6)
LASTS = 3.0
"""Seconds that a grant lasts here."""
AT_ONCE = 5
WITHIN = 1.0
_ANSWERS = """
  select coalesce(as_of, recorded_at) as at, allowed from carecircle.audit_events
  where organization_id = $1 and kind = 'decision' and provider_id = $2 and patient_id = $3 order by 1"""


async def expiry(practice: Practice, grants: int = 20) -> list[str]:
    """Let so many grants end, half of them approved ones; the broken claims."""
    patients = await practice.more_patients(grants)
    late: list[float] = []
    asked = 0
    broken: list[str] = []
    async with AsyncExitStack() as held:
        server = held.enter_context(serving(practice.site))
        client = await held.enter_async_context(httpx.AsyncClient(base_url=server.address, timeout=10, trust_env=False))
        admin = await asyncpg.connect(dsn(practice.site.at.admin))
        held.push_async_callback(admin.close)
        for first in range(0, grants, AT_ONCE):
            batch = patients[first : first + AT_ONCE]
            found = await asyncio.gather(
                *(one_grant(practice, client, patient, approved=n % 2 == 1) for n, patient in enumerate(batch, first))
            )
            for (clinician, ends_at, heard), patient in zip(found, batch, strict=True):
                rows = await admin.fetch(_ANSWERS, practice.organization, clinician, patient)
                asked += len(heard)
                wrong, after = judged(ends_at, [(row["at"], row["allowed"]) for row in rows], heard)
                broken += [f"expiry: {one}" for one in wrong]
                if after is not None:
                    late.append(after)
    if late:
        print(
            f"expiry: {grants} grants, {asked} questions; the first refusal came {min(late) * 1000:.0f} to"
            f" {max(late) * 1000:.0f} ms after the end by the database's clock (asked every {EVERY * 1000:.0f} ms);"
            f" {len(broken)} claims broken"
        )
    return broken


def judged(ends_at: datetime, kept: list[tuple[datetime, bool]], heard: list[bool]) -> tuple[list[str], float | None]:
    """What is wrong with the answers about one grant, and after how many seconds the first refusal came."""
    wrong = []
    if [allowed for _, allowed in kept] != heard:
        wrong.append(f"of {len(heard)} answers {len(kept)} are on record, or other ones")
    if beyond := [at for at, allowed in kept if allowed and at >= ends_at]:
        wrong.append(f"let in {len(beyond)} times at or after the end, {beyond[-1] - ends_at} after it at last")
    if early := [at for at, allowed in kept if not allowed and at < ends_at]:
        wrong.append(f"refused {len(early)} times before the end, {ends_at - early[0]} before it at first")
    if not any(allowed for _, allowed in kept):
        wrong.append("control: nobody was let in before the end")
    refusals = [at for at, allowed in kept if not allowed]
    after = (refusals[0] - ends_at).total_seconds() if refusals else None
    if after is None or after > WITHIN:
        wrong.append(f"the first refusal came {after} seconds after the end")
    return wrong, after


async def one_grant(
    practice: Practice, client: httpx.AsyncClient, patient: UUID, *, approved: bool
) -> tuple[UUID, datetime, list[bool]]:
    """Whose it was, when it ends, and the answers around that, one after the other."""
    clinician = practice.clinicians[1]
    row = await practice.do(
        request, provider=clinician, patient=patient, reason_code="life-threat", unit=practice.unit, hours=LASTS / 3600
    )
    if approved:
        row = await practice.do(approve, emergency_id=row.lineage_id, approver=practice.supervisors[0])
    body = {
        "subject": {"type": "user", "id": to_text(clinician)}, "action": {"name": "read"},
        "resource": {"type": "patient", "id": to_text(patient)},
    }  # fmt: skip
    headers = practice.bearer("service:proof")
    loop = asyncio.get_running_loop()
    # When to ask is told by this machine's clock; what was answered, and when, by the database's.
    left = (row.ends_at - datetime.now(row.ends_at.tzinfo)).total_seconds()
    begins, stops = loop.time() + left - BEFORE.total_seconds(), loop.time() + left + AFTER.total_seconds()
    await asyncio.sleep(max(0, begins - loop.time()))
    heard = []
    while loop.time() < stops:
        tick = loop.time() + EVERY
        answer = await client.post("/access/v1/evaluation", json=body, headers=headers)
        heard.append(bool(answer.json()["decision"]))
        await asyncio.sleep(max(0, tick - loop.time()))
    return clinician, row.ends_at, heard
