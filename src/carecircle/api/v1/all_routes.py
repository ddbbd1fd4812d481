"""Every router under /v1, and how their errors are answered."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response

from carecircle.api.idempotency import REPLAYED, AnsweredBeforeError
from carecircle.api.invalid import invalid
from carecircle.api.problems import headers_of, problem
from carecircle.api.v1 import (
    absences,
    accounts,
    api_keys,
    assignments,
    audit,
    audit_checkpoints,
    audit_explaining,
    audit_exporting,
    audit_months,
    audit_verifying,
    break_glass,
    break_glass_after,
    break_glass_deciding,
    break_glass_downtime,
    break_glass_events,
    care_teams,
    coverage,
    credentials,
    data_keys,
    duties,
    leaving,
    legal_holds,
    members,
    patient_reports,
    patients,
    people,
    policy,
    primary_provider,
    providers,
    quality,
    questions,
    reassignments,
    referrals,
    responsibility,
    restrictions,
    rotas,
    sign_ins,
    units,
    validations,
    visits,
)
from carecircle.errors import CareCircleError, InvalidInstant, StaleVersion
from carecircle.errors.service import PreconditionFailed

ROUTERS = (
    care_teams.router, members.router, coverage.router, rotas.router, absences.router, responsibility.router,
    credentials.router, referrals.router, assignments.router, validations.router, restrictions.router, policy.router,
    patients.router, break_glass_events.router, break_glass_after.router, break_glass.router, break_glass_deciding.router,
    duties.router, audit.router,
    people.router, primary_provider.router, providers.router, units.router, questions.router,
    audit_explaining.router, audit_exporting.router, audit_checkpoints.router, audit_months.router, audit_verifying.router,
    legal_holds.router, patient_reports.router, data_keys.router, reassignments.router, leaving.router, quality.router,
    break_glass_downtime.router,
    accounts.router, api_keys.router, sign_ins.router, visits.router,
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
    async def refused(request: Request, error: CareCircleError) -> Response:
        if type(error) is StaleVersion and "if-match" in request.headers:
            return answer(PreconditionFailed())
        return answer(error)

    @pages.exception_handler(AnsweredBeforeError)
    async def answered_before(_: Request, known: AnsweredBeforeError) -> Response:
        told = known.told
        return Response(told.body, told.status, {**told.headers, REPLAYED: "true"})

    @pages.exception_handler(OverflowError)
    async def beyond(_: Request, error: OverflowError) -> Response:
        """Days were added to an instant near the end of the calendar; the transaction was rolled back."""
        return answer(InvalidInstant("An instant of this request lies so far ahead that what follows it has no date."))


def answer(error: CareCircleError) -> Response:
    """An error as RFC 9457 has it."""
    status, body = problem(error)
    return Response(body, status, headers_of(error), media_type="application/problem+json")
