"""Registering providers and patients: idempotent, a host's own id kept, nothing readable where it must not be."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from carecircle import CareTeamService, directory
from carecircle.database.crypto import Keyring
from carecircle.database.reach import dsn
from carecircle.errors import (
    ActorRequired,
    AlreadyRegistered,
    IdentifierTaken,
    InvalidIdentifier,
    KeyUnavailable,
    OrganizationNotFound,
    PatientNotRegistered,
    ProviderNotRegistered,
)
from carecircle.identifiers import Identifier, new_id
from tests.conftest import Hospital

Run = Callable[[Callable[[Hospital], Any]], Any]


def test_registering_twice_finds_the_same_person(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        own = uuid4()
        assert await hospital.patient("mrn|1", patient_id=own) == own
        assert await hospital.patient("mrn|1") == own
        assert await hospital.patient("ssn|9", patient_id=own) == own
        assert await hospital.patient("ssn|9") == own
        assert await hospital.provider("npi|1", provider_id=own) == own
        assert await hospital.provider("npi|1") == own
        assert await hospital.provider("npi|2") != own

    in_hospital(body)


def test_an_identifier_of_two_people_is_refused(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        await hospital.patient("mrn|1")
        await hospital.patient("mrn|2")
        with pytest.raises(IdentifierTaken):
            await hospital.patient("mrn|1", "mrn|2")
        await hospital.provider("npi|1")
        with pytest.raises(IdentifierTaken):
            await hospital.provider("npi|1", provider_id=new_id())

    in_hospital(body)


def test_a_patients_identifiers_and_name_are_nowhere_in_the_clear(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        patient = await hospital.patient(
            "urn:mrn|CANARY-4711", name="Zebediah Canary", birth_date=date(1950, 2, 3), sex="male"
        )
        connection = await asyncpg.connect(dsn(hospital.circle.reach.admin))
        rows = [
            str(await connection.fetch(f"select to_jsonb(t)::text from carecircle.{table} t"))
            for table in ("patients", "patient_identifiers", "audit_events")
        ]
        found = await connection.fetchval(
            "select demographics from carecircle.patients where organization_id = $1 and id = $2",
            hospital.organization,
            patient,
        )
        await connection.close()
        for text in ("CANARY-4711", "Zebediah", "1950-02-03"):
            assert not any(text in row or text.encode().hex() in row for row in rows)
        ring = hospital.circle.keyring
        assert b"Zebediah" in ring.unseal(found, hospital.organization, "patients", "demographics", patient)
        with pytest.raises(KeyUnavailable):
            ring.unseal(found, hospital.organization, "patients", "demographics", new_id())
        with pytest.raises(KeyUnavailable):
            ring.unseal(found, new_id(), "patients", "demographics", patient)

    in_hospital(body)


def test_the_unregistered_cannot_be_assigned(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        provider, patient = await hospital.provider(), await hospital.patient()
        for error, who, whom in (
            (PatientNotRegistered, provider, new_id()),
            (PatientNotRegistered, provider, "mrn|unheard-of"),
            (ProviderNotRegistered, new_id(), patient),
            (ProviderNotRegistered, "npi|unheard-of", patient),
        ):
            with pytest.raises(error) as refused:
                async with hospital.change() as db:
                    await CareTeamService.assign_primary_provider(
                        db, hospital.organization, patient_id=whom, provider_id=who, actor="test"
                    )
            assert "register" in str(refused.value)

    in_hospital(body)


def test_who_acts_must_be_said(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with hospital.change() as db:
            with pytest.raises(ActorRequired):
                await directory.register_provider(db, organization_id=hospital.organization)

    in_hospital(body)


def test_organizations_are_found_by_their_slug_only(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with hospital.change() as db:
            assert await directory.find_organization(db, hospital.slug) == hospital.organization
            with pytest.raises(OrganizationNotFound):
                await directory.find_organization(db, "no-such")
        async with hospital.change() as db:
            with pytest.raises(AlreadyRegistered):
                await directory.register_organization(
                    db, slug=hospital.slug, name="Other", organization_id=new_id(), actor="test"
                )

    in_hospital(body)


def test_ids_that_are_none() -> None:
    from carecircle import parse_reference

    for text in ("", "   ", "a\x00b", "mrn|", "x" * 600):
        with pytest.raises(InvalidIdentifier):
            parse_reference(text)
    assert parse_reference("a|b|c") == Identifier("a", "b|c")
    assert parse_reference("|3f2504e0-4f89-11d3-9a0c-0305e82c3301") == Identifier(
        "", "3f2504e0-4f89-11d3-9a0c-0305e82c3301"
    )
    assert parse_reference("record-1") == Identifier("", "record-1")


def test_organizations_share_no_blind_index(tmp_path: Any) -> None:
    ring = Keyring.open(tmp_path)
    same = Identifier("urn:mrn", "1")
    first, second = new_id(), new_id()
    again = Keyring.open(tmp_path)
    for known in (ring, again):
        known.learn(first, (), read_at=0)
        known.learn(second, (), read_at=0)
    assert ring.blind_index(same, first) == again.blind_index(same, first)
    assert ring.blind_index(same, first) != ring.blind_index(same, second)
    assert ring.blind_index(Identifier("a", "b|c"), first) != ring.blind_index(Identifier("a|b", "c"), first)
    assert (tmp_path / "keys.json").stat().st_mode & 0o777 == 0o600
    (tmp_path / "keys.json").write_text("{}")
    with pytest.raises(KeyUnavailable):
        Keyring.open(tmp_path)
