"""An organization with people, and units as an import would bring them; short ways to do and to ask."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from sqlalchemy import text

from carecircle import acting_as
from carecircle.database.session import instant
from carecircle.identifiers import ProviderId, new_id
from tests.conftest import Hospital


@dataclass(frozen=True)
class House:
    """Four providers, and `now`, when they were registered."""

    hospital: Hospital
    people: tuple[ProviderId, ...]
    now: datetime

    @classmethod
    async def open(cls, hospital: Hospital) -> Self:
        people = [await hospital.provider(f"staff|{number}") for number in range(4)]
        async with hospital.change() as db:
            now = await instant(db)
        return cls(hospital, tuple(people), now)

    async def do(self, work: Any, *given: Any, **said: Any) -> Any:
        """A service function, in a transaction of its own."""
        with acting_as(organization=self.hospital.organization, actor="test"):
            async with self.hospital.change() as db:
                return await work(db, *given, **said)

    async def unit(self, name: str, identifier: str = "") -> UUID:
        unit = new_id()
        system, _, value = (identifier or f"unit|{unit}").rpartition("|")
        await self._insert(
            "units (organization_id, id, name, system, value) values (:tenant, :id, :name, :system, :value)",
            id=unit,
            name=name,
            system=system,
            value=value,
        )
        return unit

    async def role(self, provider: UUID, code: str, unit: UUID | None = None) -> None:
        await self._insert(
            "provider_roles (organization_id, id, lineage_id, provider_id, role_code, unit_id, starts_at, entry_id)"
            " values (:tenant, :id, :id, :provider, :code, :unit, statement_timestamp(), :id)",
            id=new_id(),
            provider=provider,
            code=code,
            unit=unit,
        )

    async def entries(self, *codes: str) -> list[str]:
        """The codes of the entries about these codes, oldest first."""
        connection = await self._auditor()
        try:
            rows = await connection.fetch(
                "select code from carecircle.audit_events where organization_id = $1 and code = any($2) order by recorded_at",
                self.hospital.organization,
                list(codes),
            )
        finally:
            await connection.close()
        return [row["code"] for row in rows]

    async def _auditor(self) -> Any:
        import asyncpg

        connection = await asyncpg.connect(self.hospital.circle.reach.dsn("auditor"))
        await connection.execute(
            "select set_config('carecircle.organization_id', $1, false)", str(self.hospital.organization)
        )
        return connection

    async def _insert(self, into: str, **said: Any) -> None:
        async with self.hospital.change() as db:
            await db.execute(text(f"insert into carecircle.{into}"), {"tenant": self.hospital.organization, **said})
