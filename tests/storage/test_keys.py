"""The data keys of an organization: made with it, rotated while others read and write, read before they write."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.conftest import Hospital

from carecircle import directory
from carecircle.database.crypto import Keyring, keyring
from carecircle.database.data_keys import know_on, reloading
from carecircle.database.reach import dsn
from carecircle.database.resealing_service import FIELDS, _write, reseal, under_keys
from carecircle.database.roles import open_connection
from carecircle.database.session import open_engine, transaction
from carecircle.directory import keys_service
from carecircle.errors import Conflict, KeyUnavailable, RowRefused
from carecircle.identifiers import Identifier, new_id, to_text

Run = Callable[[Callable[[Hospital], Any]], Any]
MRN = "urn:mrn|4711"


async def as_admin(hospital: Hospital, statement: str, *given: object) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(dsn(hospital.circle.reach.admin))
    try:
        found: list[asyncpg.Record] = await connection.fetch(statement, *given)
        return found
    finally:
        await connection.close()


async def without_keys(hospital: Hospital) -> None:
    """As an organization was before it had keys of its own."""
    await as_admin(
        hospital, "delete from carecircle.organization_keys where organization_id = $1", hospital.organization
    )
    hospital.circle.keyring.forget(hospital.organization)


async def rotated(hospital: Hospital, margin: float = 0.0) -> keys_service.KeyState:
    async with hospital.change() as db:
        return await keys_service.rotate(db, margin=margin, organization=hospital.organization, actor="test")


async def sealed_anew(hospital: Hospital) -> Any:
    keeper = keeper_of(hospital)
    try:
        return await keys_service.seal_anew(
            hospital.circle.engine, keeper, organization=hospital.organization, actor="test", batch=2
        )
    finally:
        await keeper.dispose()


def keeper_of(hospital: Hospital) -> AsyncEngine:
    return open_engine(hospital.circle.reach, role="keeper", connections=1)


async def key_ids(hospital: Hospital) -> set[bytes]:
    async with hospital.change() as db:
        return {one.key_id for one in await under_keys(db, hospital.organization)}


async def name_of(hospital: Hospital, patient: UUID, ring: Keyring | None = None) -> bytes:
    async with hospital.change() as db:
        found = await db.scalar(text("select demographics from carecircle.patients where id = :id"), {"id": patient})
    return (ring or keyring()).unseal(found, hospital.organization, "patients", "demographics", patient)


def test_an_organization_is_registered_with_keys_of_its_own(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        await hospital.patient(MRN, name="Ada")
        async with hospital.change() as db:
            kept = await keys_service.keys_of(db, organization=hospital.organization)
        assert [(key.purpose, key.state) for key in kept] == [("field", "writes"), ("blind", "writes")]
        assert await key_ids(hospital) == {kept[0].key_id}
        assert kept[0].key_id not in keyring().roots
        row = (
            await as_admin(hospital, "select * from carecircle.organization_keys where key_id = $1", kept[0].key_id)
        )[0]
        entry = await as_admin(hospital, "select code from carecircle.audit_events where id = $1", row["entry_id"])
        assert entry[0]["code"] == "organization-registered"
        assert len(row["wrapped"]) == 40

    in_hospital(body)


def test_a_registration_that_is_rolled_back_leaves_no_key_in_memory(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        chosen, slug = new_id(), "h" + to_text(new_id()).lower()

        async def undone() -> None:
            async with transaction(hospital.circle.engine) as db:
                await directory.register_organization(db, slug=slug, name="", organization_id=chosen, actor="test")
                assert keyring().known_keys(chosen).fields
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await undone()
        async with transaction(hospital.circle.engine, chosen):
            assert not keyring().known_keys(chosen)
        async with transaction(hospital.circle.engine) as db:
            await directory.register_organization(db, slug=slug, name="", organization_id=chosen, actor="test")
        async with transaction(hospital.circle.engine, chosen):
            assert keyring().known_keys(chosen).fields

    in_hospital(body)


def test_an_organization_from_before_keeps_its_blind_indexes_and_moves_to_its_own_keys(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        await without_keys(hospital)
        patient = await hospital.patient(MRN, name="Ada")
        assert await key_ids(hospital) <= set(keyring().roots)
        made = await rotated(hospital)
        assert b"Ada" in await name_of(hospital, patient)
        assert await hospital.patient(MRN) == patient
        other = await hospital.patient("urn:mrn|1", name="Bo")
        assert made.key_id in await key_ids(hospital)
        done = await sealed_anew(hospital)
        assert (done.key_id, done.left, done.unreadable) == (made.key_id, 0, 0)
        assert done.fields == {"patients": 1, "patient_identifiers": 1}
        assert await key_ids(hospital) == {made.key_id}
        assert b"Ada" in await name_of(hospital, patient)
        assert b"Bo" in await name_of(hospital, other)
        assert await hospital.circle.access.resolve_patient(hospital.organization, MRN) == patient

    in_hospital(body)


def test_every_rotation_and_sealing_leaves_entries(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        await hospital.patient(MRN, name="Ada")
        await rotated(hospital)
        await sealed_anew(hospital)
        assert (await sealed_anew(hospital)).fields == {}
        codes = await as_admin(
            hospital,
            "select code, detail from carecircle.audit_events where organization_id = $1 and code ~ '^(key|field)' order by xid",
            hospital.organization,
        )
        assert [row["code"] for row in codes] == ["key-rotated", "fields-resealing", "fields-resealed"]
        assert '"patients":1' in codes[-1]["detail"]

    in_hospital(body)


def test_a_new_key_is_read_before_it_writes(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        await hospital.patient(name="Ada")
        before = await key_ids(hospital)
        made = await rotated(hospital, margin=1.0)
        assert made.state == "ahead"
        await hospital.patient(name="Bo")
        assert await key_ids(hospital) == before
        with pytest.raises(Conflict):
            await rotated(hospital)
        await asyncio.sleep(1.1)
        await hospital.patient(name="Cy")
        assert await key_ids(hospital) == {*before, made.key_id}

    in_hospital(body)


def test_a_process_that_knows_only_the_old_key_looks_again_and_without_that_does_not_read(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        patient = await hospital.patient(MRN, name="Ada")
        other = Keyring.open(hospital.circle.settings.home)
        blind = Keyring.open(hospital.circle.settings.home)

        async def connect() -> asyncpg.Connection:
            return await open_connection(hospital.circle.reach.dsn("app"))

        async def reads() -> None:
            connection = await connect()
            async with connection.transaction():
                await connection.execute(
                    "select set_config('carecircle.organization_id', $1, true)", str(hospital.organization)
                )
                for ring in (other, blind):
                    await know_on(connection, ring, hospital.organization)
            await connection.close()

        await reads()
        assert other.blind_index(Identifier("urn:mrn", "4711"), hospital.organization) == keyring().blind_index(
            Identifier("urn:mrn", "4711"), hospital.organization
        )
        await rotated(hospital)
        await sealed_anew(hospital)
        other.reload = reloading(other, connect)
        assert b"Ada" in await name_of(hospital, patient, other)
        with pytest.raises(KeyUnavailable):
            await name_of(hospital, patient, blind)

    in_hospital(body)


def test_a_row_that_somebody_changes_meanwhile_is_neither_waited_for_nor_overwritten(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        first, second = await hospital.patient(name="Ada"), await hospital.patient(name="Bo")
        tenant = hospital.organization
        await rotated(hospital)
        keeper = keeper_of(hospital)
        try:
            async with transaction(hospital.circle.engine, tenant) as db:
                newer = keyring().seal(b'{"name":"Cy"}', tenant, "patients", "demographics", first)
                change = text("update carecircle.patients set demographics = :newer where id = :id")
                await db.execute(change, {"newer": newer, "id": first})
                started = monotonic()
                done = await reseal(keeper, tenant, stragglers=0)
                assert monotonic() - started < 5
                assert (done.fields["patients"], done.left) == (1, 1)
            assert b"Cy" in await name_of(hospital, first)
            assert (await reseal(keeper, tenant)).left == 0
            # Its UPDATE names the envelope that it read: another one in its place stays.
            stale = {"organization": tenant, "names": [second], "before": [b"another"], "sealed": [b"lost"]}
            async with transaction(keeper, tenant) as db:
                assert (await db.execute(text(_write(FIELDS[0])), stale)).rowcount == 0  # type: ignore[attr-defined]
            assert b"Bo" in await name_of(hospital, second)
        finally:
            await keeper.dispose()

    in_hospital(body)


def test_what_does_not_open_is_counted_and_left(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        broken, whole = await hospital.patient(name="Ada"), await hospital.patient(name="Bo")
        await as_admin(
            hospital,
            "update carecircle.patients set demographics = substring(demographics from 1 for 30) where id = $1",
            broken,
        )
        made = await rotated(hospital)
        done = await sealed_anew(hospital)
        assert (done.fields, done.unreadable, done.left) == ({"patients": 1}, 1, 1)
        assert b"Bo" in await name_of(hospital, whole)
        assert made.key_id in await key_ids(hospital)

    in_hospital(body)


def test_the_keeper_changes_sealed_columns_and_nothing_else(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        patient = await hospital.patient(name="Ada")
        keeper = keeper_of(hospital)
        refused = (
            "update carecircle.patients set recorded_at = now()",
            "update carecircle.emergency_access set state = 'open'",
            "update carecircle.emergency_access set superseded_at = now()",
            "update carecircle.organization_keys set wrapped = null",
            "delete from carecircle.patients",
            "insert into carecircle.patients (organization_id, id) values (gen_random_uuid(), gen_random_uuid())",
            "select * from carecircle.audit_events",
            "select name from carecircle.providers",
        )
        try:
            for statement in refused:
                with pytest.raises(RowRefused):
                    async with transaction(keeper, hospital.organization) as db:
                        await db.execute(text(statement))
            async with transaction(keeper, hospital.organization) as db:
                allowed = text("update carecircle.patients set demographics = demographics returning id")
                assert set(await db.scalars(allowed)) == {patient}
        finally:
            await keeper.dispose()

    in_hospital(body)
