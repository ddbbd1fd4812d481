"""What a request for emergency access must bring, what was asked before it, and what about it deserves a second look."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from carecircle.emergency.rules import NEEDS_NO_DECISION, OPEN_STATES, REOPENED_WITHIN, known_reasons
from carecircle.errors import InvalidRequest
from carecircle.errors.emergency import AttestationRequired, ReasonRequired, StepUpRequired
from carecircle.policy import Policy

AHEAD_AT_MOST = timedelta(minutes=1)
"""How far the clock that signs people in may be ahead of the database's."""
LOOKED_BACK = timedelta(days=5)
"""Before that, nothing was asked that counts: no wait is longer than 12 hours, no access than 72, and 24 count after it."""
REPEATED_WITHIN = timedelta(days=30)
"""For how long the words of a reason are remembered."""
LONGEST_WORDS = 4000
_NO_SURNAMES = frozenset({"jr", "sr", "ii", "iii", "iv"})


@dataclass(frozen=True, slots=True)
class Asked:
    """An earlier emergency access of the same provider, by its last state before any review; instants are aware, in UTC."""

    emergency_id: UUID
    patient_id: UUID
    state: str
    mode: str
    asked_at: datetime
    opened_at: datetime | None
    starts_at: datetime
    ends_at: datetime
    decided: bool
    reopens_id: UUID | None
    ended_because: str | None = None

    def is_open(self, now: datetime) -> bool:
        """Whether it lets in now, or waits for a decision."""
        return self.state in OPEN_STATES and self.mode != "downtime" and self.starts_at <= now < self.ends_at

    def came_to_nothing_at(self, now: datetime, provisional: timedelta) -> datetime | None:
        """When it was denied, or expired without anybody's decision; None when neither happened.

        Who ends their own before anybody decided stops no clock: it counts as expired when it would have, had it been left.
        What waited, or was asked again, and is over counts from its end, whoever ended it: what it followed is settled by a
        decision alone.
        """
        if self.state == "denied":
            return self.starts_at
        if self.decided or self.mode in NEEDS_NO_DECISION:
            return None
        if self.state == "ended" and (self.mode == "gated" or self.reopens_id is not None):
            over = self.starts_at
        elif self.state == "ended" and self.ended_because == "clinician":
            over = self.asked_at + provisional
        elif self.state in ("requested", "provisional"):
            over = self.ends_at
        else:
            return None
        return over if over <= now else None


def open_with(asked: Iterable[Asked], patient_id: UUID, now: datetime) -> Asked | None:
    """What this provider has open already, or waits for, with this patient."""
    return next((one for one in asked if one.patient_id == patient_id and one.is_open(now)), None)


def reopened(asked: Collection[Asked], patient_id: UUID, now: datetime, provisional: timedelta) -> UUID | None:
    """Which denied or undecided request about this patient is asked again: the newest that was not asked again yet."""
    again = {one.reopens_id for one in asked}
    found = [
        one
        for one in asked
        if one.patient_id == patient_id
        and one.emergency_id not in again
        and (ended := one.came_to_nothing_at(now, provisional)) is not None
        and ended > now - REOPENED_WITHIN
    ]
    newest = max(found, key=lambda one: (one.asked_at, one.emergency_id), default=None)
    return None if newest is None else newest.emergency_id


def opened_now(asked: Iterable[Asked], now: datetime) -> int:
    """How many of them let in at this instant."""
    return sum(one.opened_at is not None and one.is_open(now) for one in asked)


def opened_today(asked: Iterable[Asked], now: datetime) -> int:
    """How many of them were opened in the last 24 hours."""
    return sum(one.opened_at is not None and one.opened_at > now - timedelta(hours=24) for one in asked)


def require_reason(policy: Policy, code: str, words: str) -> None:
    """Raises ReasonRequired for an unknown code, or where words are needed and missing; InvalidRequest for unusable words."""
    if code not in known_reasons(policy):
        raise ReasonRequired(f"Say why by a code; known are {', '.join(known_reasons(policy))}.")
    require_words(words, needed=code == "other" or "words" in policy.emergency_demands)


def require_words(words: str, *, needed: bool = True) -> None:
    """Raises ReasonRequired where words are needed and missing, InvalidRequest where they are too long or no Unicode text."""
    if needed and not words.strip():
        raise ReasonRequired("Say why in words, too.")
    if len(words) > LONGEST_WORDS or any("\ud800" <= letter <= "\udfff" for letter in words):
        raise InvalidRequest(f"Words are readable text of at most {LONGEST_WORDS} characters.")


def require_sign_in(policy: Policy, authenticated_at: datetime | None, now: datetime) -> None:
    """Raises StepUpRequired for a sign-in that is too long ago or ahead of `now`, or one that is demanded and not said."""
    if authenticated_at is None:
        if "sign-in" in policy.emergency_demands:
            raise StepUpRequired("Say when this provider signed in; here that must be recent.")
        return
    oldest = now - timedelta(minutes=policy.emergency_sign_in_minutes)
    if not oldest <= authenticated_at <= now + AHEAD_AT_MOST:
        raise StepUpRequired


def require_attestation(policy: Policy, *, attested: bool) -> None:
    """Raises AttestationRequired where the policy demands one and there is none."""
    if not attested and "attestation" in policy.emergency_demands:
        raise AttestationRequired


def lasting(policy: Policy, hours: float) -> timedelta:
    """How long is asked for, no longer than the policy's cap. Raises InvalidRequest unless `hours` is a number above 0."""
    if not 0 < hours < float("inf"):
        raise InvalidRequest("The hours are a number greater than 0.")
    wanted = timedelta(hours=min(hours, policy.emergency_longest_hours))
    if not wanted:
        raise InvalidRequest("That is shorter than a clock can tell; ask for more.")
    return wanted


def asked_scope(policy: Policy, scope: Sequence[str]) -> list[str]:
    """The actions that are asked for, each once. Raises InvalidRequest when no policy lets anybody have one of them."""
    if not set(scope) & set(policy.emergency_scope):
        raise InvalidRequest(f"Emergency access is to: {', '.join(policy.emergency_scope)}; ask for one of these.")
    return list(dict.fromkeys(scope))


def same_words(words: str) -> str:
    """Words as they are compared: in one case, with single spaces."""
    return " ".join(words.casefold().split())


def surname(name: str) -> str:
    """The last word of a name before any comma, in one case, without digits and additions; empty when there is none."""
    kept = "".join(letter for letter in name.partition(",")[0] if not letter.isdigit())
    words = [word for one in kept.casefold().split() if (word := one.strip(".")) and word not in _NO_SURNAMES]
    return words[-1] if words else ""


def in_another_unit(unit_id: UUID | None, works_in: Collection[UUID]) -> bool:
    """Whether somebody asks for a unit in which they have no role, though they have one in another."""
    return unit_id is not None and bool(works_in) and unit_id not in works_in


def signals(
    *, sensitive: Collection[str], provider_name: str, patient_name: str, repeated: bool, unit_id: UUID | None
) -> list[str]:
    """What about an access deserves a second look, as codes; true of one that was opened here and of one during downtime."""
    own = surname(provider_name)
    told = {
        "vip": "CEL" in sensitive,
        "co-worker": "EMP" in sensitive,
        "family": "family" in sensitive,
        "same-surname": bool(own) and own == surname(patient_name),
        "repeated-words": repeated,
        "no-unit": unit_id is None,
    }
    return [code for code, holds in told.items() if holds]
