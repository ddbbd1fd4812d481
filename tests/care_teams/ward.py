"""A ward for the tests of care teams: one organization, one team, and short ways to change and ask."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from carecircle.actor import acting_as
from carecircle.care_teams.service import add_member, add_patient
from carecircle.care_teams.tables import CareTeamMember
from carecircle.care_teams.team_service import create_team
from carecircle.database.reach import dsn
from carecircle.database.roles import open_connection
from carecircle.database.session import instant
from carecircle.directory.policy_service import set_policy
from carecircle.directory.tables import ProviderCredential
from carecircle.identifiers import CareTeamId, ProviderId, new_id, new_ids
from carecircle.period import FOREVER
from tests.conftest import Hospital

DAY = timedelta(days=1)
Run = Callable[[Callable[[Hospital], Any]], Any]


@dataclass(frozen=True)
class Ward:
    """A team of one hospital; every method is one transaction, by the actor `test`."""

    hospital: Hospital
    team: CareTeamId

    @classmethod
    async def open(cls, hospital: Hospital, **policy: Any) -> Ward:
        """A team without members or patients, under a policy that says only this."""
        with acting_as(organization=hospital.organization, actor="test"):
            if policy:
                async with hospital.change() as db:
                    await set_policy(db, document=policy)
            async with hospital.change() as db:
                return cls(hospital, await create_team(db, name="Ward 4"))

    async def do(self, change: Callable[..., Any], **given: Any) -> Any:
        """One change of this team, committed."""
        with acting_as(organization=self.hospital.organization, actor="test"):
            async with self.hospital.change() as db:
                return await change(db, **{"care_team_id": self.team} | given)

    async def seat(self, role: str = "member", provider: UUID | None = None, **given: Any) -> CareTeamMember:
        """A seat for a provider, a new one by default."""
        who = provider or await self.hospital.provider()
        row: CareTeamMember = await self.do(add_member, provider=who, member_role=role, **given)
        return row

    async def look_after(self, patient: UUID, **given: Any) -> None:
        await self.do(add_patient, patient=patient, **given)

    async def fill(self, patients: int) -> list[UUID]:
        """Register so many patients and give the team all of them, in two statements; their ids, ascending."""
        ids = sorted(new_ids(patients))
        async with self.hospital.change() as db:
            given = {"tenant": self.hospital.organization, "ids": ids, "team": self.team, "entry": new_id()}
            await db.execute(
                text(
                    "insert into carecircle.patients (organization_id, id) select :tenant, unnest(cast(:ids as uuid[]))"
                ),
                given,
            )
            await db.execute(
                text(
                    "insert into carecircle.care_team_patients"
                    " (organization_id, id, lineage_id, care_team_id, patient_id, starts_at, recorded_at, entry_id)"
                    " select :tenant, one, one, :team, one, statement_timestamp() - interval '1 day',"
                    " statement_timestamp(), :entry from unnest(cast(:ids as uuid[])) as one"
                ),
                given,
            )
        return ids

    async def credential(self, provider: ProviderId, kind: str, code: str, until: datetime = FOREVER) -> None:
        async with self.hospital.change() as db:
            now, row_id = await instant(db), new_id()
            db.add(
                ProviderCredential(
                    organization_id=self.hospital.organization, id=row_id, lineage_id=row_id, provider_id=provider,
                    kind=kind, code=code, starts_at=now - DAY, ends_at=until, recorded_at=now, entry_id=new_id(),
                )
            )  # fmt: skip

    async def now(self) -> datetime:
        async with self.hospital.change() as db:
            return await instant(db)

    async def may(self, provider: UUID, action: str, patient: UUID, as_of: datetime | None = None) -> bool:
        with acting_as(organization=self.hospital.organization, actor="test"):
            return (await self.hospital.circle.access.check(provider, action, patient, as_of=as_of)).allowed

    async def rows(self, query: str, **given: Any) -> list[Mapping[str, Any]]:
        """What the app role reads; `:tenant` and `:team` are given."""
        async with self.hospital.change() as db:
            known = {"tenant": self.hospital.organization, "team": self.team} | given
            return [dict(row) for row in (await db.execute(text(query), known)).mappings()]

    async def entries(self, *codes: str) -> list[Mapping[str, Any]]:
        """The audit entries of these kinds, oldest first; the app role may not read them."""
        admin = await open_connection(dsn(self.hospital.circle.reach.admin))
        try:
            found = await admin.fetch(
                "select id, code, detail::text as detail from carecircle.audit_events"
                " where organization_id = $1 and code = any($2) order by id",
                self.hospital.organization,
                list(codes),
            )
        finally:
            await admin.close()
        return [dict(row) for row in found]
