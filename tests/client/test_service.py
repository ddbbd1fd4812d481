"""Both faces against the real service on a real database: the same answers as in process, and the change as a change."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from carecircle import CareTeamService, to_text
from carecircle.client import AsyncClient, Client, Forbidden, Missing, NotSignedIn
from carecircle.identifiers import new_id
from tests.access.test_batch import entries
from tests.client.running import Ward

Ask = Callable[..., Any]


def blocking(ward: Ward, credential: str, method: str, *args: Any, **said: Any) -> Any:
    with Client(ward.address, credential) as client:
        return getattr(client, method)(*args, **said)


def waiting(ward: Ward, credential: str, method: str, *args: Any, **said: Any) -> Any:
    async def body() -> Any:
        async with AsyncClient(ward.address, credential) as client:
            return await getattr(client, method)(*args, **said)

    return asyncio.run(body())


FACES = pytest.mark.parametrize("face", [blocking, waiting])


@FACES
def test_it_says_what_the_service_says(ward: Ward, face: Ask) -> None:
    def ask(method: str, *args: Any, **said: Any) -> Any:
        return face(ward, ward.asker, method, *args, **said)

    before = asyncio.run(entries(ward.hospital))
    first, second = ward.patients
    yes, named = ask("check", ward.okafor, "read", first), ask("check", "urn:staff|okafor", "read", "urn:mrn|0")
    assert yes.allowed is named.allowed is True
    assert ([basis.kind for basis in yes.bases], yes.expires_at) == (["primary"], None)
    no = ask("check", ward.brandt, "read", first, purpose="ETREAT")
    assert (no.allowed, no.code, no.remedies[0].kind) == (False, "no-relationship", "assign")
    many = ask("check_many", ward.okafor, "read", [first, new_id(), second])
    assert [(one.allowed, one.code) for one in many] == [
        (True, "allowed"), (False, "unknown-patient"), (True, "allowed"),
    ]  # fmt: skip
    # Each question left its entry: three single ones and three in a batch; and no two have the same.
    assert asyncio.run(entries(ward.hospital)) - before == 6
    assert len({one.id for one in (yes, named, no, *many)}) == 6
    seen = ask("list_patients", ward.okafor)
    assert sorted(map(to_text, seen.ids)) == sorted(ward.patients)
    assert seen.id is not None
    assert ask("list_patients", ward.brandt).ids == ()
    assert [to_text(one) for one in ask("list_providers", first).ids] == [ward.okafor]
    assert set(ask("actions", ward.okafor, first)) >= {"read", "write"}
    assert ask("actions", ward.brandt, first) == ()


@FACES
def test_a_credential_that_is_none_or_may_less_is_told(ward: Ward, face: Ask) -> None:
    with pytest.raises(NotSignedIn):
        face(ward, "nobody", "check", ward.okafor, "read", ward.patients[0])
    with pytest.raises(Forbidden) as caught:
        face(ward, ward.asker, "request", "POST", "/v1/care-teams", {"name": "Ward 4"})
    assert (caught.value.code, caught.value.status) == ("permission-required", 403)


@FACES
def test_changes_and_readings_of_v1(ward: Ward, face: Ask) -> None:
    key, team = to_text(new_id()), ("POST", "/v1/care-teams", {"name": face.__name__})
    made = face(ward, ward.changer, "request", *team, idempotency_key=key)
    again = face(ward, ward.changer, "request", *team, idempotency_key=key)
    assert (made.status, made.replayed, again.replayed) == (201, False, True)
    assert again.body == made.body
    assert made.body["id"] in str(face(ward, ward.asker, "request", "GET", "/v1/care-teams").body)
    with pytest.raises(Missing) as caught:
        face(ward, ward.asker, "request", "GET", f"/v1/care-teams/{to_text(new_id())}")
    assert caught.value.status == 404


@FACES
def test_who_is_primary_is_changed(ward: Ward, face: Ask) -> None:
    provider, patient = ward.somebody()
    primary = face(ward, ward.changer, "assign_primary_provider", patient, provider)
    assert to_text(primary.provider_id) == provider
    assert primary.version
    with pytest.raises(Missing) as caught:
        face(ward, ward.changer, "assign_primary_provider", patient, new_id())
    assert caught.value.code == "provider-not-registered"

    async def now() -> Any:
        async with ward.hospital.change() as db:
            return await CareTeamService.get_primary_provider(db, ward.hospital.organization, patient_id=patient)

    assert to_text(ward.run(now())) == provider
