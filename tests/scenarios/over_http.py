"""Telling a story over HTTP: questions at the evaluation route, every change at its route under /v1."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx

from carecircle import Actor, to_text
from carecircle.api.tokens import mint
from carecircle.identifiers import parse_id
from carecircle.period import parse_instant
from tests.conftest import Hospital
from tests.scenarios.story import Story
from tests.scenarios.telling import Refused, Told, policy_document


class OverHttp:
    """`ids` are those of people and teams, and of what the story gave a name. The client's token may change things."""

    def __init__(self, hospital: Hospital, client: httpx.AsyncClient) -> None:
        self.hospital = hospital
        self.client = client
        self.ids: dict[str, UUID] = {}
        self._labels: set[str] = set()

    async def begin(self, story: Story) -> None:
        """People are registered through the directory, which has no routes."""
        for name in story.patients:
            self.ids[name] = await self.hospital.patient(f"story|{name}")
        for name in story.providers:
            self.ids[name] = await self.hospital.provider(f"story|{name}")
        for name in story.teams:
            self._name(name, await self._send("POST", "/v1/care-teams", name=name))

    async def assign(
        self, *, patient: str, provider: str, kind: str = "consulting", start: datetime | None = None,
        end: datetime | None = None, scope: Sequence[str] | None = None, rests_on: Sequence[str] | None = None,
        referral: str | None = None,
    ) -> None:  # fmt: skip
        await self._send(
            "POST", "/v1/assignments", assignment_type=kind, patient=self._id(patient), provider=self._id(provider),
            starts_at=start, ends_at=end, scope=scope, rests_on=rests_on, referral_id=self._id(referral),
        )  # fmt: skip

    async def assign_primary(
        self, *, patient: str, provider: str, start: datetime | None = None, previous: str = "demote"
    ) -> None:
        await self._send(
            "POST", "/v1/assignments", assignment_type="primary", patient=self._id(patient),
            provider=self._id(provider), starts_at=start, previous=previous,
        )  # fmt: skip

    async def cancel_handover(self, *, patient: str) -> None:
        await self._send("POST", "/v1/assignments/cancel-handover", patient=self._id(patient))

    async def end_assignments(self, *, patient: str, provider: str) -> None:
        await self._send("POST", "/v1/assignments/end", patient=self._id(patient), provider=self._id(provider))

    async def add_member(
        self, *, team: str, provider: str, role: str = "member", start: datetime | None = None,
        end: datetime | None = None, scope: Sequence[str] | None = None, rests_on: Sequence[str] | None = None,
    ) -> None:  # fmt: skip
        await self._send(
            "POST", f"/v1/care-teams/{self._id(team)}/members", provider=self._id(provider), member_role=role,
            starts_at=start, ends_at=end, scope=scope, rests_on=rests_on,
        )  # fmt: skip

    async def end_membership(self, *, team: str, provider: str) -> None:
        await self._send("DELETE", f"/v1/care-teams/{self._id(team)}/members/{self._id(provider)}")

    async def add_patient(
        self, *, team: str, patient: str, start: datetime | None = None, end: datetime | None = None
    ) -> None:
        await self._send(
            "POST", f"/v1/care-teams/{self._id(team)}/patients", patient=self._id(patient), starts_at=start, ends_at=end
        )

    async def end_patient(self, *, team: str, patient: str) -> None:
        await self._send("DELETE", f"/v1/care-teams/{self._id(team)}/patients/{self._id(patient)}")

    async def close_team(self, *, team: str) -> None:
        await self._send("POST", f"/v1/care-teams/{self._id(team)}/close")

    async def reopen_team(self, *, team: str) -> None:
        await self._send("POST", f"/v1/care-teams/{self._id(team)}/reopen")

    async def add_credential(
        self, *, provider: str, kind: str, code: str, start: datetime | None = None, end: datetime | None = None
    ) -> None:
        await self._send(
            "POST", "/v1/credentials", provider=self._id(provider), kind=kind, code=code, starts_at=start, ends_at=end
        )

    async def end_credential(self, *, provider: str, kind: str, code: str) -> None:
        await self._send("POST", "/v1/credentials/end", provider=self._id(provider), kind=kind, code=code)

    async def refer(
        self, *, patient: str, by: str, specialty: str, to: str | None = None, start: datetime | None = None,
        end: datetime, name: str = "",
    ) -> None:  # fmt: skip
        made = await self._send(
            "POST", "/v1/referrals", patient=self._id(patient), referring=self._id(by), specialty_code=specialty,
            provider=self._id(to), starts_at=start, ends_at=end,
        )  # fmt: skip
        self._name(name, made)

    async def redirect_referral(self, *, referral: str, to: str | None) -> None:
        path = f"/v1/referrals/{self._id(referral)}/redirect"
        await self._json("POST", path, {"provider": self._id(to)})

    async def end_referral(self, *, referral: str) -> None:
        await self._send("POST", f"/v1/referrals/{self._id(referral)}/end")

    async def cover(
        self, *, covered: str, by: str, start: datetime, end: datetime, kind: str = "full", team: str | None = None,
        patients: Sequence[str] = (), scope: Sequence[str] | None = None, name: str = "",
    ) -> None:  # fmt: skip
        made = await self._send(
            "POST", "/v1/coverage-arrangements", covered=self._id(covered), covering=self._id(by), starts_at=start,
            ends_at=end, coverage_type=kind, care_team_id=self._id(team), scope=scope,
            patients=[self._id(one) for one in patients] or None,
        )  # fmt: skip
        self._name(name, made, "arrangement_id")

    async def end_cover(self, *, arrangement: str) -> None:
        await self._send("DELETE", f"/v1/coverage-arrangements/{self._id(arrangement)}")

    async def object_to(
        self, *, patient: str, provider: str, start: datetime | None = None, end: datetime | None = None, name: str = ""
    ) -> None:
        made = await self._send(
            "POST", "/v1/restrictions", kind="objection", patient=self._id(patient), provider=self._id(provider),
            starts_at=start, ends_at=end,
        )  # fmt: skip
        self._name(name, made)

    async def suspend(
        self, *, provider: str, start: datetime | None = None, end: datetime | None = None, name: str = ""
    ) -> None:
        made = await self._send(
            "POST", "/v1/restrictions", kind="suspension", provider=self._id(provider), starts_at=start, ends_at=end
        )
        self._name(name, made)

    async def label(
        self, *, patient: str, label: str, start: datetime | None = None, end: datetime | None = None, name: str = ""
    ) -> None:
        made = await self._send(
            "POST", "/v1/labels", patient=self._id(patient), label=label, starts_at=start, ends_at=end
        )
        self._name(name, made)
        self._labels.add(name)

    async def lift(self, *, restriction: str) -> None:
        kind = "labels" if restriction in self._labels else "restrictions"
        await self._send("DELETE", f"/v1/{kind}/{self._id(restriction)}")

    async def set_policy(
        self, *, actions: Sequence[str] = (), grace_minutes: int = 0, coverage_rests_on: Sequence[str] = (),
        overrides: Sequence[str] = ("sensitivity",), start: datetime | None = None,
    ) -> None:  # fmt: skip
        document = policy_document(actions, grace_minutes, coverage_rests_on, overrides)
        await self._send("PUT", "/v1/policy", document=document, starts_at=start)

    async def merge(self, *, patient: str, into: str) -> None:
        await self._send("POST", "/v1/patients/merge", patient=self._id(patient), into=self._id(into))

    async def unmerge(self, *, patient: str) -> None:
        await self._send("POST", "/v1/patients/unmerge", patient=self._id(patient))

    async def add_duty(
        self, *, provider: str, duty: str, start: datetime | None = None, end: datetime | None = None, name: str = ""
    ) -> None:
        made = await self._send(
            "POST", "/v1/duties", provider=self._id(provider), duty=duty, starts_at=start, ends_at=end
        )
        self._name(name, made)

    async def end_duty(self, *, duty: str) -> None:
        await self._send("DELETE", f"/v1/duties/{self._id(duty)}")

    async def break_glass(
        self, *, provider: str, patient: str, scope: Sequence[str] = ("read",), hours: float = 24, name: str = ""
    ) -> None:
        said = {"patient": self._id(patient), "reason": "transfer", "attested": True, "scope": scope, "hours": hours}
        self._name(name, await self._json("POST", "/v1/break-glass", said, by=provider))

    async def approve(self, *, request: str, by: str, hours: float | None = None) -> None:
        await self._decide(request, "approval", {} if hours is None else {"hours": hours}, by)

    async def deny(self, *, request: str, by: str) -> None:
        await self._decide(request, "denial", {"words": "No."}, by)

    async def end_access(self, *, request: str, by: str) -> None:
        await self._decide(request, "end", None, by)

    async def _decide(self, request: str, how: str, body: dict[str, Any] | None, by: str) -> None:
        try:
            await self._json("POST", f"/v1/break-glass/{self._id(request)}/{how}", body, by=by)
        except Refused as refused:
            # Who has no part in it is told that there is no such thing.
            if refused.code == "emergency-access-not-found":
                raise Refused("not-an-approver") from refused
            raise

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
            glass = "break-glass" in {one["kind"] for one in context["remedies"]}
            return Told(context["code"], None, None, None, None, glass)
        ends = [basis["until"] for basis in context["bases"]]
        until = None if None in ends else max(map(parse_instant, ends))
        return Told(context["code"], None, sorted(basis["kind"] for basis in context["bases"]), until, None, False)

    async def patients_of(
        self, provider: str, action: str, at: datetime | None, knowing: datetime | None
    ) -> list[str] | None:
        return None

    async def providers_of(
        self, patient: str, action: str, at: datetime | None, knowing: datetime | None
    ) -> list[str] | None:
        return None

    def _id(self, name: str | None) -> str | None:
        return None if name is None else to_text(self.ids[name])

    def _name(self, name: str, made: dict[str, Any], key: str = "id") -> None:
        self.ids[name] = parse_id(made[key])

    async def _send(self, method: str, path: str, **said: Any) -> Any:
        """What was said, but for what is None, as a JSON body; the JSON of a good answer. Raises Refused."""
        body = {key: _written(value) for key, value in said.items() if value is not None}
        return await self._json(method, path, body or None)

    async def _json(self, method: str, path: str, body: dict[str, Any] | None, *, by: str | None = None) -> Any:
        """As the client, or by a person who has just signed in. Raises Refused with the problem's code."""
        signed_in = {} if by is None else {"Authorization": f"Bearer {self._token(by)}"}
        answer = await self.client.request(method, path, json=body, headers=signed_in)
        if answer.is_error:
            raise Refused(answer.json()["code"])
        return answer.json()

    def _token(self, provider: str) -> str:
        return mint(
            self.hospital.circle.keyring, organization_id=self.hospital.organization,
            actor=Actor(f"provider:{self._id(provider)}"), signed_in_at=datetime.now(UTC),
        )  # fmt: skip


def _written(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
