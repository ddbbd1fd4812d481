"""The organization of the published scenario, out of ordinary rows: alice and bob are providers, the records are patients."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx

from carecircle.assignments.service import add_assignment
from carecircle.directory.policy_service import set_policy
from tests.api.test_service import serving
from tests.conftest import Hospital

EVALUATION, EVALUATIONS = "/access/v1/evaluation", "/access/v1/evaluations"
SUBJECTS, RESOURCES, ACTIONS = (f"/access/v1/search/{what}" for what in ("subject", "resource", "action"))
POLICY = {
    "actions": ["delete"],
    "authzen_resource_types": {"record": "", "chart": "urn:mrn"},
    "authzen_subject_types": {"clinician": "urn:staff"},
}


def user(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "user", "id": name} | more


def record(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "record", "id": name} | more


def ask(who: str, action: str, what: str, **more: Any) -> dict[str, Any]:
    return {"subject": user(who), "action": {"name": action}, "resource": record(what)} | more


@dataclass(frozen=True)
class Records:
    """The organization, and a client of its server."""

    hospital: Hospital
    client: httpx.AsyncClient

    async def post(self, path: str, said: Any, status: int = 200, **more: Any) -> Any:
        """The JSON of the answer, which must have this status."""
        answer = await self.client.post(path, json=said, **more)
        assert answer.status_code == status, (said, answer.text)
        kind = "application/json" if status == 200 else "application/problem+json"
        assert answer.headers["content-type"] == kind
        return answer.json()

    async def decide(self, said: Any) -> bool:
        told: bool = (await self.post(EVALUATION, said))["decision"]
        return told

    async def ids(self, path: str, said: Any) -> list[str]:
        return [one["id"] for one in (await self.post(path, said))["results"]]

    async def entries(self, kind: str) -> Sequence[asyncpg.Record]:
        connection = await asyncpg.connect(self.hospital.circle.reach.dsn("auditor"))
        try:
            await connection.execute(f"set carecircle.organization_id = '{self.hospital.organization}'")
            found: list[asyncpg.Record] = await connection.fetch(
                "select code, action, allowed, detail, request_id from carecircle.audit_events where kind = $1"
                " order by xid, recorded_at, id",
                kind,
            )
            return found
        finally:
            await connection.close()


@asynccontextmanager
async def open_records(hospital: Hospital) -> AsyncIterator[Records]:
    """What the scenario's decisions 1 to 4 take, and what lets its searches find somebody; served."""
    for name in ("alice", "bob"):
        await hospital.provider(name, f"urn:staff|{name}-7")
    for name in ("record-1", "record-2"):
        await hospital.patient(name, f"urn:mrn|M-{name}")
    said: dict[str, Any] = {"organization": hospital.organization, "actor": "operator:test"}
    async with hospital.change() as db:
        await set_policy(db, document=POLICY, **said)
    async with hospital.change() as db:
        for provider, patient, scope in (
            ("alice", "record-1", ["read", "write", "delete"]),
            ("alice", "record-2", ["read"]),
            ("bob", "record-1", ["read"]),
            ("bob", "record-2", ["read", "write"]),
        ):
            await add_assignment(db, patient=patient, provider=provider, scope=scope, **said)
    async with serving(hospital) as client:
        yield Records(hospital, client)
