"""Taking a batch of records of one kind: register who they are about, resolve who they name, write what follows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from uuid import UUID

from carecircle.identifiers import Identifier
from carecircle.interop.fhir.codes import STRENGTH, codes_of, dicts, text_of
from carecircle.interop.fhir.directory_tables import add_provider_identifiers
from carecircle.interop.fhir.directory_tables import named as known_units
from carecircle.interop.fhir.fact_tables import facts_of_records
from carecircle.interop.fhir.lookup import Lookup
from carecircle.interop.fhir.outcome import Outcome, finish
from carecircle.interop.fhir.people import register_named, register_patients, register_providers
from carecircle.interop.fhir.problems import dangling, second_primary, subject_dangling
from carecircle.interop.fhir.references import Reader, names_of, reader_of
from carecircle.interop.fhir.report import Tally
from carecircle.interop.fhir.said import SUBJECT, Heard, Said, hear
from carecircle.interop.fhir.service import Desk
from carecircle.interop.fhir.settle import Wanted, one_seat_each
from carecircle.interop.fhir.spool import Kept, Spool

Taking = Callable[[Desk, Spool, Sequence[Kept], Tally], Awaitable[None]]


async def take_units(desk: Desk, spool: Spool, batch: Sequence[Kept], tally: Tally) -> None:
    names = {kept.record: text_of(kept.body.get("name")) or kept.record for kept in batch}
    known = await register_named(desk, "units", names)
    await finish(desk, [Outcome(kept, wrote=known[kept.record].wrote) for kept in batch], (), tally)


async def take_practitioners(desk: Desk, spool: Spool, batch: Sequence[Kept], tally: Tally) -> None:
    known = await register_providers(desk, batch)
    outcomes = []
    for kept in batch:
        one = known[kept.record]
        outcomes.append(Outcome(kept, problems=one.problems, wrote=one.wrote, provider_id=one.id))
    await finish(desk, outcomes, (), tally)


async def take_roles(desk: Desk, spool: Spool, batch: Sequence[Kept], tally: Tally) -> None:
    """Roles become facts, and their records other names of their practitioners."""
    reader = reader_of(desk.run, spool)
    heard = {kept.record: hear("PractitionerRole", kept.body, reader.of(kept.record)) for kept in batch}
    lookup = Lookup(desk.run.source)
    await lookup.find(desk, providers=[one.subject for one in heard.values() if one.subject is not None])
    units = await _units(desk, reader, batch)
    names: list[tuple[Identifier, UUID]] = []
    outcomes = []
    for kept in batch:
        one = heard[kept.record]
        outcome = Outcome(kept, problems=list(one.problems))
        outcomes.append(outcome)
        if one.subject is None:
            outcome.frozen = bool(one.problems)
            continue
        provider_id = lookup.provider(one.subject) if one.subject.kind != "PractitionerRole" else None
        if provider_id is None:
            outcome.problems.append(dangling("practitioner", one.subject.key))
            outcome.frozen = True
            continue
        outcome.provider_id = provider_id
        names += [(Identifier(desk.run.source, kept.record), provider_id)]
        names += [(identifier, provider_id) for identifier in names_of(kept.body.get("identifier"))]
        outcome.wanted = [
            Wanted(
                "provider_roles",
                said.item,
                (provider_id, said.role, said.specialty, units.get(kept.record)),
                said.span,
                kept.version.at,
            )
            for said in one.said
        ]
    await add_provider_identifiers(desk, names)
    await finish(desk, outcomes, ("provider_roles",), tally)


async def take_patients(desk: Desk, spool: Spool, batch: Sequence[Kept], tally: Tally) -> None:
    """Patients and their general practitioner. Those whose records were merged wait until all are registered (merge.py)."""
    known = await register_patients(desk, batch)
    outcomes = []
    for kept in batch:
        one = known[kept.record]
        outcomes.append(Outcome(kept, problems=one.problems, wrote=one.wrote, patient_id=one.id))
    await add_primaries(desk, spool, outcomes)
    await finish(desk, outcomes, ("patient_assignments",), tally)


async def add_primaries(desk: Desk, spool: Spool, outcomes: Sequence[Outcome]) -> None:
    """The first general practitioner who can be found is the primary provider, unless the present one is named as well."""
    reader = reader_of(desk.run, spool)
    heard = {
        outcome.kept.record: hear("Patient", outcome.kept.body, reader.of(outcome.kept.record)) for outcome in outcomes
    }
    lookup = Lookup(desk.run.source)
    await lookup.find(
        desk,
        providers=[said.pointer for one in heard.values() for said in one.said],
        merged=[outcome.patient_id for outcome in outcomes if outcome.patient_id is not None],
    )
    named = [outcome.kept.key for outcome in outcomes if len(heard[outcome.kept.record].said) > 1]
    now = await desk.now()
    present = {
        (row.record, row.item)
        for row in await facts_of_records(desk, "patient_assignments", named)
        if row.ends_at > now
    }
    for outcome in outcomes:
        kept, one = outcome.kept, heard[outcome.kept.record]
        outcome.problems += one.problems
        found = []
        for said in one.said:
            provider_id = lookup.provider(said.pointer)
            if provider_id is None:
                outcome.problems.append(dangling(said.item, said.pointer.key))
            else:
                found.append((said, provider_id))
        found.sort(key=lambda pair: (kept.key, pair[0].item) not in present)
        if not found or outcome.patient_id is None:
            continue
        chosen, primary = found[0]
        patient_id = lookup.survivor(outcome.patient_id)
        outcome.wanted.append(
            Wanted("patient_assignments", chosen.item, (patient_id, primary, "primary"), chosen.span, kept.version.at)
        )
        outcome.problems += [second_primary(said.item, other) for said, other in found[1:] if other != primary]


async def take_care_teams(desk: Desk, spool: Spool, batch: Sequence[Kept], tally: Tally) -> None:
    heard, lookup = await _hear(desk, spool, "CareTeam", batch)
    # A team of one patient is often called by the patient's name, so its name is not kept, only its kind.
    teams = await register_named(desk, "care_teams", {kept.record: _kind_of_team(kept) for kept in batch})
    outcomes = []
    for kept in batch:
        one = heard[kept.record]
        team_id, wrote = teams[kept.record].id, teams[kept.record].wrote
        outcome = Outcome(kept, problems=list(one.problems), wrote=wrote, withdrawn=one.withdrawn)
        outcomes.append(outcome)
        for said in sorted(one.said, key=_strongest_first):
            if said.item == SUBJECT:
                outcome.patient_id = lookup.patient(said.pointer)
                if outcome.patient_id is None:
                    # Only the patient's place is in doubt; the seats are not.
                    outcome.problems.append(replace(subject_dangling(), item="patient"))
                    continue
                values: tuple[object, ...] = (team_id, outcome.patient_id)
                outcome.wanted.append(Wanted("care_team_patients", SUBJECT, values, said.span, kept.version.at))
                continue
            provider_id = lookup.provider(said.pointer)
            if provider_id is not None:
                values = (team_id, provider_id, said.role)
                outcome.wanted.append(Wanted("care_team_members", said.item, values, said.span, kept.version.at))
            elif said.pointer.kind or lookup.patient(said.pointer) is None:
                outcome.problems.append(dangling(said.item, said.pointer.key))
        seats, problems = one_seat_each(want for want in outcome.wanted if want.table == "care_team_members")
        outcome.wanted = [want for want in outcome.wanted if want.table != "care_team_members"] + seats
        outcome.problems += problems
    await finish(desk, outcomes, ("care_team_patients", "care_team_members"), tally)


async def take_encounters(desk: Desk, spool: Spool, batch: Sequence[Kept], tally: Tally) -> None:
    heard, lookup = await _hear(desk, spool, "Encounter", batch)
    outcomes = []
    for kept in batch:
        one = heard[kept.record]
        outcome = Outcome(kept, problems=list(one.problems), withdrawn=one.withdrawn)
        outcomes.append(outcome)
        if one.subject is not None:
            outcome.patient_id = lookup.patient(one.subject)
            if outcome.patient_id is None and one.said:
                outcome.problems.append(subject_dangling())
        outcome.frozen = outcome.patient_id is None and not one.withdrawn
        for said in one.said:
            provider_id = lookup.provider(said.pointer)
            if provider_id is None:
                outcome.problems.append(dangling(said.item, said.pointer.key))
            elif outcome.patient_id is not None:
                values = (outcome.patient_id, provider_id, said.role)
                outcome.wanted.append(Wanted("patient_assignments", said.item, values, said.span, kept.version.at))
    await finish(desk, outcomes, ("patient_assignments",), tally)


async def _hear(desk: Desk, spool: Spool, kind: str, batch: Sequence[Kept]) -> tuple[dict[str, Heard], Lookup]:
    reader = reader_of(desk.run, spool)
    heard = {kept.record: hear(kind, kept.body, reader.of(kept.record)) for kept in batch}
    lookup = Lookup(desk.run.source)
    pointers = [said.pointer for one in heard.values() for said in one.said if said.item != SUBJECT]
    subjects = [one.subject for one in heard.values() if one.subject is not None]
    await lookup.find(
        desk, providers=pointers, patients=[*subjects, *(pointer for pointer in pointers if not pointer.kind)]
    )
    return heard, lookup


async def _units(desk: Desk, reader: Reader, batch: Sequence[Kept]) -> dict[str, UUID]:
    """The unit of each role: its first location that is known, else its organization."""
    named: dict[str, list[str]] = {}
    for kept in batch:
        for reference in (*dicts(kept.body.get("location")), *dicts(kept.body.get("organization"))):
            pointer = reader.of(kept.record).read(reference)
            if pointer is None:
                continue
            known = reader.alias(f"identifier:{pointer.identifier}") if pointer.identifier is not None else None
            kinds = [f"{kind}/{pointer.uuid}" for kind in ("Location", "Organization")] if pointer.uuid else []
            named.setdefault(kept.record, []).extend([record for record in (pointer.record, known, *kinds) if record])
    units = await known_units(desk, "units", {record for records in named.values() for record in records})
    found = {}
    for record, records in named.items():
        unit_id = next((units[one][0] for one in records if one in units), None)
        if unit_id is not None:
            found[record] = unit_id
    return found


def _strongest_first(said: Said) -> int:
    return -STRENGTH.index(said.role) if said.role in STRENGTH else 0


def _kind_of_team(kept: Kept) -> str:
    for concept in dicts(kept.body.get("category")):
        shown = [text_of(coding.get("display")) for coding in dicts(concept.get("coding"))]
        kind = next(filter(None, [*shown, *codes_of(concept)]), "")
        if kind:
            return kind
    return "Care team"


TAKING: dict[str, Taking] = {
    "Organization": take_units,
    "Location": take_units,
    "Practitioner": take_practitioners,
    "PractitionerRole": take_roles,
    "Patient": take_patients,
    "CareTeam": take_care_teams,
    "Encounter": take_encounters,
}
