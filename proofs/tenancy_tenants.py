"""Two tenants with rows in every table, and what would give the second one away: its ids, texts and ciphertexts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from uuid import UUID, uuid4

import asyncpg

from carecircle import CareCircle, CareTeamService, acting_as, directory
from carecircle.care_teams.service import add_member, add_patient, create_team
from carecircle.database.reach import Reach, dsn
from carecircle.database.session import instant, transaction
from proofs.tenancy_rows import People, fill, seal

PATIENTS, PROVIDERS = 12, 6


@dataclass(frozen=True)
class Tenants:
    """Organization `own` looks, `other` is looked for. `real` are values of the other's rows, `made_up` nobody's."""

    own: UUID
    other: UUID
    own_provider: UUID
    real: dict[str, str]
    made_up: dict[str, str]
    marks: frozenset[str]


async def make_tenants(circle: CareCircle, at: Reach) -> Tenants:
    """Fill two organizations alike. Ids and names differ, so that whatever is the other's can be told."""
    own, own_provider, _ = await _fill(circle, at, f"own-{uuid4().hex[:8]}")
    other, provider, patient = await _fill(circle, at, f"other-{uuid4().hex[:8]}")
    admin = await asyncpg.connect(dsn(at.admin))
    try:
        if missing := await _empty(admin, own) + await _empty(admin, other):
            raise RuntimeError(f"nothing can be seen in an empty table: {missing}")
        for table in await tables(admin):
            await admin.execute(f"analyze carecircle.{table}")
        fact = await admin.fetchrow(
            "select id, lineage_id from carecircle.patient_assignments where organization_id = $1", other
        )
        entry = await admin.fetchval("select id from carecircle.audit_events where organization_id = $1", other)
        staff = await admin.fetchval(
            "select value from carecircle.provider_identifiers where organization_id = $1", other
        )
        marks = await _texts(admin, other) - await _texts(admin, own)
    finally:
        await admin.close()
    real = {
        "other": str(other), "provider": str(provider), "patient": str(patient), "fact": str(fact["id"]),
        "entry": str(entry), "staff": staff,
    }  # fmt: skip
    made_up = {name: str(uuid4()) for name in real} | {"staff": staff[:-8] + uuid4().hex[:8]}
    return Tenants(own, other, own_provider, real, made_up, frozenset(marks))


async def tables(connection: asyncpg.Connection) -> list[str]:
    """Every table that holds tenants' rows, the months of the audit trail too."""
    rows = await connection.fetch(
        """select relname::text from pg_class where relnamespace = 'carecircle'::regnamespace and relkind in ('r', 'p')
             and relname not in ('schema_version', 'audit_opening') order by relname"""
    )
    return [row[0] for row in rows]


async def _fill(circle: CareCircle, at: Reach, slug: str) -> tuple[UUID, UUID, UUID]:
    async with transaction(circle.engine) as db:
        tenant = await directory.register_organization(db, slug=slug, name=f"Hospital {slug}", actor="proof")
    with acting_as(organization=tenant, actor="service:proof"):
        async with transaction(circle.engine, tenant) as db:
            providers = [
                await directory.register_provider(
                    db, identifiers=[f"urn:staff|{slug}-{uuid4().hex}"], name=f"Dr {slug} {n}"
                )
                for n in range(PROVIDERS)
            ]
            patients = [
                await directory.register_patient(
                    db,
                    identifiers=[f"urn:mrn|{slug}-{n}"],
                    name=f"{slug} {n}",
                    birth_date=date(1950 + n, 1, 1),
                    sex="female",
                )
                for n in range(PATIENTS)
            ]
            team = await create_team(db, name=f"Team {slug}")
            await add_member(db, care_team_id=team, provider=providers[0], member_role="nurse")
            for n, patient in enumerate(patients):
                await add_patient(db, care_team_id=team, patient=patient)
                await CareTeamService.assign_primary_provider(
                    db, patient_id=patient, provider_id=providers[n % PROVIDERS]
                )
                await CareTeamService.add_secondary_provider(
                    db, patient_id=patient, provider_id=providers[(n + 1) % PROVIDERS]
                )
            # For facts that are put in plainly: nobody's team otherwise, so that no seat is there already.
            second_team = await create_team(db, name=f"Second team {slug}")
            now = await instant(db)
        for patient in patients:
            await circle.access.check(providers[0], "read", patient)
        await circle.access.list_patients(providers[0])
    # What only imports, checks and rarer commands fill; last, because some of it takes access away.
    app = await asyncpg.connect(at.dsn("app"))
    try:
        some = (providers[0], providers[1], providers[2]), (patients[0], patients[1], patients[2])
        people = People(tenant, *some, second_team, slug, now)
        await fill(app, people, circle.keyring)
    finally:
        await app.close()
    sealer = await asyncpg.connect(at.dsn("sealer"))
    try:
        await seal(sealer, people)
    finally:
        await sealer.close()
    return tenant, providers[0], patients[0]


async def _empty(admin: asyncpg.Connection, organization: UUID) -> list[str]:
    """The tables in which an organization has no row: nothing could be seen there. Months of the trail do not count."""
    whole = await admin.fetch(
        """select relname::text from pg_class where relnamespace = 'carecircle'::regnamespace and relkind in ('r', 'p')
             and relname not in ('schema_version', 'audit_opening') and not relispartition order by relname"""
    )
    return [
        table
        for (table,) in whole
        if not await admin.fetchval(
            f"select exists (select from carecircle.{table} where {_key(table)} = $1)", organization
        )
    ]


def _key(table: str) -> str:
    return "id" if table == "organizations" else "organization_id"


async def _texts(admin: asyncpg.Connection, organization: UUID) -> set[str]:
    """Every id, text and ciphertext of an organization's rows, as psql prints them; short words prove nothing."""
    found: set[str] = set()
    for table in await tables(admin):
        rows = await admin.fetch(
            f"""select said.value from carecircle.{table} t, jsonb_each_text(to_jsonb(t)) said where t.{_key(table)} = $1
                  and length(said.value) >= 16 and said.key <> 'organization_id'
                  and said.key !~ '_at$|^period$|xid$|^snapshot$|^basis_'""",
            organization,
        )
        found |= {row[0] for row in rows}
    return found | {str(organization)}
