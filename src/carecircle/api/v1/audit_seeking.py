"""What of the audit trail a request looks for: the filters that searching and exporting share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

from fastapi import Depends, Query
from pydantic import AfterValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from carecircle.api.v1.shapes import UNUSABLE, Instant, OwnId, Text
from carecircle.audit.search import BASES, KINDS, Filter
from carecircle.directory.same_person_service import every_id
from carecircle.errors import InvalidPeriod
from carecircle.identifiers import OrganizationId

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession


def _one_of(known: Sequence[str]) -> Callable[[str], str]:
    def check(given: str) -> str:
        if given not in known:
            raise PydanticCustomError(UNUSABLE, f"No entry has it; known are {', '.join(known)}.")
        return given

    return check


Kind = Annotated[str, AfterValidator(_one_of(KINDS)), WithJsonSchema({"type": "string", "enum": list(KINDS)})]
Basis = Annotated[str, AfterValidator(_one_of(BASES)), WithJsonSchema({"type": "string", "enum": list(BASES)})]


@dataclass(frozen=True, slots=True)
class Sought:
    """The filters as they were sent; `patient` is any of the ids under which one patient is on record."""

    patient: UUID | None
    others: Filter

    async def meant(self, db: AsyncSession, organization: OrganizationId) -> Filter:
        """The filter, with all the ids of the patient."""
        if self.patient is None:
            return self.others
        told = {name: getattr(self.others, name) for name in Filter.__slots__}
        return Filter(**told | {"patient_ids": await every_id(db, organization, self.patient)})


async def _sought(
    since: Annotated[Instant | None, Query(alias="from", description="Recorded at or after.")] = None,
    until: Annotated[Instant | None, Query(alias="to", description="Recorded before.")] = None,
    provider: OwnId | None = None,
    patient: OwnId | None = None,
    actor: Text | None = None,
    kind: Kind | None = None,
    code: Text | None = None,
    allowed: bool | None = None,
    basis: Basis | None = None,
    emergency: OwnId | None = None,
    request_id: Text | None = None,
    address: Text | None = None,
) -> Sought:
    """Raises InvalidPeriod."""
    if since is not None and until is not None and since >= until:
        raise InvalidPeriod("The search must begin (from) before it ends (to).")
    return Sought(
        patient,
        Filter(
            since=since, until=until, provider_id=provider, actor=actor, kind=kind, code=code,
            allowed=allowed, basis=basis, emergency=emergency, request_id=request_id, address=address,
        ),
    )  # fmt: skip


Seeking = Annotated[Sought, Depends(_sought)]
"""What a route takes: `sought: Seeking`."""
