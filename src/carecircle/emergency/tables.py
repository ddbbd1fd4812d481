"""Mapped classes of emergency access: the states of each grant, who may decide about it, and what was said about it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import FetchedValue, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from carecircle.database.facts import Fact, Table


class EmergencyAccess(Fact):
    """One state of one emergency access, for as long as it held; the rows of a lineage follow each other.

    The lineage is what is called the emergency access's id outside. `scope` alone lets in, and it is empty in every state
    that grants nothing; `despite` names the kinds of restriction that it overrides. A last row past its end has expired.
    `decided_at` is the first decision's instant, `decided_by_id` who decided last. `reason` and `second_reason` are
    envelopes bound to the lineage; `reason_digest` tells that the same words came again.
    """

    __tablename__ = "emergency_access"
    provider_id: Mapped[UUID]
    patient_id: Mapped[UUID]
    state: Mapped[str]
    mode: Mapped[str]
    scope: Mapped[list[str]]
    despite: Mapped[list[str]]
    reason_code: Mapped[str]
    reason: Mapped[bytes | None] = mapped_column(LargeBinary)
    reason_digest: Mapped[bytes | None] = mapped_column(LargeBinary)
    second_reason_code: Mapped[str | None]
    second_reason: Mapped[bytes | None] = mapped_column(LargeBinary)
    wanted_scope: Mapped[list[str]]
    wanted_until: Mapped[datetime]
    asked_at: Mapped[datetime]
    opened_at: Mapped[datetime | None]
    decided_at: Mapped[datetime | None]
    two_persons: Mapped[bool] = mapped_column(default=False)
    seconded_by_id: Mapped[UUID | None]
    decided_by_id: Mapped[UUID | None]
    reviewed_by_id: Mapped[UUID | None]
    ended_because: Mapped[str | None]
    verdict: Mapped[str | None]
    review_due_at: Mapped[datetime | None]
    signals: Mapped[list[str]]
    unit_id: Mapped[UUID | None]
    reopens_id: Mapped[UUID | None]
    authenticated_at: Mapped[datetime | None]
    attested: Mapped[bool] = mapped_column(default=False)


class EmergencyApprover(Table):
    """Somebody who may decide about a request, as computed at its instant: by which row of `duties`, and in what order."""

    __tablename__ = "emergency_approvers"
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    emergency_id: Mapped[UUID]
    provider_id: Mapped[UUID]
    duty: Mapped[str]
    duty_id: Mapped[UUID]
    call_order: Mapped[int]
    recorded_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    entry_id: Mapped[UUID]


class EmergencyNote(Table):
    """What was said or happened beside the states: acknowledged, asked, answered, decided, reviewed, converted, escalated.

    `body` is an envelope around text, bound to the note's own id.
    """

    __tablename__ = "emergency_notes"
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    emergency_id: Mapped[UUID]
    kind: Mapped[str]
    provider_id: Mapped[UUID | None]
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
    recorded_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    entry_id: Mapped[UUID]
