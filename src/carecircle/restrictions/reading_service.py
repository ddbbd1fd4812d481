"""What takes access away, as values for doors: objections, suspensions and labels side by side; and that something was read."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.actor import Actor, actor_of, organization_of
from carecircle.audit.entry import Entry, append
from carecircle.database.constraints import translated
from carecircle.database.session import enter_tenant, instant
from carecircle.directory.service import AnyId, resolve_patient, resolve_provider
from carecircle.identifiers import to_text
from carecircle.period import FOREVER, Period, show
from carecircle.restrictions.tables import AccessRestriction, PatientLabel

Kind = Literal["objection", "suspension", "sensitivity"]


@dataclass(frozen=True, slots=True)
class Restriction:
    """One believed row that takes access away; `label` is a code of LABELS where the kind is sensitivity."""

    kind: Kind
    id: UUID
    provider_id: UUID | None
    patient_id: UUID | None
    label: str | None
    period: Period
    recorded_at: datetime
    entry_id: UUID


async def restrictions(
    db: AsyncSession,
    *,
    patient: AnyId | None = None,
    provider: AnyId | None = None,
    as_of: datetime | None = None,
    organization: UUID | str | None = None,
) -> list[Restriction]:
    """Those that name this patient, this provider, or both, or all; they hold at `as_of`, or, without it, now or ahead.

    By kind, then by start. A label names no provider and a suspension no patient. Raises PatientNotRegistered and
    ProviderNotRegistered for an identifier nobody has.
    """
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        named: dict[str, UUID] = {}
        if patient is not None:
            named["patient_id"] = await resolve_patient(db, tenant, patient)
        if provider is not None:
            named["provider_id"] = await resolve_provider(db, tenant, provider)
        at = Period(as_of).starts_at if as_of is not None else None
        now = at or await instant(db)
        found = [
            _shown(row)
            for table in (AccessRestriction, PatientLabel)
            if "provider_id" not in named or table is AccessRestriction
            for row in await _rows(db, tenant, table, named, now, ahead=at is None)
        ]
    return sorted(found, key=lambda one: (one.kind, one.period.starts_at, one.id))


async def record_reading(
    db: AsyncSession,
    code: str,
    *,
    patient: AnyId | None = None,
    provider: AnyId | None = None,
    patients: Collection[UUID] | None = None,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
    **told: int | UUID | datetime | None,
) -> None:
    """Append an entry that something about patients was read, in the transaction that reads it.

    `code` says what was read, `told` how many and of what: counts, ids and instants, of which None is left out. The entry
    is about the patient and the provider who were asked about; of `patients` who were named, it has the number, and is
    about the one where there is one.
    """
    tenant = await enter_tenant(db, organization_of(organization))
    if patients is not None:
        told["patients"] = len(patients)
        patient = next(iter(patients)) if len(patients) == 1 else None
    entry = Entry(
        tenant, "reading", actor_of(actor), code,
        provider_id=await resolve_provider(db, tenant, provider) if provider is not None else None,
        patient_id=await resolve_patient(db, tenant, patient) if patient is not None else None,
        detail={name: _plain(value) for name, value in told.items() if value is not None},
    )  # fmt: skip
    await append(db, entry)


def _plain(value: int | UUID | datetime) -> int | str:
    if isinstance(value, UUID):
        return to_text(value)
    return show(value) if isinstance(value, datetime) else value


async def _rows(
    db: AsyncSession, tenant: UUID, table: Any, named: dict[str, UUID], now: datetime, *, ahead: bool
) -> list[Any]:
    query = select(table).where(
        table.organization_id == tenant, table.superseded_at == FOREVER, table.ends_at > now, table.starts_at < table.ends_at
    )  # fmt: skip
    if not ahead:
        query = query.where(table.starts_at <= now)
    for column, value in named.items():
        query = query.where(getattr(table, column) == value)
    return list(await db.scalars(query.execution_options(populate_existing=True)))


def _shown(row: Any) -> Restriction:
    labelled = isinstance(row, PatientLabel)
    return Restriction(
        kind="sensitivity" if labelled else row.kind,
        id=row.id,
        provider_id=None if labelled else row.provider_id,
        patient_id=row.patient_id,
        label=row.label if labelled else None,
        period=Period(row.starts_at, row.ends_at),
        recorded_at=row.recorded_at,
        entry_id=row.entry_id,
    )
