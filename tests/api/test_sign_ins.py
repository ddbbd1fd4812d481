"""Sign-ins over HTTP are on record: the first use of a token, an attempt with one that ended; and from where each came."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import asyncpg
from joserfc import jwt
from joserfc.jwk import OctKey

from carecircle import Actor
from carecircle.api.tokens import mint
from carecircle.identifiers import new_id, parse_id, to_text
from tests.api.clinic import bearer, entries, open_clinic
from tests.api.test_service import question, serving
from tests.conftest import Hospital

Run = Callable[[Callable[[Hospital], Any]], Any]


async def addresses(hospital: Hospital) -> dict[str, set[str | None]]:
    """By kind of entry, the addresses from which requests came."""
    connection = await asyncpg.connect(hospital.circle.reach.dsn("auditor"))
    try:
        await connection.execute(
            "select set_config('carecircle.organization_id', $1, false)", str(hospital.organization)
        )
        found: dict[str, set[str | None]] = {}
        for kind, address in await connection.fetch("select kind, address from carecircle.audit_events"):
            found.setdefault(kind, set()).add(address)
        return found
    finally:
        await connection.close()


def test_the_first_use_of_a_token_is_on_record_and_no_other(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with serving(hospital) as client:
            for _ in range(3):
                assert (await client.get("/v1/care-teams")).status_code == 200
                await client.post("/access/v1/evaluation", json=question(new_id(), new_id()))
            own = bearer(hospital, hospital.organization, "change")
            await client.get("/v1/care-teams", headers=own)
        left = await entries(hospital, "sign-in")
        assert [(one["code"], one["actor"]) for one in left] == [("token-used", "service:test")] * 2
        assert '"may":"ask"' in left[0]["detail"]
        assert '"may":"ask change"' in left[1]["detail"]

    in_hospital(body)


def test_an_attempt_with_a_token_that_ended_is_on_record_once(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        ended = mint(
            hospital.circle.keyring, organization_id=hospital.organization, actor=Actor("service:late"), hours=-0.1
        )
        key = OctKey.import_key(b"another installation's key, or nobody's at all")
        now = int(time.time())
        claims = {
            "iss": "carecircle", "aud": "carecircle-api", "sub": "service:forged", "org": to_text(hospital.organization),
            "exp": now - 5, "iat": now - 9,
        }  # fmt: skip
        forged = jwt.encode({"alg": "HS256"}, claims, key)
        async with serving(hospital) as client:
            for token in (ended, ended, forged, "nonsense"):
                answer = await client.get("/v1/care-teams", headers={"Authorization": f"Bearer {token}"})
                assert answer.status_code == 401
        left = await entries(hospital, "refusal")
        assert [(one["code"], one["actor"]) for one in left] == [("unauthenticated", "service:late")]

    in_hospital(body)


def test_every_entry_of_a_request_says_from_where_it_came_whatever_a_header_says(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_clinic(hospital) as clinic:
            before = await addresses(hospital)
            assert before == {"change": {None}}, "registering in process comes from nowhere"
            forged = {"X-Forwarded-For": "203.0.113.9", "Forwarded": "for=203.0.113.9"}
            await clinic.client.post("/access/v1/evaluation", json=question(new_id(), new_id()), headers=forged)
            await clinic.client.post("/v1/care-teams", json={"name": "Ward"}, headers=forged)
            said = {"patient": to_text(new_id()), "provider": clinic.ids["adams"], "assignment_type": "primary"}
            answer = await clinic.client.post("/v1/assignments", json=said, headers=forged)
            assert answer.status_code == 404
        found = await addresses(hospital)
        for kind in ("sign-in", "decision", "refusal"):
            assert found[kind] == {"127.0.0.1"}, kind
        assert found["change"] == {None, "127.0.0.1"}

    in_hospital(body)


def test_a_request_label_goes_back_as_it_came_and_is_kept_only_where_it_is_one_word(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with serving(hospital) as client:
            for label, kept in (("req-1/7", True), ("Mrs Miller 1970", False), ("Müller", False)):
                headers = {"x-request-id": label.encode()}
                answer = await client.post(
                    "/access/v1/evaluation",
                    json=question(new_id(), new_id()),
                    headers=headers,  # type: ignore[arg-type]  # one value or several
                )
                assert answer.status_code == 200
                assert dict(answer.headers.raw)[b"x-request-id"] == label.encode()
                [entry] = await recorded(hospital, answer.json()["context"]["id"])
                assert (entry["request_id"] == label) is kept
                assert entry["request_id"] is None or kept

    in_hospital(body)


async def recorded(hospital: Hospital, entry: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(hospital.circle.reach.dsn("auditor"))
    try:
        await connection.execute(f"set carecircle.organization_id = '{hospital.organization}'")
        found = await connection.fetch("select request_id from carecircle.audit_events where id = $1", parse_id(entry))
        return list(found)
    finally:
        await connection.close()
