"""Routes guarded by `require` run only on a yes: with the fake, with Access in this process, and with the clients."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any
from unittest.mock import MagicMock
from uuid import UUID

import httpx
import pytest
from fastapi import Body, Depends, FastAPI, Header, HTTPException, Request

from carecircle import acting_as, to_text
from carecircle.client import AsyncClient, Client
from carecircle.errors import InvalidSetting, Unauthenticated
from carecircle.hosts import Asker, Within
from carecircle.hosts.fastapi import RESPONSES, install, require
from carecircle.hosts.refusal import Decided
from carecircle.identifiers import new_id
from carecircle.testing import FakeAccess
from tests.access.test_batch import entries
from tests.client.running import Ward
from tests.client.servers import PROBLEM
from tests.hosts.lifespan import started

OKAFOR, INES = "urn:staff|okafor", "urn:mrn|4711"


def signed_in(request: Request) -> str | None:
    return request.headers.get("X-Demo-User")


def application(asks: Any, identify: Any = signed_in) -> FastAPI:
    app = FastAPI()
    install(app, asks, identify=identify)
    app.state.ran = []

    @app.get("/patients/{patient_id}/chart", responses=RESPONSES)
    async def chart(
        patient_id: str, decision: Annotated[Decided, Depends(require("read", patient="patient_id"))]
    ) -> Any:
        app.state.ran.append("chart")
        return {"patient": patient_id, "code": decision.code}

    @app.get("/charts/{number}", dependencies=[Depends(require("read", patient="number", system="urn:mrn"))])
    async def by_number(number: int) -> Any:
        app.state.ran.append("number")
        return number

    @app.post("/notes", dependencies=[Depends(require("write", header="X-Patient", purpose="ETREAT"))])
    async def note(x_patient: Annotated[str, Header()]) -> Any:
        app.state.ran.append("note")
        return x_patient

    @app.post("/orders", dependencies=[Depends(require("order", body="patient"))])
    async def order(patient: Annotated[str, Body()], drug: Annotated[str, Body()]) -> Any:
        app.state.ran.append("order")
        return [patient, drug]

    @app.get("/lost", dependencies=[Depends(require("read", patient="patient_id"))])
    async def lost() -> Any:
        app.state.ran.append("lost")

    return app


def send(app: FastAPI, method: str, path: str, user: str | None = OKAFOR, **more: Any) -> httpx.Response:
    async def body() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://host") as client:
            headers = [*more.pop("headers", []), *([("X-Demo-User", user)] if user is not None else [])]
            return await client.request(method, path, headers=headers, **more)

    return asyncio.run(body())


def test_a_yes_lets_in_and_hands_over_the_decision() -> None:
    fake = FakeAccess()
    for action in ("read", "write", "order"):
        fake.allow(OKAFOR, action, INES)
    app = application(fake)
    assert send(app, "GET", f"/patients/{INES}/chart").json() == {"patient": INES, "code": "allowed"}
    assert send(app, "GET", "/charts/4711").json() == 4711
    assert send(app, "POST", "/notes", headers=[("X-Patient", INES)]).json() == INES
    assert send(app, "POST", "/orders", json={"patient": INES, "drug": "X"}).json() == [INES, "X"]
    assert app.state.ran == ["chart", "number", "note", "order"]
    assert [asked.purpose for asked in fake.questions] == ["TREAT", "TREAT", "ETREAT", "TREAT"]


def test_a_no_is_a_problem_with_remedies() -> None:
    fake = FakeAccess()
    fake.deny(OKAFOR, "read", INES, code="restricted")
    app = application(fake)
    answer = send(app, "GET", f"/patients/{INES}/chart")
    said = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (403, "application/problem+json")
    assert answer.headers["cache-control"] == "no-store"
    assert (said["code"], said["status"], said["type"]) == ("restricted", 403, "urn:carecircle:problem:restricted")
    assert said["remedies"][0]["kind"] == "ask-privacy-office"
    assert len(said["entry"]) == 26
    assert INES not in answer.text
    assert app.state.ran == []


def test_a_patient_nobody_knows_looks_like_one_without_a_relationship() -> None:
    fake = FakeAccess()
    fake.deny(OKAFOR, "read", "urn:mrn|nobody", code="unknown-patient")
    absent, strange = (send(application(fake), "GET", f"/patients/urn:mrn|{who}/chart") for who in ("nobody", "4711"))
    first, second = absent.json(), strange.json()
    assert first.pop("entry") != second.pop("entry")
    assert (absent.status_code, first) == (strange.status_code, second)


def test_without_an_answer_nobody_is_let_in() -> None:
    fake = FakeAccess()
    fake.allow(OKAFOR, "read", INES)
    app = application(fake)
    with fake.unavailable():
        answer = send(app, "GET", f"/patients/{INES}/chart")
    assert (answer.status_code, answer.json()["code"]) == (503, "access-unavailable")
    assert app.state.ran == []
    assert send(app, "GET", f"/patients/{INES}/chart").status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "more"),
    [
        ("POST", "/notes", {}),
        ("POST", "/notes", {"headers": [("X-Patient", INES), ("X-Patient", "urn:mrn|2")]}),
        ("POST", "/notes", {"headers": [("X-Patient", "")]}),
        ("POST", "/orders", {"json": {"patient": 4711, "drug": "X"}}),
        ("POST", "/orders", {"json": {"patient": f" {INES}", "drug": "X"}}),
        ("POST", "/orders", {"json": [INES]}),
        ("POST", "/orders", {"content": "{", "headers": [("Content-Type", "application/json")]}),
        (
            "POST",
            "/orders",
            {
                "content": f'{{"patient": "{INES}", "drug": "&patient=urn:mrn|2&"}}',
                "headers": [("Content-Type", "application/x-www-form-urlencoded")],
            },
        ),
        ("GET", "/patients/%20urn:mrn%7C4711/chart", {}),
        ("GET", "/patients/%0A/chart", {}),
    ],
)
def test_a_patient_who_is_not_named_once_and_clearly_is_not_asked_about(method: str, path: str, more: Any) -> None:
    fake = FakeAccess()
    for action in ("read", "write", "order"):
        for patient in (INES, "urn:mrn|2"):
            fake.allow(OKAFOR, action, patient)
    app = application(fake)
    assert send(app, method, path, **more).status_code in (400, 422)
    assert app.state.ran == []
    assert fake.questions == []


def test_nobody_signed_in_is_401_and_the_hosts_own_words_stay() -> None:
    fake = FakeAccess()
    app = application(fake)
    answer = send(app, "GET", f"/patients/{INES}/chart", user=None)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")

    def busy(_: Request) -> str:
        raise HTTPException(418, "mine")

    async def later(request: Request) -> Asker:
        return Asker(request.headers["X-Demo-User"])

    assert send(application(fake, busy), "GET", f"/patients/{INES}/chart").status_code == 418
    fake.allow(OKAFOR, "read", INES)
    assert send(application(fake, later), "GET", f"/patients/{INES}/chart").status_code == 200


def test_a_mistake_of_the_application_stays_an_error() -> None:
    with pytest.raises(InvalidSetting):
        send(application(FakeAccess()), "GET", "/lost")
    for wrong in ({}, {"patient": "a", "header": "b"}):
        with pytest.raises(InvalidSetting):
            require("read", **wrong)
    bare = FastAPI()

    @bare.get("/{patient_id}", dependencies=[Depends(require("read", patient="patient_id"))])
    async def chart(patient_id: str) -> str:
        return patient_id

    with pytest.raises(InvalidSetting):
        send(bare, "GET", "/1")


class Hidden:
    """Middleware that keeps what it wraps under a name of its own."""

    def __init__(self, app: Any) -> None:
        self.inner = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.inner(scope, receive, send)


@pytest.mark.parametrize("hidden", [False, True])
def test_it_can_be_installed_while_the_application_starts(hidden: bool) -> None:
    told: list[InvalidSetting] = []

    @asynccontextmanager
    async def connected(app: FastAPI) -> AsyncIterator[None]:
        try:
            install(app, FakeAccess(), identify=signed_in)
        except InvalidSetting as error:
            told.append(error)
        yield

    app = FastAPI(lifespan=connected)
    if hidden:
        app.add_middleware(Hidden)

    @app.get("/{patient_id}", dependencies=[Depends(require("read", patient="patient_id"))])
    async def chart(patient_id: str) -> str:
        return patient_id

    async def body() -> int:
        async with started(app) as client:
            return (await client.get("/1", headers={"X-Demo-User": OKAFOR})).status_code

    if hidden:
        with pytest.raises(Exception, match="Nothing on record"):
            asyncio.run(body())
        assert "before this application starts" in str(told[0])
    else:
        assert asyncio.run(body()) == 403
        assert told == []


class Odd:
    """Asks and says something that is neither yes nor no, or fails as a service does whose key has ended."""

    def __init__(self, allowed: Any, error: Exception | None = None) -> None:
        self.allowed = allowed
        self.error = error

    async def check(self, *_: Any, **__: Any) -> Any:
        if self.error is not None:
            raise self.error
        said = MagicMock()
        said.allowed = self.allowed
        return said


@pytest.mark.parametrize("allowed", [1, "true", MagicMock(), None, [True]])
def test_what_is_not_true_is_not_yes(allowed: Any) -> None:
    app = application(Odd(allowed))
    assert send(app, "GET", f"/patients/{INES}/chart").status_code == 503
    assert app.state.ran == []


def test_a_credential_of_the_application_that_ended_is_not_the_users_affair() -> None:
    app = application(Odd(True, Unauthenticated("This key has ended.")))
    answer = send(app, "GET", f"/patients/{INES}/chart")
    assert answer.status_code == 503
    assert "key" not in answer.text


def test_several_organizations_in_one_application() -> None:
    north, south = FakeAccess(), FakeAccess()
    north.allow(OKAFOR, "read", INES)

    def whose(request: Request) -> Asker:
        return Asker(OKAFOR, north if request.headers["X-Demo-User"] == "north" else south)

    app = application(FakeAccess(), whose)
    assert send(app, "GET", f"/patients/{INES}/chart", user="north").status_code == 200
    assert send(app, "GET", f"/patients/{INES}/chart", user="south").status_code == 403


def test_the_same_with_everything_that_can_be_asked(ward: Ward) -> None:
    said: dict[str, Any] = {"organization": ward.hospital.organization, "actor": "service:ward-app"}
    access, patient = ward.hospital.circle.access, ward.patients[0]

    async def answers(asks: Any, *questions: tuple[str, str]) -> list[httpx.Response]:
        with acting_as(**said):
            async with httpx.AsyncClient(
                transport=httpx.ASGITransport(application(asks)), base_url="http://host"
            ) as client:
                return [
                    await client.get(f"/patients/{whom}/chart", headers={"X-Demo-User": who}) for who, whom in questions
                ]

    async def body() -> None:
        async with AsyncClient(ward.address, ward.asker) as waiting, AsyncClient(ward.address, "ended") as ended:
            with Client(ward.address, ward.asker) as blocking:
                for asks in (Within(access, **said), access, waiting, blocking):
                    before = await entries(ward.hospital)
                    yes, no, nobody = await answers(
                        asks, (ward.okafor, patient), (ward.brandt, patient), (ward.okafor, to_text(new_id()))
                    )
                    assert (yes.status_code, no.status_code, nobody.status_code) == (200, 403, 403)
                    assert no.json()["code"] == nobody.json()["code"] == "no-relationship"
                    assert no.headers["content-type"] == PROBLEM["content-type"]
                    assert await entries(ward.hospital) - before == 3
            # The application's own credential has ended: that is no answer, whatever was true before.
            [closed] = await answers(ended, (ward.okafor, patient))
            assert closed.status_code == 503

    ward.run(body())


def test_the_ids_may_be_uuids() -> None:
    fake, who, whom = FakeAccess(), new_id(), new_id()
    fake.allow(to_text(who), "read", whom)

    def identify(_: Request) -> UUID:
        return who

    assert send(application(fake, identify), "GET", f"/patients/{whom}/chart").status_code == 200
