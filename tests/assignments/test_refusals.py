"""A refused change is recorded and counted whatever the host does next; a committed one is counted once."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import asyncpg
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from carecircle import CareTeamService
from carecircle.audit import metrics
from carecircle.directory.policy_service import set_policy
from carecircle.errors import DatabaseUnavailable, PrimaryAlreadyAssigned, RulesViolated
from carecircle.identifiers import new_id, to_text
from tests.api.test_service import serving
from tests.assignments.ward import HOUR, Ward
from tests.storage.test_constraints import as_app, assign


def shown(name: str) -> float:
    return metrics.REGISTRY.get_sample_value(name) or 0.0


async def try_it(db: AsyncSession, ward: Ward) -> None:
    await CareTeamService.assign_primary_provider(
        db, ward.hospital.organization, patient_id=ward.patient, provider_id=ward.c, actor="service:host"
    )


@pytest.mark.parametrize("bound_to", ["engine", "connection"])
def test_a_host_that_rolls_back_still_leaves_the_record(on_ward: Any, bound_to: str) -> None:
    async def body(ward: Ward) -> None:
        await ward.assign(ward.a, starts_at=ward.now + HOUR)
        counted = shown("constraint_violations_attempted_total")
        engine = ward.hospital.circle.engine
        async with engine.connect() as connection, AsyncSession(engine if bound_to == "engine" else connection) as db:
            with pytest.raises(PrimaryAlreadyAssigned) as caught:
                await try_it(db, ward)
            await db.rollback()
        assert to_text(ward.a) in caught.value.message
        [entry] = await ward.entries("refusal")
        assert (entry["code"], entry["actor"]) == ("primary-already-assigned", "service:host")
        assert entry["provider_id"] == ward.c
        assert json.loads(entry["detail"]) == {"present": to_text(ward.a)}
        assert shown("constraint_violations_attempted_total") == counted + 1
        # PostgreSQL refuses raw SQL as well, and nobody claims to have recorded that.
        with pytest.raises(asyncpg.IntegrityConstraintViolationError):
            async with as_app(ward.hospital) as raw:
                await assign(raw, ward.hospital.organization, ward.patient, ward.c, "2020-01-01")
        assert len(await ward.entries("refusal")) == 1
        assert shown("constraint_violations_attempted_total") == counted + 1

    on_ward(body)


def test_broken_rules_are_recorded_about_the_patient_and_the_provider(on_ward: Any) -> None:
    async def body(ward: Ward) -> None:
        async with ward.hospital.change() as db:
            await set_policy(
                db, document={"assignment_credentials": {"primary": ["licence"]}},
                organization=ward.hospital.organization, actor="test",
            )  # fmt: skip
        with pytest.raises(RulesViolated):
            await ward.assign(ward.c)
        [entry] = await ward.entries("refusal")  # those about this patient
        assert (entry["code"], entry["provider_id"]) == ("rules-violated", ward.c)
        assert json.loads(entry["detail"]) == {"violations": "credential-missing"}
        await ward.does("add_secondary_provider", provider_id=ward.c)
        assert len(await ward.entries("refusal")) == 1

    on_ward(body)


def test_refused_callers_who_hold_the_whole_pool_do_not_wait_for_themselves(on_ward: Any) -> None:
    async def body(ward: Ward) -> None:
        await ward.assign(ward.a, starts_at=ward.now + HOUR)
        address = ward.hospital.circle.engine.url
        engine = create_async_engine(address, pool_size=2, max_overflow=0, pool_timeout=3)

        async def caller() -> None:
            async with AsyncSession(engine) as db:
                with pytest.raises(PrimaryAlreadyAssigned):
                    await try_it(db, ward)

        try:
            await asyncio.gather(*(caller() for _ in range(6)))
        finally:
            await engine.dispose()
        assert len(await ward.entries("refusal")) == 6

    on_ward(body)


def test_a_refusal_that_cannot_be_recorded_says_so(on_ward: Any) -> None:
    async def body(ward: Ward) -> None:
        await ward.assign(ward.a, starts_at=ward.now + HOUR)
        engine = create_async_engine(ward.hospital.circle.engine.url)
        try:
            async with AsyncSession(engine) as db:
                await db.connection()

                def gone(*_: Any, **__: Any) -> None:
                    raise OSError("no more connections")

                event.listen(engine.sync_engine, "do_connect", gone)
                with pytest.raises(DatabaseUnavailable):
                    await try_it(db, ward)
        finally:
            await engine.dispose()
        assert await ward.entries("refusal") == []

    on_ward(body)


def test_changes_are_counted_when_they_are_committed(on_ward: Any) -> None:
    async def body(ward: Ward) -> None:
        name = "primary_provider_changes_count_total"
        before = shown(name)
        said: dict[str, Any] = {"organization_id": ward.hospital.organization, "patient_id": ward.patient}
        async with AsyncSession(ward.hospital.circle.engine) as db:
            await CareTeamService.assign_primary_provider(db, **said, provider_id=ward.a, actor="test")
            await db.rollback()
            assert shown(name) == before
            await CareTeamService.assign_primary_provider(db, **said, provider_id=ward.a, actor="test")
            await CareTeamService.assign_primary_provider(db, **said, provider_id=ward.b, actor="test")
            await CareTeamService.assign_primary_provider(db, **said, provider_id=ward.b, actor="test")
            assert shown(name) == before
            await db.commit()
            assert shown(name) == before + 2
            await CareTeamService.add_secondary_provider(db, **said, provider_id=ward.c, actor="test")
            await db.commit()
        assert shown(name) == before + 2

    on_ward(body)


def test_the_http_service_shows_them(on_ward: Any) -> None:
    async def body(ward: Ward) -> None:
        await ward.assign(ward.a)
        async with serving(ward.hospital) as client:
            page = (await client.get("/metrics")).text
        assert "carecircle_evaluation_seconds" in page
        for name in ("primary_provider_changes_count_total", "constraint_violations_attempted_total"):
            assert f"\n{name} {shown(name)}\n" in page
        assert "\npatients_without_primary_count " in page

    on_ward(body)


def test_the_gauge_is_the_sum_over_organizations_and_has_no_labels() -> None:
    one, two = new_id(), new_id()
    before = shown("patients_without_primary_count")
    for organization, count in ((one, 5), (two, 7), (one, 3)):
        metrics.set_patients_without_primary(organization, count)
    assert shown("patients_without_primary_count") == before + 10
    for organization in (one, two):
        metrics.set_patients_without_primary(organization, 0)
    host = CollectorRegistry(auto_describe=True)
    host.register(metrics.REGISTRY)
    # Those of the document's names; what has ours (carecircle_…) is told elsewhere.
    lines = [line for line in generate_latest(host).decode().splitlines() if not line.startswith(("#", "carecircle_"))]
    assert {line.split()[0].removesuffix("_total") for line in lines if "_created" not in line} == {
        "primary_provider_changes_count",
        "constraint_violations_attempted",
        "patients_without_primary_count",
        "bulk_reassignment_operations",
    }
