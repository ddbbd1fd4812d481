"""What can be wrong with a statement of a record: code, sentence, remedy. They name records, never people."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from carecircle.errors import Violation


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that could not be taken. `item` names the statement; `sentence` follows the record's name.

    `provider_id` is the provider it proposed, where somebody can choose them all the same.
    """

    item: str
    code: str
    sentence: str
    remedy: str
    provider_id: UUID | None = None


SECOND_PRIMARY = "primary-already-assigned"
_CORRECT = "Correct it at the source and import it again."


def no_reference(item: str) -> Problem:
    return Problem(
        item,
        "reference-unusable",
        f"{item} is named in a way that cannot be looked up (a display, or an unknown kind of reference).",
        "Give it a reference or an identifier at the source and import it again.",
    )


def dangling(item: str, key: str) -> Problem:
    return Problem(
        item,
        "reference-dangling",
        f"it refers to {key}, which is not registered here.",
        "Import the file that holds it (or register the provider under that identifier), then import this one again.",
    )


def no_subject() -> Problem:
    return Problem(
        "subject",
        "subject-missing",
        "it does not say, in a way that can be looked up, which patient it is about.",
        _CORRECT,
    )


def subject_dangling() -> Problem:
    return Problem(
        "subject",
        "reference-dangling",
        "the patient it is about is not registered here.",
        "Import the file that holds the patient, then import this one again.",
    )


def group_subject() -> Problem:
    return Problem("subject", "subject-is-a-group", "it is about a group; only single patients are taken.", _CORRECT)


def unusable_date(item: str) -> Problem:
    return Problem(
        item,
        "date-unusable",
        f"a date of {item} is none, or an instant without a time zone; what it said before still stands.",
        "Write dates as 2026-01-31 and instants with a time zone at the source, and import it again.",
    )


def period_reversed(item: str) -> Problem:
    return Problem(
        item, "period-ends-before-start", f"{item} ends before it starts; what it said before still stands.", _CORRECT
    )


def period_empty(item: str) -> Problem:
    return Problem(
        item,
        "period-empty",
        f"{item} ends in the instant in which it starts; what it said before still stands.",
        _CORRECT,
    )


def period_missing(item: str) -> Problem:
    return Problem(
        item,
        "period-missing",
        f"its status needs a period for {item} (a start, and an end where it is over), and there is none.",
        "Give it a period at the source and import it again.",
    )


def second_primary(item: str, provider_id: UUID) -> Problem:
    return Problem(
        item,
        SECOND_PRIMARY,
        f"{item} would be a second primary provider in the same period; the present one stays.",
        "If this one is the true primary: carecircle quality resolve FINDING --keep proposed.",
        provider_id,
    )


def seat_taken(item: str) -> Problem:
    return Problem(
        item,
        "overlapping-membership",
        f"{item} overlaps another seat of the same provider on this team; the other one stays.",
        "Give the seats periods that follow each other at the source, or end the other seat.",
    )


def patient_on_team_already(item: str) -> Problem:
    return Problem(
        item,
        "patient-already-on-team",
        "this team looks after the patient already in an overlapping period, which somebody else recorded.",
        "End the other period, or leave it: this one is then not needed.",
    )


def team_closed(item: str) -> Problem:
    return Problem(
        item,
        "care-team-closed",
        f"{item} goes on, or begins, after this team was closed here; nothing was taken for the time in which it is closed.",
        "If the team goes on: carecircle team reopen, then import this one again. Otherwise end it at the source.",
    )


def policy_broken(item: str, violation: Violation) -> Problem:
    return Problem(
        item,
        violation.code,
        f"it was taken, and breaks a rule of the policy. {violation.sentence}",
        "Correct the seats at the source or here (carecircle team), or the rule (carecircle policy set).",
    )


def changed_by_hand(item: str) -> Problem:
    return Problem(
        item,
        "changed-by-hand",
        f"{item} was changed here by hand since it was imported; what the record says now was not taken.",
        "Compare the two; correct the record at the source, or change the assignment here (carecircle assign).",
    )


def identifier_elsewhere(position: int) -> Problem:
    return Problem(
        f"identifier:{position}",
        "identifier-taken",
        f"its identifier number {position + 1} belongs to another record; nothing was merged.",
        "Find out at the source whether both are the same; correct the identifier, or link the records as replaced.",
    )


def link_cycle() -> Problem:
    return Problem(
        "link",
        "patient-link-cycle",
        "its links say in a circle which record replaces which; none was followed.",
        _CORRECT,
    )


def link_changed() -> Problem:
    return Problem(
        "link",
        "patient-link-changed",
        "its patient was merged into another by hand or by another source, or into one that was merged again since;"
        " an import does not take that back.",
        "Take that merge back by hand and import this record again, or correct the link at the source.",
    )


def link_dangling() -> Problem:
    return Problem(
        "link",
        "reference-dangling",
        "the record that replaces it is not registered here.",
        "Import the file that holds it, then import this one again.",
    )
