"""The statements on units, providers, patients and care teams that an import needs, each for a whole batch."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from carecircle.identifiers import Identifier
from carecircle.interop.fhir.service import Desk

Named = tuple[UUID, str]


async def ids_taken(desk: Desk, table: str, ids: Sequence[UUID]) -> set[UUID]:
    """Which of these ids somebody has."""
    rows = await desk.rows(
        f"select id from carecircle.{table} where organization_id = :organization and id = any(:ids)", ids=list(ids)
    )
    return {row.id for row in rows}


async def named(desk: Desk, table: str, records: Collection[str]) -> dict[str, Named]:
    """Id and name of the units, or care teams, that these records of our source are."""
    rows = await desk.rows(
        f"select id, value, name from carecircle.{table}"
        " where organization_id = :organization and system = :source and value = any(:records)",
        source=desk.run.source,
        records=list(records),
    )
    return {row.value: (row.id, row.name) for row in rows}


async def add_named(desk: Desk, table: str, fresh: Mapping[str, Named]) -> None:
    """Add units, or care teams, by record."""
    if fresh:
        await desk.write(
            f"insert into carecircle.{table} (organization_id, id, name, system, value)"
            " select :organization, t.id, t.name, :source, t.value"
            " from unnest(cast(:ids as uuid[]), cast(:names as text[]), cast(:records as text[])) as t (id, name, value)",
            source=desk.run.source,
            ids=[one[0] for one in fresh.values()],
            names=[one[1] for one in fresh.values()],
            records=list(fresh),
        )


async def rename(desk: Desk, table: str, names: Mapping[UUID, str]) -> None:
    if names:
        await desk.write(
            f"update carecircle.{table} e set name = t.name"
            " from unnest(cast(:ids as uuid[]), cast(:names as text[])) as t (id, name)"
            " where e.organization_id = :organization and e.id = t.id",
            ids=list(names),
            names=list(names.values()),
        )


async def providers_with(desk: Desk, wanted: Collection[Identifier]) -> Sequence[Any]:
    """Rows (system, value, provider_id, name) of those of these identifiers that somebody has."""
    if not wanted:
        return []
    return await desk.rows(
        "select i.system, i.value, i.provider_id, p.name from carecircle.provider_identifiers i"
        " join unnest(cast(:systems as text[]), cast(:given as text[])) as t (system, value)"
        "   on i.system = t.system and i.value = t.value"
        " join carecircle.providers p on p.organization_id = i.organization_id and p.id = i.provider_id"
        " where i.organization_id = :organization",
        systems=[one.system for one in wanted],
        given=[one.value for one in wanted],
    )


async def providers_with_value(desk: Desk, values: Collection[str]) -> dict[str, UUID]:
    """Who alone has an identifier of this value, whatever its system."""
    if not values:
        return {}
    rows = await desk.rows(
        "select value, array_agg(distinct provider_id) as owners from carecircle.provider_identifiers"
        " where organization_id = :organization and value = any(:given) group by value",
        given=list(values),
    )
    return {row.value: row.owners[0] for row in rows if len(row.owners) == 1}


async def providers_in_roles(desk: Desk, records: Collection[str]) -> dict[str, UUID]:
    """Whose role these records say it is now."""
    if not records:
        return {}
    rows = await desk.rows(
        "select source_record, provider_id from carecircle.provider_roles"
        " where organization_id = :organization and source = :source and source_record = any(:records)"
        " and source <> '' and superseded_at = 'infinity' order by ends_at, recorded_at, id",
        source=desk.run.source,
        records=list(records),
    )
    return {row.source_record: row.provider_id for row in rows}


async def add_providers(desk: Desk, names: Mapping[UUID, str]) -> None:
    if names:
        await desk.write(
            "insert into carecircle.providers (organization_id, id, name)"
            " select :organization, id, name from unnest(cast(:ids as uuid[]), cast(:names as text[])) as t (id, name)",
            ids=list(names),
            names=list(names.values()),
        )


async def add_provider_identifiers(desk: Desk, pairs: Sequence[tuple[Identifier, UUID]]) -> None:
    """Register those of these identifiers that nobody has."""
    if pairs:
        await desk.write(
            "insert into carecircle.provider_identifiers (organization_id, system, value, provider_id)"
            " select :organization, system, value, provider_id"
            " from unnest(cast(:systems as text[]), cast(:given as text[]), cast(:ids as uuid[]))"
            " as t (system, value, provider_id) on conflict do nothing",
            systems=[one.system for one, _ in pairs],
            given=[one.value for one, _ in pairs],
            ids=[owner for _, owner in pairs],
        )


async def patients_with(desk: Desk, wanted: Collection[Identifier]) -> dict[Identifier, tuple[UUID, bytes | None]]:
    """Who has these identifiers, each with their sealed demographics."""
    index = {desk.run.blind(one): one for one in wanted}
    if not index:
        return {}
    rows = await desk.rows(
        "select i.blind_index, i.patient_id, p.demographics from carecircle.patient_identifiers i"
        " join carecircle.patients p on p.organization_id = i.organization_id and p.id = i.patient_id"
        " where i.organization_id = :organization and i.blind_index = any(:blind)",
        blind=list(index),
    )
    return {index[bytes(row.blind_index)]: (row.patient_id, row.demographics) for row in rows}


async def add_patients(desk: Desk, sealed: Mapping[UUID, bytes | None]) -> None:
    if sealed:
        await desk.write(
            "insert into carecircle.patients (organization_id, id, demographics)"
            " select :organization, id, demographics"
            " from unnest(cast(:ids as uuid[]), cast(:sealed as bytea[])) as t (id, demographics)",
            ids=list(sealed),
            sealed=list(sealed.values()),
        )


async def edit_patients(desk: Desk, sealed: Mapping[UUID, bytes | None]) -> None:
    if sealed:
        await desk.write(
            "update carecircle.patients p set demographics = t.demographics"
            " from unnest(cast(:ids as uuid[]), cast(:sealed as bytea[])) as t (id, demographics)"
            " where p.organization_id = :organization and p.id = t.id",
            ids=list(sealed),
            sealed=list(sealed.values()),
        )


async def add_patient_identifiers(desk: Desk, pairs: Sequence[tuple[Identifier, UUID]]) -> None:
    """Register those of these identifiers that nobody has."""
    if not pairs:
        return
    run = desk.run
    blind = [run.blind(one) for one, _ in pairs]
    await desk.write(
        "insert into carecircle.patient_identifiers (organization_id, blind_index, patient_id, identifier)"
        " select :organization, blind_index, patient_id, identifier"
        " from unnest(cast(:blind as bytea[]), cast(:ids as uuid[]), cast(:sealed as bytea[]))"
        " as t (blind_index, patient_id, identifier) on conflict do nothing",
        blind=blind,
        ids=[owner for _, owner in pairs],
        sealed=[
            run.keyring.seal(str(one).encode(), run.organization_id, "patient_identifiers", "identifier", index)
            for (one, _), index in zip(pairs, blind, strict=True)
        ],
    )
