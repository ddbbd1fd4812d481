"""Accounts, roles, API keys, sign-ins and visits over HTTP: what they do, who may, and that nobody raises themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from carecircle import CareTeamService, to_text
from carecircle.actor import Actor
from carecircle.api.tokens import mint
from carecircle.directory.api_key import parse
from carecircle.directory.permissions import PERMISSIONS, ROLES
from carecircle.identifiers import new_id
from carecircle.staffing.offboard_service import offboard
from tests.api.clinic import ADMINISTERED, entries
from tests.api.issuer import Issuer, account, as_bearer, open_issuer, open_service
from tests.api.test_service import question
from tests.conftest import Hospital, open_hospital

Run = Callable[[Callable[[Hospital], Any]], Any]
REASON = "Restoring the ward list after the outage"


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with open_issuer() as opened:
        yield opened


class Caller:
    """Sends requests with one token, and checks their status."""

    def __init__(self, client: httpx.AsyncClient, token: str, **headers: str) -> None:
        self.client, self.headers = client, as_bearer(token, **headers)

    async def __call__(self, method: str, path: str, body: Any = None, status: int = 200, **headers: str) -> Any:
        answer = await self.client.request(method, path, json=body, headers=self.headers | headers)
        assert answer.status_code == status, (method, path, answer.text)
        assert answer.headers["cache-control"] == "no-store"
        return answer.json()


def own(client: httpx.AsyncClient, hospital: Hospital, *may: Any) -> Caller:
    token = mint(hospital.circle.keyring, organization_id=hospital.organization, actor=Actor.service("test"), may=may)
    return Caller(client, token)


async def filled(call: Caller, hospital: Hospital) -> dict[str, str]:
    """An organization with one of each, by the names in the list of routes."""
    await hospital.provider("staff|okafor")
    admin = await call(
        "POST", "/v1/accounts", {"issuer": "https://i.example", "subject": "a", "roles": ["org_admin"]}, 201
    )
    person = await call(
        "POST", "/v1/accounts",
        {"issuer": "https://i.example", "subject": "b", "provider": "staff|okafor", "roles": ["clinician"]}, 201,
    )  # fmt: skip
    key = await call("POST", "/v1/api-keys", {"name": "gateway", "may": ["read"], "days": 5}, 201)
    [sign_in, *_] = (await call("GET", "/v1/sign-ins"))["sign_ins"]
    return {
        "admin": admin["id"],
        "account": person["id"],
        "key": key["id"],
        "sign_in": sign_in["id"],
        "visit": to_text(new_id()),
        "role": "clinician",
    }


def test_every_route_needs_the_permission_and_knows_nothing_of_others(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_service(hospital) as client, open_hospital(hospital.circle) as neighbour:
            ids = await filled(own(client, hospital, "administer"), hospital)
            weak, theirs = own(client, hospital, "change", "audit"), own(client, neighbour, "administer")
            made_up = {name: to_text(new_id()) for name in ids} | {"role": "clinician"}
            seen = await listed(own(client, hospital, "administer"))
            for route in ADMINISTERED:
                bare = await client.request(route.method, route.path.format_map(ids), json=route.body)
                assert (bare.status_code, bare.json()["code"]) == (401, "unauthenticated"), route
                before = len(await entries(hospital, "refusal"))
                refused = await weak(route.method, route.path.format_map(ids), route.body, 403)
                assert refused["code"] == "permission-required", route
                assert len(await entries(hospital, "refusal")) == before + 1, route
                if "{" not in route.path or "?account=" in route.path:
                    continue
                foreign = await theirs(route.method, route.path.format_map(ids), route.body, 404)
                unknown = await theirs(route.method, route.path.format_map(made_up), route.body, 404)
                assert foreign == unknown, route
            assert await listed(own(client, hospital, "administer")) == seen

    in_hospital(body)


async def listed(call: Caller) -> list[Any]:
    return [
        (await call("GET", f"/v1/{what}"))[what.replace("-", "_")] for what in ("accounts", "api-keys", "visits")
    ]  # fmt: skip


def test_accounts_roles_keys_and_sign_ins_are_kept(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_service(hospital) as client:
            call = own(client, hospital, "administer", "change")
            ids = await filled(call, hospital)
            table = await own(client, hospital)("GET", "/v1/roles")
            assert {one["role"]: set(one["may"]) for one in table["roles"]} == {
                role: set(may) for role, may in ROLES.items()
            }
            assert table["permissions"] == list(PERMISSIONS)
            path = f"/v1/accounts/{ids['account']}"
            read = await client.get(path, headers=call.headers)
            assert read.json()["roles"] == ["clinician"]
            assert read.json()["may"] == ["ask"]
            match: dict[str, Any] = {"If-Match": read.headers["etag"]}
            changed = await call("PATCH", path, {"label": "Dr. Okafor"}, **match)
            assert (changed["label"], changed["provider_id"]) == ("Dr. Okafor", read.json()["provider_id"])
            await call("PATCH", path, {"label": "late"}, 412, **match)
            assert (await call("PATCH", path, {"provider": None}))["provider_id"] is None
            page = await call("GET", "/v1/accounts?limit=1")
            rest = await call("GET", f"/v1/accounts?limit=1&after={page['next']}")
            assert [one["id"] for one in (*page["accounts"], *rest["accounts"])] == [ids["admin"], ids["account"]]
            assert rest["next"] is None
            taken = {"issuer": "https://i.example", "subject": "a"}
            assert (await call("POST", "/v1/accounts", taken, 409))["code"] == "account-taken"

            await call("POST", f"{path}/roles", {"role": "auditor"}, 201)
            assert (await call("POST", f"{path}/roles", {"role": "auditor"}, 409))["code"] == "role-already-held"
            assert [one["role"] for one in (await call("GET", f"{path}/roles"))["roles"]] == ["clinician", "auditor"]
            assert await call("DELETE", f"{path}/roles/auditor") == {"ended": 1}
            assert (await call("POST", f"{path}/roles", {"role": "super_admin"}, 403))["code"] == "permission-required"
            last = await call("DELETE", f"/v1/accounts/{ids['admin']}/roles/org_admin", status=403)
            assert last["code"] == "last-administrator"
            assert (await call("DELETE", path))["roles"] == ["clinician"]
            assert (await call("GET", path, status=404))["code"] == "account-not-found"

            [key] = (await call("GET", "/v1/api-keys?ends_within_days=6"))["api_keys"]
            assert (key["may"], key["actions"], key["made_by"]) == (["read"], None, "service:test")
            assert not {"key", "secret", "secret_hash"} & key.keys()
            rotated = await call("POST", f"/v1/api-keys/{ids['key']}/rotate", {"overlap_hours": 1, "days": 9}, 201)
            assert parse(rotated["key"]) is not None
            assert len((await call("GET", "/v1/api-keys"))["api_keys"]) == 2
            await call("DELETE", f"/v1/api-keys/{ids['key']}")
            assert [one["id"] for one in (await call("GET", "/v1/api-keys"))["api_keys"]] == [rotated["id"]]
            with_key = Caller(client, rotated["key"])
            await with_key("GET", "/v1/care-teams")
            await call("DELETE", f"/v1/api-keys/{rotated['id']}")
            await with_key("GET", "/v1/care-teams", status=401)

            mine = (await call("GET", "/v1/sign-ins?limit=200"))["sign_ins"]
            assert {one["actor"] for one in mine} == {"service:test"}
            plain = own(client, hospital, "read")
            await plain("GET", "/v1/care-teams")
            newest = (await call("GET", "/v1/sign-ins?limit=1"))["sign_ins"][0]
            assert await call("DELETE", f"/v1/sign-ins/{newest['id']}") == {"ended": 1}
            await plain("GET", "/v1/care-teams", status=401)
            assert (await call("DELETE", f"/v1/sign-ins/{newest['id']}", status=404))["code"] == "sign-in-not-found"
            # The text of a key is in no entry.
            whole = str([dict(one) for one in await entries(hospital)])
            assert rotated["key"][-43:] not in whole

    in_hospital(body)


def test_nobody_raises_themselves(in_hospital: Run, issuer: Issuer) -> None:
    async def body(hospital: Hospital) -> None:
        await hospital.provider("staff|okafor")
        admin = await account(hospital, issuer, "admin", "org_admin")
        other = await account(hospital, issuer, "other", "org_admin")
        async with open_service(hospital, issuer.setting(hospital)) as client:
            call = Caller(client, issuer.token("admin"))
            mine, theirs = (f"/v1/accounts/{to_text(one.id)}" for one in (admin, other))
            for method, path, said in (
                ("POST", f"{mine}/roles", {"role": "privacy_officer"}), ("PATCH", mine, {"provider": "staff|okafor"}),
            ):  # fmt: skip
                assert (await call(method, path, said, 403))["code"] == "own-account"
            await call("PATCH", mine, {"label": "me"})
            await call("POST", f"{theirs}/roles", {"role": "privacy_officer"}, 201)
            for may in (["audit"], ["read", "audit"], ["read", "privacy"]):
                assert (await call("POST", "/v1/api-keys", {"name": "k", "may": may}, 403))[
                    "code"
                ] == "permission-required"
            made = await call("POST", "/v1/api-keys", {"name": "k", "may": ["read", "administer"]}, 201)
            with_key = Caller(client, made["key"])
            assert len((await with_key("GET", "/v1/accounts"))["accounts"]) == 2
            new = {"issuer": issuer.url, "subject": "third"}
            for method, path, said in (
                ("POST", f"{mine}/roles", {"role": "clinician"}), ("PATCH", theirs, {"label": "x"}), ("POST", "/v1/accounts", new),
            ):  # fmt: skip
                assert (await with_key(method, path, said, 403))["code"] == "permission-required"
            assert (await with_key("POST", "/v1/api-keys", {"name": "k", "may": ["change"]}, 403))[
                "code"
            ] == "permission-required"
            await with_key("POST", "/v1/api-keys", {"name": "k", "may": ["read"]}, 201)
            refused = [one["code"] for one in await entries(hospital, "refusal")]
            assert refused.count("own-account") == 2
            assert refused.count("permission-required") == 7

    in_hospital(body)


def test_a_visit_is_seen_by_who_is_visited_and_ends(in_hospital: Run, issuer: Issuer) -> None:
    async def body(home: Hospital) -> None:
        root = await account(home, issuer, "root", "super_admin")
        async with open_hospital(home.circle) as away, open_service(home, issuer.setting(home)) as client:
            call = Caller(client, issuer.token("root"))
            there = Caller(client, issuer.token("root"), **{"Carecircle-Organization": to_text(away.organization)})
            said = {"organization": away.slug, "reason": REASON, "minutes": 30}
            administrator = own(client, away, "administer")
            await there("GET", "/v1/accounts", status=403)
            assert (await administrator("POST", "/v1/visits", said, 403))["code"] == "permission-required"
            assert (await call("POST", "/v1/visits", said | {"reason": "too short"}, 400))["code"] == "invalid-request"
            assert (await call("POST", "/v1/visits", said | {"organization": "nowhere"}, 404))[
                "code"
            ] == "organization-not-found"
            begun = await call("POST", "/v1/visits", said, 201, **{"Idempotency-Key": "one"})
            assert await call("POST", "/v1/visits", said, 201, **{"Idempotency-Key": "one"}) == begun
            assert (await call("POST", "/v1/visits", said, 409))["code"] == "already-visiting"
            assert begun["organization_id"] == to_text(away.organization)
            for reader in (administrator, own(client, away, "privacy")):
                [seen] = (await reader("GET", "/v1/visits"))["visits"]
                assert (seen["id"], seen["reason"], seen["open"], seen["account_id"]) == (
                    begun["id"], REASON, True, to_text(root.id),
                )  # fmt: skip
            await own(client, away, "change")("GET", "/v1/visits", status=403)

            added = await there(
                "POST", "/v1/accounts", {"issuer": "https://i.example", "subject": "a", "roles": ["org_admin"]}, 201
            )
            assert (await there("GET", f"/v1/accounts/{added['id']}"))["roles"] == ["org_admin"]
            again = {"issuer": issuer.url, "subject": "root", "roles": ["org_admin"]}
            assert (await there("POST", "/v1/accounts", again, 403))["code"] == "own-account"
            assert (await there("POST", "/v1/api-keys", {"name": "k", "may": ["read"]}, 403))[
                "code"
            ] == "permission-required"
            await there("POST", "/v1/visits", said, 403)

            ended = await administrator("DELETE", f"/v1/visits/{begun['id']}")
            assert ended["reason"] == REASON
            await there("GET", "/v1/accounts", status=403)
            assert (await administrator("DELETE", f"/v1/visits/{begun['id']}", status=404))["code"] == "visit-not-found"
            [past] = (await administrator("GET", "/v1/visits"))["visits"]
            assert past["open"] is False
            # The visitor may leave by themselves, too.
            again = await call("POST", "/v1/visits", said, 201)
            await there("DELETE", f"/v1/visits/{again['id']}")
            await there("GET", "/v1/accounts", status=403)
            # Each takes two connections: more at once than there are do not wait for each other.
            begun_at_once = await asyncio.gather(
                *(client.post("/v1/visits", json=said, headers=call.headers) for _ in range(24))
            )
            assert sorted(one.status_code for one in begun_at_once) == [201] + [409] * 23
            assert [one["code"] for one in await entries(away, "change") if one["code"].startswith("visit")] == [
                "visit-begun", "visit-ended", "visit-begun", "visit-ended", "visit-begun",
            ]  # fmt: skip

    in_hospital(body)


def test_whoever_is_offboarded_is_refused_at_the_next_question(in_hospital: Run, issuer: Issuer) -> None:
    async def body(hospital: Hospital) -> None:
        doctor, patient = await hospital.provider("staff|okafor"), await hospital.patient("mrn|1")
        async with hospital.change() as db:
            await CareTeamService.assign_primary_provider(
                db, hospital.organization, patient_id=patient, provider_id=doctor, actor="test"
            )
        await account(hospital, issuer, "okafor", "clinician", provider="staff|okafor")
        own_token = mint(hospital.circle.keyring, organization_id=hospital.organization, actor=Actor.provider(doctor))
        async with open_service(hospital, issuer.setting(hospital)) as client:
            for call in (Caller(client, issuer.token("okafor")), Caller(client, own_token)):
                asked = await client.post("/access/v1/evaluation", json=question(doctor, patient), headers=call.headers)
                assert asked.json()["decision"] is True
            called = [Caller(client, issuer.token("okafor")).headers, as_bearer(own_token)]
            async with hospital.change() as db:
                await offboard(db, person="staff|okafor", organization=hospital.organization, actor="test")
            for headers in called:
                asked = await client.post("/access/v1/evaluation", json=question(doctor, patient), headers=headers)
                assert (asked.status_code, asked.json()["code"]) == (401, "unauthenticated")

    in_hospital(body)
