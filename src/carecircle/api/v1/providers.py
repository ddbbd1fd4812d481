"""Providers over HTTP: registering, finding, reading and listing them, and what they work as (PractitionerRole)."""

from __future__ import annotations

from typing import Annotated

from fastapi import Response
from pydantic import StringConstraints

from carecircle.api.v1.door import Asking, Changing, Reading, routes
from carecircle.api.v1.paging import Next, Paging
from carecircle.api.v1.people import FoundAgain, in_text
from carecircle.api.v1.shapes import (
    A_THIRD_ID,
    AN_ID,
    ANOTHER_ID,
    Answer,
    Body,
    Ended,
    Id,
    Instant,
    Moment,
    OwnId,
    Reference,
    Text,
    end_of,
    example,
    id_of,
)
from carecircle.directory import record_service, role_service, service
from carecircle.directory.record_service import ProviderRecord
from carecircle.directory.tables import ProviderRole
from carecircle.identifiers import to_text
from carecircle.period import show

router = routes("providers")

PROVIDER = {"id": AN_ID, "name": "Dr. A. Okafor", "identifiers": ["npi|1234567893"]}
ROLE = {
    "id": AN_ID, "provider_id": ANOTHER_ID, "role_code": "doctor", "specialty_code": "207RC0000X", "unit_id": A_THIRD_ID,
    "starts_at": "2026-01-31T08:00:00Z", "ends_at": None,
}  # fmt: skip
Code = Annotated[str, StringConstraints(min_length=1, max_length=64)]


class NewProvider(FoundAgain):
    """Registering the same provider again changes nothing."""

    model_config = example(identifiers=["npi|1234567893"], name="Dr. A. Okafor")
    name: Text | None = None


class WhichProvider(Body):
    model_config = example(identifier="npi|1234567893")
    identifier: Reference


class RegisteredProvider(Answer):
    """`added` is false where the provider was known already."""

    model_config = example(id=AN_ID, added=True)
    id: Id
    added: bool


class Provider(Answer):
    model_config = example(**PROVIDER)
    id: Id
    name: str
    identifiers: list[str]


class Providers(Answer):
    model_config = example(providers=[PROVIDER], next=None)
    providers: list[Provider]
    next: Next


class NewRole(Body):
    """Without a start, from now on; without an end, open. The same one again changes nothing."""

    model_config = example(role_code="doctor", specialty_code="207RC0000X", unit="urn:ward|7")
    role_code: Code
    specialty_code: Code | None = None
    unit: Reference | None = None
    starts_at: Instant | None = None
    ends_at: Instant | None = None


class Role(Answer):
    """What a provider works as, where and when. It lets nobody see a patient."""

    model_config = example(**ROLE)
    id: Id
    provider_id: Id
    role_code: str
    specialty_code: str | None
    unit_id: Id | None
    starts_at: Moment
    ends_at: Moment | None


class Roles(Answer):
    model_config = example(roles=[ROLE], next=None)
    roles: list[Role]
    next: Next


@router.post(
    "/providers",
    status_code=201,
    responses={200: {"model": RegisteredProvider, "description": "Was known already"}},
)
async def register_provider(door: Changing, response: Response, body: NewProvider) -> RegisteredProvider:
    """Register a provider; or find them where the id or an identifier is known: then 200, the record gets those identifiers
    that nobody has, and keeps its name."""
    async with door.change() as db:
        known = await record_service.any_registered(db, "provider", body.id, body.identifiers)
        provider_id = await service.register_provider(
            db,
            provider_id=None if body.id is None else in_text(body.id),
            identifiers=body.identifiers,
            name=body.name or "",
        )
    response.status_code = 200 if known else 201
    return RegisteredProvider(id=to_text(provider_id), added=not known)


@router.post("/providers/look-up")
async def look_up_provider(door: Reading, body: WhichProvider) -> Provider:
    """Whose identifier this is."""
    async with door.read() as db:
        return _provider(await record_service.find_provider(db, body.identifier))


@router.get("/providers")
async def list_providers(door: Reading, page: Paging) -> Providers:
    """Everybody who was ever registered, by id."""
    async with door.read() as db:
        found = await record_service.providers(db, after=page.after, limit=page.limit + 1)
    shown, onwards = page.cut(found, lambda one: (one.id,))
    return Providers(providers=[_provider(one) for one in shown], next=onwards)


@router.get("/providers/{provider_id}")
async def read_provider(door: Asking, provider_id: OwnId) -> Provider:
    """Who is this provider reads it without being allowed to read the rest."""
    await door.require_read(provider_id)
    async with door.read() as db:
        return _provider(await record_service.find_provider(db, provider_id))


@router.post("/providers/{provider_id}/roles", status_code=201)
async def add_provider_role(door: Changing, provider_id: OwnId, body: NewRole) -> Role:
    async with door.change() as db:
        return _role(
            await role_service.add_role(
                db, provider=provider_id, role_code=body.role_code, specialty_code=body.specialty_code or "",
                unit=body.unit, starts_at=body.starts_at, ends_at=body.ends_at,
            )
        )  # fmt: skip


@router.get("/providers/{provider_id}/roles")
async def list_provider_roles(door: Asking, provider_id: OwnId, page: Paging, as_of: Instant | None = None) -> Roles:
    """What a provider works as at an instant, or, without one, all on record; for themselves, too."""
    await door.require_read(provider_id)
    async with door.read() as db:
        found = await role_service.roles_of(db, provider=provider_id, as_of=as_of)
    shown, onwards = page.pick(found, lambda one: (one.starts_at, one.id))
    return Roles(roles=[_role(one) for one in shown], next=onwards)


@router.delete("/providers/{provider_id}/roles/{role_id}")
async def end_provider_role(door: Changing, provider_id: OwnId, role_id: OwnId, at: Instant | None = None) -> Ended:
    """End a role now, or at an instant ahead; one that has not begun by then never does."""
    async with door.change() as db:
        await role_service.end_role(db, role_id=role_id, provider=provider_id, at=at)
        return Ended(ended=1)


def _provider(one: ProviderRecord) -> Provider:
    return Provider(id=to_text(one.id), name=one.name, identifiers=list(one.identifiers))


def _role(row: ProviderRole) -> Role:
    return Role(
        id=to_text(row.id), provider_id=to_text(row.provider_id), role_code=row.role_code,
        specialty_code=row.specialty_code or None, unit_id=id_of(row.unit_id), starts_at=show(row.starts_at),
        ends_at=end_of(row.ends_at),
    )  # fmt: skip
