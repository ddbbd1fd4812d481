"""The questions put to the real system and to the model about one history, and how their answers are compared."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from carecircle import Access, AccessDecision, Listing, Question, acting_as
from carecircle.access.decision import Basis
from carecircle.errors import InvalidRequest
from tests.model import histories
from tests.model.histories import ACTIONS, POLICY_ACTION, UNKNOWN_ACTIONS, History, Moment
from tests.model.reference import Answer
from tests.model.reference_around import Model

PATIENTS = [UUID(int=0x0197A000_0000_7000_8000_0000_0000_0100 + n) for n in range(histories.PATIENTS)]
PROVIDERS = [UUID(int=0x0197A000_0000_7000_8000_0000_0000_0200 + n) for n in range(histories.PROVIDERS)]
TEAMS = [UUID(int=0x0197A000_0000_7000_8000_0000_0000_0300 + n) for n in range(histories.TEAMS)]


class Disagreement(Exception):
    """The real system and the model differ; says about what, and what each of them says."""

    def __init__(self, about: str, real: object, model: object) -> None:
        super().__init__(f"{about}\n  real:  {real}\n  model: {model}")


@dataclass
class Played:
    """A history that ran on both sides, and with the same rows: what is needed to question it."""

    history: History
    organization: UUID
    model: Model
    ids: list[tuple[UUID, UUID]]
    """The real id, and the lineage's, of each of the model's rows."""
    as_ofs: list[datetime]
    beliefs: list[datetime]
    last_change: datetime


async def interrogate(access: Access, played: Played) -> int:
    """Ask every question of the history, all at once; how many there were. Raises the first Disagreement."""
    asked: list[Awaitable[None]] = []
    with acting_as(organization=played.organization, actor="service:model"):
        provider, patient = played.history.aside
        for number, moment in enumerate(played.history.moments):
            ask = _Asking(access, played, _pick(played.as_ofs, moment.as_of), _pick(played.beliefs, moment.believed_at))
            asked += [
                ask.check(provider, moment.action, patient)
                for provider in range(len(PROVIDERS)) for patient in range(len(PATIENTS))
            ]  # fmt: skip
            if number == 0:
                asked.append(ask.aloud(provider, moment.action, patient))
                asked += [ask.check(provider, action, patient) for action in _others(moment)]
            if number < 2:
                asked += [ask.patients_of(provider, moment.action) for provider in range(number, len(PROVIDERS), 2)]
                asked += [ask.providers_of(patient, moment.action) for patient in range(number, len(PATIENTS), 2)]
        # Every answer is awaited, so that nobody asks on behind a disagreement.
        for result in await asyncio.gather(*asked, return_exceptions=True):
            if isinstance(result, InvalidRequest):
                raise Disagreement("an answer", f"none: {result}", "there is one")
            if isinstance(result, BaseException):
                raise result
    return len(asked)


def _pick(instants: Sequence[datetime], index: int | None) -> datetime | None:
    return None if index is None else instants[index % len(instants)]


def _others(moment: Moment) -> Sequence[str]:
    return [action for action in (*ACTIONS, POLICY_ACTION, UNKNOWN_ACTIONS[0]) if action != moment.action]


@dataclass
class _Asking:
    """One moment of one history: asks the real system and compares with the model at the instant it answered for."""

    access: Access
    played: Played
    as_of: datetime | None
    believed_at: datetime | None

    async def check(self, provider: int, action: str, patient: int) -> None:
        decision = await self.access.ask(
            Question(
                self.played.organization, PROVIDERS[provider], PATIENTS[patient], action, "service:model",
                as_of=self.as_of, believed_at=self.believed_at,
            )
        )  # fmt: skip
        self._same_answer(decision, provider, action, patient)

    async def aloud(self, provider: int, action: str, patient: int) -> None:
        """Through the door that also says what came nearest."""
        decision = await self.access.check(
            PROVIDERS[provider], action, PATIENTS[patient], as_of=self.as_of, believed_at=self.believed_at
        )
        self._same_answer(decision, provider, action, patient)

    async def patients_of(self, provider: int, action: str) -> None:
        listing = await self.access.list_patients(
            PROVIDERS[provider], action, as_of=self.as_of, believed_at=self.believed_at
        )
        about = f"list_patients(provider {provider}, {action!r}, {self._clocks(listing.as_of)})"
        answer = self.played.model.list_patients(provider, action, listing.as_of, self.believed_at)
        self._same_list(about, listing, *answer, PATIENTS)

    async def providers_of(self, patient: int, action: str) -> None:
        listing = await self.access.list_providers(
            PATIENTS[patient], action, as_of=self.as_of, believed_at=self.believed_at
        )
        about = f"list_providers(patient {patient}, {action!r}, {self._clocks(listing.as_of)})"
        answer = self.played.model.list_providers(patient, action, listing.as_of, self.believed_at)
        self._same_list(about, listing, *answer, PROVIDERS)

    def _same_answer(self, decision: AccessDecision, provider: int, action: str, patient: int) -> None:
        about = f"check(provider {provider}, {action!r}, patient {patient}, {self._clocks(decision.as_of)})"
        self._same_instant(about, decision)
        answer = self.played.model.answer(provider, action, patient, decision.as_of, self.believed_at)
        real = (
            decision.allowed, decision.code, sorted(map(_basis, decision.bases), key=str),
            sorted((one.kind, one.id) for one in decision.restrictions),
            "break-glass" in {one.kind for one in decision.remedies},
        )  # fmt: skip
        # Whoever asks about another time, or what was known at another, is not told how to get in now.
        glass = answer.may_break_glass and self.as_of is None and self.believed_at is None
        model = (answer.allowed, answer.code, *self._proof(answer), glass)
        if real != model:
            raise Disagreement(about, real, model)

    def _same_list(
        self, about: str, listing: Listing, code: str, answers: dict[int, Answer], people: list[UUID]
    ) -> None:
        self._same_instant(about, listing)
        real = (listing.code, [(row.id, row.bases, row.ends_at) for row in listing.rows])
        model = (code, [
            (people[one], tuple(sorted({basis.kind for basis in answer.bases})), max(b.ends for b in answer.bases))
            for one, answer in sorted(answers.items())
        ])  # fmt: skip
        if real != model:
            raise Disagreement(about, real, model)

    def _same_instant(self, about: str, answer: AccessDecision | Listing) -> None:
        if self.as_of is not None and answer.as_of != self.as_of:
            raise Disagreement(about, f"answered for {answer.as_of}", f"asked for {self.as_of}")
        if self.as_of is None and answer.as_of <= self.played.last_change:
            raise Disagreement(about, f"now is {answer.as_of}", f"the last change was {self.played.last_change}")

    def _proof(self, answer: Answer) -> tuple[list[tuple[object, ...]], list[tuple[str, UUID]]]:
        """The model's bases and restrictions, by the ids of the real rows."""
        ids = self.played.ids
        bases: list[tuple[object, ...]] = [
            (
                basis.kind, ids[basis.row][0],
                # Under broken glass lies the emergency access as a whole.
                None if basis.under is None else ids[basis.under][basis.kind == "emergency_access"],
                None if basis.via is None else PROVIDERS[basis.via], basis.starts, basis.ends,
            )
            for basis in answer.bases
        ]  # fmt: skip
        return sorted(bases, key=str), sorted((one.kind, ids[one.row][0]) for one in answer.restrictions)

    def _clocks(self, answered_for: datetime) -> str:
        return f"as_of={self.as_of or f'now, {answered_for}'}, believed_at={self.believed_at or 'now'}"


def _basis(basis: Basis) -> tuple[object, ...]:
    return basis.kind, basis.id, basis.under_id, basis.via_id, basis.period.starts_at, basis.period.ends_at
