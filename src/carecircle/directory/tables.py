"""Mapped classes of the directory: organizations, units, providers with their roles, patients."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import FetchedValue, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from carecircle.database.facts import Fact, Table


class Organization(Table):
    __tablename__ = "organizations"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    slug: Mapped[str]
    name: Mapped[str]
    recorded_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())


class Unit(Table):
    """A part of an organization: a ward, a clinic, a site."""

    __tablename__ = "units"
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    system: Mapped[str]
    value: Mapped[str]


class Provider(Table):
    __tablename__ = "providers"
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]


class ProviderIdentifier(Table):
    __tablename__ = "provider_identifiers"
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    system: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]


class ProviderRole(Fact):
    """What a provider works as, where and when (FHIR PractitionerRole)."""

    __tablename__ = "provider_roles"
    provider_id: Mapped[UUID]
    role_code: Mapped[str]
    specialty_code: Mapped[str] = mapped_column(default="")
    unit_id: Mapped[UUID | None]


class Patient(Table):
    """`demographics` is an envelope around JSON: name, birth_date, sex. Nothing clinical is kept."""

    __tablename__ = "patients"
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    demographics: Mapped[bytes | None] = mapped_column(LargeBinary)


class PatientIdentifier(Table):
    """`identifier` is an envelope around `system|value`; `blind_index` finds it without opening it."""

    __tablename__ = "patient_identifiers"
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    blind_index: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    patient_id: Mapped[UUID]
    identifier: Mapped[bytes] = mapped_column(LargeBinary)
