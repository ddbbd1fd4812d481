"""The one place where a PostgreSQL error becomes a carecircle error, by SQLSTATE and constraint name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from sqlalchemy.exc import SQLAlchemyError

from carecircle.errors import (
    AccessUnavailable,
    AlreadyMerged,
    AlreadyRegistered,
    AlreadyRestricted,
    CareCircleError,
    CareTeamClosed,
    CareTeamNotFound,
    Conflict,
    DatabaseNotMigrated,
    DatabaseUnavailable,
    IdentifierTaken,
    InvalidPeriod,
    InvalidRequest,
    OrganizationNotFound,
    OverlappingAbsence,
    OverlappingCoverage,
    OverlappingCredential,
    OverlappingMembership,
    PatientAlreadyOnTeam,
    PatientNotRegistered,
    PrimaryAlreadyAssigned,
    ProviderNotRegistered,
    ReassignmentNotFound,
    RowRefused,
    StaleVersion,
    UnitNotRegistered,
)
from carecircle.errors.emergency import (
    AlreadyDecided,
    EmergencyAccessOpen,
    OverlappingDuty,
    OverlappingRelation,
    OverlappingReportingLine,
    OwnReview,
    ReasonRequired,
    SelfApproval,
)
from carecircle.errors.proof import MonthRetired
from carecircle.errors.service import AccountTaken, AlreadyVisiting, RoleAlreadyHeld

DRIVER_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
"""What asyncpg raises. The third is none of the others' kind: a connection says so that was lost a moment ago."""

# A test reads the catalog and fails when a constraint has no line here, or a line no constraint.
CONSTRAINTS: dict[str, type[CareCircleError]] = {
    "one_primary_provider_at_a_time": PrimaryAlreadyAssigned,
    "idx_unique_primary_provider_per_patient": PrimaryAlreadyAssigned,
    "member_listed_once_at_a_time": OverlappingMembership,
    "patient_on_team_once_at_a_time": PatientAlreadyOnTeam,
    "patient_identifier_taken": IdentifierTaken,
    "provider_identifier_taken": IdentifierTaken,
    "unit_identifier_taken": IdentifierTaken,
    "care_team_identifier_taken": IdentifierTaken,
    "organizations_slug_taken": AlreadyRegistered,
    "organizations_slug_is_plain": InvalidRequest,
    "care_team_type_is_known": InvalidRequest,
    "assignment_type_is_known": InvalidRequest,
    "emergency_assignment_has_an_end": InvalidPeriod,
    "assignment_grants_something": InvalidRequest,
    "member_is_granted_something": InvalidRequest,
    "finding_told_once": Conflict,
    "one_panel_capacity_at_a_time": Conflict,
    "panel_capacity_is_not_negative": InvalidRequest,
    "reassignment_cap_is_not_negative": InvalidRequest,
    "reassignment_item_listed_once": Conflict,
    "reassignment_item_is_planned": RowRefused,
    "reassignment_item_goes_to_somebody": RowRefused,
    "reassignment_step_done_once": StaleVersion,
    "reassignment_step_is_known": RowRefused,
    "reassignment_outcomes_item": ReassignmentNotFound,
    "credential_kind_is_known": InvalidRequest,
    "credential_has_a_code": InvalidRequest,
    "credential_held_once_at_a_time": OverlappingCredential,
    "absent_once_at_a_time": OverlappingAbsence,
    "policy_version_taken": StaleVersion,
    "one_policy_at_a_time": StaleVersion,
    "nobody_is_merged_into_themselves": InvalidRequest,
    "merged_once_at_a_time": AlreadyMerged,
    "referred_assignment_has_an_end": InvalidPeriod,
    "referral_names_a_specialty": InvalidRequest,
    "nobody_refers_to_themselves": InvalidRequest,
    "one_version_of_a_referral_at_a_time": StaleVersion,
    "care_team_closed_once_at_a_time": CareTeamClosed,
    "coverage_type_is_known": InvalidRequest,
    "nobody_covers_themselves": InvalidRequest,
    "coverage_is_of_one_thing": InvalidRequest,
    "coverage_grants_something": InvalidRequest,
    "coverage_has_an_end": InvalidPeriod,
    "duty_ends_before_access": InvalidPeriod,
    "covered_once_by_the_same_at_a_time": OverlappingCoverage,
    "restriction_kind_is_known": InvalidRequest,
    "objection_is_a_patients": InvalidRequest,
    "restricted_once_at_a_time": AlreadyRestricted,
    "label_is_known": InvalidRequest,
    "labelled_once_at_a_time": AlreadyRestricted,
    "duty_is_known": InvalidRequest,
    "call_order_is_positive": InvalidRequest,
    "duty_held_once_at_a_time": OverlappingDuty,
    "nobody_reports_to_themselves": InvalidRequest,
    "reports_once_at_a_time": OverlappingReportingLine,
    "relation_is_known": InvalidRequest,
    "related_once_at_a_time": OverlappingRelation,
    "emergency_state_is_known": RowRefused,
    "emergency_mode_is_known": RowRefused,
    "emergency_reason_is_given": ReasonRequired,
    "only_an_open_state_grants": RowRefused,
    "emergency_grant_was_opened": RowRefused,
    "emergency_grant_has_an_end": InvalidPeriod,
    "nothing_overrides_a_suspension": RowRefused,
    "downtime_grants_nothing": RowRefused,
    "approved_by_somebody": RowRefused,
    "approved_by_two_where_needed": RowRefused,
    "nobody_decides_for_themselves": SelfApproval,
    "second_person_is_another": SelfApproval,
    "reviewed_with_a_verdict": RowRefused,
    "verdict_is_known": InvalidRequest,
    "reviewer_is_another": OwnReview,
    "one_state_of_emergency_access_at_a_time": AlreadyDecided,
    "emergency_access_reopened_once": EmergencyAccessOpen,
    "emergency_note_kind_is_known": RowRefused,
    "outbox_kind_is_given": RowRefused,
    "entry_sealed_once": RowRefused,
    "audit_leaf_is_a_hash": RowRefused,
    "audit_node_is_a_hash": RowRefused,
    "audit_checkpoint_is_a_root": RowRefused,
    "organization_key_is_known_once": Conflict,
    "key_purpose_is_known": RowRefused,
    "destroyed_key_is_gone": RowRefused,
    "one_state_of_a_legal_hold_at_a_time": StaleVersion,
    "account_is_named": InvalidRequest,
    "account_of_a_subject_once_at_a_time": AccountTaken,
    "one_state_of_an_account_at_a_time": StaleVersion,
    "account_role_is_known": InvalidRequest,
    "role_held_once_at_a_time": RoleAlreadyHeld,
    "api_key_expires": InvalidPeriod,
    "api_key_hash_is_whole": RowRefused,
    "api_key_permissions_are_known": InvalidRequest,
    "one_state_of_an_api_key_at_a_time": StaleVersion,
    "one_state_of_a_sign_in_at_a_time": StaleVersion,
    "visit_is_short": InvalidPeriod,
    "visit_is_elsewhere": InvalidRequest,
    "one_visit_at_a_time": AlreadyVisiting,
    "idempotency_key_is_short": InvalidRequest,
    "name_index_is_known": RowRefused,
    "month_retired_once": MonthRetired,
    "month_is_its_first_day": RowRefused,
}

# Names made from the table's: <table>_pkey, <table>_period_not_empty, …
ENDINGS: dict[str, type[CareCircleError]] = {
    "_pkey": AlreadyRegistered,
    "_period_not_empty": InvalidPeriod,
    "_start_is_set": InvalidPeriod,
    "_recorded_at_is_set": RowRefused,
    "_superseded_after_recorded": StaleVersion,
    "_superseded_as_a_whole": RowRefused,
    "_organization_id_fkey": OrganizationNotFound,
    "_patient": PatientNotRegistered,
    "_provider": ProviderNotRegistered,
    "_unit": UnitNotRegistered,
    "_team": CareTeamNotFound,
    "_reassignment": ReassignmentNotFound,
}

# Where an error's own sentence would say something else: what the constraint wants, by its name or its name's ending.
SENTENCES: dict[str, str] = {
    "emergency_assignment_has_an_end": "An emergency assignment must have an end.",
    "referred_assignment_has_an_end": "An assignment that rests on a referral must have an end.",
    "coverage_has_an_end": "Coverage must have an end.",
    "duty_ends_before_access": "Being on duty for another must start before it ends, and end no later than the access does.",
    "_start_is_set": "A period must have a start.",
    "organizations_slug_is_plain": "A slug has 1 to 63 lower-case letters, digits and hyphens, none of them a hyphen at its ends.",
    "care_team_type_is_known": "A care team is of type primary, specialty or emergency.",
    "assignment_type_is_known": "An assignment is primary, consulting, attending, admitting or emergency.",
    "assignment_grants_something": "An assignment must grant at least one action.",
    "member_is_granted_something": "A seat on a care team must grant at least one action.",
    "panel_capacity_is_not_negative": "A panel's capacity cannot be negative.",
    "reassignment_cap_is_not_negative": "The most patients that somebody takes over cannot be negative.",
    "credential_kind_is_known": "A credential is a licence, a specialty or a certification.",
    "credential_has_a_code": "A credential has a code of its own, which is not the word licence, specialty or certification.",
    "nobody_is_merged_into_themselves": "A patient cannot be merged into themselves.",
    "referral_names_a_specialty": "A referral must name a specialty.",
    "nobody_refers_to_themselves": "A provider cannot refer a patient to themselves.",
    "coverage_type_is_known": "Coverage is full, urgent or on_call.",
    "nobody_covers_themselves": "A provider cannot cover for themselves.",
    "coverage_is_of_one_thing": "Coverage is of a care team or of named patients, not of both.",
    "coverage_grants_something": "Coverage must grant at least one action.",
    "restriction_kind_is_known": "A restriction is an objection or a suspension.",
    "objection_is_a_patients": "An objection names the patient who objects; a suspension names none.",
    "duty_is_known": "A duty is supervisor, duty_manager, privacy_office or break_glass.",
    "call_order_is_positive": "The order of call counts from 1.",
    "nobody_reports_to_themselves": "A provider cannot report to themselves.",
    "relation_is_known": "A relation is self, family or household.",
    "emergency_grant_has_an_end": "Emergency access must have an end, no later than 72 hours after it opened.",
    "verdict_is_known": "A verdict is justified, concern or escalated.",
    "label_is_known": "A label is R, CEL, EMP, PSY, HIV or SUD.",
}

_STATES: dict[str, type[CareCircleError]] = {
    "42501": RowRefused,
    "42P01": DatabaseNotMigrated,
    "3F000": DatabaseNotMigrated,
    "40001": StaleVersion,
    "40P01": StaleVersion,
}
# Somebody was in the way, or it took too long.
_PATIENCE = {
    "55P03": "Somebody else holds a lock that this needs; nothing was changed, and it is safe to try again.",
    "57014": "The database took longer than it may; nothing was changed.",
}


def error_of_constraint(name: str) -> type[CareCircleError] | None:
    """The error of a constraint; a shard's trailing _<digits> does not count."""
    plain = _plain(name)
    if plain in CONSTRAINTS:
        return CONSTRAINTS[plain]
    return next((error for ending, error in ENDINGS.items() if plain.endswith(ending)), None)


def sentence_of_constraint(name: str) -> str | None:
    """What a constraint wants, where its error's own sentence would not say so."""
    plain = _plain(name)
    return next((sentence for ending, sentence in SENTENCES.items() if plain.endswith(ending)), None)


def _plain(name: str) -> str:
    return re.sub(r"_\d+$", "", name)


def translate(error: BaseException) -> CareCircleError:
    """A database error as ours. Never repeats the server's text: it may quote a row."""
    state, name = _state_and_constraint(error)
    if name and (kind := error_of_constraint(name)):
        return kind(sentence_of_constraint(name), constraint=name)
    if state in _STATES:
        return _STATES[state]()
    if state in _PATIENCE:
        return AccessUnavailable(_PATIENCE[state])
    if state is None or state[:2] in ("08", "53", "57"):
        return DatabaseUnavailable("The database stopped answering; nothing was changed, and it is safe to try again.")
    if state[:2] in ("22", "23"):
        return RowRefused(f"The database refused a row ({state}); nothing was changed.")
    return AccessUnavailable(f"The database could not carry this out ({state}); nothing was changed.")


def _state_and_constraint(error: BaseException) -> tuple[str | None, str | None]:
    """From whichever layer knows them: SQLAlchemy's error, its DBAPI's, or asyncpg's or psycopg's beneath."""
    state = name = None
    layer: BaseException | None = error
    while layer is not None:
        state = state or getattr(layer, "sqlstate", None)
        name = name or getattr(layer, "constraint_name", None)
        name = name or getattr(getattr(layer, "diag", None), "constraint_name", None)
        layer = getattr(layer, "orig", None) or layer.__cause__
    return state, name


@contextmanager
def translated() -> Iterator[None]:
    """Turn SQLAlchemy's errors into ours around a piece of work."""
    try:
        yield
    except (SQLAlchemyError, asyncpg.InternalClientError) as error:
        raise translate(error) from None
