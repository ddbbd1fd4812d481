"""Telling a story over HTTP: questions at the evaluation route; changes at /v1 as far as there are routes for them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import httpx

from carecircle import to_text
from carecircle.period import parse_instant
from tests.conftest import Hospital
from tests.scenarios.in_python import InPython
from tests.scenarios.telling import Refused, Told


class OverHttp(InPython):
    """A change that this class does not override has no route yet, and is made through the Python services.

    A route for one is an override here that calls `_send` with the method, the path and the JSON body.
    """

    def __init__(self, hospital: Hospital, client: httpx.AsyncClient) -> None:
        super().__init__(hospital)
        self.client = client

    async def ask(
        self, provider: str, action: str, patient: str, at: datetime | None, knowing: datetime | None
    ) -> Told:
        clocks = {"as_of": at, "believed_at": knowing}
        body = {
            "subject": {"type": "provider", "id": to_text(self.ids[provider])},
            "action": {"name": action},
            "resource": {"type": "patient", "id": to_text(self.ids[patient])},
            "context": {key: value.isoformat() for key, value in clocks.items() if value is not None},
        }
        answer = (await self.client.post("/access/v1/evaluation", json=body)).json()
        context = answer["context"]
        assert answer["decision"] is (context["code"] == "allowed")
        if not answer["decision"]:
            # Who is refused learns the code and a remedy: neither which label, nor who objected, nor to whom.
            assert set(context) <= {"id", "code", "remedies"}
            assert context["remedies"]
            return Told(context["code"], None, None, None, None)
        ends = [basis["until"] for basis in context["bases"]]
        until = None if None in ends else max(map(parse_instant, ends))
        return Told(context["code"], None, sorted(basis["kind"] for basis in context["bases"]), until, None)

    async def patients_of(
        self, provider: str, action: str, at: datetime | None, knowing: datetime | None
    ) -> list[str] | None:
        return None

    async def providers_of(
        self, patient: str, action: str, at: datetime | None, knowing: datetime | None
    ) -> list[str] | None:
        return None

    async def _send(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """The JSON of a good answer. Raises Refused with the problem's code."""
        answer = await self.client.request(method, path, json=body)
        if answer.is_error:
            raise Refused(answer.json()["code"])
        return answer.json() if answer.content else None
