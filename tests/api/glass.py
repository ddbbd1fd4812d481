"""People at the HTTP door who break the glass and decide: a ward behind a real server, and a token of their own each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx

from carecircle import Actor, to_text
from carecircle.api.tokens import Permission, mint
from tests.api.clinic import entries
from tests.api.test_service import question, serving
from tests.conftest import Hospital
from tests.emergency.clinic import Clinic

ROUTE = "/v1/break-glass"


@dataclass
class Glass:
    """The ward's people, and a client without a token of its own."""

    clinic: Clinic
    client: httpx.AsyncClient

    @property
    def hospital(self) -> Hospital:
        return self.clinic.hospital

    def token(
        self,
        who: UUID | str,
        *,
        signed_in: timedelta | None = timedelta(),
        may: Iterable[Permission] = ("ask",),
        hours: float = 1,
        organization: UUID | None = None,
    ) -> dict[str, str]:
        """The header of a person, or (text) of an actor of that name, who signed in that long ago, or never said when."""
        token = mint(
            self.hospital.circle.keyring,
            organization_id=organization or self.hospital.organization,
            actor=Actor(who) if isinstance(who, str) else Actor.provider(who),
            hours=hours,
            may=may,
            signed_in_at=None if signed_in is None else datetime.now(UTC) - signed_in,
        )
        return {"Authorization": f"Bearer {token}"}

    def wish(self, **said: Any) -> dict[str, Any]:
        return {
            "patient": to_text(self.clinic.patient), "reason": "life-threat", "unit": "unit|Ward", "attested": True,
        } | said  # fmt: skip

    async def send(
        self, who: UUID | str, method: str, path: str = "", body: Any = None, **token: Any
    ) -> httpx.Response:
        return await self.client.request(method, f"{ROUTE}{path}", json=body, headers=self.token(who, **token))

    async def json(
        self, who: UUID | str, method: str, path: str = "", body: Any = None, *, status: int = 200, **token: Any
    ) -> Any:
        """The JSON of an answer that must have this status."""
        answer = await self.send(who, method, path, body, **token)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def opened(self, **said: Any) -> str:
        """The id of what the doctor asked for just now."""
        told = await self.json(self.clinic.doctor, "POST", body=self.wish(**said), status=201)
        return str(told["id"])

    async def lets_in(self, action: str = "read") -> bool:
        asked = question(self.clinic.doctor, self.clinic.patient, action)
        answer = await self.client.post("/access/v1/evaluation", json=asked, headers=self.token("service:host"))
        return bool(answer.json()["decision"])

    async def refusals(self) -> list[str]:
        return [one["code"] for one in await entries(self.hospital, "refusal")]


@asynccontextmanager
async def open_glass(hospital: Hospital) -> AsyncIterator[Glass]:
    async with serving(hospital) as client:
        del client.headers["Authorization"]
        yield Glass(await Clinic.open(hospital), client)
