"""The demo's emergencies: units, who decides and who may break the glass, a policy, and what has happened already."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.actor import actor_of
from carecircle.audit.entry import Entry, append
from carecircle.database.session import instant
from carecircle.demo.facts import DAY, fixed_id
from carecircle.demo.people import House
from carecircle.demo.stories import EMERGENCY_DEPARTMENT, PROMINENT
from carecircle.directory.duty_service import add_duty
from carecircle.directory.policy_service import policy_versions, set_policy
from carecircle.directory.reporting_service import add_reporting_line
from carecircle.directory.service import register_provider
from carecircle.directory.tables import Provider, ProviderRole, Unit
from carecircle.emergency.deciding_service import approve, deny
from carecircle.emergency.downtime_service import record_downtime
from carecircle.emergency.ending_service import end
from carecircle.emergency.opening_service import request
from carecircle.emergency.review_service import review
from carecircle.identifiers import OrganizationId, new_id

HOUR = timedelta(hours=1)
MINUTE_LONG = 1 / 60
"""Hours: what nobody decides about while somebody looks around has expired before they look."""
POLICY = {
    "emergency_modes": {"CEL": "gated"},
    # Whoever looks around breaks the glass more often in a day than a clinician does.
    "emergency_opened_a_day": 100,
    "emergency_opened_by_unit_an_hour": 200,
}
ROLES = {"lehmann": "physician", "lange": "physician", "reyes": "physician", "boateng": "nurse"}
"""Who works in the emergency department, and as what."""
BREAKERS = ("reyes", "lange", "boateng")
SUPERVISORS = {
    EMERGENCY_DEPARTMENT: ("lehmann", "lange"),
    "Ward 2 Cardiology": ("petrov", "rossi"),
    "Ward 3 Surgery": ("alvarez", "dubois"),
    "Ward 4 General medicine": ("singh", "oyelaran"),
    "Ward 5 Maternity": ("fischer",),
}
"""Who decides for which unit, in the order of call."""
FOR_ALL = {"karimi": "duty_manager", "amsel": "privacy_office"}
REPORTS_TO = {"reyes": "lehmann", "lange": "lehmann", "boateng": "lehmann"}
# Patients of these numbers had an emergency; nobody of the emergency department takes part in their care.
REVIEWED, WAITING, DENIED, UNDECIDED, ON_PAPER = "0011", "0012", "0013", "0014", "0015"


async def prepare(db: AsyncSession, tenant: OrganizationId, house: House, now: datetime) -> None:
    """Record units, roles, duties, reporting lines and, where the organization has none, a policy, as the block's actor."""
    since = now - DAY * 90
    for person in house.people:
        if await db.get(Provider, (tenant, fixed_id(house.slug, person.short))) is None:  # made by an older version
            await register_provider(
                db, provider_id=fixed_id(house.slug, person.short), identifiers=[person.short], name=person.name
            )
    await _units(db, tenant, house, since)
    await _duties(db, house, since)
    for short, superior in REPORTS_TO.items():
        await add_reporting_line(
            db, provider=fixed_id(house.slug, short), reports_to=fixed_id(house.slug, superior), starts_at=since
        )
    if not await policy_versions(db):
        await set_policy(db, document=POLICY)


async def _units(db: AsyncSession, tenant: OrganizationId, house: House, since: datetime) -> None:
    """The units, and who works in the emergency department: an import would bring them."""
    entry = Entry(tenant, "import", actor_of(None), "demo-units-made", detail={"units": len(SUPERVISORS)})
    await append(db, entry)
    db.add_all(
        Unit(organization_id=tenant, id=fixed_id(house.slug, "unit", name), name=name, system="", value=name)
        for name in SUPERVISORS
    )
    await db.flush()
    at, department = await instant(db), fixed_id(house.slug, "unit", EMERGENCY_DEPARTMENT)
    for short, role in ROLES.items():
        row_id = new_id()
        db.add(
            ProviderRole(
                organization_id=tenant, id=row_id, lineage_id=row_id, provider_id=fixed_id(house.slug, short), role_code=role,
                unit_id=department, starts_at=since, recorded_at=at, entry_id=entry.id,
            )
        )  # fmt: skip
    await db.flush()


async def _duties(db: AsyncSession, house: House, since: datetime) -> None:
    async def on_duty(short: str, duty: str, unit: str | None, call_order: int = 1) -> None:
        await add_duty(
            db, provider=fixed_id(house.slug, short), duty=duty, call_order=call_order, starts_at=since,
            unit=None if unit is None else fixed_id(house.slug, "unit", unit), contact=f"{short}@{house.slug}.example",
        )  # fmt: skip

    for unit, people in SUPERVISORS.items():
        for call_order, short in enumerate(people, 1):
            await on_duty(short, "supervisor", unit, call_order)
    for short, duty in FOR_ALL.items():
        await on_duty(short, duty, None)
    for short in BREAKERS:
        await on_duty(short, "break_glass", EMERGENCY_DEPARTMENT)


async def live_through(db: AsyncSession, house: House, now: datetime) -> None:
    """Emergencies of the last minutes, by the services that anybody uses: one of each way that they go."""

    def the(short: str) -> UUID:
        return fixed_id(house.slug, short)

    def number(digits: str) -> UUID:
        return fixed_id(house.slug, f"{house.letter}-{digits}")

    async def opened(short: str, patient: UUID, code: str, words: str, hours: float = 24) -> UUID:
        row = await request(
            db, provider=the(short), patient=patient, reason_code=code, words=words, hours=hours, attested=True,
            authenticated_at=now,
        )  # fmt: skip
        return row.lineage_id

    one = await opened("lange", number(REVIEWED), "transfer", "Came by ambulance, the papers were left behind.")
    await approve(db, emergency_id=one, approver=the("lehmann"), hours=4)
    await end(db, emergency_id=one, provider=the("lange"))
    await review(db, emergency_id=one, reviewer=the("amsel"), verdict="justified")

    one = await opened("boateng", number(WAITING), "unresponsive", "Found on the stairs, does not answer.")
    await approve(db, emergency_id=one, approver=the("lange"))
    await end(db, emergency_id=one, provider=the("boateng"))

    one = await opened("lange", number(DENIED), "cross-cover", "Asked to have a look.")
    await deny(db, emergency_id=one, approver=the("lehmann"), words="The ward's own doctor was there all the time.")

    await opened("boateng", number(UNDECIDED), "consult", "The ward asked for a second opinion.", MINUTE_LONG)
    await record_downtime(
        db, provider=the("lange"), patient=number(ON_PAPER), starts_at=now - DAY, ends_at=now - DAY + HOUR,
        reason_code="life-threat", words="Collapsed at the door while the network was down.", witness=the("boateng"),
    )  # fmt: skip

    # The policy lets nobody at a person of public interest before a supervisor has approved it.
    one = await opened("lange", the(PROMINENT), "life-threat", "Brought down from the ward with chest pain.")
    await approve(db, emergency_id=one, approver=the("lehmann"))
