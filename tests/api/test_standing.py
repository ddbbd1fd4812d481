"""What is revoked lets nobody in from its commit on: assignment, key, sign-in, role and account, in a process that knew them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import httpx
import pytest

from carecircle import CareTeamService, to_text
from carecircle.actor import Actor
from carecircle.api.tokens import mint
from carecircle.api.v1 import audit_exporting
from carecircle.api.v1.door import Door
from carecircle.assignments.service import end_assignments
from carecircle.directory import account_role_service, account_service, api_key_service, sign_in_service
from carecircle.directory.duty_service import add_duty
from carecircle.directory.permissions import Permission
from tests.api.clinic import entries
from tests.api.issuer import Issuer, account, as_bearer, open_issuer, open_service
from tests.api.test_gate_keys import make_key
from tests.api.test_service import question
from tests.conftest import Hospital

Run = Callable[[Callable[[Hospital], Any]], Any]
OPERATOR = "operator:test"
ASK = "/access/v1/evaluation"
TEAMS = "/v1/care-teams"


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with open_issuer() as opened:
        yield opened


Way = Callable[[Hospital, Issuer], Awaitable[tuple[str, Callable[[Any], Awaitable[Any]]]]]


async def key(hospital: Hospital, _: Issuer) -> tuple[str, Callable[[Any], Awaitable[Any]]]:
    key_id, text = await make_key(hospital, "ask-for-others", "read", "change")

    async def end(db: Any) -> None:
        await api_key_service.revoke_key(db, key_id=key_id, organization=hospital.organization, actor=OPERATOR)

    return text, end


async def own_sign_in(hospital: Hospital, _: Issuer) -> tuple[str, Callable[[Any], Awaitable[Any]]]:
    actor = Actor.service("own")

    async def end(db: Any) -> None:
        ended = await sign_in_service.end_sign_ins(
            db, actor_name=actor.name, organization=hospital.organization, actor=OPERATOR
        )
        assert ended == 1

    return mint(hospital.circle.keyring, organization_id=hospital.organization, actor=actor, may=["change"]), end


async def sign_in(hospital: Hospital, issuer: Issuer) -> tuple[str, Callable[[Any], Awaitable[Any]]]:
    who = await account(hospital, issuer, "signs-in", "care_coordinator")

    async def end(db: Any) -> None:
        [row] = await sign_in_service.sign_ins(db, account_id=who.id, organization=hospital.organization)
        await sign_in_service.end_sign_in(db, sign_in_id=row.id, organization=hospital.organization, actor=OPERATOR)

    return issuer.token("signs-in", sid="the-session"), end


async def role(hospital: Hospital, issuer: Issuer) -> tuple[str, Callable[[Any], Awaitable[Any]]]:
    who = await account(hospital, issuer, "has-a-role", "care_coordinator")

    async def end(db: Any) -> None:
        await account_role_service.take_role(
            db, account_id=who.id, role="care_coordinator", organization=hospital.organization, actor=OPERATOR
        )

    return issuer.token("has-a-role"), end


async def person(hospital: Hospital, issuer: Issuer) -> tuple[str, Callable[[Any], Awaitable[Any]]]:
    who = await account(hospital, issuer, "leaves", "care_coordinator")

    async def end(db: Any) -> None:
        await account_service.end_account(db, account_id=who.id, organization=hospital.organization, actor=OPERATOR)

    return issuer.token("leaves"), end


async def assignment(hospital: Hospital, _: Issuer) -> tuple[str, Callable[[Any], Awaitable[Any]]]:
    token = mint(hospital.circle.keyring, organization_id=hospital.organization, actor=Actor.service("test"))

    async def end(db: Any) -> None:
        await end_assignments(db, patient="mrn|1", provider="npi|1", organization=hospital.organization, actor="test")

    return token, end


# Each with the statuses that a question and a list are answered with from then on.
WAYS: tuple[tuple[Way, int, int], ...] = (
    (key, 401, 401), (own_sign_in, 401, 401), (sign_in, 401, 401), (role, 403, 403), (person, 401, 401),
    (assignment, 200, 200),
)  # fmt: skip


def test_what_is_revoked_lets_in_no_more_in_two_processes_that_knew_it(in_hospital: Run, issuer: Issuer) -> None:
    async def body(hospital: Hospital) -> None:
        provider, patient = await hospital.provider("npi|1"), await hospital.patient("mrn|1")
        async with hospital.change() as db:
            await CareTeamService.assign_primary_provider(
                db, hospital.organization, patient_id=patient, provider_id=provider, actor="test"
            )
        setting = issuer.setting(hospital)
        async with open_service(hospital, setting) as first, open_service(hospital, setting) as second:
            for way, *then in WAYS:
                token, end = await way(hospital, issuer)
                headers = as_bearer(token)
                before = len(await entries(hospital))

                async def allowed(client: httpx.AsyncClient, headers: dict[str, str] = headers) -> tuple[bool, int]:
                    answer = await client.post(ASK, json=question(provider, patient), headers=headers)
                    return answer.json().get("decision", False), answer.status_code

                for client in (first, second):
                    assert [await allowed(client), await allowed(client)] == [(True, 200)] * 2, way
                    assert (await client.get(TEAMS, headers=headers)).status_code == 200
                async with hospital.change() as db:
                    await end(db)
                for client in (second, first):
                    told, listed = await allowed(client), await client.get(TEAMS, headers=headers)
                    assert ([told[1], listed.status_code], told[0]) == (then, False), way
                    assert await allowed(client) == told
                left = (await entries(hospital))[before:]
                decided = [one["code"] for one in left if one["kind"] == "decision"]
                assert decided[:4] == ["allowed"] * 4
                assert set(decided[4:]) == {"no-relationship" if way is assignment else "not-admitted"}, way
                refused = {one["code"] for one in left if one["kind"] == "refusal"}
                refused.discard("account-unknown")  # whoever comes again after their account was ended
                assert refused == {200: set(), 401: {"unauthenticated"}, 403: {"permission-required"}}[then[0]], way

    in_hospital(body)


def test_another_token_of_an_ended_session_is_refused_and_another_sessions_is_not(
    in_hospital: Run, issuer: Issuer
) -> None:
    async def body(hospital: Hospital) -> None:
        who = await account(hospital, issuer, "clerk", "care_coordinator")
        async with open_service(hospital, issuer.setting(hospital)) as client:

            async def status(session: str) -> int:
                return (await client.get(TEAMS, headers=as_bearer(issuer.token("clerk", sid=session)))).status_code

            assert [await status(one) for one in ("a", "a", "b")] == [200, 200, 200]
            async with hospital.change() as db:
                rows = await sign_in_service.sign_ins(db, account_id=who.id, organization=hospital.organization)
                assert len(rows) == 2
                await sign_in_service.end_sign_in(
                    db, sign_in_id=rows[-1].id, organization=hospital.organization, actor=OPERATOR
                )
            assert [await status(one) for one in ("a", "b", "a")] == [401, 200, 401]

    in_hospital(body)


LATE: tuple[Way, ...] = (key, own_sign_in, sign_in, role, person)


@pytest.mark.parametrize("way", [None, *LATE], ids=lambda way: getattr(way, "__name__", "nothing"))
def test_what_ends_while_a_body_is_on_its_way_changes_nothing(
    in_hospital: Run, issuer: Issuer, way: Way | None
) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_service(hospital, issuer.setting(hospital)) as client:
            token, end = await (way or role)(hospital, issuer)
            assert (await client.get(TEAMS, headers=as_bearer(token))).status_code == 200

            async def slowly() -> AsyncIterator[bytes]:
                yield b'{"name": '
                if way is not None:
                    async with hospital.change() as db:
                        await end(db)
                yield b'"Ward"}'

            headers = as_bearer(token, **{"Content-Type": "application/json"})
            answer = await client.post(TEAMS, content=slowly(), headers=headers)
            await account(hospital, issuer, "watches", "care_coordinator")
            made = (await client.get(TEAMS, headers=as_bearer(issuer.token("watches")))).json()["care_teams"]
            assert (answer.status_code, len(made)) == ((201, 1) if way is None else (403 if way is role else 401, 0))

    in_hospital(body)


def test_what_ends_while_a_change_waits_for_another_changes_nothing(in_hospital: Run, issuer: Issuer) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_service(hospital, issuer.setting(hospital)) as client:
            staying, _ = await role(hospital, issuer)
            leaving = await account(hospital, issuer, "taken-from", "org_admin")
            other = await account(hospital, issuer, "beside", "org_admin")
            headers = as_bearer(issuer.token("taken-from"))
            said = {"issuer": "https://other.example", "subject": "new"}
            async with hospital.change() as db:
                # Holds the turn that every change of accounts takes, and is committed while the request waits for it.
                await account_role_service.take_role(
                    db, account_id=leaving.id, role="org_admin", organization=hospital.organization, actor=OPERATOR
                )
                waiting = asyncio.create_task(client.post("/v1/accounts", json=said, headers=headers))
                await asyncio.sleep(0.5)
                assert not waiting.done()
            assert (await waiting).json()["code"] == "permission-required"
            made = await client.post("/v1/accounts", json=said, headers=as_bearer(issuer.token("beside")))
            assert made.status_code == 201, made.text
            # Nor does it take less than to administer to put out somebody who administers.
            provider = await hospital.provider("npi|9")
            chief = await account(hospital, issuer, "chief", "org_admin", provider=provider)
            refused = await client.post("/v1/offboardings", json={"person": "npi|9"}, headers=as_bearer(staying))
            assert (refused.status_code, refused.json()["code"]) == (403, "permission-required")
            async with hospital.change() as db:
                await account_role_service.take_role(
                    db, account_id=chief.id, role="org_admin", organization=hospital.organization, actor=OPERATOR
                )
            done = await client.post("/v1/offboardings", json={"person": "npi|9"}, headers=as_bearer(staying))
            assert (done.status_code, done.json()["ended"]["account"]) == (200, 1), done.text
            assert other.id != leaving.id

    in_hospital(body)


def test_who_has_lost_every_role_opens_no_record(in_hospital: Run, issuer: Issuer) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_service(hospital, issuer.setting(hospital)) as client:
            provider, patient = await hospital.provider("npi|8"), await hospital.patient()
            who = await account(hospital, issuer, "breaks", "clinician", provider=provider)
            async with hospital.change() as db:
                await add_duty(
                    db, provider=provider, duty="break_glass", organization=hospital.organization, actor=OPERATOR
                )
            said = {"patient": to_text(patient), "reason": "life-threat", "attested": True}
            headers = as_bearer(issuer.token("breaks", auth_time=int(time.time())))
            first = await client.post("/v1/break-glass", json=said, headers=headers)
            assert first.status_code == 201, first.text
            async with hospital.change() as db:
                await account_role_service.take_role(
                    db, account_id=who.id, role="clinician", organization=hospital.organization, actor=OPERATOR
                )
            second = await client.post("/v1/break-glass", json=said, headers=headers)
            assert (second.status_code, second.json()["code"]) == (403, "permission-required")

    in_hospital(body)


def test_two_who_share_a_session_are_put_out_each_alone(in_hospital: Run, issuer: Issuer) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_service(hospital, issuer.setting(hospital)) as client:
            one = await account(hospital, issuer, "one", "care_coordinator")
            await account(hospital, issuer, "two", "care_coordinator")

            async def status(subject: str) -> int:
                return (await client.get(TEAMS, headers=as_bearer(issuer.token(subject, sid="shared")))).status_code

            assert [await status("one"), await status("two")] == [200, 200]
            async with hospital.change() as db:
                ended = await sign_in_service.end_sign_ins(
                    db, account_id=one.id, organization=hospital.organization, actor=OPERATOR
                )
            assert (ended, await status("one"), await status("two")) == (1, 401, 200)

    in_hospital(body)


@pytest.mark.parametrize("loses", [True, False], ids=["loses the role", "keeps it"])
def test_an_export_ends_with_the_role_that_may_audit(
    in_hospital: Run, issuer: Issuer, monkeypatch: pytest.MonkeyPatch, loses: bool
) -> None:
    async def body(hospital: Hospital) -> None:
        monkeypatch.setattr(audit_exporting, "LOOK_AGAIN", -1.0)
        held = Door.holds
        async with open_service(hospital, issuer.setting(hospital)) as client:
            who = await account(hospital, issuer, "audits", "auditor", "care_coordinator")
            headers = as_bearer(issuer.token("audits"))
            assert (await client.get(TEAMS, headers=headers)).status_code == 200

            async def meanwhile(door: Door, *needed: Permission) -> bool:
                if loses and "auditor" in {one.role for one in await roles_of_account(hospital, who.id)}:
                    async with hospital.change() as db:
                        await account_role_service.take_role(
                            db, account_id=who.id, role="auditor", organization=hospital.organization, actor=OPERATOR
                        )
                return await held(door, *needed)

            monkeypatch.setattr(Door, "holds", meanwhile)
            answer = await client.get("/v1/audit/export", headers=headers)
            assert answer.status_code == (503 if loses else 200), answer.text

    in_hospital(body)


async def roles_of_account(hospital: Hospital, account_id: Any) -> Any:
    async with hospital.change() as db:
        return await account_role_service.roles_of(db, account_id=account_id, organization=hospital.organization)
