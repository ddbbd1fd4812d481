"""Telling a story to the reference model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from tests.model import reference_commands
from tests.model.reference import FOREVER, Answer
from tests.model.reference_around import Model
from tests.scenarios.story import Story
from tests.scenarios.telling import Refused, Told


class InModel:
    """`numbers` are those of people and teams; of what the story gave a name, its place among all of its kind."""

    async def begin(self, story: Story) -> None:
        self.story = story
        self.numbers = {
            name: number
            for names in (story.patients, story.providers, story.teams)
            for number, name in enumerate(names)
        }
        self.model = Model(range(len(story.patients)), range(len(story.providers)), range(len(story.teams)))
        self.made = {"referral": 0, "arrangement": 0, "restriction": 0, "duty": 0, "request": 0}

    async def assign(
        self, *, patient: str, provider: str, kind: str = "consulting", start: datetime | None = None,
        end: datetime | None = None, scope: Sequence[str] | None = None, rests_on: Sequence[str] | None = None,
        referral: str | None = None,
    ) -> None:  # fmt: skip
        self._do(
            self.model.add_assignment, self._present(patient), self.numbers[provider], kind, start, end, scope, rests_on,
            self.numbers[referral] if referral else None,
        )  # fmt: skip

    async def assign_primary(
        self, *, patient: str, provider: str, start: datetime | None = None, previous: str = "demote"
    ) -> None:
        self._do(self.model.assign_primary, self._present(patient), self.numbers[provider], previous, start)

    async def cancel_handover(self, *, patient: str) -> None:
        self._do(self.model.cancel_handover, self._present(patient))

    async def end_assignments(self, *, patient: str, provider: str) -> None:
        self._do(self.model.end_assignments, self._present(patient), self.numbers[provider])

    async def add_member(
        self, *, team: str, provider: str, role: str = "member", start: datetime | None = None,
        end: datetime | None = None, scope: Sequence[str] | None = None, rests_on: Sequence[str] | None = None,
    ) -> None:  # fmt: skip
        self._do(
            self.model.add_member, self.numbers[team], self.numbers[provider], role, start, end, scope, rests_on or ()
        )

    async def end_membership(self, *, team: str, provider: str) -> None:
        self._do(self.model.end_membership, self.numbers[team], self.numbers[provider])

    async def add_patient(
        self, *, team: str, patient: str, start: datetime | None = None, end: datetime | None = None
    ) -> None:
        self._do(self.model.add_patient, self.numbers[team], self._present(patient), start, end)

    async def end_patient(self, *, team: str, patient: str) -> None:
        self._do(self.model.end_patient, self.numbers[team], self._present(patient))

    async def close_team(self, *, team: str) -> None:
        self._do(self.model.close_team, self.numbers[team])

    async def reopen_team(self, *, team: str) -> None:
        self._do(self.model.reopen_team, self.numbers[team])

    async def add_credential(
        self, *, provider: str, kind: str, code: str, start: datetime | None = None, end: datetime | None = None
    ) -> None:
        self._do(self.model.add_credential, self.numbers[provider], kind, code, start, end)

    async def end_credential(self, *, provider: str, kind: str, code: str) -> None:
        self._do(self.model.end_credential, self.numbers[provider], kind, code)

    async def refer(
        self, *, patient: str, by: str, specialty: str, to: str | None = None, start: datetime | None = None,
        end: datetime, name: str = "",
    ) -> None:  # fmt: skip
        performer = self.numbers[to] if to else None
        self._do(self.model.refer, self._present(patient), self.numbers[by], performer, specialty, start, end)
        self._name("referral", name)

    async def redirect_referral(self, *, referral: str, to: str | None) -> None:
        self._do(self.model.redirect_referral, self.numbers[referral], self.numbers[to] if to else None)

    async def end_referral(self, *, referral: str) -> None:
        self._do(self.model.end_referral, self.numbers[referral])

    async def cover(
        self, *, covered: str, by: str, start: datetime, end: datetime, kind: str = "full", team: str | None = None,
        patients: Sequence[str] = (), scope: Sequence[str] | None = None, name: str = "",
    ) -> None:  # fmt: skip
        self._do(
            self.model.arrange_coverage, self.numbers[covered], self.numbers[by], kind, start, end, scope,
            self.numbers[team] if team else None, [self._present(one) for one in patients],
        )  # fmt: skip
        self._name("arrangement", name)

    async def end_cover(self, *, arrangement: str) -> None:
        self._do(self.model.end_coverage, self.numbers[arrangement])

    async def object_to(
        self, *, patient: str, provider: str, start: datetime | None = None, end: datetime | None = None, name: str = ""
    ) -> None:
        who = self._present(patient), self.numbers[provider]
        self._do(self.model.restrict, "objection", *who, None, start, end)
        self._name("restriction", name)

    async def suspend(
        self, *, provider: str, start: datetime | None = None, end: datetime | None = None, name: str = ""
    ) -> None:
        self._do(self.model.restrict, "suspension", None, self.numbers[provider], None, start, end)
        self._name("restriction", name)

    async def label(
        self, *, patient: str, label: str, start: datetime | None = None, end: datetime | None = None, name: str = ""
    ) -> None:
        self._do(self.model.restrict, "label", self._present(patient), None, label, start, end)
        self._name("restriction", name)

    async def lift(self, *, restriction: str) -> None:
        self._do(self.model.lift, self.numbers[restriction])

    async def set_policy(
        self, *, actions: Sequence[str] = (), grace_minutes: int = 0, coverage_rests_on: Sequence[str] = (),
        overrides: Sequence[str] = ("sensitivity",), start: datetime | None = None,
    ) -> None:  # fmt: skip
        self._do(self.model.set_policy, actions, grace_minutes, coverage_rests_on, start, overrides)

    async def add_duty(
        self, *, provider: str, duty: str, start: datetime | None = None, end: datetime | None = None, name: str = ""
    ) -> None:
        self._do(self.model.add_duty, self.numbers[provider], duty, start, end)
        self._name("duty", name)

    async def end_duty(self, *, duty: str) -> None:
        self._do(self.model.end_duty, self.numbers[duty])

    async def break_glass(
        self, *, provider: str, patient: str, scope: Sequence[str] = ("read",), hours: float = 24, name: str = ""
    ) -> None:
        self._do(self.model.request_access, self._present(patient), self.numbers[provider], scope, hours)
        self._name("request", name)

    async def approve(self, *, request: str, by: str, hours: float | None = None) -> None:
        self._do(self.model.approve_access, self.numbers[request], self.numbers[by], hours)

    async def deny(self, *, request: str, by: str) -> None:
        self._do(self.model.deny_access, self.numbers[request], self.numbers[by])

    async def end_access(self, *, request: str, by: str) -> None:
        self._do(self.model.end_access, self.numbers[request], self.numbers[by])

    async def merge(self, *, patient: str, into: str) -> None:
        self._do(self.model.merge_patients, self.numbers[patient], self.numbers[into])

    async def unmerge(self, *, patient: str) -> None:
        self._do(self.model.unmerge_patients, self.numbers[patient])

    async def ask(
        self, provider: str, action: str, patient: str, at: datetime | None, knowing: datetime | None
    ) -> Told:
        now = at is None and knowing is None
        at = at or datetime.now(UTC)
        answer = self.model.answer(self.numbers[provider], action, self.numbers[patient], at, knowing)
        last = max((basis.ends for basis in answer.bases), default=FOREVER)
        return Told(
            answer.code, at, self._basis(answer), None if last == FOREVER else last,
            sorted(one.kind for one in answer.restrictions), now and answer.may_break_glass,
        )  # fmt: skip

    async def patients_of(
        self, provider: str, action: str, at: datetime | None, knowing: datetime | None
    ) -> list[str] | None:
        _, found = self.model.list_patients(self.numbers[provider], action, at or datetime.now(UTC), knowing)
        return sorted(self.story.patients[one] for one in found)

    async def providers_of(
        self, patient: str, action: str, at: datetime | None, knowing: datetime | None
    ) -> list[str] | None:
        _, found = self.model.list_providers(self.numbers[patient], action, at or datetime.now(UTC), knowing)
        return sorted(self.story.providers[one] for one in found)

    def _basis(self, answer: Answer) -> list[str]:
        return sorted(
            one.kind if one.via is None else f"{one.kind} via {self.story.providers[one.via]}" for one in answer.bases
        )

    def _present(self, patient: str) -> int:
        return self.model.present(self.numbers[patient])

    def _do(self, command: Callable[..., bool], *said: object) -> None:
        try:
            command(datetime.now(UTC), *said)
        except reference_commands.Refused as refused:
            raise Refused(refused.code) from refused

    def _name(self, kind: str, name: str) -> None:
        self.numbers[name] = self.made[kind]
        self.made[kind] += 1
