"""The questions: check, check_many, list_patients, list_providers, explain. Every answer is recorded before it is given."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypedDict, Unpack
from uuid import UUID

import asyncpg
import structlog

from carecircle.access import bearer as bearers
from carecircle.access.batch import Batcher, Connect
from carecircle.access.decide import for_every_organization
from carecircle.access.decision import (
    AccessDecision,
    Bearer,
    Listing,
    Question,
    action_code,
    purpose_code,
    request_label,
)
from carecircle.access.explain import Explanation, missing_paths
from carecircle.access.listing import Wanted, listing
from carecircle.access.recorded import Known, Recorded, Replay
from carecircle.access.replay import replay
from carecircle.actor import Actor, actor_of, organization_of
from carecircle.database.constraints import translate
from carecircle.database.crypto import Keyring
from carecircle.database.data_keys import know_on
from carecircle.directory.following_service import following
from carecircle.errors import AccessUnavailable, InvalidRequest
from carecircle.identifiers import Identifier, new_id, parse_reference
from carecircle.period import usable

if TYPE_CHECKING:
    from carecircle.services.emergency import Glass

AnyId = UUID | str | Identifier
OnUnavailable = Callable[[AccessUnavailable], None]
log = structlog.get_logger("carecircle.access")
_NO_NEAREST = ("unknown-action", "restricted", "not-admitted", "outside-scope")
_SURVIVOR_OF = following(organization="$1", wanted="$2", believed_at="$3")


class Circumstances(TypedDict, total=False):
    """What may be said about any question; organization and actor may also come from `carecircle.acting_as`.

    `as_of` and `believed_at` are aware instants, now by default; `purpose` is an HL7 v3 PurposeOfUse code.
    """

    organization: UUID | str | None
    actor: Actor | str | None
    purpose: str
    as_of: datetime | None
    believed_at: datetime | None
    request_id: str | None
    bearer: Bearer | None
    permission: str


class Access:
    """Asks, on connections of its own as carecircle_decider: a host's transaction neither delays nor undoes an answer.

    `connect` makes such a connection. Ids are ULIDs, UUIDs, `system|value` or a bare identifier. Every method raises
    AccessUnavailable when the answer cannot be recorded: treat it as no, and tell an operator. `on_unavailable` is called
    with every such error before it is raised, to ring a bell or show a ward its downtime procedure: it can change nothing,
    and what it raises is only logged.
    """

    def __init__(
        self,
        connect: Connect,
        keyring: Keyring,
        *,
        lanes: int = 1,
        batch: int = 128,
        timeout: float = 5.0,
        on_unavailable: OnUnavailable | None = None,
        glass: Callable[..., AbstractAsyncContextManager[Glass]] | None = None,
    ) -> None:
        async def serving() -> asyncpg.Connection:
            return await for_every_organization(await connect())

        self._connect = serving
        self._keyring = keyring
        self._timeout = timeout
        self._on_unavailable = on_unavailable
        self._glass = glass
        self._batcher = Batcher(serving, keyring, lanes=lanes, most=batch, timeout=timeout)
        self._readers: list[asyncpg.Connection] = []
        self._reading = asyncio.Semaphore(4)

    async def check(
        self, provider: AnyId, action: str, patient: AnyId, **said: Unpack[Circumstances]
    ) -> AccessDecision:
        """May this provider do this to this patient? A denial says what came nearest and what would help."""
        return (await self.explain(provider, action, patient, **said)).decision

    async def check_many(
        self, provider: AnyId, action: str, patients: Iterable[AnyId], **said: Unpack[Circumstances]
    ) -> list[AccessDecision]:
        """The same question about many patients, answered in their order: all of them, or an error."""
        return list(await asyncio.gather(*(self.check(provider, action, patient, **said) for patient in patients)))

    async def explain(self, provider: AnyId, action: str, patient: AnyId, **said: Unpack[Circumstances]) -> Explanation:
        """The decision, and on a denial every path that came near, nearest first."""
        organization_id, actor = organization_of(said.get("organization")), actor_of(said.get("actor"))
        decision = await self.ask(
            Question(
                organization_id,
                await self.resolve_provider(organization_id, provider),
                await self.resolve_patient(organization_id, patient),
                action_code(action),
                actor.name,
                purpose_code(said.get("purpose", "TREAT")),
                request_label(said.get("request_id")),
                _instant(said.get("as_of")),
                _instant(said.get("believed_at")),
                actor.on_behalf_of,
                actor.address,
                said.get("bearer"),
                said.get("permission", "ask"),
            )
        )
        if decision.allowed or decision.code in _NO_NEAREST:
            # What is nearest is a path that lacks something; a restriction takes away paths that lack nothing.
            return Explanation(decision, ())
        async with self.reader() as connection:
            missing = await missing_paths(connection, decision)
        return Explanation(replace(decision, nearest=missing[0] if missing else None), missing)

    async def ask(self, question: Question) -> AccessDecision:
        """Answer a question whose ids are resolved, without looking for what came near: what the HTTP route calls.

        Asked about a record that was merged into another, it is asked again about that one: two questions, two entries.
        """
        return await self.followed(await self.begin(question))

    def begin(self, question: Question) -> asyncio.Future[AccessDecision]:
        """Ask, and have the first answer later, without a task for it: what the hot route does. See `followed`.

        Raises AccessUnavailable, at once or as the answer.
        """
        try:
            answer = self._batcher.put(question)
        except AccessUnavailable as error:
            self._tell(error)
            raise
        if self._on_unavailable is not None:
            answer.add_done_callback(self._tell_of)
        return answer

    async def followed(self, decision: AccessDecision) -> AccessDecision:
        """The answer about the record that survives, where the one asked about was merged into it."""
        if decision.code == "patient-merged":
            question = decision.question
            survivor = await self._survivor(question.organization_id, question.patient_id, question.believed_at)
            if survivor != question.patient_id:
                return await self.begin(question._replace(patient_id=survivor))
        return decision

    def bound(self, *, most_waiting: int, longest_wait: float) -> None:
        """From now on refuse, with TooBusy and without a record, who would be one too many or would wait for too long."""
        self._batcher.bound(most_waiting=most_waiting, longest_wait=longest_wait)

    async def list_patients(self, provider: AnyId, action: str = "read", **said: Unpack[Circumstances]) -> Listing:
        """Every patient to whom this provider may do this: exactly those for whom `check` says yes at that instant."""
        return await self._list("patients", provider, action, said)

    async def list_providers(self, patient: AnyId, action: str = "read", **said: Unpack[Circumstances]) -> Listing:
        """Everybody who may do this to this patient: exactly those for whom `check` says yes at that instant."""
        listed = await self._list("providers", patient, action, said)
        if listed.code == "patient-merged":
            organization_id = organization_of(said.get("organization"))
            asked = await self.resolve_patient(organization_id, patient)
            survivor = await self._survivor(organization_id, asked, _instant(said.get("believed_at")))
            if survivor != asked:
                return await self._list("providers", survivor, action, said)
        return listed

    async def replay(self, entry: Recorded, known: Known) -> Replay:
        """A recorded answer given again from what was known then; nothing is recorded. See access/replay_service.py."""
        async with self.reader() as connection:
            return await replay(connection, entry, known, self._keyring)

    def break_glass(
        self,
        provider: AnyId,
        patient: AnyId,
        *,
        reason: str,
        note: str = "",
        want: timedelta | None = None,
        scope: Sequence[str] = ("read",),
        **said: Any,
    ) -> AbstractAsyncContextManager[Glass]:
        """Emergency access for the length of a block: opened and told at its start, ended at its end, even when it fails.

        `reason` is a code (BreakGlassReason, or one the policy adds), `note` the words beside it, `want` how long it is
        wanted, 24 hours by default. `said` may name organization, actor, unit, attested and authenticated_at. Raises what
        `EmergencyAccessManager.request_emergency_access` raises.
        """
        if self._glass is None:
            raise InvalidRequest("Only an Access that carecircle.assemble made can break the glass.")
        return self._glass(provider, patient, reason=reason, note=note, want=want, scope=scope, **said)

    async def close(self) -> None:
        """Answer who waits already, then let the connections go."""
        await self._batcher.close()
        while self._readers:
            await self._readers.pop().close()

    async def _list(self, wanted: Wanted, given: AnyId, action: str, said: Circumstances) -> Listing:
        organization_id = organization_of(said.get("organization"))
        resolve = self.resolve_provider if wanted == "patients" else self.resolve_patient
        entry_id = new_id()
        given_id = await resolve(organization_id, given)
        async with self.reader() as connection:
            return await listing(
                connection,
                wanted,
                organization_id=organization_id,
                given=given_id,
                action=action_code(action),
                actor=actor_of(said.get("actor")),
                purpose=purpose_code(said.get("purpose", "TREAT")),
                request_id=request_label(said.get("request_id")),
                entry_id=entry_id,
                mark=self._keyring.marks([(organization_id, entry_id)])[0],
                digest_key=self._keyring.digest_key(organization_id, entry_id),
                as_of=_instant(said.get("as_of")),
                believed_at=_instant(said.get("believed_at")),
            )

    async def standing(self, organization_id: UUID, bearer: Bearer) -> bearers.Standing:
        """What this bearer may in the organization at this instant, read on the primary; nothing is recorded."""
        async with self.reader() as connection:
            return await bearers.standing(connection, organization_id, bearer)

    async def resolve_patient(self, organization_id: UUID, patient: AnyId) -> UUID:
        """The id behind a reference, of a record that was merged into another too: the statement notices, and `ask` follows.

        An unknown identifier becomes its blind index: denied, recorded, not readable.
        """
        reference = parse_reference(patient)
        if isinstance(reference, UUID):
            return reference
        async with self.reader() as connection:
            await know_on(connection, self._keyring, organization_id)
            known: UUID | None = await connection.fetchval(
                "select patient_id from carecircle.patient_identifiers where organization_id = $1 and blind_index = $2",
                organization_id,
                self._keyring.blind_index(reference, organization_id),
            )
        return known or self.unreadable(organization_id, reference)

    async def resolve_provider(self, organization_id: UUID, provider: AnyId) -> UUID:
        """The id behind a reference; an unknown identifier becomes its blind index, and is denied as unknown."""
        reference = parse_reference(provider)
        if isinstance(reference, UUID):
            return reference
        async with self.reader() as connection:
            await know_on(connection, self._keyring, organization_id)
            known: UUID | None = await connection.fetchval(
                "select provider_id from carecircle.provider_identifiers"
                " where organization_id = $1 and system = $2 and value = $3",
                organization_id,
                reference.system,
                reference.value,
            )
        return known or self.unreadable(organization_id, reference)

    async def _survivor(self, organization_id: UUID, patient_id: UUID, believed_at: datetime | None) -> UUID:
        async with self.reader() as connection:
            row = await connection.fetchrow(_SURVIVOR_OF, organization_id, [patient_id], believed_at)
        survivor: UUID = row["patient_id"]
        return survivor

    def unreadable(self, organization_id: UUID, reference: Identifier) -> UUID:
        """What stands for somebody nobody registered: it is recorded, and says nothing without the keys."""
        return UUID(bytes=self._keyring.blind_index(reference, organization_id))

    @asynccontextmanager
    async def reader(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection for everything but the deciding statement, for no longer than a decision may take."""
        with self._told():
            try:
                async with asyncio.timeout(self._timeout), self._reading:
                    connection = await self._open_reader()
                    try:
                        yield connection
                    except BaseException:
                        connection.terminate()
                        raise
                    self._readers.append(connection)
            except TimeoutError:
                raise AccessUnavailable("The database took too long; nothing was decided.") from None
            except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError) as error:
                raise translate(error) from None

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except AccessUnavailable as error:
            self._tell(error)
            raise

    def _tell(self, error: AccessUnavailable) -> None:
        """Where an answer cannot be had, whoever wants to hear of it does, before the caller."""
        if self._on_unavailable is not None:
            try:
                self._on_unavailable(error)
            except Exception as failure:  # noqa: BLE001  a bell that breaks must not change what the caller is told
                log.error("on_unavailable failed", kind=type(failure).__name__)  # noqa: TRY400  its text may hold anything

    def _tell_of(self, answer: asyncio.Future[AccessDecision]) -> None:
        if not answer.cancelled() and isinstance(error := answer.exception(), AccessUnavailable):
            self._tell(error)

    async def _open_reader(self) -> asyncpg.Connection:
        while self._readers:
            connection = self._readers.pop()
            if not connection.is_closed():
                return connection
        return await self._connect()


def _instant(instant: datetime | None) -> datetime | None:
    return None if instant is None else usable(instant)
