"""Mapped classes of the directory: organizations with their policies, units, providers and what they hold, patients."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import FetchedValue, LargeBinary
from sqlalchemy.dialects.postgresql import JSONB
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


class ProviderCredential(Fact):
    """A licence, specialty or certification of a provider; `code` is the customer's own (NUCC for specialties)."""

    __tablename__ = "provider_credentials"
    provider_id: Mapped[UUID]
    kind: Mapped[str]
    code: Mapped[str]
    system: Mapped[str] = mapped_column(default="")


class ProviderAbsence(Fact):
    """A provider is away; whoever they are responsible for needs coverage."""

    __tablename__ = "provider_absences"
    provider_id: Mapped[UUID]


class Specialty(Table):
    """A specialty code of the organization's own taxonomy, and how people read it."""

    __tablename__ = "specialties"
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    system: Mapped[str] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(primary_key=True)
    display: Mapped[str]


class PolicyVersion(Fact):
    """One version of the organization's policy; `actions` is what decisions read, `document` is all of it."""

    __tablename__ = "policies"
    version: Mapped[int]
    document: Mapped[dict[str, Any]] = mapped_column(JSONB)
    actions: Mapped[list[str]]


class PatientMerge(Fact):
    """Two records are of one patient: whoever asks about `patient_id` means `into_patient_id`."""

    __tablename__ = "patient_merges"
    patient_id: Mapped[UUID]
    into_patient_id: Mapped[UUID]


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


class Duty(Fact):
    """Who decides about emergencies, is told of them, or may break the glass: for one unit, or (None) for all of them.

    Whoever comes first in the order of call (1, 2, …) is told first; `contact` is where, an e-mail address or nothing.
    """

    __tablename__ = "duties"
    provider_id: Mapped[UUID]
    duty: Mapped[str]
    unit_id: Mapped[UUID | None]
    call_order: Mapped[int] = mapped_column(default=1)
    contact: Mapped[str] = mapped_column(default="")


class ReportingLine(Fact):
    """A provider reports to another, who is their superior."""

    __tablename__ = "reporting_lines"
    provider_id: Mapped[UUID]
    reports_to_id: Mapped[UUID]


class PersonalRelation(Fact):
    """A provider is this patient (`self`), of their family, or of their household."""

    __tablename__ = "personal_relations"
    provider_id: Mapped[UUID]
    patient_id: Mapped[UUID]
    relation: Mapped[str]
