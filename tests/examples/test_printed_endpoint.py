"""The FastAPI example of the primary-provider document runs as printed, in a host application around this package."""

from __future__ import annotations

import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle import CareTeamService, acting_as
from carecircle.database.session import transaction
from tests.api.test_service import Run
from tests.conftest import Hospital

BESIDE = Path(__file__).resolve().parents[3] / "shared"
ROUTE = '@router.post("/patients/{patient_id}/primary-provider")'


def printed() -> str:
    """The document's own code, every character of it, or a skip that says what is missing."""
    for file in sorted(BESIDE.glob("*/*.txt")):
        for block in re.findall(r"```python\n(.*?)```", file.read_text(), re.DOTALL):
            if ROUTE in block:
                return str(block)
    pytest.skip("the primary-provider document is not beside this clone")


def host(code: str, hospital: Hospital, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The application around the printed code: the modules it imports, the names it takes for granted, who acts."""

    async def get_db() -> AsyncIterator[AsyncSession]:
        async with transaction(hospital.circle.engine) as session:
            yield session

    services, service, dependencies = (ModuleType(name) for name in ("services", "care_team_service", "dependencies"))
    vars(service)["CareTeamService"] = CareTeamService
    vars(dependencies)["get_db"] = get_db
    for name, module in (
        ("src", ModuleType("src")), ("src.services", services), ("src.services.care_team_service", service),
        ("src.dependencies", dependencies),
    ):  # fmt: skip
        monkeypatch.setitem(sys.modules, name, module)
    names: dict[str, Any] = {
        "UUID": UUID, "AsyncSession": AsyncSession, "get_current_org": lambda: hospital.organization, "__name__": "printed",
    }  # fmt: skip
    exec(compile(code, "the primary-provider document", "exec"), names)  # noqa: S102 - the document's own code
    app = FastAPI()
    app.include_router(names["router"])

    async def acting(scope: Any, receive: Any, send: Any) -> None:
        with acting_as(actor="service:ward-app"):
            await app(scope, receive, send)

    return acting


def test_it_runs_as_printed(in_hospital: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    code = printed()

    async def body(hospital: Hospital) -> None:
        patient, first, second = await hospital.patient(), await hospital.provider(), await hospital.provider()
        app = host(code, hospital, monkeypatch)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://host") as client:
            for provider in (first, second):
                done = await client.post(f"/patients/{patient}/primary-provider", params={"provider_id": str(provider)})
                assert done.status_code == 200
                assert done.json() == {"status": "success", "primary_provider_id": str(provider)}
                async with hospital.change() as db:
                    now = await CareTeamService.get_primary_provider(db, hospital.organization, patient_id=patient)
                assert now == provider
            unreadable = await client.post(f"/patients/{patient}/primary-provider", params={"provider_id": "x"})
            assert unreadable.status_code == 422
        async with hospital.change() as db:
            kinds = [
                row.assignment_type
                for row in await CareTeamService.history(db, hospital.organization, patient_id=patient)
            ]
        assert sorted(set(kinds)) == ["consulting", "primary"]

    in_hospital(body)
