"""Who may decide about an emergency access: computed at its instant, kept on it, told of it, and asked again at a decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Uuid, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.directory.tables import Duty
from carecircle.emergency.tables import EmergencyAccess, EmergencyApprover
from carecircle.errors.emergency import NotAnApprover, SelfApproval
from carecircle.identifiers import OrganizationId, new_id
from carecircle.notices.service import put, wake


@dataclass(frozen=True, slots=True)
class Approver:
    """Somebody who may decide, by one row of `duties` (`duty_id`); `contact` is an e-mail address, or empty."""

    provider_id: UUID
    duty: str
    duty_id: UUID
    call_order: int
    contact: str


_HOLDS = "{0}.superseded_at = 'infinity' and {0}.starts_at <= :at and {0}.ends_at > :at"
# Everybody below the requester: each is found once, so that a loop of lines ends.
_BELOW = f"""
    with recursive below (provider_id) as (
      select l.provider_id from carecircle.reporting_lines l
      where l.organization_id = :tenant and l.reports_to_id = :requester and {_HOLDS.format("l")}
      union
      select l.provider_id from below b join carecircle.reporting_lines l
        on l.organization_id = :tenant and l.reports_to_id = b.provider_id and {_HOLDS.format("l")})"""
_SUSPENDED = f"""exists (
    select from carecircle.access_restrictions r
    where r.organization_id = :tenant and r.provider_id = d.provider_id and r.kind = 'suspension' and {_HOLDS.format("r")})"""
_APPROVERS = text(f"""
    {_BELOW}
    select d.provider_id, d.duty, d.id, d.call_order, d.contact
    from carecircle.duties d
    where d.organization_id = :tenant and d.duty <> 'break_glass' and {_HOLDS.format("d")}
      and (d.unit_id is null or d.unit_id = cast(:unit as uuid))
      and d.provider_id <> :requester
      and d.provider_id not in (select provider_id from below)
      and not {_SUSPENDED}
      and not exists (
        select from carecircle.provider_absences a
        where a.organization_id = :tenant and a.provider_id = d.provider_id and {_HOLDS.format("a")})
      and not exists (
        select from carecircle.personal_relations p
        where p.organization_id = :tenant and p.provider_id = d.provider_id and p.patient_id = :patient
          and {_HOLDS.format("p")})
    order by array_position(array['supervisor', 'duty_manager', 'privacy_office'], d.duty), d.call_order, d.provider_id, d.id""")
# A duty counts on after its shift has ended, at its time or at an earlier one that was said ahead; taken back, it does not.
DECIDES = f"""
    select e.emergency_id from carecircle.emergency_approvers e
    join carecircle.duties was on was.organization_id = :tenant and was.id = e.duty_id
    join carecircle.duties d on d.organization_id = :tenant and d.lineage_id = was.lineage_id
      and d.provider_id = e.provider_id and d.duty = was.duty
      and d.superseded_at = 'infinity' and (d.id = was.id or d.ends_at > d.recorded_at)
    where e.organization_id = :tenant and e.provider_id = :provider
      and not {_SUSPENDED.replace("d.provider_id", ":provider")}
      and not exists (
        select from carecircle.personal_relations p
        join carecircle.emergency_access g on g.organization_id = :tenant and g.patient_id = p.patient_id
          and g.lineage_id = e.emergency_id and g.superseded_at = 'infinity'
        where p.organization_id = :tenant and p.provider_id = :provider and {_HOLDS.format("p")})"""
"""What `:provider` may decide about at `:at`, in `:tenant`, unless one of SUPERIORS asked for it."""
# Nobody decides for themselves, or for those whom they report to, however far up; `union` ends where lines go round.
SUPERIORS = text(f"""
    with recursive superiors (provider_id) as (
      select cast(:provider as uuid)
      union
      select l.reports_to_id from superiors s
      join carecircle.reporting_lines l on l.organization_id = :tenant and l.provider_id = s.provider_id and {_HOLDS.format("l")})
    select provider_id from superiors""").columns(provider_id=Uuid())


async def approvers_of(
    db: AsyncSession,
    tenant: OrganizationId,
    *,
    requester_id: UUID,
    unit_id: UUID | None,
    patient_id: UUID,
    at: datetime,
) -> list[Approver]:
    """Who may decide about this request at this instant, in the order of telling.

    Supervisors by their order of call, then duty managers, then the privacy office; duties for that unit or for all. Neither
    the requester nor who reports to them, at whatever distance; nobody suspended, absent, or related to the patient. A
    person appears once for each duty row.
    """
    found = await db.execute(
        _APPROVERS, {"tenant": tenant, "requester": requester_id, "unit": unit_id, "patient": patient_id, "at": at}
    )
    return [Approver(*row) for row in found]


async def record_approvers(
    db: AsyncSession, tenant: OrganizationId, emergency_id: UUID, approvers: Sequence[Approver], entry_id: UUID
) -> None:
    """Keep them on the emergency access: whoever comes on duty later decides about later ones."""
    db.add_all(
        EmergencyApprover(
            organization_id=tenant, id=new_id(), emergency_id=emergency_id, provider_id=one.provider_id, duty=one.duty,
            duty_id=one.duty_id, call_order=one.call_order, entry_id=entry_id,
        )
        for one in approvers
    )  # fmt: skip
    await db.flush()


async def tell(
    db: AsyncSession,
    tenant: OrganizationId,
    emergency_id: UUID,
    recipients: Sequence[Approver],
    entry_id: UUID,
    now: datetime,
    *,
    event: str,
    mailbox: str = "",
) -> None:
    """Put down an e-mail to each of them who has a contact, one to `mailbox` where given, and one webhook; wake who sends.

    `event` is an audit code, such as emergency-opened. Nobody gets the same notice twice for having two duties.
    """
    for provider_id, contact in dict.fromkeys((one.provider_id, one.contact) for one in recipients):
        if contact:
            await put(
                db, tenant, f"email:{event}", subject_id=emergency_id, due_at=now, entry_id=entry_id,
                recipient_id=provider_id, address=contact,
            )  # fmt: skip
    if mailbox:
        await put(db, tenant, f"email:{event}", subject_id=emergency_id, due_at=now, entry_id=entry_id, address=mailbox)
    await put(db, tenant, f"webhook:{event}", subject_id=emergency_id, due_at=now, entry_id=entry_id)
    await wake(db, tenant)


async def approvers_on(db: AsyncSession, tenant: OrganizationId, emergency_id: UUID) -> list[Approver]:
    """Who was recorded as an approver of it, in the order of telling, with the contact their duty named then."""
    found = await db.execute(
        select(
            EmergencyApprover.provider_id,
            EmergencyApprover.duty,
            EmergencyApprover.duty_id,
            EmergencyApprover.call_order,
            Duty.contact,
        )
        .join(Duty, (Duty.organization_id == tenant) & (Duty.id == EmergencyApprover.duty_id))
        .where(EmergencyApprover.organization_id == tenant, EmergencyApprover.emergency_id == emergency_id)
    )
    return sorted((Approver(*row) for row in found), key=_order)


async def require_may_decide(
    db: AsyncSession, tenant: OrganizationId, emergency: EmergencyAccess, approver_id: UUID, at: datetime
) -> None:
    """Raises SelfApproval for the requester, NotAnApprover for whoever may not decide about it at this instant.

    Who may is on record as its approver by a duty that was not taken back (the shift may be over), is not suspended, does not
    report to the requester now, and is not related to the patient now.
    """
    if approver_id == emergency.provider_id:
        raise SelfApproval
    if not await may_decide_about(db, tenant, [emergency], approver_id, at):
        raise NotAnApprover


async def may_decide_about(
    db: AsyncSession, tenant: OrganizationId, rows: Sequence[EmergencyAccess], provider_id: UUID, at: datetime
) -> list[EmergencyAccess]:
    """Those of these about which `require_may_decide` lets this provider decide; two statements, however many they are."""
    given = {"tenant": tenant, "provider": provider_id, "at": at}
    theirs = set(await db.scalars(text(DECIDES).columns(emergency_id=Uuid()), given))
    above = set(await db.scalars(SUPERIORS, given))
    return [row for row in rows if row.lineage_id in theirs and row.provider_id not in above]


def first_told(approvers: Sequence[Approver]) -> list[Approver]:
    """Whom a request reaches first: the supervisors who come first in the order of call; without any, everybody else."""
    supervisors = [one for one in approvers if one.duty == "supervisor"]
    first = min((one.call_order for one in supervisors), default=0)
    return [one for one in supervisors if one.call_order == first] if supervisors else list(approvers)


def _order(one: Approver) -> tuple[int, int, UUID, UUID]:
    duties = ("supervisor", "duty_manager", "privacy_office")
    return (duties.index(one.duty), one.call_order, one.provider_id, one.duty_id)
