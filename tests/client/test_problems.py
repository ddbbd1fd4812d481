"""A problem the service tells becomes an exception of its family, with its code, status and remedies."""

from __future__ import annotations

import pytest

from carecircle import errors
from carecircle.api.problems import STATUSES, problem
from carecircle.client import (
    Conflicting,
    Forbidden,
    Malformed,
    Missing,
    NotSignedIn,
    Problem,
    RulesBroken,
    TooMany,
    Unavailable,
)
from carecircle.errors import CareCircleError, RulesViolated, Violation
from tests.client.servers import Said, Scripted, answer, both

KIND = {"content-type": "application/problem+json"}
FAMILIES: dict[int, type[Problem]] = {
    400: Malformed, 401: NotSignedIn, 403: Forbidden, 404: Missing, 409: Conflicting, 412: Conflicting, 429: TooMany,
    500: Unavailable, 503: Unavailable,
}  # fmt: skip


def every(kind: type[CareCircleError]) -> list[type[CareCircleError]]:
    return [kind, *(deeper for below in kind.__subclasses__() for deeper in every(below))]


def raised(said: Said) -> list[Problem]:
    caught = []
    for call in both(Scripted(said)):
        with pytest.raises(Problem) as info:
            call("request", "GET", "/v1/care-teams")
        caught.append(info.value)
    return caught


def test_every_error_of_the_service_comes_out_as_the_same_code() -> None:
    kinds = [kind for kind in every(CareCircleError) if kind.__module__.startswith("carecircle.errors")]
    assert len(kinds) > 50
    seen = set()
    for kind in kinds:
        status, body = problem(kind())
        seen.add(status)
        for error in raised(Said(status, KIND, body)):
            assert (error.code, error.status, error.message) == (kind.code, status, kind().message)
            if status in FAMILIES:
                assert type(error) is FAMILIES[status]
            if status not in (401, 429, 500):
                # What is caught in process is caught over HTTP: the nearest of the package's own families is the same.
                family = next(one for one in kind.__mro__ if one in STATUSES)
                assert status == 422 or isinstance(error, family) or STATUSES[family] == status
    assert seen >= {400, 401, 403, 404, 409, 503}


def test_families_are_the_packages_own() -> None:
    for status, kind in (
        (404, errors.NotFound),
        (409, errors.Conflict),
        (403, errors.Refused),
        (401, errors.Unauthenticated),
    ):
        for error in raised(answer({"code": "x"}, status)):
            assert isinstance(error, kind)


def test_remedies_and_violations_are_told() -> None:
    remedy = {"kind": "break-glass", "sentence": "In an emergency, break the glass.", "href": "/v1/break-glass"}
    said = answer({"code": "restricted", "detail": "No.", "remedies": [remedy, {"kind": 1}, "x"]}, 403)
    for error in raised(said):
        assert [(one.kind, one.href) for one in error.remedies] == [("break-glass", "/v1/break-glass")]
        assert (str(error), error.code) == ("No.", "restricted")
    _, body = problem(RulesViolated([Violation("credential-missing", "A licence is missing.")]))
    for error in raised(Said(422, KIND, body)):
        assert isinstance(error, RulesBroken)
        assert error.violations == (Violation("credential-missing", "A licence is missing."),)


def test_what_stands_before_the_service_is_told_by_status_only() -> None:
    page = b'<html>{"code": "x", "detail": "Ines Haddad"}</html>'
    for status, kind in ((401, NotSignedIn), (403, Forbidden), (404, Missing), (502, Unavailable), (504, Unavailable)):
        for error in raised(Said(status, {"content-type": "text/html"}, page)):
            assert type(error) is kind
            assert error.code == kind.code
            assert "Ines" not in str(error)
