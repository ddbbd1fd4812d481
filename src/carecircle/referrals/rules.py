"""What a referral needs of who refers, and what a specialist's assignment needs of specialty, referral and duration. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from carecircle.errors import Violation


@dataclass(frozen=True, slots=True)
class Referred:
    """A referral of one patient as it holds for a time: to `provider_id`, or (None) to whoever of the specialty takes it.

    `primary_id` is who was the patient's primary provider when the referral began, None when nobody was.
    """

    referral_id: UUID
    referring_id: UUID
    primary_id: UUID | None
    provider_id: UUID | None
    specialty_code: str
    starts_at: datetime
    ends_at: datetime


def referring_violations(referring_id: UUID, primary_id: UUID | None, *, from_primary: bool) -> tuple[Violation, ...]:
    """Whether this provider may refer a patient whose primary is `primary_id` then; `from_primary` as the policy has it."""
    return (NOT_FROM_PRIMARY,) if from_primary and referring_id != primary_id else ()


def fitting(
    referrals: Sequence[Referred], *, provider_id: UUID, specialty: str, at: datetime, referral_id: UUID | None = None
) -> list[Referred]:
    """Those of a patient's referrals that send the patient to this provider's specialty at that instant."""
    return [
        one
        for one in referrals
        if one.specialty_code == specialty
        and one.provider_id in (None, provider_id)
        and one.starts_at <= at < one.ends_at
        and referral_id in (None, one.referral_id)
    ]


def accepted(fits: Sequence[Referred], *, from_primary: bool) -> list[Referred]:
    """Those of the fitting referrals that come from whom the policy wants them to come from."""
    return [
        one for one in fits if not referring_violations(one.referring_id, one.primary_id, from_primary=from_primary)
    ]


def specialist_violations(
    *,
    specialty: str,
    specialties: Collection[str],
    fits: Sequence[Referred],
    starts_at: datetime,
    ends_at: datetime | None,
    from_primary: bool,
    longest_days: int,
) -> tuple[Violation, ...]:
    """Everything that speaks against a specialist's assignment, beyond what is demanded of any assignment.

    `specialties` are the codes the provider holds at `starts_at`, `fits` the fitting referrals. Without `ends_at` the
    assignment lasts as long as the one referral it rests on.
    """
    return tuple(_specialist(specialty, specialties, fits, starts_at, ends_at, from_primary, longest_days))


def _specialist(
    specialty: str,
    specialties: Collection[str],
    fits: Sequence[Referred],
    starts_at: datetime,
    ends_at: datetime | None,
    from_primary: bool,
    longest_days: int,
) -> Iterator[Violation]:
    if specialty not in specialties:
        yield Violation("specialty-missing", "This provider does not hold this specialty at that time.")
    usable = accepted(fits, from_primary=from_primary)
    if not fits:
        yield Violation(
            "referral-missing",
            "No referral to this specialty holds at that time that is addressed to this provider or to nobody.",
        )
    elif not usable:
        yield NOT_FROM_PRIMARY
    elif len(usable) > 1:
        yield Violation("referral-ambiguous", f"{len(usable)} referrals to this specialty would do; say which one.")
    ends = {one.ends_at for one in usable or fits}
    until = ends_at or (ends.pop() if len(ends) == 1 else None)
    if until is None and not fits:
        yield Violation("duration-missing", "A specialist's assignment needs an end, or a referral that has one.")
    if until is not None and until - starts_at > timedelta(days=longest_days):
        yield Violation("duration-too-long", f"A specialist's assignment lasts {longest_days} days at most.")


NOT_FROM_PRIMARY = Violation(
    "referral-not-from-primary", "The referral must come from the patient's primary provider of the time it begins."
)
