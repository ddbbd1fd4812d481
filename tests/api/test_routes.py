"""Every /v1 route: it works, needs a token, needs one that may change, and knows nothing of another organization."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from carecircle import to_text
from carecircle.identifiers import new_id
from tests.api.clinic import (
    BY_ADMINISTRATORS,
    BY_AUDITORS,
    BY_PERSONS,
    ROUTES,
    bearer,
    made_up,
    open_clinic,
    open_neighbour,
)
from tests.api.permitted import TEMPLATES
from tests.conftest import Hospital

Run = Callable[[Callable[[Hospital], Any]], Any]


def test_the_list_of_routes_is_whole(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_clinic(hospital) as clinic:
            described = (await clinic.client.get("/openapi.json")).json()["paths"]
        known = {
            f"{method.upper()} " + re.sub(r"\{\w+\}", "{}", path)
            for path, operations in described.items()
            if path.startswith("/v1/")
            for method in operations
        }
        assert known == {route.template for route in ROUTES} | BY_PERSONS | BY_AUDITORS | TEMPLATES | BY_ADMINISTRATORS

    in_hospital(body)


def test_every_route_does_what_it_says_and_leaves_its_entry(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_clinic(hospital) as clinic:
            for route in ROUTES:
                before = len(await clinic.entries())
                answer = await clinic.send(route)
                assert answer.status_code == route.status, (route, answer.text)
                assert answer.headers["content-type"] == "application/json"
                assert answer.headers["cache-control"] == "no-store"
                if route.gives:
                    clinic.ids[route.gives] = answer.json()[route.key]
                left = (await clinic.entries())[before:]
                assert [one["code"] for one in left] == ([route.entry] if route.entry else []), route
                assert {one["actor"] for one in left} <= {"service:test"}

    in_hospital(body)


def test_no_route_answers_without_a_token(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_clinic(hospital) as clinic:
            ids = made_up() | clinic.ids
            before = len(await clinic.entries())
            for route in ROUTES:
                for spoilt in ("", "Bearer x.y.z"):
                    answer = await clinic.send(route, ids, {"Authorization": spoilt})
                    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated"), route
            assert len(await clinic.entries()) == before

    in_hospital(body)


def test_who_may_only_ask_changes_nothing_and_every_try_is_on_record(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_clinic(hospital) as clinic:
            asking = clinic.bearer("ask")
            for route in ROUTES:
                before = len(await clinic.entries())
                if route.changes:
                    refused = await clinic.send(route, headers=asking)
                    assert (refused.status_code, refused.json()["code"]) == (403, "permission-required"), route
                    left = (await clinic.entries())[before:]
                    assert [(one["kind"], one["code"]) for one in left] == [("refusal", "permission-required")], route
                # The same with leave to: it is the permission that was missing.
                answer = await clinic.send(route, headers=None if route.changes else asking)
                assert answer.status_code == route.status, (route, answer.text)
                if route.gives:
                    clinic.ids[route.gives] = answer.json()[route.key]

    in_hospital(body)


def test_another_organizations_ids_are_as_good_as_made_up(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_clinic(hospital) as clinic, open_neighbour(clinic) as neighbour:
            await neighbour.carry_out()
            theirs, nobodys = neighbour.ids, made_up()
            untouched = len(await neighbour.entries())
            tried = 0
            for route in (one for one in ROUTES if one.names_somebody and "preview" not in one.path):
                before = len(await clinic.entries("change"))
                other, unknown = await clinic.send(route, theirs), await clinic.send(route, nobodys)
                assert other.status_code == unknown.status_code, (route, other.text, unknown.text)
                assert _without_ids(other.text) == _without_ids(unknown.text), route
                if route.changes and route.method != "GET" and "validations" not in route.path:
                    assert other.status_code in (400, 404), (route, other.text)
                    tried += 1
                assert len(await clinic.entries("change")) == before, route
            assert tried > 20
            assert len(await neighbour.entries()) == untouched

    in_hospital(body)


def test_an_organization_that_is_nobodys_gets_nowhere(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_clinic(hospital) as clinic:
            stranger = bearer(hospital, new_id(), "change")
            for route in ROUTES[:2]:
                answer = await clinic.send(route, headers=stranger)
                assert answer.status_code in (200, 404), answer.text

    in_hospital(body)


def test_a_refused_change_leaves_an_entry_and_nothing_else(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_clinic(hospital) as clinic:
            ids = clinic.ids
            primary = {"assignment_type": "primary", "patient": ids["ines"], "provider": ids["adams"]}
            await clinic.json("POST", "/v1/assignments", primary, 201)
            team = (await clinic.json("POST", "/v1/care-teams", {"name": "Ward"}, 201))["id"]
            await clinic.json("POST", f"/v1/care-teams/{team}/members", {"provider": ids["dana"]}, 201)
            await clinic.json("POST", "/v1/restrictions", {"kind": "suspension", "provider": ids["chen"]}, 201)
            stale = primary | {"provider": ids["brown"], "version": to_text(new_id())}
            before = len(await clinic.entries())
            tries: list[tuple[str, str, Any, int, str]] = [
                ("POST", "/v1/assignments", stale, 409, "stale-version"),
                ("POST", "/v1/assignments", primary | {"provider": ids["chen"]}, 422, "rules-violated"),
                ("POST", f"/v1/care-teams/{team}/members", {"provider": ids["dana"]}, 409, "overlapping-membership"),
                ("POST", "/v1/restrictions", {"kind": "suspension", "provider": ids["chen"]}, 409, "already-restricted"),
                ("DELETE", f"/v1/care-teams/{to_text(new_id())}/members/{ids['dana']}", None, 404, "not-found"),
                ("POST", "/v1/patients/unmerge", {"patient": ids["twin"]}, 404, "merge-not-found"),
            ]  # fmt: skip
            for method, path, said, status, code in tries:
                assert (await clinic.json(method, path, said, status))["code"] == code
            left = (await clinic.entries())[before:]
            assert [(one["kind"], one["code"]) for one in left] == [("refusal", code) for *_, code in tries]
            assert {one["actor"] for one in left} == {"service:test"}

    in_hospital(body)


def _without_ids(text: str) -> str:
    """An answer without what differs from one request to the next: ids and instants."""
    return re.sub(r"\b[0-9A-HJKMNP-TV-Z]{26}\b|\d{4}-\d\d-\d\dT[0-9:.]+Z", "…", text)
