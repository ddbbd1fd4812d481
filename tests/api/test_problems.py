"""Errors as problem details: a status and a title for each, and remedies that are sentences and tell nothing of the case."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

import orjson
import pytest

import carecircle.errors
from carecircle.api.problems import STATUSES, TITLES, headers_of, problem, status_of
from carecircle.api.remedies import REMEDIES, remedies_of
from carecircle.errors import CareCircleError, Conflict, PermissionRequired, StaleVersion
from carecircle.errors.service import IdempotencyKeyInUse, IdempotencyKeyReused, PreconditionFailed, TooBusy
from carecircle.identifiers import new_id

for found in pkgutil.iter_modules(carecircle.errors.__path__):
    importlib.import_module(f"carecircle.errors.{found.name}")


def kinds(of: type[CareCircleError] = CareCircleError) -> Iterator[type[CareCircleError]]:
    """Those of the service; the client's own are made from what the service answers."""
    if of.__module__.startswith(("carecircle.client", "carecircle.hosts")):
        return
    yield of
    for kind in of.__subclasses__():
        yield from kinds(kind)


def test_every_error_is_a_whole_problem() -> None:
    seen = set()
    for kind in kinds():
        status, body = problem(kind())
        told = orjson.loads(body)
        assert {"type", "title", "status", "detail", "code"} <= set(told), kind
        assert (told["status"], told["type"]) == (status, f"urn:carecircle:problem:{kind.code}")
        for remedy in told.get("remedies", ()):
            assert {"kind", "sentence"} <= set(remedy) <= {"kind", "sentence", "href"}
        seen.add(status)
    assert set(STATUSES.values()) == seen <= set(TITLES)


@pytest.mark.parametrize(("kind", "status"), [
    (StaleVersion, 409), (PreconditionFailed, 412), (IdempotencyKeyReused, 422), (IdempotencyKeyInUse, 409), (TooBusy, 503),
])  # fmt: skip
def test_what_comes_too_late_or_twice_has_a_status_of_its_own(kind: type[CareCircleError], status: int) -> None:
    assert status_of(kind()) == status
    assert orjson.loads(problem(kind())[1])["remedies"]


def test_a_server_that_is_full_says_when_to_come_again() -> None:
    assert headers_of(TooBusy()) == {"retry-after": "1"}
    assert headers_of(TooBusy(retry_after=7)) == {"retry-after": "7"}


def test_remedies_are_the_same_whatever_the_case() -> None:
    for kind in REMEDIES:
        plain = problem(kind())[1]
        assert remedies_of(kind(patient_id=new_id(), provider_id=new_id())) == remedies_of(kind())
        assert all(one.sentence.endswith(".") and one.kind == one.kind.lower() for one in REMEDIES[kind])
        assert (b'"remedies"' in plain) is bool(REMEDIES[kind])
    assert remedies_of(Conflict()) == ()
    assert {one.kind for one in remedies_of(PermissionRequired())} == {"permission", "own-token"}
