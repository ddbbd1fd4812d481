"""API keys at the gate: what they permit, who they are on record, and that guessing one tells nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from carecircle import to_text
from carecircle.api import key_gate
from carecircle.directory import account_service, api_key_service, visit_service
from carecircle.identifiers import new_id
from tests.api.clinic import entries
from tests.api.issuer import account, as_bearer, open_issuer, open_service
from tests.api.test_service import question
from tests.conftest import Hospital, open_hospital

Run = Callable[[Callable[[Hospital], Any]], Any]
ASK = "/access/v1/evaluation"


async def make_key(hospital: Hospital, *may: str, actions: Sequence[str] | None = None) -> tuple[Any, str]:
    """Its id and its text."""
    async with hospital.change() as db:
        made = await api_key_service.make_key(
            db, name="ehr", may=may, actions=actions, organization=hospital.organization, actor="operator:test"
        )
    return made.key.lineage_id, made.text


def test_a_key_does_what_it_may_and_is_on_record_by_its_name(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        somebody = await hospital.provider("npi|1")
        key_id, text = await make_key(hospital, "ask-for-others", "read", actions=["read"])
        _, writes = await make_key(hospital, "change")
        async with open_service(hospital) as client:
            for _ in range(2):
                answer = await client.post(ASK, json=question(somebody, new_id()), headers=as_bearer(text))
                assert answer.json()["context"]["code"] == "unknown-patient"
            outside = await client.post(ASK, json=question(somebody, new_id(), "write"), headers=as_bearer(text))
            assert (outside.json()["decision"], outside.json()["context"]["code"]) == (False, "outside-scope")
            assert (await client.get("/v1/care-teams", headers=as_bearer(text))).status_code == 200
            team = {"name": "Ward"}
            assert (await client.post("/v1/care-teams", json=team, headers=as_bearer(text))).status_code == 403
            assert (await client.post("/v1/care-teams", json=team, headers=as_bearer(writes))).status_code == 201
            assert (
                await client.post(ASK, json=question(somebody, new_id()), headers=as_bearer(writes))
            ).status_code == 403
        left = await entries(hospital, "sign-in")
        assert [(one["code"], one["actor"]) for one in left] == [("key-used", "service:ehr")] * 2
        assert to_text(key_id) in left[0]["detail"]
        assert text.rpartition("_")[2] not in str(await entries(hospital))

    in_hospital(body)


def test_guessing_tells_nothing_and_a_wrong_secret_is_on_record_once(
    in_hospital: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(hospital: Hospital) -> None:
        key_id, text = await make_key(hospital, "ask-for-others")
        start, secret = text.rpartition("_")[0], text.rpartition("_")[2]
        other = secret[:-1] + ("A" if secret[-1] != "A" else "B")
        org, key = to_text(hospital.organization), to_text(key_id)
        asked = question(new_id(), new_id())
        async with open_service(hospital) as client, open_hospital(hospital.circle) as neighbour:
            assert (await client.post(ASK, json=asked, headers=as_bearer(text))).status_code == 200
            told = set()
            for guess in (
                f"{start}_{other}", f"{start}_{other}", f"cck_{org}_{to_text(new_id())}_{secret}",
                f"cck_{to_text(neighbour.organization)}_{key}_{secret}", f"cck_{to_text(new_id())}_{key}_{secret}",
                f"{start}_{secret}A", f"{start}_{secret[:-1]}", text.lower(), text.replace("cck_", "CCK_"), f"{text} ", "cck_",
            ):  # fmt: skip
                refused = await client.post(ASK, json=asked, headers=as_bearer(guess))
                told.add((refused.status_code, refused.content, str(sorted(refused.headers.items()))))
            assert len(told) == 1
            assert told.pop()[0] == 401
        left = await entries(hospital, "refusal")
        assert [(one["code"], one["actor"]) for one in left] == [("wrong-key-secret", "unknown")]
        assert key in left[0]["detail"]
        monkeypatch.setattr(key_gate, "WRONG_SECRETS_EVERY", 0.0)
        async with open_service(hospital) as client:
            for _ in range(2):
                await client.post(ASK, json=asked, headers=as_bearer(f"{start}_{other}"))
        assert len(await entries(hospital, "refusal")) == 3
        assert len(await entries(neighbour, "refusal")) == 0

    in_hospital(body)


def test_a_rotated_key_overlaps_and_an_ended_one_is_told_that_it_has(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        key_id, text = await make_key(hospital, "ask-for-others")
        asked = question(new_id(), new_id())
        async with open_service(hospital) as client:

            async def status(key: str) -> int:
                return (await client.post(ASK, json=asked, headers=as_bearer(key))).status_code

            assert await status(text) == 200
            async with hospital.change() as db:
                fresh = await api_key_service.rotate_key(
                    db,
                    key_id=key_id,
                    overlap=timedelta(hours=1),
                    organization=hospital.organization,
                    actor="operator:test",
                )
            assert await status(text) == await status(fresh.text) == 200
            async with hospital.change() as db:
                await api_key_service.revoke_key(
                    db, key_id=key_id, organization=hospital.organization, actor="operator:test"
                )
            assert (await status(text), await status(fresh.text)) == (401, 200)
        async with open_service(hospital) as client:  # a process that has never seen it
            for _ in range(2):
                refused = await client.get("/v1/care-teams", headers=as_bearer(text))
                assert (refused.status_code, refused.json()["detail"][:10]) == (401, "This sign-")
        left = [one["code"] for one in await entries(hospital, "refusal")]
        assert left == ["unauthenticated", "unauthenticated"]  # once in each process

    in_hospital(body)


def test_a_service_acts_on_behalf_of_a_registered_provider_and_nobody_else_does(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        doctor = await hospital.provider("npi|1")
        _, text = await make_key(hospital, "change", "ask-for-others")
        with open_issuer() as issuer:
            machine = await account(hospital, issuer, "machine", "service", "care_coordinator")
            await account(hospital, issuer, "clerk", "care_coordinator")
            async with open_service(hospital, issuer.setting(hospital)) as client:

                async def made(token: str, whom: str) -> int:
                    headers = as_bearer(token, **{"Carecircle-On-Behalf-Of": whom})
                    return (await client.post("/v1/care-teams", json={"name": "Ward"}, headers=headers)).status_code

                for whom in ("npi|1", to_text(doctor), "npi|1"):
                    assert await made(text, whom) == 201
                assert await made(issuer.token("machine"), "npi|1") == 201
                assert await made(issuer.token("clerk"), "npi|1") == 403
                for nobody in ("npi|2", to_text(new_id()), "x y z", ""):
                    assert await made(text, nobody) == 400, nobody
                headers = as_bearer(text, **{"Carecircle-On-Behalf-Of": "npi|1"})
                assert (await client.post(ASK, json=question(doctor, new_id()), headers=headers)).status_code == 200
        connection = await asyncpg.connect(hospital.circle.reach.dsn("auditor"))
        try:
            await connection.execute(f"set carecircle.organization_id = '{hospital.organization}'")
            named = await connection.fetch(
                "select distinct actor, on_behalf_of from carecircle.audit_events"
                " where organization_id = $1 and on_behalf_of is not null",
                hospital.organization,
            )
        finally:
            await connection.close()
        whom = f"provider:{to_text(doctor)}"
        assert {tuple(one) for one in named} == {("service:ehr", whom), (f"person:{to_text(machine.id)}", whom)}

    in_hospital(body)


def test_a_super_admin_visits_one_organization_for_as_long_as_the_visit_is_open(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        with open_issuer() as issuer:
            admin = await account(hospital, issuer, "admin", "super_admin")
            await account(hospital, issuer, "clerk", "care_coordinator")
            async with (
                open_service(hospital, issuer.setting(hospital)) as client,
                open_hospital(hospital.circle) as other,
            ):
                token = issuer.token("admin")

                async def get(path: str, to: Any, by: str = token) -> Any:
                    return await client.get(path, headers=as_bearer(by, **{"Carecircle-Organization": to_text(to)}))

                assert (await get("/v1/care-teams", hospital.organization)).status_code == 403
                absent, closed = await get("/v1/care-teams", new_id()), await get("/v1/care-teams", other.organization)
                assert (closed.status_code, closed.json()["code"]) == (403, "visit-required")
                assert closed.content == absent.content
                stay = await visit_service.begin_visit(
                    hospital.circle.engine, account_id=admin.id, organization=other.slug, reason="A ticket of the day",
                    home=hospital.organization, actor="operator:test",
                )  # fmt: skip
                assert (await get("/v1/care-teams", other.organization)).status_code == 200
                assert (await get("/v1/audit/entries", other.organization)).status_code == 200
                assert (
                    await get("/v1/care-teams", other.organization, issuer.token("clerk"))
                ).content == absent.content
                headers = as_bearer(token, **{"Carecircle-Organization": to_text(other.organization)})
                asked = await client.post(ASK, json=question(new_id(), new_id()), headers=headers)
                assert (asked.status_code, asked.json()["code"]) == (403, "permission-required")
                await visit_service.end_visit(
                    hospital.circle.engine, visit_id=stay.id, organization=other.organization, actor="operator:test"
                )
                assert (await get("/v1/care-teams", other.organization)).content == absent.content
                told = [one["actor"] for one in await entries(other) if one["kind"] == "reading"]
                assert set(told) == {f"visitor:{to_text(admin.id)}"}
        assert [one["code"] for one in await entries(hospital, "refusal")].count("visit-required") == 4

    in_hospital(body)


def test_an_account_whose_provider_is_changed_is_read_anew_and_not_refused(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        before, after = await hospital.provider("npi|1"), await hospital.provider("npi|2")
        with open_issuer() as issuer:
            doctor = await account(hospital, issuer, "doctor", "clinician", provider=before)
            async with open_service(hospital, issuer.setting(hospital)) as client:
                headers = as_bearer(issuer.token("doctor"))

                async def status(provider: Any) -> int:
                    return (await client.post(ASK, json=question(provider, new_id()), headers=headers)).status_code

                assert (await status(before), await status(after)) == (200, 403)
                async with hospital.change() as db:
                    await account_service.change_account(
                        db,
                        account_id=doctor.id,
                        provider=after,
                        organization=hospital.organization,
                        actor="operator:test",
                    )
                assert (await status(after), await status(before)) == (200, 403)
        assert {one["actor"] for one in await entries(hospital, "decision")} == {
            f"provider:{to_text(before)}", f"provider:{to_text(after)}",
        }  # fmt: skip

    in_hospital(body)
