"""Django: `configure(…)` once, `@require("read", patient="patient_id")` on views, `visible_patients(…)` for lists."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, TypeVar, overload
from uuid import UUID

from asgiref.sync import iscoroutinefunction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse

from carecircle.access.decision import request_label
from carecircle.errors import CareCircleError, InvalidSetting
from carecircle.hosts.asking import (
    AnyAsks,
    Asker,
    Found,
    Wanted,
    answered,
    asker_of,
    granted_by,
    granted_now,
    in_use,
    is_async,
    now,
    patient_named,
    use,
)
from carecircle.hosts.django_any import EqualsAny
from carecircle.hosts.refusal import PROBLEM, Decided, problem_of
from carecircle.hosts.refusal import REFUSALS as REFUSALS

View = TypeVar("View", bound=Callable[..., Any])
Rows = TypeVar("Rows", bound="QuerySet[Any]")
Identify = Callable[[HttpRequest], Any]
Write = Callable[[UUID], object]


class _Configured(NamedTuple):
    identify: Identify


_configured: list[_Configured] = []


def configure(asks: AnyAsks, *, identify: Identify) -> None:
    """Say, once (in an AppConfig's `ready`), whom views ask and who is signed in.

    `asks` is a Client, or a FakeAccess, which serve sync and async views; an AsyncClient or a Within serves async views only.
    `identify` gets the request and gives the id of the provider who is signed in, or None (401); for async views it may be
    async.
    """
    use(asks)
    _configured[:] = [_Configured(identify)]


def require(action: str, *, patient: str, system: str | None = None, purpose: str = "TREAT") -> Callable[[View], View]:
    """Ask before the view runs. `patient` names the view's argument from the path; `system` is put before a host's own value.

    The decision is `request.carecircle_decision` in the view. Refusals are answered as problem details: 403 with remedies,
    503 without an answer, 401 for nobody.
    """

    def guarded(view: View) -> View:
        def wanted(request: HttpRequest, given: dict[str, Any]) -> Wanted:
            if patient not in given:
                raise InvalidSetting(f"This view's path has no parameter {patient}, which its guard names.")
            return Wanted(
                action,
                patient_named(given[patient], system),
                purpose,
                request_label(request.headers.get("X-Request-ID")),
            )

        if iscoroutinefunction(view):

            @functools.wraps(view)
            async def later(request: HttpRequest, *args: Any, **given: Any) -> HttpResponse:
                try:
                    who = await _asker_later(request)
                    decided = await granted_by(who.asks or in_use(), who.provider, wanted(request, given))
                except REFUSALS as error:
                    return refused(error)
                said: HttpResponse = await view(_marked(request, decided), *args, **given)
                return said

            return later  # type: ignore[return-value]  # a view with the same arguments

        @functools.wraps(view)
        def at_once(request: HttpRequest, *args: Any, **given: Any) -> HttpResponse:
            try:
                who = _asker(request)
                decided = granted_now(who.asks or in_use(), who.provider, wanted(request, given))
            except REFUSALS as error:
                return refused(error)
            said: HttpResponse = view(_marked(request, decided), *args, **given)
            return said

        return at_once  # type: ignore[return-value]  # a view with the same arguments

    return guarded


@overload
def visible_patients(
    rows: str, request: HttpRequest, *, action: str = "read", write: Write | None = None
) -> EqualsAny: ...
@overload
def visible_patients(
    rows: Rows, request: HttpRequest, *, field: str = "patient_id", action: str = "read", write: Write | None = None
) -> Rows: ...
def visible_patients(
    rows: Rows | str,
    request: HttpRequest,
    *,
    field: str = "patient_id",
    action: str = "read",
    write: Write | None = None,
) -> Rows | EqualsAny:
    """The rows of a queryset whose patients who is signed in may see; given a field's name, the condition for `filter`.

    It asks at once, and is recorded as one list. `field` holds carecircle's ids: a UUIDField as it is; for another, `write`
    turns a UUID into the column's value (`carecircle.to_text` for ULIDs). The ids go to the database as parameters. Raises
    AccessUnavailable, Unauthenticated.
    """
    who = _asker(request)
    asks, label = now(who.asks or in_use()), request_label(request.headers.get("X-Request-ID"))
    with answered():
        found = asks.list_patients(who.provider, action, request_id=label)
    return _only(rows, field, found, write)


@overload
async def avisible_patients(
    rows: str, request: HttpRequest, *, action: str = "read", write: Write | None = None
) -> EqualsAny: ...
@overload
async def avisible_patients(
    rows: Rows, request: HttpRequest, *, field: str = "patient_id", action: str = "read", write: Write | None = None
) -> Rows: ...
async def avisible_patients(
    rows: Rows | str,
    request: HttpRequest,
    *,
    field: str = "patient_id",
    action: str = "read",
    write: Write | None = None,
) -> Rows | EqualsAny:
    """The same for async views."""
    who = await _asker_later(request)
    asks, label = who.asks or in_use(), request_label(request.headers.get("X-Request-ID"))
    with answered():
        if is_async(asks):
            found = await asks.list_patients(who.provider, action, request_id=label)
        else:
            found = await asyncio.to_thread(now(asks).list_patients, who.provider, action, request_id=label)
    return _only(rows, field, found, write)


def _only(rows: Rows | str, field: str, found: Found, write: Write | None) -> Rows | EqualsAny:
    ids = [row.id if write is None else write(row.id) for row in found.rows]
    return EqualsAny(rows, ids) if isinstance(rows, str) else rows.filter(EqualsAny(field, ids))


def _asker(request: HttpRequest) -> Asker:
    identified = _identify(request)
    if inspect.isawaitable(identified):
        if inspect.iscoroutine(identified):
            identified.close()
        raise InvalidSetting("A view that blocks needs an identify that does.")
    return asker_of(identified)


async def _asker_later(request: HttpRequest) -> Asker:
    identified = _identify(request)
    if inspect.isawaitable(identified):
        waited: Awaitable[Any] = identified
        return asker_of(await waited)
    return asker_of(identified)


def _identify(request: HttpRequest) -> Any:
    if not _configured:
        raise InvalidSetting("Nobody is asked yet: carecircle.hosts.django.configure(client, identify=…).")
    return _configured[0].identify(request)


def _marked(request: HttpRequest, decided: Decided) -> HttpRequest:
    vars(request)["carecircle_decision"] = decided
    return request


def refused(error: CareCircleError) -> HttpResponse:
    """The problem details that a guard answers with; for views that catch REFUSALS around `visible_patients` themselves."""
    status, body = problem_of(error)
    return JsonResponse(body, status=status, content_type=PROBLEM, headers={"Cache-Control": "no-store"})
