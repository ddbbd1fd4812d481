"""One emergency access as a value: how the state that stands at an instant is shown, and what it still waits for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, cast
from uuid import UUID

from carecircle.database.crypto import keyring
from carecircle.emergency.rules import NEEDS_NO_DECISION, OPEN_STATES, State
from carecircle.emergency.tables import EmergencyAccess, EmergencyNote
from carecircle.notices.words import reference
from carecircle.policy import Policy

ShownState = State | Literal["expired"]


@dataclass(frozen=True, slots=True)
class Emergency:
    """One emergency access as it stands at an instant. Instants are aware, in UTC.

    `state` is the state's, or `expired` past the end of the last one that was open. `ends_at` is the end of that state, and
    None once it was denied, ended or reviewed. `decide_by` is set while a decision is awaited, about the request or about
    an extension. `words` and `second_words` are None unless they were asked for, or nothing was said.
    """

    id: UUID
    reference: str
    provider_id: UUID
    patient_id: UUID
    state: ShownState
    mode: str
    scope: tuple[str, ...]
    signals: tuple[str, ...]
    reason_code: str
    words: str | None
    second_reason_code: str | None
    wanted_scope: tuple[str, ...]
    wanted_until: datetime
    asked_at: datetime
    opened_at: datetime | None
    ends_at: datetime | None
    decide_by: datetime | None
    decided_at: datetime | None
    decided_by_id: UUID | None
    seconded_by_id: UUID | None
    two_persons: bool
    extension_pending: bool
    ended_because: str | None
    verdict: str | None
    reviewed_by_id: UUID | None
    review_due_at: datetime | None
    unit_id: UUID | None
    reopens_id: UUID | None
    acknowledged_by: tuple[UUID, ...]
    downtime: bool
    second_words: str | None = None


def shown_state(row: EmergencyAccess, at: datetime) -> ShownState:
    """What a state is called at an instant no earlier than its start."""
    return "expired" if row.state in OPEN_STATES and row.ends_at <= at else cast("State", row.state)


def extension_pending(row: EmergencyAccess) -> bool:
    """Whether more time was asked for, and nobody has decided about that."""
    return row.state == "approved" and row.second_reason_code is not None and row.wanted_until > row.ends_at


def awaits_decision(row: EmergencyAccess, at: datetime) -> bool:
    """Whether somebody must decide, about the request or about an extension of it."""
    if row.ends_at <= at or row.mode in NEEDS_NO_DECISION:
        return False
    return row.state in ("requested", "provisional") or extension_pending(row)


def opened_as_asked(row: EmergencyAccess, at: datetime) -> bool:
    """Whether it is open though nobody was asked: who might have decided sees it, and may deny it."""
    return row.mode == "immediate" and shown_state(row, at) == "provisional"


def value_of(
    row: EmergencyAccess, at: datetime, policy: Policy, acknowledged: Iterable[UUID], *, words: bool
) -> Emergency:
    """One state as it is shown at an instant no earlier than its start. Raises KeyUnavailable for the words."""
    pending = extension_pending(row)
    awaited_since = (row.starts_at if pending else row.asked_at) if awaits_decision(row, at) else None
    within = timedelta(minutes=policy.emergency_decide_minutes)
    return Emergency(
        id=row.lineage_id,
        reference=reference(row.lineage_id),
        provider_id=row.provider_id,
        patient_id=row.patient_id,
        state=shown_state(row, at),
        mode=row.mode,
        scope=tuple(row.scope) if row.ends_at > at else (),
        signals=tuple(row.signals),
        reason_code=row.reason_code,
        words=said(row, "reason", row.lineage_id) if words else None,
        second_reason_code=row.second_reason_code,
        wanted_scope=tuple(row.wanted_scope),
        wanted_until=row.wanted_until,
        asked_at=row.asked_at,
        opened_at=row.opened_at,
        ends_at=row.ends_at if row.state in OPEN_STATES else None,
        decide_by=awaited_since and awaited_since + within,
        decided_at=row.decided_at,
        decided_by_id=row.decided_by_id,
        seconded_by_id=row.seconded_by_id,
        two_persons=row.two_persons,
        extension_pending=pending and row.ends_at > at,
        ended_because=row.ended_because,
        verdict=row.verdict,
        reviewed_by_id=row.reviewed_by_id,
        review_due_at=row.review_due_at,
        unit_id=row.unit_id,
        reopens_id=row.reopens_id,
        acknowledged_by=tuple(dict.fromkeys(acknowledged)),
        downtime=row.mode == "downtime",
        second_words=said(row, "second_reason", row.lineage_id) if words else None,
    )


def said(row: EmergencyAccess | EmergencyNote, column: str, bound_to: UUID) -> str | None:
    """What was said in words, opened; None where nothing was. Raises KeyUnavailable."""
    envelope: bytes | None = getattr(row, column)
    if envelope is None:
        return None
    return keyring().unseal(envelope, row.organization_id, row.__tablename__, column, bound_to).decode()
