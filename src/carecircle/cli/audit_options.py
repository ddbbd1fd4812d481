"""What the audit commands share: the filters, and how what was said in them becomes a filter of one organization."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from carecircle.audit.search import BASES, KINDS
from carecircle.cli.break_glass_options import meant
from carecircle.cli.circle import Desk
from carecircle.cli.clock import Clock
from carecircle.errors import InvalidPeriod, InvalidRequest, PatientNotRegistered
from carecircle.identifiers import OrganizationId

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from carecircle.audit.search import Filter

FromOption = Annotated[
    str | None,
    typer.Option("--from", metavar="INSTANT", help="Recorded at or after: ISO 8601, or a local day and time."),
]
UntilOption = Annotated[str | None, typer.Option("--to", "--until", metavar="INSTANT", help="Recorded before.")]
ProviderOption = Annotated[
    str | None, typer.Option("--provider", metavar="PROVIDER", help="About this provider: an id or identifier.")
]
PatientOption = Annotated[
    str | None, typer.Option("--patient", metavar="PATIENT", help="About this patient: an id or identifier.")
]
ActorOption = Annotated[str | None, typer.Option("--actor", metavar="ACTOR", help="By whom, as in provider:01K….")]
KindOption = Annotated[
    str | None,
    typer.Option("--kind", metavar="KIND", help=f"{', '.join(KINDS[:-1])} or {KINDS[-1]}.")
]  # fmt: skip
CodeOption = Annotated[
    str | None, typer.Option("--code", metavar="CODE", help="What happened, as in primary-assigned.")
]
AllowedOption = Annotated[bool | None, typer.Option("--allowed/--denied", help="Only answers that let in, or did not.")]
BasisOption = Annotated[
    str | None, typer.Option("--basis", metavar="KIND", help="Only what rested on this, as in care_team.")
]
EmergencyOption = Annotated[
    str | None, typer.Option("--emergency", metavar="ID", help="About this emergency access: its id or BG- reference.")
]
RequestOption = Annotated[
    str | None, typer.Option("--request-id", metavar="ID", help="Of this request, as the host numbered it.")
]
AddressOption = Annotated[str | None, typer.Option("--address", metavar="ADDRESS", help="From this network address.")]


@contextmanager
def looked_for() -> Iterator[None]:
    """Around a look for a patient: who only reads is not advised to register whom they do not find."""
    try:
        yield
    except PatientNotRegistered as error:
        raise PatientNotRegistered(
            "No patient of this organization has this number; check the number and the organization (--organization).",
            **error.facts,
        ) from None


@dataclass(frozen=True)
class Said:
    """The filters as they were typed."""

    since: str | None = None
    until: str | None = None
    provider: str | None = None
    patient: str | None = None
    actor: str | None = None
    kind: str | None = None
    code: str | None = None
    allowed: bool | None = None
    basis: str | None = None
    emergency: str | None = None
    request_id: str | None = None
    address: str | None = None

    def __post_init__(self) -> None:
        """Raises InvalidRequest for a kind or a basis that no entry has."""
        for option, said, known in (("--kind", self.kind, KINDS), ("--basis", self.basis, BASES)):
            if said is not None and said not in known:
                raise InvalidRequest(f"{option} {said}: no entry has it; known are {', '.join(known)}.")

    def about_the_actor(self) -> str:
        """What to say where nothing fits: how an actor is written, if this one is not written so; else nothing."""
        if self.actor is None or ":" in self.actor:
            return ""
        return " An actor is written with what it is, as in provider:01K…, service:ehr or operator:anna."

    async def meant(self, desk: Desk, clock: Clock) -> Filter:
        """The filter. Raises PatientNotRegistered, ProviderNotRegistered, EmergencyAccessNotFound, and InvalidRequest."""
        from carecircle.audit.search import Filter
        from carecircle.directory.same_person_service import every_id
        from carecircle.directory.service import resolve_provider

        since, until = clock.instant(self.since), clock.instant(self.until)
        if since is not None and until is not None and since >= until:
            raise InvalidPeriod("The search must begin (--from) before it ends (--to).")

        async def look(session: AsyncSession) -> Filter:
            tenant = OrganizationId(desk.organization)
            with looked_for():
                patients = None if self.patient is None else await every_id(session, tenant, self.patient)
            return Filter(
                since=since,
                until=until,
                provider_id=None if self.provider is None else await resolve_provider(session, tenant, self.provider),
                patient_ids=patients,
                actor=self.actor,
                kind=self.kind,
                code=self.code,
                allowed=self.allowed,
                basis=self.basis,
                emergency=None if self.emergency is None else await meant(session, self.emergency),
                request_id=self.request_id,
                address=self.address,
            )

        return await desk.change(look)
