"""What the organization's policy asks of what is imported: what facts rest on, and a finding for seats that break a rule.

A seat that breaks a rule is taken all the same, because the source says that it is held.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from carecircle.care_teams.rules import Seat, membership_violations
from carecircle.directory.policy_service import policy_of, policy_versions
from carecircle.errors import Violation
from carecircle.interop.fhir.fact_tables import seats_of
from carecircle.interop.fhir.problems import policy_broken
from carecircle.interop.fhir.service import Desk
from carecircle.interop.fhir.settle import Row, Settled, Slots
from carecircle.policy import Policy

_SIZE = "team-full"


@dataclass(frozen=True, slots=True)
class Policies:
    """Every version of an organization's policy, with the period in which it holds; `now` is when the import writes."""

    versions: tuple[tuple[datetime, datetime, Policy], ...]
    now: datetime

    def of(self, row: Row) -> Policy:
        """The policy that a fact is judged by: what has begun already and holds, by the present one; else that of its start."""
        at = max(row.starts_at, self.now) if row.ends_at > self.now else row.starts_at
        return next((policy for starts_at, ends_at, policy in self.versions if starts_at <= at < ends_at), Policy())

    def asked(self, row: Row) -> tuple[str, ...]:
        """The credentials that a fact rests on."""
        policy = self.of(row)
        asked: Sequence[str] = ()
        if row.table == "patient_assignments":
            asked = policy.assignment_credentials.get(row.values[2], ())
        elif row.table == "care_team_members":
            asked = policy.role_credentials.get(row.values[2], ())
        return tuple(dict.fromkeys(asked))


async def ask_policy(
    desk: Desk, settled: Sequence[Settled], known: Sequence[Sequence[Row]], slots: Slots, now: datetime
) -> None:
    """Say of every new fact what it rests on, and note which seats break a rule. `known` is what each record said before.

    Where no policy was ever set, nothing is asked.
    """
    versions = await policy_versions(desk.session, organization=desk.run.organization_id)
    if not versions:
        return
    policies = Policies(tuple((row.starts_at, row.ends_at, policy_of(row)) for row in versions), now)
    for done in settled:
        done.opened = [
            row if row.rests_on is not None else replace(row, rests_on=policies.asked(row)) for row in done.opened
        ]
    seats = [_seats_after(done, before, policies) for done, before in zip(settled, known, strict=True)]
    if any(seats):
        await _judge(desk, policies, settled, seats, slots)


def _seats_after(done: Settled, before: Sequence[Row], policies: Policies) -> list[Row]:
    """The seats that a record makes and that hold now or will, always in the same order."""
    closed = {row.id for row in done.closed}
    rows = [*(row for row in before if row.id not in closed), *done.opened]
    live = [row for row in rows if row.table == "care_team_members" and row.ends_at > policies.now]
    return sorted(live, key=lambda row: (row.starts_at, row.item))


async def _judge(
    desk: Desk, policies: Policies, settled: Sequence[Settled], seats: Sequence[Sequence[Row]], slots: Slots
) -> None:
    """Note, for each record, which of its seats break a rule because of those on the same team, or on another one."""
    on_team: dict[UUID, dict[UUID, Row]] = defaultdict(dict)
    for row in slots.seats():
        if row.ends_at > policies.now:
            on_team[row.values[0]][row.id] = row
    elsewhere = await _conflicting(desk, policies, settled, seats)
    for done, own in zip(settled, seats, strict=True):
        for number, row in enumerate(own):
            # Of two seats that exclude each other, the one after the other breaks the rule.
            later = {one.id for one in own[number:]}
            others = [
                _seat(one)
                for one in on_team[row.values[0]].values()
                if one.id not in later and one.values[1] != row.values[1]
            ]
            mine = [_seat(one) for one in elsewhere[row.values[1]].values() if one.id != row.id]
            for violation in _violations(policies, row, others, mine):
                done.problems.append(policy_broken("team" if violation.code == _SIZE else row.item, violation))


def _violations(policies: Policies, row: Row, others: Sequence[Seat], mine: Sequence[Seat]) -> list[Violation]:
    policy = policies.of(row)
    return membership_violations(
        row.values[2],
        max(row.starts_at, policies.now),
        row.ends_at,
        others,
        mine,
        (),
        largest_team=policy.largest_team,
        held_once=policy.roles_held_once,
        conflicting=policy.conflicting_roles,
    )


async def _conflicting(
    desk: Desk, policies: Policies, settled: Sequence[Settled], seats: Sequence[Sequence[Row]]
) -> dict[UUID, dict[UUID, Row]]:
    """The seats, by provider, whose roles exclude one that these records give the same provider."""
    excluded = {
        (row.values[1], role) for own in seats for row in own for role in _excluded(policies.of(row), row.values[2])
    }
    closed = {row.id for done in settled for row in done.closed}
    opened = [row for done in settled for row in done.opened if row.table == "care_team_members"]
    found: dict[UUID, dict[UUID, Row]] = defaultdict(dict)
    for row in [*await seats_of(desk, excluded, policies.now), *opened]:
        if row.id not in closed and row.values[1:] in excluded:
            found[row.values[1]][row.id] = row
    return found


def _excluded(policy: Policy, role: str) -> Iterator[str]:
    for one, other in policy.conflicting_roles:
        if role in (one, other):
            yield other if role == one else one


def _seat(row: Row) -> Seat:
    return Seat(row.values[1], row.values[2], row.starts_at, row.ends_at)
