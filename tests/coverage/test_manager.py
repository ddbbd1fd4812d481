"""CrossCoverageManager as the assignment-system document calls it, each call a transaction of its own."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from carecircle import acting_as
from carecircle.coverage.service import end_coverage
from carecircle.errors import (
    ActorRequired,
    InvalidInstant,
    InvalidPeriod,
    OrganizationRequired,
    OverlappingCoverage,
    ProviderNotRegistered,
)
from carecircle.identifiers import parse_id, to_text
from carecircle.services.coverage import CrossCoverageManager
from tests.conftest import Hospital
from tests.coverage.clinic import HOUR, Clinic

Run = Callable[[Callable[[Hospital], Any]], Any]


def test_its_methods_begin_as_the_document_has_them() -> None:
    create = inspect.signature(CrossCoverageManager.create_coverage_arrangement).parameters
    positional = [name for name, one in create.items() if one.kind is one.POSITIONAL_OR_KEYWORD]
    assert positional == [
        "self", "primary_provider_id", "covering_provider_id", "start_date", "end_date", "coverage_type",
    ]  # fmt: skip
    assert create["coverage_type"].default == "full"
    assert list(inspect.signature(CrossCoverageManager.get_covering_provider).parameters) == [
        "self", "primary_provider_id", "date",
    ]  # fmt: skip


def test_the_documents_two_calls(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital)
        for parts in (hospital.circle, hospital.circle.engine):
            manager = CrossCoverageManager(parts, organization=hospital.organization, actor="test")
            a, b = to_text(clinic.a), str(clinic.b)
            assert await manager.get_covering_provider(a, clinic.now) is None
            arrangement = await manager.create_coverage_arrangement(a, b, clinic.now, clinic.now + HOUR)
            assert len(arrangement) == 26
            assert await manager.get_covering_provider(a, clinic.now) == to_text(clinic.b)
            assert await manager.get_covering_provider(a, clinic.now + HOUR) is None
            assert await clinic.may(clinic.b)
            await clinic.do(end_coverage, arrangement_id=parse_id(arrangement))
            clinic = await Clinic.open(hospital)

    in_hospital(body)


def test_more_than_the_document_asks(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital)
        manager = CrossCoverageManager(hospital.circle)
        with acting_as(organization=hospital.organization, actor="test"):
            await manager.create_coverage_arrangement(
                clinic.a, clinic.b, clinic.now, clinic.now + HOUR, "urgent", patients=[clinic.patient], scope=["read"]
            )
            assert await manager.get_covering_provider(clinic.a, clinic.now) is None
        assert await clinic.may(clinic.b)
        assert not await clinic.may(clinic.b, "write")

    in_hospital(body)


def test_a_refusal_is_recorded_and_a_malformed_call_is_not(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital)
        manager = CrossCoverageManager(hospital.circle, organization=hospital.organization, actor="test")
        said = (clinic.a, clinic.b, clinic.now, clinic.now + HOUR)
        await manager.create_coverage_arrangement(*said)
        with pytest.raises(OverlappingCoverage):
            await manager.create_coverage_arrangement(*said)
        with pytest.raises(ProviderNotRegistered):
            await manager.create_coverage_arrangement("staff|9", *said[1:])
        naive = datetime(2030, 1, 1)  # noqa: DTZ001 - naive on purpose
        with pytest.raises(InvalidInstant):
            await manager.create_coverage_arrangement(clinic.a, clinic.b, naive, clinic.now)
        with pytest.raises(InvalidInstant):
            await manager.get_covering_provider(clinic.a, naive)
        with pytest.raises(InvalidPeriod):
            await manager.create_coverage_arrangement(clinic.a, clinic.c, clinic.now, clinic.now)
        assert len(await clinic.entries("refusal", "overlapping-coverage")) == 1
        assert len(await clinic.entries("refusal", "provider-not-registered")) == 1
        assert await clinic.entries("refusal", "invalid-instant") == []
        nobody = CrossCoverageManager(hospital.circle)
        with pytest.raises(OrganizationRequired):
            await nobody.get_covering_provider(clinic.a, clinic.now)
        with pytest.raises(ActorRequired):
            await CrossCoverageManager(hospital.circle, organization=hospital.organization).create_coverage_arrangement(
                *said
            )

    in_hospital(body)
