"""Mapped classes of staffing: how many patients a provider takes, and planned handovers with what became of each item."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from carecircle.database.facts import Fact, Table


class PanelCapacity(Fact):
    """How many patients a provider is primary for at most (None: not said), and whether new ones are taken at all."""

    __tablename__ = "panel_capacities"
    provider_id: Mapped[UUID]
    capacity: Mapped[int | None]
    accepts_new: Mapped[bool]


class Reassignment(Table):
    """A plan: everything `provider_id` holds goes to others at `effective_at`, or when it is applied if that is later."""

    __tablename__ = "reassignments"
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    effective_at: Mapped[datetime]
    recorded_at: Mapped[datetime]
    entry_id: Mapped[UUID]


class ReassignmentDestination(Table):
    """A provider a plan may give patients to, `cap` of them at most (None: no limit)."""

    __tablename__ = "reassignment_destinations"
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    reassignment_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID] = mapped_column(primary_key=True)
    cap: Mapped[int | None]


class ReassignmentItem(Table):
    """One fact the leaver holds and what is planned for it: hand-over (to `provider_id`), end, or exception; and why.

    `kind` is a holding of the registry, `named` what the fact calls itself (primary, nurse, …).
    """

    __tablename__ = "reassignment_items"
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    reassignment_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    fact_id: Mapped[UUID]
    named: Mapped[str]
    patient_id: Mapped[UUID | None]
    care_team_id: Mapped[UUID | None]
    provider_id: Mapped[UUID | None]
    planned: Mapped[str]
    reason: Mapped[str]


class ReassignmentOutcome(Table):
    """What a step (apply, revert) did to an item, in the transaction that did it; the key lets it happen once.

    `ended_id` and `successor_id` are the facts that apply wrote in place of the item's.
    """

    __tablename__ = "reassignment_outcomes"
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    reassignment_id: Mapped[UUID] = mapped_column(primary_key=True)
    item_id: Mapped[UUID] = mapped_column(primary_key=True)
    step: Mapped[str] = mapped_column(primary_key=True)
    outcome: Mapped[str]
    ended_id: Mapped[UUID | None]
    successor_id: Mapped[UUID | None]
    entry_id: Mapped[UUID | None]
    recorded_at: Mapped[datetime]
