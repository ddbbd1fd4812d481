"""Accounting for the disclosures of a patient's record, from the audit trail."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from carecircle.actor import Actor, actor_of
from carecircle.audit.entry import Entry, append
from carecircle.database.constraints import translated
from carecircle.database.instants import Instant
from carecircle.database.session import instant, transaction
from carecircle.directory.service import AnyId, names_of
from carecircle.period import show
from carecircle.reports.disclosures import LEFT_OUT, TO_THE_INDIVIDUAL, YEARS, Accounting, Disclosure
from carecircle.reports.subject_service import actor_in_words, provider_of, span, subject

# What was asked about another instant, or as it was believed once, let nobody in.
_DISCLOSED = """
    e.organization_id = :tenant and e.recorded_at >= :since and e.recorded_at < :until and e.allowed
      and e.believed_at is null and abs(extract(epoch from e.recorded_at - coalesce(e.as_of, e.recorded_at))) <= 60
      and (upper(e.purpose) <> all (:left_out) or (e.action = 'share' and upper(e.purpose) <> all (:own)))"""
# As carecircle_auditor, who sees one tenant's entries. One row for each recipient and purpose: the law allows a series.
_DISCLOSURES = text(f"""
    select min(e.recorded_at) as first_at, max(e.recorded_at) as last_at, count(*) as times,
      e.provider_id, case when e.provider_id is null then e.actor end as actor, e.on_behalf_of,
      case when e.kind = 'listing' then 'list' else e.action end as action, e.purpose,
      (array_agg(e.id order by e.recorded_at, e.id))[1] as entry_id
    from carecircle.audit_events e
    where e.patient_id = any (:records) and e.kind in ('decision', 'listing') and {_DISCLOSED}
    group by 4, 5, 6, 7, 8
    order by 1, 9""").columns(first_at=Instant(), last_at=Instant())
_UNTRACED = text(f"""
    select count(*) from carecircle.audit_events e
    where e.patient_id is null and e.kind = 'listing' and {_DISCLOSED}""")


async def account(
    db: AsyncSession,
    *,
    patient: AnyId,
    auditor: AsyncEngine,
    since: datetime | None = None,
    until: datetime | None = None,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> Accounting:
    """The disclosures of a patient's record, by default of the six years until now; an entry says that they were accounted for.

    What counts is what was allowed for a purpose of use other than treatment, payment and operations, and every sharing, but
    for what the patient had asked for. Authorizations, suspensions of the accounting (45 CFR 164.528(a)(2)) and what was
    disclosed without asking carecircle are not known here. `auditor` is an engine of carecircle_auditor.

    Raises PatientNotRegistered, InvalidIdentifier, InvalidPeriod for more than six years, DatabaseUnavailable.
    """
    who = actor_of(actor)
    with translated():
        about = await subject(db, patient, organization)
        now = await instant(db)
        period = span(since, until, now, YEARS, at_most=True)
        asked = {
            "tenant": about.tenant, "records": list(about.records), "since": period.starts_at, "until": period.ends_at,
            "left_out": list(LEFT_OUT), "own": list(TO_THE_INDIVIDUAL),
        }  # fmt: skip
        async with transaction(auditor, about.tenant) as trail:
            rows = (await trail.execute(_DISCLOSURES, asked)).all()
            untraced = await trail.scalar(
                _UNTRACED, {name: value for name, value in asked.items() if name != "records"}
            )
        found = await _told(db, about.tenant, rows)
        told: dict[str, str | int | bool | None] = {
            "since": show(period.starts_at), "until": show(period.ends_at), "disclosures": len(found),
        }  # fmt: skip
        await append(
            db, Entry(about.tenant, "reading", who, "disclosures-accounted", patient_id=about.patient_id, detail=told)
        )
    return Accounting(
        now, about.organization, about.patient_id, about.name, period.starts_at, period.ends_at, found, untraced or 0
    )


async def _told(db: AsyncSession, tenant: UUID, rows: Sequence[Any]) -> tuple[Disclosure, ...]:
    theirs = {row.provider_id or (row.actor and provider_of(row.actor)) for row in rows}
    behalf = {row.on_behalf_of and provider_of(row.on_behalf_of) for row in rows}
    names = await names_of(db, tenant, {one for one in theirs | behalf if one})

    def called(actor: str | None, provider: UUID | None) -> str | None:
        known = provider or (provider_of(actor) if actor else None)
        return names.get(known, "a provider without a name here") if known else actor_in_words(actor) if actor else None

    found = []
    for row in rows:
        person = called(row.on_behalf_of or row.actor, row.provider_id)
        sharing = row.action == "share"
        found.append(
            Disclosure(
                row.first_at, row.last_at, row.times, recipient=None if sharing else person, address=None,
                made_by=person if sharing else None, action=row.action, purpose=row.purpose, entry_id=row.entry_id,
            )
        )  # fmt: skip
    return tuple(found)
