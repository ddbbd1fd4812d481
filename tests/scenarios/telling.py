"""What a door must be able to do to be told a story: one method for each change, and the questions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tests.model.reference_emergency import GATED, GRANTED

Names = Sequence[str]


class Refused(Exception):
    """The change was refused; `code` says why."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


@dataclass(frozen=True)
class Told:
    """An answer: its code, the instant it is about, and what the door tells of why; None: the door does not tell."""

    code: str
    at: datetime | None
    basis: list[str] | None
    until: datetime | None
    restricted_by: list[str] | None
    may_break_glass: bool
    """Whether the answer says that the one who is refused may break the glass."""


def policy_document(
    actions: Names, grace_minutes: int, coverage_rests_on: Names, overrides: Names
) -> dict[str, object]:
    """A story's policy: besides what it names, it lets anybody refer, and emergency access to a CEL patient waits."""
    return {
        "actions": list(actions), "coverage_grace_minutes": grace_minutes,
        "coverage_credentials": list(coverage_rests_on), "referral_from_primary": False, "conflicting_roles": [],
        "emergency_scope": sorted(GRANTED), "emergency_modes": {GATED: "gated"}, "emergency_overrides": list(overrides),
    }  # fmt: skip


class Teller(Protocol):
    """People, teams and what is made on the way are known by the story's names. Each change raises Refused.

    `start` and `end` are the period; None: from now on, and open.
    """

    async def assign(
        self, *, patient: str, provider: str, kind: str = "consulting", start: datetime | None = None,
        end: datetime | None = None, scope: Names | None = None, rests_on: Names | None = None,
        referral: str | None = None,
    ) -> None: ...  # fmt: skip
    async def assign_primary(
        self, *, patient: str, provider: str, start: datetime | None = None, previous: str = "demote"
    ) -> None: ...
    async def cancel_handover(self, *, patient: str) -> None: ...
    async def end_assignments(self, *, patient: str, provider: str) -> None: ...
    async def add_member(
        self, *, team: str, provider: str, role: str = "member", start: datetime | None = None,
        end: datetime | None = None, scope: Names | None = None, rests_on: Names | None = None,
    ) -> None: ...  # fmt: skip
    async def end_membership(self, *, team: str, provider: str) -> None: ...
    async def add_patient(
        self, *, team: str, patient: str, start: datetime | None = None, end: datetime | None = None
    ) -> None: ...
    async def end_patient(self, *, team: str, patient: str) -> None: ...
    async def close_team(self, *, team: str) -> None: ...
    async def reopen_team(self, *, team: str) -> None: ...
    async def add_credential(
        self, *, provider: str, kind: str, code: str, start: datetime | None = None, end: datetime | None = None
    ) -> None: ...
    async def end_credential(self, *, provider: str, kind: str, code: str) -> None: ...
    async def refer(
        self, *, patient: str, by: str, specialty: str, to: str | None = None, start: datetime | None = None,
        end: datetime, name: str = "",
    ) -> None: ...  # fmt: skip
    async def redirect_referral(self, *, referral: str, to: str | None) -> None: ...
    async def end_referral(self, *, referral: str) -> None: ...
    async def cover(
        self, *, covered: str, by: str, start: datetime, end: datetime, kind: str = "full", team: str | None = None,
        patients: Names = (), scope: Names | None = None, name: str = "",
    ) -> None: ...  # fmt: skip
    async def end_cover(self, *, arrangement: str) -> None: ...
    async def object_to(
        self, *, patient: str, provider: str, start: datetime | None = None, end: datetime | None = None, name: str = ""
    ) -> None: ...
    async def suspend(
        self, *, provider: str, start: datetime | None = None, end: datetime | None = None, name: str = ""
    ) -> None: ...
    async def label(
        self, *, patient: str, label: str, start: datetime | None = None, end: datetime | None = None, name: str = ""
    ) -> None: ...
    async def lift(self, *, restriction: str) -> None: ...
    async def set_policy(
        self,
        *,
        actions: Names = (),
        grace_minutes: int = 0,
        coverage_rests_on: Names = (),
        overrides: Names = ("sensitivity",),
        start: datetime | None = None,
    ) -> None: ...
    async def add_duty(
        self, *, provider: str, duty: str, start: datetime | None = None, end: datetime | None = None, name: str = ""
    ) -> None: ...
    async def end_duty(self, *, duty: str) -> None: ...
    async def break_glass(
        self, *, provider: str, patient: str, scope: Names = ("read",), hours: float = 24, name: str = ""
    ) -> None: ...
    async def approve(self, *, request: str, by: str, hours: float | None = None) -> None: ...
    async def deny(self, *, request: str, by: str) -> None: ...
    async def end_access(self, *, request: str, by: str) -> None: ...
    async def merge(self, *, patient: str, into: str) -> None: ...
    async def unmerge(self, *, patient: str) -> None: ...

    async def ask(
        self, provider: str, action: str, patient: str, at: datetime | None, knowing: datetime | None
    ) -> Told: ...
    async def patients_of(
        self, provider: str, action: str, at: datetime | None, knowing: datetime | None
    ) -> list[str] | None:
        """Sorted names; None where the door has no such list."""

    async def providers_of(
        self, patient: str, action: str, at: datetime | None, knowing: datetime | None
    ) -> list[str] | None: ...
