"""The organization over HTTP: itself, its units, and the specialty codes of its taxonomy."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from pydantic import Field, StringConstraints

from carecircle.api.v1.door import Administering, Reading, routes
from carecircle.api.v1.paging import Next, Paging
from carecircle.api.v1.people import in_text
from carecircle.api.v1.shapes import AN_ID, Answer, Body, Id, Reference, Text, example
from carecircle.directory import record_service, specialty_service, unit_service
from carecircle.directory.specialty_service import NUCC
from carecircle.directory.unit_service import UnitRecord
from carecircle.identifiers import to_text

router = routes("organization")

UNIT = {"id": AN_ID, "name": "Ward 7", "identifier": "urn:ward|7"}
SPECIALTY = {"code": "207RC0000X", "display": "Cardiovascular Disease Physician"}
MANY = 1000

System = Annotated[str, StringConstraints(max_length=200, pattern=r"^[ -~]*$")]


class Organization(Answer):
    model_config = example(id=AN_ID, slug="north-hospital", name="North Hospital")
    id: Id
    slug: str
    name: str


class NewUnit(Body):
    """A ward, a clinic, a site. Under an identifier that a unit has already, that unit is found and stays as it is."""

    model_config = example(identifier="urn:ward|7", name="Ward 7")
    identifier: Reference
    name: Text


class Unit(Answer):
    model_config = example(**UNIT)
    id: Id
    name: str
    identifier: str


class Units(Answer):
    model_config = example(units=[UNIT], next=None)
    units: list[Unit]
    next: Next


class Specialty(Answer):
    model_config = example(**SPECIALTY)
    code: str
    display: str


class Specialties(Answer):
    model_config = example(specialties=[SPECIALTY], next=None)
    specialties: list[Specialty]
    next: Next


class NewSpecialty(Body):
    model_config = example(**SPECIALTY)
    code: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    display: Text


class Taxonomy(Body):
    """Part of the organization's taxonomy, all of it or nothing; codes that are left out stay. Load a large one in parts."""

    model_config = example(specialties=[SPECIALTY])
    specialties: Annotated[list[NewSpecialty], Field(min_length=1, max_length=MANY)]
    system: System = NUCC


class TaxonomyLoaded(Answer):
    """How many codes were new, were known by another name, and were known as they are."""

    model_config = example(added=1, changed=0, unchanged=0)
    added: int
    changed: int
    unchanged: int


@router.get("/organization")
async def read_organization(door: Reading) -> Organization:
    """The organization that the token is for."""
    async with door.read() as db:
        found = await record_service.own_organization(db)
    return Organization(id=to_text(found.id), slug=found.slug, name=found.name)


@router.post("/units", status_code=201)
async def register_unit(door: Administering, body: NewUnit) -> Unit:
    async with door.change() as db:
        return _unit(await unit_service.register_unit(db, identifier=in_text(body.identifier), name=body.name))


@router.get("/units")
async def list_units(door: Reading, page: Paging) -> Units:
    """By name."""
    async with door.read() as db:
        found = await unit_service.units(db, after=page.after, limit=page.limit + 1)
    shown, onwards = page.cut(found, lambda one: (one.name, one.id))
    return Units(units=[_unit(one) for one in shown], next=onwards)


@router.get("/specialties")
async def list_specialties(
    door: Reading, page: Paging, system: Annotated[str, Query(max_length=200, pattern=r"^[ -~]*$")] = NUCC
) -> Specialties:
    """The codes of a system (NUCC's, unless said), by code."""
    async with door.read() as db:
        found = await specialty_service.specialties(db, system=system, after=page.after, limit=page.limit + 1)
    shown, onwards = page.cut(found, lambda one: (one[0],))
    return Specialties(specialties=[Specialty(code=code, display=display) for code, display in shown], next=onwards)


@router.post("/specialties")
async def load_specialties(door: Administering, body: Taxonomy) -> TaxonomyLoaded:
    async with door.change() as db:
        codes = {one.code: one.display for one in body.specialties}
        done = await specialty_service.load_specialties(db, codes, system=body.system)
    return TaxonomyLoaded(added=done.added, changed=done.changed, unchanged=done.unchanged)


def _unit(one: UnitRecord) -> Unit:
    return Unit(id=to_text(one.id), name=one.name, identifier=one.identifier)
