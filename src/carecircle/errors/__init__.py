"""Every error carecircle raises: a stable code and one sentence; no HTTP, no exit codes, no patient data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar


class CareCircleError(Exception):
    """Something went wrong in carecircle."""

    code: ClassVar[str] = "internal-error"

    def __init__(self, message: str | None = None, **facts: Any) -> None:
        self.message = message or (type(self).__doc__ or "").splitlines()[0]
        self.facts: Mapping[str, Any] = facts
        super().__init__(self.message)


class InvalidRequest(CareCircleError):
    """The request is malformed."""

    code = "invalid-request"


class InvalidIdentifier(InvalidRequest):
    """An id is neither a ULID, a UUID nor an identifier."""

    code = "invalid-identifier"


class InvalidPeriod(InvalidRequest):
    """A period must start before it ends."""

    code = "invalid-period"


class InvalidInstant(InvalidRequest):
    """An instant must be written as ISO 8601 with a time zone."""

    code = "invalid-instant"


class OrganizationRequired(InvalidRequest):
    """Say which organization: pass organization_id, or wrap the call in carecircle.acting_as(organization=…)."""

    code = "organization-required"


class ActorRequired(InvalidRequest):
    """Say who acts: pass actor, or wrap the call in carecircle.acting_as(actor=…)."""

    code = "actor-required"


class InvalidSetting(InvalidRequest):
    """A setting is missing or cannot be used."""

    code = "invalid-setting"


class InvalidInput(InvalidRequest):
    """A file could not be read as what it claims to be."""

    code = "invalid-input"


class ConfirmationRequired(InvalidRequest):
    """This would end more than is usual; look at the figures and confirm."""

    code = "confirmation-required"


class Unauthenticated(CareCircleError):
    """No token, or one that cannot be believed."""

    code = "unauthenticated"


class Refused(CareCircleError):
    """The request was understood, and the answer is no."""

    code = "refused"


class PermissionRequired(Refused):
    """This token may only ask; changing needs one that may change: carecircle token --may change."""

    code = "permission-required"


@dataclass(frozen=True, slots=True)
class Violation:
    """One rule that a command would break: a stable kebab-case code, and a sentence for people without patient data."""

    code: str
    sentence: str


class RulesViolated(Refused):
    """The organization's rules forbid it."""

    code = "rules-violated"

    def __init__(self, violations: Sequence[Violation] = (), **facts: Any) -> None:
        self.violations = tuple(violations)
        super().__init__(" ".join(one.sentence for one in violations) or None, **facts)


class NotFound(CareCircleError):
    """There is no such thing in this organization."""

    code = "not-found"


class OrganizationNotFound(NotFound):
    """There is no such organization."""

    code = "organization-not-found"


class PatientNotRegistered(NotFound):
    """This patient is not registered here; register it first (carecircle patient add, directory.register_patient)."""

    code = "patient-not-registered"


class ProviderNotRegistered(NotFound):
    """This provider is not registered here; register it first (carecircle provider add, directory.register_provider)."""

    code = "provider-not-registered"


class UnitNotRegistered(NotFound):
    """This unit is not registered here; register it first."""

    code = "unit-not-registered"


class CareTeamNotFound(NotFound):
    """There is no such care team in this organization."""

    code = "care-team-not-found"


class AssignmentNotFound(NotFound):
    """There is no such assignment in this organization, or it has ended."""

    code = "assignment-not-found"


class Conflict(CareCircleError):
    """The present state forbids it."""

    code = "conflict"


class PrimaryAlreadyAssigned(Conflict):
    """This patient has a primary provider in that period."""

    code = "primary-already-assigned"


class OverlappingMembership(Conflict):
    """This provider is on this care team already in that period."""

    code = "overlapping-membership"


class PatientAlreadyOnTeam(Conflict):
    """This care team looks after this patient already in that period."""

    code = "patient-already-on-team"


class IdentifierTaken(Conflict):
    """This identifier belongs to another record of this organization."""

    code = "identifier-taken"


class AlreadyRegistered(Conflict):
    """This id is registered already."""

    code = "already-registered"


class StaleVersion(Conflict):
    """Somebody changed this in the meantime; read it again and repeat."""

    code = "stale-version"


class RowRefused(Conflict):
    """The database refused the shape of a row."""

    code = "row-refused"


class AccessUnavailable(CareCircleError):
    """No decision can be recorded now, so nobody gets an answer; it is safe to ask again."""

    code = "access-unavailable"


class DatabaseUnavailable(AccessUnavailable):
    """The database cannot be reached."""

    code = "database-unavailable"


class DatabaseTooOld(DatabaseUnavailable):
    """PostgreSQL 15 or later is needed."""

    code = "database-too-old"


class DatabaseNotMigrated(DatabaseUnavailable):
    """The database is not at this version's schema; run: carecircle db upgrade."""

    code = "database-not-migrated"


class DatabaseRoleUnsafe(DatabaseUnavailable):
    """The application would run with rights it must not have."""

    code = "database-role-unsafe"


class KeyUnavailable(CareCircleError):
    """A key that is needed to read or write protected fields is missing."""

    code = "key-unavailable"


class KeyDestroyed(KeyUnavailable):
    """This is not readable any more: the keys of its organization were destroyed."""

    code = "key-destroyed"


class Undecidable(CareCircleError):
    """A decision has no truth value: read decision.allowed."""

    code = "undecidable"


class ReassignmentNotFound(NotFound):
    """There is no such reassignment in this organization; see: carecircle reassign status."""

    code = "reassignment-not-found"


class FindingNotFound(NotFound):
    """There is no such finding in this organization, or it is resolved already; see: carecircle quality findings."""

    code = "finding-not-found"


class ReassignmentReverted(Conflict):
    """This reassignment was taken back; make a new plan."""

    code = "reassignment-reverted"


class RevertWindowClosed(Conflict):
    """This reassignment was applied too long ago to be taken back as a whole; plan another one instead."""

    code = "revert-window-closed"


class CredentialNotFound(NotFound):
    """This provider holds no such credential now or ahead; see: carecircle credential list."""

    code = "credential-not-found"


class ReferralNotFound(NotFound):
    """There is no such referral in this organization, or it has ended; see: carecircle referral list."""

    code = "referral-not-found"


class CoverageNotFound(NotFound):
    """There is no such coverage arrangement in this organization, or it has ended; see: carecircle coverage list."""

    code = "coverage-not-found"


class RestrictionNotFound(NotFound):
    """No such restriction holds now or ahead; see: carecircle restrict list."""

    code = "restriction-not-found"


class MergeNotFound(NotFound):
    """This patient was not merged into another, or the merge was taken back."""

    code = "merge-not-found"


class FactsNotLoaded(InvalidRequest):
    """The validator was asked about somebody whose facts it did not load; name them when loading it."""

    code = "facts-not-loaded"


class InvalidPolicy(InvalidRequest):
    """This is not a policy; see: carecircle policy show."""

    code = "invalid-policy"


class OverlappingCredential(Conflict):
    """This provider holds that credential already in that period."""

    code = "overlapping-credential"


class OverlappingCoverage(Conflict):
    """The same provider covers the same already in that period."""

    code = "overlapping-coverage"


class OverlappingAbsence(Conflict):
    """This provider is recorded as absent already in that period."""

    code = "overlapping-absence"


class AlreadyRestricted(Conflict):
    """That restriction holds already in that period."""

    code = "already-restricted"


class AlreadyMerged(Conflict):
    """This patient has been merged into another one already."""

    code = "already-merged"


class CareTeamClosed(Conflict):
    """This care team is closed; reopen it first: carecircle team reopen."""

    code = "care-team-closed"
