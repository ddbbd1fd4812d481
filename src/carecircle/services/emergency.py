"""EmergencyAccessManager: breaking the glass, in the assignment-system document's names; and a block with broken glass."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from carecircle.actor import Actor, actor_of, organization_of
from carecircle.audit.entry import Entry, append
from carecircle.audit.refusal import is_refusal, record_refusal
from carecircle.database.session import transaction
from carecircle.emergency import deciding_service, ending_service, opening_service, reading_service
from carecircle.emergency.concern_service import naming
from carecircle.emergency.reading_service import Emergency
from carecircle.errors import CareCircleError, StaleVersion
from carecircle.errors.emergency import GrantEnded
from carecircle.identifiers import Identifier, parse_id, to_text
from carecircle.notices.listening import changes

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sqlalchemy.ext.asyncio import AsyncSession

    from carecircle.bootstrap import CareCircle

AnyId = UUID | str | Identifier
T = TypeVar("T")
TRIES = 5
_FINAL = frozenset({"denied", "ended", "expired", "reviewed"})


class BreakGlassReason(StrEnum):
    """Everybody's coded reasons; an organization's policy may add codes of its own."""

    LIFE_THREAT = "life-threat"
    UNRESPONSIVE = "unresponsive"
    TRANSFER = "transfer"
    CROSS_COVER = "cross-cover"
    CONSULT = "consult"
    DISASTER = "disaster"
    OTHER = "other"


class EmergencyAccessManager:
    """Emergency access, as the assignment-system document names it.

    Each call is a transaction of its own; what is refused is recorded all the same. Organization and actor come from the
    constructor, or from `carecircle.acting_as(…)` around the call; with neither, OrganizationRequired or ActorRequired.
    An actor who is a provider (`provider:ID`) acts for themselves only: NotThemselves otherwise.
    """

    def __init__(
        self,
        circle: CareCircle | AsyncEngine,
        *,
        organization: UUID | str | None = None,
        actor: Actor | str | None = None,
    ) -> None:
        self._engine = circle if isinstance(circle, AsyncEngine) else circle.engine
        self._organization = organization
        self._actor = actor

    async def request_emergency_access(
        self,
        provider_id: AnyId,
        patient_id: AnyId,
        reason: str,
        duration_hours: float = 24,
        *,
        note: str = "",
        reason_code: str | None = None,
        scope: Sequence[str] = ("read",),
        unit: AnyId | None = None,
        attested: bool = False,
        authenticated_at: datetime | None = None,
    ) -> str:
        """Open a patient's record in an emergency, and tell a supervisor in the same transaction; the access's id.

        `reason` is a BreakGlassReason, with `note` for words beside it; any other text is kept as the words of a reason
        coded `other`, or as `reason_code` says, such as a code of the policy's own. It opens at once, for minutes and to
        read, unless the policy says otherwise; `duration_hours` is what it lasts once a supervisor approves, as far as the
        policy allows. Ask `circle.access.check` as always: where the policy makes it wait for an approval, that says no
        until then.

        Raises MayNotBreakGlass, OwnRecord, EmergencyAccessRefused, StepUpRequired, AttestationRequired, ReasonRequired,
        EmergencyAccessOpen (naming the one that is open), PatientNotRegistered, ProviderNotRegistered, DatabaseUnavailable.
        """
        words = [note] if isinstance(reason, BreakGlassReason) else [reason, note]
        code = str(reason) if isinstance(reason, BreakGlassReason) else reason_code or "other"
        row = await self._do(
            lambda db, **who: opening_service.request(
                db,
                provider=provider_id,
                patient=patient_id,
                reason_code=code,
                words="\n".join(filter(None, words)),
                hours=duration_hours,
                scope=scope,
                unit=unit,
                attested=attested,
                authenticated_at=authenticated_at,
                **who,
            )
        )
        return to_text(row.lineage_id)

    async def approve_emergency_access(
        self,
        access_id: UUID | str,
        supervisor_id: AnyId,
        *,
        hours: float | None = None,
        scope: Sequence[str] | None = None,
    ) -> bool:
        """Approve as asked, or shorter: `hours` after it was opened, or narrower. False while a second person must approve too.

        Raises NotAnApprover, SelfApproval, AlreadyDecided, GrantEnded, EmergencyAccessNotFound.
        """
        row = await self._about(
            access_id,
            lambda db, emergency_id, **who: deciding_service.approve(
                db, emergency_id=emergency_id, approver=supervisor_id, hours=hours, scope=scope, **who
            ),
        )
        return row.state == "approved"

    async def deny_emergency_access(self, access_id: UUID | str, supervisor_id: AnyId, words: str) -> None:
        """Deny and end at once; `words` say why. Raises as approving does."""
        await self._about(
            access_id,
            lambda db, emergency_id, **who: deciding_service.deny(
                db, emergency_id=emergency_id, approver=supervisor_id, words=words, **who
            ),
        )

    async def end_emergency_access(self, access_id: UUID | str, provider_id: AnyId) -> None:
        """End it now: its own provider needs it no longer. Raises NotThemselves, GrantEnded, EmergencyAccessNotFound."""
        await self._about(
            access_id,
            lambda db, emergency_id, **who: ending_service.end(
                db, emergency_id=emergency_id, provider=provider_id, **who
            ),
        )

    async def get_emergency_access(self, access_id: UUID | str) -> Emergency:
        """How it stands by the database's clock; that somebody looked is recorded. Raises EmergencyAccessNotFound."""
        organization, actor = organization_of(self._organization), actor_of(self._actor)
        async with transaction(self._engine, organization) as db:
            found = await reading_service.show(db, emergency_id=parse_id(access_id), organization=organization)
            detail = {"emergency": to_text(found.id)}
            await append(
                db,
                Entry(
                    organization, "reading", actor, "emergency-read",
                    provider_id=found.provider_id, patient_id=found.patient_id, detail=detail,
                ),
            )  # fmt: skip
            return found

    async def standing(self, access_id: UUID | str) -> Emergency:
        """The same for the block that opened it, which need not be recorded again. Raises EmergencyAccessNotFound."""
        organization = organization_of(self._organization)
        async with transaction(self._engine, organization) as db:
            return await reading_service.show(db, emergency_id=parse_id(access_id), organization=organization)

    async def _about(self, access_id: UUID | str, work: Callable[..., Awaitable[T]]) -> T:
        emergency_id = parse_id(access_id)

        async def named(db: AsyncSession, **who: Any) -> T:
            async with naming(db, emergency_id=emergency_id, organization=who["organization"]):
                return await work(db, emergency_id, **who)

        return await self._do(named)

    async def _do(self, work: Callable[..., Awaitable[T]]) -> T:
        organization, actor = organization_of(self._organization), actor_of(self._actor)
        try:
            async with transaction(self._engine, organization) as db:
                return await work(db, organization=organization, actor=actor)
        except CareCircleError as error:
            if is_refusal(error):
                await record_refusal(self._engine, organization, actor, error)
            raise


@dataclass(frozen=True, slots=True)
class GlassEvent:
    """The emergency access changed: its state, until when it holds, and whether nothing can follow (`final`)."""

    state: str
    ends_at: datetime | None
    final: bool


class Glass:
    """Broken glass: what was opened, how it stands, and what becomes of it."""

    def __init__(self, manager: EmergencyAccessManager, emergency: Emergency, organization: UUID, address: str) -> None:
        self._manager = manager
        self._emergency = emergency
        self._organization = organization
        self._address = address
        self.kept = False

    @property
    def id(self) -> str:
        return to_text(self._emergency.id)

    @property
    def reference(self) -> str:
        """How people call it: BG- and six characters."""
        return self._emergency.reference

    @property
    def state(self) -> str:
        """As last seen: `provisional` and `approved` let in; `requested` waits for an approval."""
        return self._emergency.state

    @property
    def ends_at(self) -> datetime | None:
        return self._emergency.ends_at

    def keep_until_expiry(self) -> None:
        """Leave it open after the block, until its own end."""
        self.kept = True

    async def events(self) -> AsyncIterator[GlassEvent]:
        """How it stands now, and every change, as it happens; after the final one there is no more."""
        last: GlassEvent | None = None
        async for _ in changes(self._address, self._organization, every=1.0):
            self._emergency = await self._manager.standing(self._emergency.id)
            seen = GlassEvent(self.state, self.ends_at, self.state in _FINAL)
            if seen != last:
                yield seen
                last = seen
            if seen.final:
                return


class GlassBreaker:
    """Opens glass for the length of a block: what `Access.break_glass` calls."""

    def __init__(self, engine: AsyncEngine, address: str) -> None:
        self._engine = engine
        self._address = address

    @asynccontextmanager
    async def __call__(
        self,
        provider: AnyId,
        patient: AnyId,
        *,
        reason: str,
        note: str,
        want: timedelta | None,
        scope: Sequence[str],
        organization: UUID | str | None = None,
        actor: Actor | str | None = None,
        **said: Any,
    ) -> AsyncIterator[Glass]:
        manager = EmergencyAccessManager(
            self._engine, organization=organization_of(organization), actor=actor_of(actor)
        )
        hours = 24 if want is None else want / timedelta(hours=1)
        access_id = await manager.request_emergency_access(
            provider, patient, note, hours, reason_code=str(reason), scope=scope, **said
        )
        glass: Glass | None = None
        try:
            glass = Glass(manager, await manager.standing(access_id), organization_of(organization), self._address)
            yield glass
        finally:
            if glass is None or not glass.kept:
                await _close(manager, access_id, provider)


async def _close(manager: EmergencyAccessManager, access_id: str, provider: AnyId) -> None:
    """End it, unless it has ended: denied, expired, or a relationship took its place. Raises DatabaseUnavailable."""
    for attempt in range(1, TRIES + 1):
        try:
            await manager.end_emergency_access(access_id, provider)
        except GrantEnded:
            return
        except StaleVersion:  # it was changed in this very moment, and is as open as before
            if attempt == TRIES:
                raise
            await asyncio.sleep(0.05 * attempt)
        else:
            return
