"""Finding out, for a whole batch at once, who the references of its records point at."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from carecircle.directory.following_service import survivors_of
from carecircle.identifiers import Identifier
from carecircle.interop.fhir.directory_tables import (
    patients_with,
    providers_in_roles,
    providers_with,
    providers_with_value,
)
from carecircle.interop.fhir.names import kind_of
from carecircle.interop.fhir.references import PROVIDER_KINDS, Pointer
from carecircle.interop.fhir.service import Desk


class Lookup:
    """Who the pointers it was given are. Pointers that were not given are nobody."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._providers: dict[Identifier, UUID] = {}
        self._by_value: dict[str, UUID] = {}
        self._patients: dict[Identifier, UUID] = {}
        self._survivors: dict[UUID, UUID] = {}

    def provider(self, pointer: Pointer) -> UUID | None:
        for one in pointer.lookups(self._source, PROVIDER_KINDS):
            if (found := self._providers.get(one)) is not None:
                return found
            if pointer.any_system and (found := self._by_value.get(one.value)) is not None:
                return found
        return None

    def patient(self, pointer: Pointer) -> UUID | None:
        """The patient, or the one who stands for them since records were merged."""
        for one in pointer.lookups(self._source, ("Patient",)):
            if (found := self._patients.get(one)) is not None:
                return self.survivor(found)
        return None

    def own(self, pointer: Pointer) -> UUID | None:
        """The patient this record was registered as, whoever stands for them now."""
        found = (self._patients.get(one) for one in pointer.lookups(self._source, ("Patient",)))
        return next((one for one in found if one is not None), None)

    def survivor(self, patient_id: UUID) -> UUID:
        return self._survivors.get(patient_id, patient_id)

    async def find(
        self,
        desk: Desk,
        *,
        providers: Iterable[Pointer] = (),
        patients: Iterable[Pointer] = (),
        merged: Iterable[UUID] = (),
    ) -> None:
        """Look these up: two or three statements, however many there are."""
        wanted = list(providers)
        await self._find_providers(
            desk, {one for pointer in wanted for one in pointer.lookups(self._source, PROVIDER_KINDS)}
        )
        self._by_value |= await providers_with_value(
            desk, {one.identifier.value for one in wanted if one.any_system and one.identifier}
        )
        subjects = {one for pointer in patients for one in pointer.lookups(self._source, ("Patient",))}
        await self._find_patients(desk, subjects)
        await self._find_survivors(desk, {*merged, *self._patients.values()})

    async def _find_providers(self, desk: Desk, wanted: set[Identifier]) -> None:
        rows = await providers_with(desk, wanted)
        self._providers.update({Identifier(row.system, row.value): row.provider_id for row in rows})
        roles = [one.value for one in wanted if one.system == self._source and kind_of(one.value) == "PractitionerRole"]
        # A role may pass from one person to another: what it says now counts before what was registered first.
        for record, provider_id in (await providers_in_roles(desk, roles)).items():
            self._providers[Identifier(self._source, record)] = provider_id

    async def _find_patients(self, desk: Desk, wanted: set[Identifier]) -> None:
        self._patients |= {one: owner for one, (owner, _) in (await patients_with(desk, wanted)).items()}

    async def _find_survivors(self, desk: Desk, patient_ids: set[UUID]) -> None:
        self._survivors |= await survivors_of(desk.session, desk.run.organization_id, patient_ids)
