"""Builds the demo as the app role, in a few transactions, and finds it again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from carecircle.actor import Actor
from carecircle.assignments.rules import DEFAULT_SCOPE
from carecircle.assignments.tables import PatientAssignment
from carecircle.audit.entry import Entry, append
from carecircle.care_teams.rules import default_scope
from carecircle.care_teams.tables import CareTeam, CareTeamMember, CareTeamPatient
from carecircle.database.constraints import translated
from carecircle.database.crypto import Keyring
from carecircle.database.facts import Table, supersede
from carecircle.database.reach import Reach
from carecircle.database.roles import open_connection
from carecircle.database.session import instant, transaction
from carecircle.demo.around_service import surround, surrounded_at
from carecircle.demo.facts import DAY, WRONG, Drawn, draw, fixed_id
from carecircle.demo.findings import left_over
from carecircle.demo.people import HOUSES, NORTH, House
from carecircle.demo.stories import CORRECTIONS, Asked, Instants
from carecircle.directory.service import find_organization, register_organization, sealed_demographics
from carecircle.directory.tables import Patient, PatientIdentifier, Provider, ProviderIdentifier
from carecircle.errors import OrganizationNotFound
from carecircle.findings.service import Difference, apply
from carecircle.identifiers import Identifier, OrganizationId, new_id
from carecircle.period import FOREVER

BUILDER = Actor.service("demo")
SOURCE = "demo"
LOCK = ("pg_advisory_lock", "pg_advisory_unlock")
# For an auditor's shell: what was asked last.
LATEST_ENTRIES = "select recorded_at, action, allowed, code from carecircle.audit_events order by 1 desc limit 12"


@dataclass(frozen=True)
class Built:
    """The demo's organizations by slug, and whether they were made just now."""

    organizations: dict[str, OrganizationId]
    fresh: bool


async def is_there(engine: AsyncEngine) -> bool:
    """Whether every organization of the demo is in this database."""
    try:
        for house in HOUSES:
            async with transaction(engine) as session:
                await find_organization(session, house.slug)
    except OrganizationNotFound:
        return False
    return True


async def build(engine: AsyncEngine, keyring: Keyring, *, beginning: Callable[[], None] | None = None) -> Built:
    """Make what is missing of the demo, calling `beginning` before when anything is. One process at a time makes it.

    Raises AlreadyRegistered when somebody else's organization has a slug of the demo's.
    """
    organizations, fresh = {}, False
    async with alone(engine):
        if beginning is not None and not await is_there(engine):
            beginning()
        for house in HOUSES:
            async with transaction(engine) as session:
                try:
                    await find_organization(session, house.slug)
                    known = True
                except OrganizationNotFound:
                    known = False
            async with transaction(engine) as session:
                tenant = await register_organization(
                    session, slug=house.slug, name=house.name, organization_id=fixed_id(house.slug), actor=BUILDER
                )
                if not known:
                    fresh = True
                    await _fill(session, keyring, tenant, house)
            async with transaction(engine, tenant) as session:
                await _correct(session, tenant, house)
                if house is NORTH:
                    await surround(session, keyring, tenant, house, BUILDER)
            organizations[house.slug] = tenant
    return Built(organizations, fresh)


@asynccontextmanager
async def alone(engine: AsyncEngine) -> AsyncIterator[None]:
    """Wait until nobody else in this database builds the demo or tells its story; keep others waiting until the block ends."""
    lock, unlock = (text(f"select {what}(hashtextextended('carecircle.demo', 0))") for what in LOCK)
    with translated():
        held = await engine.connect()
    try:
        with translated():
            # Outside a transaction: one that idles while the work goes on elsewhere would be ended.
            await held.execution_options(isolation_level="AUTOCOMMIT")
            await held.execute(lock)
        try:
            yield
        finally:
            with translated():
                await held.execute(unlock)
    finally:
        await held.close()


async def instants_of(session: AsyncSession, tenant: OrganizationId, house: House, asked: Asked) -> Instants:
    """The clocks of a question, read from the facts it is about."""
    made = await surrounded_at(session, tenant, house) if asked.earlier is not None else None
    if made is not None and asked.earlier is not None:
        return Instants(earlier=(made - DAY * asked.earlier).replace(minute=0, second=0, microsecond=0))
    if asked.at == "now":
        return Instants()
    patient_id, provider_id = (fixed_id(house.slug, short) for short in asked.about)
    fact = (
        await session.scalars(
            select(PatientAssignment).where(
                PatientAssignment.organization_id == tenant,
                PatientAssignment.patient_id == patient_id,
                PatientAssignment.provider_id == provider_id,
            )
        )
    ).first()
    return Instants() if fact is None else Instants(believed_at=fact.recorded_at)


async def count_entries(reach: Reach, tenant: OrganizationId, entries: Sequence[UUID]) -> int:
    """How many of these entries the auditor of this organization finds in the audit trail."""
    connection = await open_connection(reach.dsn("auditor"))
    try:
        await connection.execute("select set_config('carecircle.organization_id', $1, false)", str(tenant))
        found: int = await connection.fetchval(
            "select count(*) from carecircle.audit_events where organization_id = $1 and id = any ($2::uuid[])",
            tenant,
            list(entries),
        )
        return found
    finally:
        await connection.close()


async def _fill(session: AsyncSession, keyring: Keyring, tenant: OrganizationId, house: House) -> None:
    drawn = draw(house, await instant(session))
    await _people(session, keyring, tenant, house, drawn)
    entry = Entry(
        tenant, "import", BUILDER, "demo-built",
        detail={"patients": len(drawn.patients), "providers": len(drawn.providers), "assignments": len(drawn.assignments)},
    )  # fmt: skip
    await append(session, entry)
    at = await instant(session)

    def fact(row_id: UUID, starts_at: datetime, ends_at: datetime, **more: Any) -> dict[str, Any]:
        return {
            "organization_id": tenant, "id": row_id, "lineage_id": row_id, "starts_at": starts_at, "ends_at": ends_at,
            "recorded_at": at, "superseded_at": FOREVER, "entry_id": entry.id, "source": SOURCE, **more,
        }  # fmt: skip

    await _insert(session, PatientAssignment, (
        fact(one.id, one.starts_at, one.ends_at, patient_id=one.patient_id, provider_id=one.provider_id,
             assignment_type=one.kind, scope=list(DEFAULT_SCOPE[one.kind]), source_record=one.mark, source_item="")
        for one in drawn.assignments
    ))  # fmt: skip
    await _insert(session, CareTeam, (
        {"organization_id": tenant, "id": team.id, "name": team.name, "team_type": team.kind, "system": "", "value": team.name}
        for team in drawn.teams
    ))  # fmt: skip
    await _insert(session, CareTeamMember, (
        fact(new_id(), start, end, care_team_id=team.id, provider_id=provider, member_role=role,
             scope=list(default_scope(role)), source_record="", source_item="")
        for team in drawn.teams for provider, role, start, end in team.seats
    ))  # fmt: skip
    await _insert(session, CareTeamPatient, (
        fact(new_id(), start, end, care_team_id=team.id, patient_id=patient, source_record="", source_item="")
        for team in drawn.teams for patient, start, end in team.patients
    ))  # fmt: skip
    await apply(session, tenant, [(entry.id, Difference(opened=left_over(house)))], at)


async def _people(session: AsyncSession, keyring: Keyring, tenant: OrganizationId, house: House, drawn: Drawn) -> None:
    own = {"organization_id": tenant}
    await _insert(session, Provider, ({**own, "id": drawn.providers[p.short], "name": p.name} for p in house.people))
    await _insert(session, ProviderIdentifier, (
        {**own, "system": "", "value": short, "provider_id": provider_id}
        for short, provider_id in drawn.providers.items()
    ))  # fmt: skip
    await _insert(session, Patient, (
        {**own, "id": p.id, "demographics": sealed_demographics(keyring, tenant, p.id, p.name, p.born, p.sex)}
        for p in drawn.patients
    ))  # fmt: skip
    numbers = []
    for patient in drawn.patients:
        identifier = Identifier("", patient.number)
        index = keyring.blind_index(identifier, tenant)
        sealed = keyring.seal(str(identifier).encode(), tenant, "patient_identifiers", "identifier", index)
        numbers.append({**own, "blind_index": index, "patient_id": patient.id, "identifier": sealed})
    await _insert(session, PatientIdentifier, numbers)


async def _correct(session: AsyncSession, tenant: OrganizationId, house: House) -> None:
    """Supersede what was entered wrongly by what is right; nothing to do when that was done before."""
    wrong = list(
        await session.scalars(
            select(PatientAssignment).where(
                PatientAssignment.organization_id == tenant,
                PatientAssignment.source == SOURCE,
                PatientAssignment.source_record == WRONG,
                PatientAssignment.superseded_at == FOREVER,
            )
        )
    )
    if not wrong:
        return
    entry = Entry(tenant, "change", BUILDER, "assignments-corrected", detail={"corrected": len(wrong)})
    await append(session, entry)
    right = {
        (fixed_id(house.slug, patient), fixed_id(house.slug, provider)): fixed_id(house.slug, instead)
        for (patient, provider), instead in CORRECTIONS.items()
    }
    at = await instant(session)
    for row in wrong:
        await supersede(session, row, entry.id, at)
    others = [fixed_id(house.slug, person.short) for person in house.of("specialist")]
    await _insert(session, PatientAssignment, (
        {
            "organization_id": tenant, "id": new_id(), "lineage_id": row.lineage_id, "patient_id": row.patient_id,
            "provider_id": right.get((row.patient_id, row.provider_id), others[others.index(row.provider_id) - 1]),
            "assignment_type": row.assignment_type, "scope": list(row.scope), "starts_at": row.starts_at,
            "ends_at": row.ends_at, "recorded_at": at, "superseded_at": FOREVER, "entry_id": entry.id,
            "source": SOURCE, "source_record": "", "source_item": "",
        }
        for row in wrong
    ))  # fmt: skip


async def _insert(session: AsyncSession, table: type[Table], rows: Iterable[dict[str, Any]]) -> None:
    """Many rows at once, past the unit of work: nobody needs them as objects."""
    given = list(rows)
    if given:
        await session.execute(insert(table.__table__), given)  # type: ignore[arg-type]  # a mapped class has a Table
