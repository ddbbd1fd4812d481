"""FastAPI: `install(app, …)` once, then `Depends(require("read", patient="patient_id"))` on each route about a patient."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple
from uuid import UUID

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.middleware.exceptions import ExceptionMiddleware

from carecircle.access.decision import request_label
from carecircle.errors import AccessUnavailable, CareCircleError, InvalidSetting
from carecircle.hosts.asking import AnyAsks, Asker, Wanted, asker_of, granted_by, patient_named
from carecircle.hosts.refusal import PROBLEM, REFUSALS, AccessDenied, Decided, problem_of

Identified = str | UUID | Asker | None
Identify = Callable[[Request], Identified | Awaitable[Identified]]

RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"description": said, "content": {PROBLEM: {}}}
    for status, said in (
        (400, "The patient is not named as this route needs it."),
        (401, "Nobody is signed in who could ask."),
        (403, "This provider may not do this to this patient; `remedies` says what would help."),
        (503, "No answer can be recorded now."),
    )
}
"""What a guarded route may answer besides: `responses=RESPONSES` puts it into the application's OpenAPI."""


class Installed(NamedTuple):
    """Whom an application asks, and how it knows who is signed in."""

    asks: AnyAsks
    identify: Identify


class _Refused(Exception):
    """Carries what a guard refused with past the application's own handlers."""

    def __init__(self, error: CareCircleError) -> None:
        self.error = error


def install(app: FastAPI, asks: AnyAsks, *, identify: Identify) -> None:
    """Let `require` work in this application.

    `asks` is an AsyncClient, an Access (as Within, or with `acting_as` around each request), a Client or a FakeAccess.
    `identify` gets the request and gives the id of the provider who is signed in, from what the application has verified;
    None where there is nobody (401). It may be async. It may raise an HTTPException of its own.
    """
    app.state.carecircle = Installed(asks, identify)

    async def refused(_: Request, raised: Exception) -> JSONResponse:
        error = raised.error if isinstance(raised, _Refused) else raised
        assert isinstance(error, CareCircleError)
        status, body = problem_of(error)
        return JSONResponse(body, status, {"Cache-Control": "no-store"}, media_type=PROBLEM)

    innermost = _handling(app)
    for kind in (_Refused, AccessDenied, AccessUnavailable):
        app.add_exception_handler(kind, refused)
        if innermost is not None:
            innermost.add_exception_handler(kind, refused)


def _handling(app: FastAPI) -> ExceptionMiddleware | None:
    """What handles exceptions in an application that has started already (in its lifespan, say); None before.

    Starlette copies the handlers as it starts, and passes over those that are added later.
    """
    layer: Any = app.middleware_stack
    while layer is not None and not isinstance(layer, ExceptionMiddleware):
        layer = getattr(layer, "app", None)
    if layer is None and app.middleware_stack is not None:
        raise InvalidSetting("Install carecircle before this application starts: its middleware hides its handlers.")
    return layer


def require(
    action: str,
    *,
    patient: str | None = None,
    header: str | None = None,
    body: str | None = None,
    system: str | None = None,
    purpose: str = "TREAT",
) -> Callable[[Request], Awaitable[Decided]]:
    """A dependency that asks whether who is signed in may do `action` to the patient, before the route's function runs.

    The patient is named by exactly one of: `patient`, a parameter of the path; `header`; `body`, a field of a JSON object.
    There is no query parameter: addresses are logged, and identifiers of patients must not be. `system` is put before a
    value of the host's own. The function is given the decision. Refusals are answered as problem details: 403 with
    remedies, 503 without an answer, 401 for nobody, 400 for a patient that is not named.
    """
    if [patient, header, body].count(None) != 2:
        raise InvalidSetting("A guard names the patient by one of patient=, header= and body=.")

    async def allowed(request: Request) -> Decided:
        installed = getattr(request.app.state, "carecircle", None)
        if not isinstance(installed, Installed):
            raise InvalidSetting(
                "This application asks nobody yet: carecircle.hosts.fastapi.install(app, client, identify=…)."
            )
        identified = installed.identify(request)
        if inspect.isawaitable(identified):
            identified = await identified
        try:
            who = asker_of(identified)
            given = await _named(request, patient, header, body)
            wanted = Wanted(
                action, patient_named(given, system), purpose, request_label(request.headers.get("x-request-id"))
            )
            return await granted_by(who.asks or installed.asks, who.provider, wanted)
        except REFUSALS as error:
            raise _Refused(error) from None

    return allowed


async def _named(request: Request, patient: str | None, header: str | None, body: str | None) -> object:
    """What stands where the patient is named. Two values where one belongs are none: who reads the other is not checked."""
    if patient is not None:
        if patient not in request.path_params:
            raise InvalidSetting(f"This route's path has no parameter {patient}, which its guard names.")
        return request.path_params[patient]
    if header is not None:
        found = request.headers.getlist(header)
        return found[0] if len(found) == 1 else None
    # As a form the same bytes may name somebody else: what is not called JSON is not read as JSON.
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        return None
    try:
        said = await request.json()
    except ValueError:
        return None
    return said.get(body) if isinstance(said, dict) and isinstance(said.get(body), str) else None
