"""What is known of patients, providers and care teams at an instant, and every rule that an assignment then would break."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from carecircle.assignments.rules import assignment_violations
from carecircle.care_teams.rules import Seat, is_role, membership_violations
from carecircle.directory.rules import HeldCredential, lacking, licence_lapsed
from carecircle.errors import (
    CareCircleError,
    CareTeamClosed,
    CareTeamNotFound,
    FactsNotLoaded,
    InvalidRequest,
    OverlappingMembership,
    PatientNotRegistered,
    PrimaryAlreadyAssigned,
    ProviderNotRegistered,
    Violation,
)
from carecircle.identifiers import Identifier, Reference, parse_reference
from carecircle.period import FOREVER, Period
from carecircle.policy import Policy
from carecircle.referrals.rules import Referred, accepted, fitting, specialist_violations

Violations = tuple[Violation, ...]


@dataclass(frozen=True, slots=True)
class PrimaryTurn:
    """A provider is a patient's primary from `starts_at`, included, until `ends_at`, excluded; both aware datetimes."""

    provider_id: UUID
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Situation:
    """Facts at `at`, by id. `patients`, `providers` and `teams` say whose each loaded reference is, None for nobody's.

    Credentials are all on record; restrictions and referrals those that hold at `at`; primaries and seats those that have
    not ended by then; a team is `closed` when it is at `at` or will be. Asking about a reference that was not loaded raises
    FactsNotLoaded.
    """

    at: datetime
    policy: Policy
    patients: Mapping[Reference, UUID | None]
    providers: Mapping[Reference, UUID | None]
    teams: Mapping[Reference, UUID | None]
    credentials: Mapping[UUID, Sequence[HeldCredential]]
    suspended: frozenset[UUID]
    objections: frozenset[tuple[UUID, UUID]]
    primaries: Mapping[UUID, Sequence[PrimaryTurn]]
    referrals: Mapping[UUID, Sequence[Referred]]
    seats_on: Mapping[UUID, Sequence[Seat]]
    seats_of: Mapping[UUID, Sequence[Seat]]
    closed: frozenset[UUID]

    def primary_violations(self, patient: UUID | str | Identifier, provider: UUID | str | Identifier) -> Violations:
        """What speaks against this provider being the patient's only primary from `at` on."""
        patient_id, provider_id = _known(self.patients, patient), _known(self.providers, provider)
        return (
            *_unregistered(patient_id, provider_id),
            *self._turns(patient_id, provider_id),
            *self._assignment("primary", patient_id, provider_id),
        )

    def specialist_violations(
        self,
        patient: UUID | str | Identifier,
        provider: UUID | str | Identifier,
        specialty: str,
        *,
        ends_at: datetime | None = None,
        referral_id: UUID | None = None,
    ) -> Violations:
        """What speaks against this provider treating the patient as a specialist from `at` until `ends_at`.

        Without `ends_at`, until the referral ends. Raises InvalidPeriod for an end that is not after `at`.
        """
        patient_id, provider_id = _known(self.patients, patient), _known(self.providers, provider)
        if ends_at is not None:
            Period(self.at, ends_at)
        held = self.credentials.get(provider_id, ()) if provider_id is not None else ()
        return (
            *_unregistered(patient_id, provider_id),
            *self._assignment("consulting", patient_id, provider_id),
            *specialist_violations(
                specialty=specialty,
                specialties={one.code for one in held if one.kind == "specialty" and one.answers(one.code, self.at)},
                fits=self._fitting(patient_id, provider_id, specialty, referral_id),
                starts_at=self.at,
                ends_at=ends_at,
                from_primary=self.policy.referral_from_primary,
                longest_days=self.policy.longest_specialist_days,
            ),
        )

    def referral_for(
        self, patient_id: UUID, provider_id: UUID, specialty: str, referral_id: UUID | None = None
    ) -> Referred:
        """The referral that a specialist's assignment rests on, where nothing speaks against that assignment."""
        fits = self._fitting(patient_id, provider_id, specialty, referral_id)
        [one] = accepted(fits, from_primary=self.policy.referral_from_primary)
        return one

    def membership_violations(
        self, team: UUID | str | Identifier, provider: UUID | str | Identifier, role: str
    ) -> Violations:
        """What speaks against a seat with this role on the team from `at` on."""
        team_id, provider_id = _known(self.teams, team), _known(self.providers, provider)
        return tuple(self._membership(team_id, provider_id, role))

    def _membership(self, team_id: UUID | None, provider_id: UUID | None, role: str) -> Iterator[Violation]:
        if team_id is None:
            yield _violation(CareTeamNotFound)
        if provider_id is None:
            yield _violation(ProviderNotRegistered)
        if not is_role(role):
            yield Violation(
                InvalidRequest.code, "A role is written as up to 32 small letters, digits and hyphens, a letter first."
            )
        if team_id in self.closed:
            yield _violation(CareTeamClosed)
        seats = self.seats_on.get(team_id, ()) if team_id is not None else ()
        if any(seat.provider_id == provider_id for seat in seats):
            yield _violation(OverlappingMembership)
        yield from membership_violations(
            role,
            self.at,
            FOREVER,
            [seat for seat in seats if seat.provider_id != provider_id],
            self.seats_of.get(provider_id, ()) if provider_id is not None else (),
            self.credentials.get(provider_id, ()) if provider_id is not None else (),
            largest_team=self.policy.largest_team,
            held_once=self.policy.roles_held_once,
            conflicting=self.policy.conflicting_roles,
            needs=self.policy.role_credentials.get(role, ()),
            suspended=provider_id in self.suspended,
        )

    def _turns(self, patient_id: UUID | None, provider_id: UUID | None) -> Iterator[Violation]:
        turns = self.primaries.get(patient_id, ()) if patient_id is not None else ()
        if any(turn.provider_id == provider_id and turn.starts_at <= self.at for turn in turns):
            return  # is primary already
        if any(turn.provider_id != provider_id for turn in turns):
            yield Violation(
                PrimaryAlreadyAssigned.code,
                "Another provider is primary for this patient then or later; hand over instead.",
            )
        if any(turn.provider_id == provider_id for turn in turns):
            yield Violation(
                "conflicting-assignment",
                "This provider is to become primary for this patient later, by a planned handover.",
            )

    def _assignment(
        self, assignment_type: str, patient_id: UUID | None, provider_id: UUID | None
    ) -> Iterator[Violation]:
        """What is asked of every direct assignment of that type."""
        if provider_id is None:
            return
        held = self.credentials.get(provider_id, ())
        yield from assignment_violations(
            assignment_type,
            lacking=lacking(self.policy.assignment_credentials.get(assignment_type, ()), held, self.at),
            lapsed=licence_lapsed(held, self.at),
            suspended=provider_id in self.suspended,
            objected=(patient_id, provider_id) in self.objections,
        )

    def _fitting(
        self, patient_id: UUID | None, provider_id: UUID | None, specialty: str, referral_id: UUID | None
    ) -> list[Referred]:
        if patient_id is None or provider_id is None:
            return []
        referrals = self.referrals.get(patient_id, ())
        return fitting(referrals, provider_id=provider_id, specialty=specialty, at=self.at, referral_id=referral_id)


def _known(known: Mapping[Reference, UUID | None], given: UUID | str | Identifier) -> UUID | None:
    reference = parse_reference(given)
    if reference not in known:
        raise FactsNotLoaded
    return known[reference]


def _unregistered(patient_id: UUID | None, provider_id: UUID | None) -> Iterator[Violation]:
    if patient_id is None:
        yield _violation(PatientNotRegistered)
    if provider_id is None:
        yield _violation(ProviderNotRegistered)


def _violation(error: type[CareCircleError]) -> Violation:
    return Violation(error.code, error().message)
