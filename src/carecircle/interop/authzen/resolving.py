"""Whom an AuthZEN subject and resource mean here: each looked up once in a request, in the organization's own words."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

from carecircle.access.service import Access
from carecircle.identifiers import Identifier, OrganizationId, Reference
from carecircle.interop.authzen.asked import Entity, reference_of
from carecircle.interop.authzen.words_service import Words, words_of
from carecircle.policy import RESOURCE_TYPES, SUBJECT_TYPES


def provider_at_once(subject: Entity) -> UUID | None:
    """Whom a subject means where nobody need be asked: a type that everybody knows, and an id of ours."""
    reference = reference_of(subject.id) if subject.type in SUBJECT_TYPES else None
    return reference if isinstance(reference, UUID) else None


def patient_at_once(resource: Entity) -> UUID | None:
    """Whom a resource means where nobody need be asked."""
    reference = reference_of(resource.id) if resource.type in RESOURCE_TYPES else None
    return reference if isinstance(reference, UUID) else None


class Resolving:
    """The ids behind the entities of one request. Whoever nobody knows has an id too: it is denied, recorded, not readable.

    The organization's words are read where a type is not one that everybody knows.
    """

    def __init__(self, access: Access, organization_id: OrganizationId) -> None:
        self._access = access
        self._organization_id = organization_id
        self._words: Words | None = None
        self._reading = asyncio.Lock()
        self._known: dict[tuple[str, Entity], UUID] = {}

    async def words(self) -> Words:
        """The organization's words, read once."""
        async with self._reading:
            if self._words is None:
                async with self._access.reader() as connection:
                    self._words = await words_of(connection, self._organization_id)
        return self._words

    async def provider(self, subject: Entity) -> UUID:
        """Whom a subject means. Raises AccessUnavailable."""
        key = ("provider", subject)
        if key not in self._known:
            if subject.type in SUBJECT_TYPES:
                reference = reference_of(subject.id)
            else:
                system = (await self.words()).subjects.get(subject.type)
                reference = None if system is None else reference_of(subject.id, system)
            self._known[key] = await self._id_of(subject, reference, self._access.resolve_provider)
        return self._known[key]

    async def patient(self, resource: Entity) -> UUID:
        """Whom a resource means. Raises AccessUnavailable."""
        key = ("patient", resource)
        if key not in self._known:
            if resource.type in RESOURCE_TYPES:
                reference = reference_of(resource.id)
            else:
                system = (await self.words()).resources.get(resource.type)
                reference = None if system is None else reference_of(resource.id, system)
            self._known[key] = await self._id_of(resource, reference, self._access.resolve_patient)
        return self._known[key]

    def nobody(self, entity: Entity) -> UUID:
        """What stands for somebody nobody knows."""
        return self._access.unreadable(self._organization_id, Identifier(f"type:{entity.type}", entity.id))

    async def _id_of(
        self, entity: Entity, reference: Reference | None, resolve: Callable[[UUID, Reference], Awaitable[UUID]]
    ) -> UUID:
        if reference is None:
            return self.nobody(entity)
        return reference if isinstance(reference, UUID) else await resolve(self._organization_id, reference)
