"""Every router under /v1, and how their errors are answered."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response

from carecircle.api.invalid import invalid
from carecircle.api.problems import headers_of, problem
from carecircle.api.v1 import (
    absences,
    assignments,
    audit,
    break_glass,
    break_glass_after,
    break_glass_deciding,
    break_glass_events,
    care_teams,
    coverage,
    credentials,
    duties,
    members,
    patients,
    policy,
    referrals,
    responsibility,
    restrictions,
    rotas,
    validations,
)
from carecircle.errors import CareCircleError, InvalidInstant

ROUTERS = (
    care_teams.router, members.router, coverage.router, rotas.router, absences.router, responsibility.router,
    credentials.router, referrals.router, assignments.router, validations.router, restrictions.router, policy.router,
    patients.router, break_glass_events.router, break_glass_after.router, break_glass.router, break_glass_deciding.router,
    duties.router, audit.router,
)  # fmt: skip

ABOUT_EMERGENCIES = "/v1/break-glass"
"""Here an entry is left of what cannot be read, too: whoever tries things out in an emergency's name is to be seen."""


def mount(pages: FastAPI) -> None:
    """Add the routes to an app whose gate puts a Door into each request's scope."""
    for router in ROUTERS:
        pages.include_router(router)

    @pages.exception_handler(RequestValidationError)
    async def unreadable(request: Request, error: RequestValidationError) -> Response:
        told = invalid(error.errors())
        if request.url.path.startswith(ABOUT_EMERGENCIES):
            await request.scope["carecircle.door"].refused(told)
        return answer(told)

    @pages.exception_handler(CareCircleError)
    async def refused(_: Request, error: CareCircleError) -> Response:
        return answer(error)

    @pages.exception_handler(OverflowError)
    async def beyond(_: Request, error: OverflowError) -> Response:
        """Days were added to an instant near the end of the calendar; the transaction was rolled back."""
        return answer(InvalidInstant("An instant of this request lies so far ahead that what follows it has no date."))


def answer(error: CareCircleError) -> Response:
    """An error as RFC 9457 has it."""
    status, body = problem(error)
    return Response(body, status, headers_of(error), media_type="application/problem+json")
