"""Whom a guard asks: one small protocol that Access, the clients and the testing kit fulfil, and who is asking."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeGuard, cast
from uuid import UUID

import structlog

from carecircle.actor import Actor
from carecircle.errors import (
    AccessUnavailable,
    CareCircleError,
    InvalidIdentifier,
    InvalidRequest,
    InvalidSetting,
    Unauthenticated,
)
from carecircle.hosts.refusal import AccessDenied, Decided
from carecircle.identifiers import Identifier

if TYPE_CHECKING:  # whoever asks over HTTP does not load what asks in process
    from carecircle.access.service import Access

log = structlog.get_logger("carecircle.hosts")


class Listed(Protocol):
    """One row of a list: whom it is about."""

    @property
    def id(self) -> UUID: ...


class Found(Protocol):
    """A list answer."""

    @property
    def rows(self) -> Sequence[Listed]: ...


class Asks(Protocol):
    """What can be asked on an event loop: AsyncClient, Access (inside `acting_as`, or as Within), FakeAccess."""

    async def check(
        self, provider: str, action: str, patient: str, *, purpose: str = ..., request_id: str | None = ...
    ) -> Decided: ...

    async def list_patients(
        self, provider: str, action: str = ..., *, purpose: str = ..., request_id: str | None = ...
    ) -> Found: ...


class AsksNow(Protocol):
    """The same for programs that block: Client, and FakeAccess.now."""

    def check(
        self, provider: str, action: str, patient: str, *, purpose: str = ..., request_id: str | None = ...
    ) -> Decided: ...

    def list_patients(
        self, provider: str, action: str = ..., *, purpose: str = ..., request_id: str | None = ...
    ) -> Found: ...


AnyAsks = Asks | AsksNow


class Within:
    """An Access in this process, asked for one organization in one actor's name."""

    def __init__(self, access: Access, *, organization: UUID | str, actor: Actor | str) -> None:
        self._access = access
        self._organization = organization
        self._actor = actor

    async def check(
        self, provider: str, action: str, patient: str, *, purpose: str = "TREAT", request_id: str | None = None
    ) -> Decided:
        return await self._access.check(
            provider, action, patient, purpose=purpose, request_id=request_id,
            organization=self._organization, actor=self._actor,
        )  # fmt: skip

    async def list_patients(
        self, provider: str, action: str = "read", *, purpose: str = "TREAT", request_id: str | None = None
    ) -> Found:
        return await self._access.list_patients(
            provider, action, purpose=purpose, request_id=request_id,
            organization=self._organization, actor=self._actor,
        )  # fmt: skip


class Asker(NamedTuple):
    """Who asks: a provider, and, for a host that serves several organizations, through what their organization is asked."""

    provider: str
    asks: AnyAsks | None = None


class Wanted(NamedTuple):
    """What a guard wants to know."""

    action: str
    patient: str
    purpose: str = "TREAT"
    request_id: str | None = None


_everywhere: list[AnyAsks] = []
_here: ContextVar[AnyAsks | None] = ContextVar("carecircle_asks", default=None)


def use(asks: AnyAsks) -> None:
    """What guards of this process ask, unless they are told otherwise."""
    _everywhere[:] = [asks]


@contextmanager
def using(asks: AnyAsks) -> Iterator[None]:
    """What guards ask inside the block, in this task and those it starts."""
    token = _here.set(asks)
    try:
        yield
    finally:
        _here.reset(token)


@contextmanager
def replacing(asks: AnyAsks) -> Iterator[None]:
    """What guards of this process ask inside the block, on every thread: for tests."""
    before = _everywhere[:]
    use(asks)
    try:
        yield
    finally:
        _everywhere[:] = before


def in_use() -> AnyAsks:
    """What is asked here. Raises InvalidSetting where nobody said."""
    asks = _here.get()
    if asks is not None:
        return asks
    if not _everywhere:
        raise InvalidSetting("Say whom the guards ask: carecircle.hosts.use(client).")
    return _everywhere[0]


def asker_of(identified: object) -> Asker:
    """Who asks, as a host's `identify` said it. Raises Unauthenticated when it named nobody."""
    if isinstance(identified, Asker) and identified.provider:
        return identified
    if isinstance(identified, UUID):
        return Asker(str(identified))
    if isinstance(identified, str) and identified:
        return Asker(identified)
    raise Unauthenticated("Nobody is signed in here who could ask.")


def patient_named(given: object, system: str | None) -> str:
    """The patient as carecircle knows it: an id of ours, `system|value`, or a host's own value under `system`.

    Raises InvalidIdentifier for what a host may read otherwise than we do: nothing, or blanks around it.
    """
    named = isinstance(given, str | UUID | Identifier) or (isinstance(given, int) and not isinstance(given, bool))
    text = str(given) if named else ""
    if not text or text != text.strip() or not text.isprintable():
        raise InvalidIdentifier("The patient is not named, or with characters that no id has.")
    return text if system is None else f"{system}|{text}"


async def granted_by(asks: AnyAsks, provider: str, wanted: Wanted) -> Decided:
    """The decision, if it is yes. Raises AccessDenied with it if it is no, AccessUnavailable if there is none."""
    if not is_async(asks):
        return await asyncio.to_thread(granted_now, asks, provider, wanted)
    with answered():
        decided = await asks.check(
            provider, wanted.action, wanted.patient, purpose=wanted.purpose, request_id=wanted.request_id
        )
    return _yes(decided)


def granted_now(asks: AnyAsks, provider: str, wanted: Wanted) -> Decided:
    """The same for programs that block."""
    with answered():
        decided = now(asks).check(
            provider, wanted.action, wanted.patient, purpose=wanted.purpose, request_id=wanted.request_id
        )
    return _yes(decided)


@contextmanager
def answered() -> Iterator[None]:
    """What the service has against this application (its key has ended, say) is no answer to who asks through it."""
    try:
        yield
    except (AccessUnavailable, InvalidRequest):
        raise
    except CareCircleError as error:
        log.error("carecircle refused this application's question", code=error.code)  # noqa: TRY400  its text is not needed
        raise AccessUnavailable("carecircle refused this application's question; nobody may be let in.") from None


def now(asks: AnyAsks) -> AsksNow:
    """What can be asked without an event loop: itself, or its face `now`. Raises InvalidSetting where there is neither."""
    if not is_async(asks):
        return cast("AsksNow", asks)
    face = getattr(asks, "now", None)
    if face is None:
        raise InvalidSetting("A function that blocks needs an asker that does: carecircle.client.Client.")
    return cast("AsksNow", face)


def is_async(asks: AnyAsks) -> TypeGuard[Asks]:
    return inspect.iscoroutinefunction(asks.check)


def _yes(decided: Decided) -> Decided:
    """Only the value True is a yes."""
    if decided.allowed is True:
        return decided
    if decided.allowed is False:
        raise AccessDenied(decided)
    raise AccessUnavailable("What was asked gave neither yes nor no; nobody may be let in.")
