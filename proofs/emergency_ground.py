"""What the attempts of the proof `emergency` stand on: cases in a wanted state, doors to try, and what must not move."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import asyncpg
import httpx

from carecircle import Actor, acting_as, directory, to_text
from carecircle.emergency.deciding_service import approve, deny
from carecircle.emergency.ending_service import end
from carecircle.emergency.opening_service import request
from carecircle.errors import CareCircleError
from carecircle.identifiers import OrganizationId, new_id
from carecircle.policy import ACTIONS
from carecircle.restrictions.service import label
from carecircle.services.emergency import EmergencyAccessManager
from proofs.emergency_practice import ACTOR, Practice

ROUTE = "/v1/break-glass"
SHORT = 1.2
"""Seconds that an access lasts which is to be over soon."""
_EVERYTHING = """
  select md5(concat(
    (select string_agg(t::text, '|' order by t.id) from carecircle.emergency_access t),
    (select string_agg(t::text, '|' order by t.id) from carecircle.emergency_notes t),
    (select string_agg(t::text, '|' order by t.id) from carecircle.emergency_approvers t),
    (select string_agg(t::text, '|' order by t.id) from carecircle.duties t)))"""
_ENTRIES = """
  select count(*) from carecircle.audit_events
  where organization_id = $1 and actor = $2 and code = $3 and recorded_at >= $4"""


@dataclass(frozen=True)
class Try:
    """One attempt. `act` makes it and gives what was told: a code, or the status where it was no error.

    `told` are the codes that refuse it, `kept` the code of its entry in the audit trail (None where nobody can know who
    tried), by `actor` in `organization` (the practice's own unless said), `times` over. `pairs` are who must not be able to do
    more with whom. `within` says what is wrong with what came of an attempt that is answered with less than it wanted. `right`
    is the same done rightly; whether it succeeds.
    """

    actor: str
    act: Callable[[], Awaitable[str]]
    told: frozenset[str]
    kept: str | None
    pairs: tuple[tuple[UUID, UUID], ...]
    right: Callable[[], Awaitable[bool]] | None = None
    within: Callable[[], Awaitable[str]] | None = None
    organization: UUID | None = None
    times: int = 1


@dataclass(frozen=True)
class Case:
    """One emergency access to try something with, and whose it is."""

    id: UUID
    clinician: UUID
    patient: UUID

    @property
    def pair(self) -> tuple[UUID, UUID]:
        return self.clinician, self.patient


@dataclass
class Ground:
    """The practice, the administrator's connection, and a client per server: "" (a right clock), `ahead` and `behind`."""

    practice: Practice
    admin: asyncpg.Connection
    clients: dict[str, httpx.AsyncClient]
    chance: Random
    _fresh: list[UUID] = field(default_factory=list)
    _labelled: list[UUID] = field(default_factory=list)

    async def fill(self, attempts: int) -> None:
        """Patients enough, half of them with a label for which access waits until it is approved."""
        own = self.practice.organization
        self._fresh += await self.practice.more_patients(2 * attempts + 50)
        self._labelled += await self.practice.more_patients(attempts + 50)
        async with self.practice.change() as db:
            with acting_as(organization=own, actor=ACTOR):
                for patient in self._labelled:
                    await label(db, patient=patient, label="R")

    def clinician(self) -> UUID:
        """Anybody who may break the glass but the first, to whom somebody reports."""
        return self.chance.choice(self.practice.clinicians[1:])

    def patient(self, *, gated: bool = False) -> UUID:
        """Somebody whose record nobody has asked for yet."""
        return (self._labelled if gated else self._fresh).pop()

    @property
    def supervisor(self) -> UUID:
        return self.practice.supervisors[0]

    async def case(
        self,
        *states: str,
        clinician: UUID | None = None,
        hours: float = 4,
        patient: UUID | None = None,
        two: bool = False,
    ) -> Case:
        """An access in one of these states: requested, provisional, approved, denied, ended, or (undecided) expired.

        With `two`, two persons must approve it.
        """
        state = self.chance.choice(states)
        who = clinician or self.clinician()
        if two:
            await self.case("provisional", clinician=who)
            await self.practice.policy(emergency_modes={"R": "gated"}, emergency_open_at_once=1)
        gated = state == "requested" or (state in ("denied", "approved") and self.chance.random() < 0.5)
        whom = patient or self.patient(gated=gated)
        row = await self.practice.do(
            request, provider=who, patient=whom, reason_code="life-threat", unit=self.practice.unit,
            hours=SHORT / 3600 if state == "expired" else hours,
        )  # fmt: skip
        if two:
            await self.practice.policy(emergency_modes={"R": "gated"})
        case = Case(row.lineage_id, who, whom)
        if state == "approved":
            await self.practice.do(approve, emergency_id=case.id, approver=self.supervisor)
        elif state == "denied":
            await self.practice.do(deny, emergency_id=case.id, approver=self.supervisor, words="No.")
        elif state == "ended":
            await self.practice.do(end, emergency_id=case.id, provider=who)
        elif state == "expired":
            await self.until(row.ends_at)
        return case

    async def until(self, instant: datetime) -> None:
        """Wait until the database's clock has passed an instant."""
        await self.admin.execute(
            "select pg_sleep(greatest(0, extract(epoch from $1::timestamptz - clock_timestamp())) + 0.01)", instant
        )

    async def now(self) -> datetime:
        now: datetime = await self.admin.fetchval("select clock_timestamp()")
        return now

    def posts(
        self, who: UUID | str, path: str = "", body: Any = None, *, door: str = "", method: str = "POST", **token: Any
    ) -> Callable[[], Awaitable[str]]:
        """Sending that as somebody; what is told: the code of the error, or the status."""
        headers = self.practice.bearer(who, **token)

        async def send() -> str:
            return told(await self.clients[door].request(method, f"{ROUTE}{path}", json=body, headers=headers))

        return send

    def calls(
        self, by: str, name: str, *given: Any, organization: UUID | None = None, **said: Any
    ) -> Callable[[], Awaitable[str]]:
        """The same through EmergencyAccessManager, in an actor's name."""
        manager = EmergencyAccessManager(
            self.practice.circle, organization=organization or self.practice.organization, actor=by
        )

        async def call() -> str:
            try:
                await getattr(manager, name)(*given, **said)
            except CareCircleError as error:
                return error.code
            return "200"

        return call

    def approves(self, case: Case, by: UUID | None = None) -> Callable[[], Awaitable[bool]]:
        """That somebody who may does approve it, and that it lets in then."""

        async def right() -> bool:
            said = await self.posts(by or self.supervisor, f"/{to_text(case.id)}/approval")()
            return said == "200" and "read" in await self.may_do(*case.pair)

        return right

    def opens(self) -> Callable[[], Awaitable[bool]]:
        """That somebody who may opens a record."""
        who, patient = self.clinician(), self.patient()

        async def right() -> bool:
            said = await self.posts(who, body=self.practice.wish(patient))()
            return said == "201" and await self.may_do(who, patient) == {"read"}

        return right

    async def may_do(self, provider: UUID, patient: UUID) -> set[str]:
        """What the provider may do with the patient now."""
        with acting_as(organization=self.practice.organization, actor=ACTOR):
            check = self.practice.circle.access.check
            return {action for action in ACTIONS if (await check(provider, action, patient)).allowed}

    async def everything(self) -> str:
        """A digest of every emergency access, note, approver and duty of every organization."""
        digest: str = await self.admin.fetchval(_EVERYTHING)
        return digest

    async def entries(self, attempt: Try, since: datetime) -> int:
        """How many entries there are of an attempt."""
        own = attempt.organization or self.practice.organization
        found: int = await self.admin.fetchval(_ENTRIES, own, attempt.actor, attempt.kept, since)
        return found

    async def standing(self, case: Case) -> asyncpg.Record:
        """The last state of a case: state, scope, opened_at, ends_at, wanted_until, and the longest its policy allows."""
        return await self.admin.fetchrow(
            """select state, scope, opened_at, ends_at, wanted_until, opened_at + interval '24 hours' as cap
               from carecircle.emergency_access where lineage_id = $1 and superseded_at = 'infinity'
               order by starts_at desc limit 1""",
            case.id,
        )

    async def person(self, *identifiers: str) -> UUID:
        """One more provider, without any duty."""
        async with self.practice.change() as db:
            return await directory.register_provider(
                db, provider_id=new_id(), identifiers=identifiers, organization_id=self._own, actor=ACTOR
            )

    async def somebody(self, *identifiers: str) -> UUID:
        """One more patient, of whom an identifier is known."""
        async with self.practice.change() as db:
            return await directory.register_patient(
                db, patient_id=new_id(), identifiers=identifiers, organization_id=self._own, actor=ACTOR
            )

    @property
    def _own(self) -> OrganizationId:
        return self.practice.organization


Kind = Callable[[Ground], Awaitable[Try]]


def told(answer: httpx.Response) -> str:
    """The code of an error, or the status of what is none."""
    return str(answer.json()["code"]) if answer.status_code >= 400 else str(answer.status_code)


def named(who: UUID) -> str:
    """A person, as the audit trail names them."""
    return Actor.provider(who).name


def refused(
    actor: UUID | str, act: Callable[[], Awaitable[str]], kept: str, case: Case, *, told: str = "", **more: Any
) -> Try:
    """An attempt with a case that is refused by one code, or told as another one."""
    name = actor if isinstance(actor, str) else named(actor)
    return Try(name, act, frozenset({told or kept}), kept, (case.pair,), **more)


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)
