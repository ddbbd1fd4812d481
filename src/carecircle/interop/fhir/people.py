"""Registering who and what records are about: units, providers, patients, each under every identifier it carries.

A record with an identifier that is known joins who has it: a provider unless the names differ, a patient only if the
birth dates agree as well. Any other identifier of somebody else is a problem to be told, never a merge. An identifier
without a system says nothing beyond its own record and is not kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson

from carecircle.directory.name_index_service import note_names
from carecircle.identifiers import Identifier, new_id
from carecircle.interop.fhir.codes import dicts, text_of
from carecircle.interop.fhir.directory_tables import (
    add_named,
    add_patient_identifiers,
    add_patients,
    add_provider_identifiers,
    add_providers,
    edit_patients,
    ids_taken,
    named,
    patients_with,
    providers_with,
    rename,
)
from carecircle.interop.fhir.names import id_of
from carecircle.interop.fhir.problems import Problem, identifier_elsewhere
from carecircle.interop.fhir.references import identifiers_of, names_of
from carecircle.interop.fhir.service import Desk
from carecircle.interop.fhir.spool import Kept, Verdict

_TITLES = frozenset({"dr", "prof", "md"})
_DATE = re.compile(r"\d{4}(?:-\d{2}){0,2}")


@dataclass(slots=True)
class Registered:
    """Who a record is here, whether registering wrote anything, and what spoke against it."""

    id: UUID
    wrote: bool = False
    problems: list[Problem] = field(default_factory=list)


@dataclass(slots=True)
class Roll:
    """What is known about identifiers before, and what is added by, one batch."""

    owner: dict[Identifier, UUID]
    about: dict[UUID, Mapping[str, Any]]
    taken: set[UUID]
    people: dict[UUID, Mapping[str, Any]] = field(default_factory=dict)
    identifiers: list[tuple[Identifier, UUID]] = field(default_factory=list)
    edited: dict[UUID, Mapping[str, Any]] = field(default_factory=dict)
    _known: set[Identifier] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._known = set(self.owner)

    def enter(self, kept: Kept, local: Identifier, about: Mapping[str, Any], alike: Any) -> Registered:
        """Find or add who this record is; `alike(a, b)` says whether two descriptions may be the same person."""
        written = identifiers_of(kept.body.get("identifier"))
        given = [one for one in written if one.system]
        own = self.owner.get(local)
        if own is None:
            same = {self.owner[one] for one in given if one in self.owner}
            same = {one for one in same if alike(self.about.get(one, {}), about)}
            own = same.pop() if len(same) == 1 else None
        outcome = Registered(own or self._fresh(kept))
        if own is None:
            outcome.wrote = True
            self.people[outcome.id] = about
        elif kept.verdict is not Verdict.RETRY and {**self.about.get(own, {}), **about} != self.about.get(own, {}):
            outcome.wrote = True
            (self.people if own in self.people else self.edited)[own] = {**self.about.get(own, {}), **about}
        self.about[outcome.id] = {**self.about.get(outcome.id, {}), **about}
        for position, one in enumerate((local, *written), start=-1):
            if not one.system:
                continue
            holder = self.owner.setdefault(one, outcome.id)
            if holder != outcome.id:
                outcome.problems.append(identifier_elsewhere(position))
            elif one not in self._known:
                self.identifiers.append((one, outcome.id))
                self._known.add(one)
                outcome.wrote = True
        return outcome

    def _fresh(self, kept: Kept) -> UUID:
        """The record's own id where it is a UUID that nobody has, otherwise a new one."""
        chosen = uuid_of(kept.local_id)
        if chosen is None or chosen in self.taken:
            chosen = new_id()
        self.taken.add(chosen)
        return chosen


async def register_named(desk: Desk, table: str, names: Mapping[str, str]) -> dict[str, Registered]:
    """Units, or care teams, by record: added, or renamed where the name is another than before."""
    known = await named(desk, table, names)
    taken = await _taken(desk, table, [id_of(record) for record in names])
    outcomes: dict[str, Registered] = {}
    fresh: dict[str, tuple[UUID, str]] = {}
    for record, name in names.items():
        held, was = known.get(record, (None, ""))
        own = uuid_of(id_of(record))
        chosen = held or (new_id() if own is None or own in taken else own)
        taken.add(chosen)
        if held is None:
            fresh[record] = (chosen, name)
        outcomes[record] = Registered(chosen, wrote=name != was)
    await add_named(desk, table, fresh)
    await rename(
        desk, table, {one.id: names[record] for record, one in outcomes.items() if one.wrote and record not in fresh}
    )
    return outcomes


async def register_providers(desk: Desk, batch: Sequence[Kept]) -> dict[str, Registered]:
    """Practitioners, under every identifier they carry and their record's name."""
    rows = await providers_with(desk, _identifiers(desk, batch))
    roll = Roll(
        {Identifier(row.system, row.value): row.provider_id for row in rows},
        {row.provider_id: {"name": row.name} for row in rows},
        await _taken(desk, "providers", [kept.local_id for kept in batch]),
    )
    outcomes = {}
    for kept in batch:
        name = name_of(kept.body.get("name"))
        about = {"name": name} if name else {}
        outcomes[kept.record] = roll.enter(kept, Identifier(desk.run.source, kept.record), about, _names_agree)
    await add_providers(desk, {key: text_of(about.get("name")) for key, about in roll.people.items()})
    await add_provider_identifiers(desk, roll.identifiers)
    await rename(desk, "providers", {key: text_of(about.get("name")) for key, about in roll.edited.items()})
    return outcomes


async def register_patients(desk: Desk, batch: Sequence[Kept]) -> dict[str, Registered]:
    """Patients, under blind indexes of every identifier they carry; everything else about them is sealed."""
    known = await patients_with(desk, _identifiers(desk, batch))
    sealed = dict(known.values())
    roll = Roll(
        {one: owner for one, (owner, _) in known.items()},
        {key: _opened(desk, key, value) for key, value in sealed.items()},
        await _taken(desk, "patients", [kept.local_id for kept in batch]),
    )
    outcomes = {}
    for kept in batch:
        local = Identifier(desk.run.source, kept.record)
        outcomes[kept.record] = roll.enter(kept, local, demographics(kept.body), _patients_agree)
    await add_patients(desk, {key: _sealed(desk, key, about) for key, about in roll.people.items()})
    await add_patient_identifiers(desk, roll.identifiers)
    await edit_patients(desk, {key: _sealed(desk, key, about) for key, about in roll.edited.items()})
    names = {key: about.get("name") for key, about in (roll.people | roll.edited).items()}
    await note_names(desk.session, desk.run.organization_id, names, desk.run.keyring)
    return outcomes


def uuid_of(local_id: str) -> UUID | None:
    """The UUID a FHIR id is, or None."""
    if len(local_id) != 36:
        return None
    try:
        return UUID(local_id)
    except ValueError:
        return None


def name_of(names: Any) -> str:
    """A person's name as one text: the first that is not an old one."""
    for name in dicts(names):
        if name.get("use") not in ("old", "maiden"):
            given = name.get("given")
            parts = [*(given if isinstance(given, list) else []), name.get("family")]
            return " ".join(filter(None, map(text_of, parts))) or text_of(name.get("text"))
    return ""


def demographics(body: Mapping[str, Any]) -> dict[str, str]:
    """What is kept of a patient, sealed: name, birth date, sex; nothing clinical."""
    given = {
        "name": name_of(body.get("name")),
        "birth_date": text_of(body.get("birthDate")),
        "sex": text_of(body.get("gender")),
    }
    return {key: value for key, value in given.items() if value}


def _names_agree(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two names are the same but for order, case, titles and digits, or one is only a part of a name."""
    first, second = _parts(one.get("name")), _parts(other.get("name"))
    if len(first) > 1 and len(second) > 1:
        return first == second
    return not first or not second or bool(set(first) & set(second))


def _parts(name: Any) -> list[str]:
    given = text_of(name).casefold().split()
    plain = [part for one in given if (part := re.sub(r"[\d.,]", "", one)) and part not in _TITLES]
    return sorted(plain or given)


def _patients_agree(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether both have birth dates and these agree (one may be less exact), and no names that differ."""
    first, second = text_of(one.get("birth_date")), text_of(other.get("birth_date"))
    if not (_DATE.fullmatch(first) and _DATE.fullmatch(second)):
        return False
    return (first.startswith(second) or second.startswith(first)) and _names_agree(one, other)


def _sealed(desk: Desk, patient_id: UUID, about: Mapping[str, Any]) -> bytes | None:
    run = desk.run
    plain = orjson.dumps(dict(about))
    return run.keyring.seal(plain, run.organization_id, "patients", "demographics", patient_id) if about else None


def _opened(desk: Desk, patient_id: UUID, sealed: bytes | None) -> Mapping[str, Any]:
    if sealed is None:
        return {}
    run = desk.run
    about: Mapping[str, Any] = orjson.loads(
        run.keyring.unseal(sealed, run.organization_id, "patients", "demographics", patient_id)
    )
    return about


def _identifiers(desk: Desk, batch: Sequence[Kept]) -> set[Identifier]:
    wanted = {Identifier(desk.run.source, kept.record) for kept in batch}
    for kept in batch:
        wanted.update(names_of(kept.body.get("identifier")))
    return wanted


async def _taken(desk: Desk, table: str, local_ids: Sequence[str]) -> set[UUID]:
    return await ids_taken(desk, table, [own for local_id in local_ids if (own := uuid_of(local_id)) is not None])
