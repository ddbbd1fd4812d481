"""An organization whose keys were destroyed: nothing of it is readable any more, nothing crashes, decisions by id stay."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from tests.conftest import Hospital
from tests.storage.test_keys import as_admin, key_ids, name_of, rotated, sealed_anew, without_keys

from carecircle.access.service import Circumstances
from carecircle.database.crypto import FRESH_FOR, Keyring, keyring
from carecircle.database.data_keys import reloading
from carecircle.database.roles import open_connection
from carecircle.directory import keys_service
from carecircle.errors import Conflict, KeyDestroyed, KeyUnavailable

Run = Callable[[Callable[[Hospital], Any]], Any]
MRN = "urn:mrn|4711"


async def shredded(hospital: Hospital) -> int:
    async with hospital.change() as db:
        return await keys_service.shred(db, organization=hospital.organization, actor="test")


def test_what_was_shredded_is_not_readable_any_more_and_decisions_by_id_are(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        access, tenant = hospital.circle.access, hospital.organization
        patient, provider = await hospital.patient(MRN, name="Ada"), await hospital.provider("npi|1")
        said: Circumstances = {"organization": tenant, "actor": "test"}
        assert (await access.check(provider, "read", MRN, **said)).code == "no-relationship"
        assert await shredded(hospital) == 2
        with pytest.raises(KeyDestroyed):
            await name_of(hospital, patient)
        with pytest.raises(KeyDestroyed):
            await hospital.patient("urn:mrn|1", name="Bo")
        with pytest.raises(KeyDestroyed):
            await access.check(provider, "read", MRN, **said)
        assert (await access.check("npi|1", "read", patient, **said)).code == "no-relationship"
        assert await hospital.provider("npi|2")
        rows = await as_admin(
            hospital,
            "select wrapped, destroyed_at from carecircle.organization_keys where organization_id = $1",
            tenant,
        )
        assert [(row["wrapped"], row["destroyed_at"] is None) for row in rows] == [(None, False)] * 2
        entry = await as_admin(
            hospital, "select code from carecircle.audit_events where organization_id = $1 and code ~ 'shred'", tenant
        )
        assert [row["code"] for row in entry] == ["organization-shredded"]
        with pytest.raises(KeyDestroyed):
            await shredded(hospital)
        with pytest.raises(KeyDestroyed):
            await rotated(hospital)

    in_hospital(body)


def test_nothing_is_destroyed_while_fields_are_under_root_keys_or_a_rotation_is_under_way(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        await without_keys(hospital)
        patient = await hospital.patient(MRN, name="Ada")
        with pytest.raises(Conflict, match="rotate"):
            await shredded(hospital)
        await rotated(hospital)
        with pytest.raises(Conflict, match="rotate"):
            await shredded(hospital)
        await sealed_anew(hospital)
        async with hospital.change():
            assert keys_service.keeps_derived_blind_key(hospital.organization)
        await rotated(hospital, margin=1.5)
        with pytest.raises(Conflict, match="rotated"):
            await shredded(hospital)
        assert b"Ada" in await name_of(hospital, patient)
        assert not await key_ids(hospital) & set(keyring().roots)

    in_hospital(body)


def test_another_process_forgets_the_keys_within_their_time(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        patient = await hospital.patient(name="Ada")
        other = Keyring.open(hospital.circle.settings.home)
        connect = hospital.circle.reach.dsn("app")
        other.reload = reloading(other, lambda: open_connection(connect))
        assert b"Ada" in await name_of(hospital, patient, other)
        began = time.monotonic()
        await shredded(hospital)
        while other.is_fresh(hospital.organization):  # noqa: ASYNC110  what passes is time
            await asyncio.sleep(0.05)
        assert time.monotonic() - began < FRESH_FOR + 1
        assert other.reload is not None
        other.reload(hospital.organization)
        with pytest.raises(KeyDestroyed) as gone:
            await name_of(hospital, patient, other)
        assert "not readable any more" in str(gone.value)
        assert isinstance(gone.value, KeyUnavailable)

    in_hospital(body)
