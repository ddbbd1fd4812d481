"""Live events over a real server: who hears what, how soon, for how long, and who hears nothing."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
import uvicorn

from carecircle import Actor, to_text
from carecircle.api import stream
from carecircle.api.app import Service
from carecircle.api.caller import Caller
from carecircle.api.cork import CorkedProtocol
from carecircle.api.live import STREAMS_EACH, Live, open_live
from carecircle.database.reach import dsn
from carecircle.directory.duty_service import end_duty
from carecircle.directory.sign_in_service import end_sign_ins
from carecircle.errors import DatabaseUnavailable
from carecircle.identifiers import OrganizationId, new_id
from tests.api.glass import ROUTE, Glass
from tests.api.test_break_glass import SECRET, on_glass
from tests.conftest import Hospital, open_hospital
from tests.emergency.clinic import Clinic

Run = Callable[[Callable[[Hospital], Any]], Any]
EVENTS = f"{ROUTE}/events"
LOOK_AT_ONCE = 1.0  # seconds within which an event must be there
SILENCE = 0.7


@dataclass
class Ear:
    """What one stream has told: its events in turn, and every line."""

    lines: list[str] = field(default_factory=list)
    events: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def next(self, within: float = LOOK_AT_ONCE) -> dict[str, Any]:
        async with asyncio.timeout(within):
            return await self.events.get()

    async def listen(self, answer: httpx.Response) -> None:
        async for line in answer.aiter_lines():
            self.lines.append(line)
            if line.startswith("data: "):
                assert self.lines[-2] == "event: emergency"
                self.events.put_nowait(json.loads(line[6:]))
        self.ended.set()


@asynccontextmanager
async def listening(
    glass: Glass, who: UUID, *, headers: dict[str, str] | None = None, **token: Any
) -> AsyncIterator[Ear]:
    """A stream that is open, as its first line has come, with somebody at it."""
    sent = glass.token(who, **token) | (headers or {})
    async with glass.client.stream("GET", EVENTS, headers=sent, timeout=None) as answer:
        assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, "text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        ear = Ear()
        hearing = asyncio.create_task(ear.listen(answer))
        try:
            while not ear.lines:  # noqa: ASYNC110 - a line of a stream is no event
                await asyncio.sleep(0.01)
            yield ear
        finally:
            hearing.cancel()
            await asyncio.gather(hearing, return_exceptions=True)


def test_a_supervisor_hears_of_a_request_at_once_and_of_what_becomes_of_it(in_hospital: Run) -> None:
    async def work(glass: Glass) -> None:
        ward = glass.clinic
        colleague = await ward.breaker()
        async with (
            listening(glass, ward.first) as first,
            listening(glass, ward.doctor) as doctor,
            listening(glass, colleague) as other,
            open_hospital(glass.hospital.circle) as neighbour,
            listening(glass, ward.first, organization=neighbour.organization) as abroad,
        ):
            await asyncio.sleep(0.3)  # all have looked, and know of nothing
            one = await glass.opened(words=SECRET)
            committed = time.monotonic()
            told = await first.next()
            assert time.monotonic() - committed < LOOK_AT_ONCE
            assert told.keys() == {"id", "reference", "state", "decide_by"}
            assert (told["id"], told["reference"], told["state"]) == (one, f"BG-{one[-6:]}", "provisional")
            assert await doctor.next() == told
            await glass.json(ward.first, "POST", f"/{one}/acknowledgement")
            await glass.json(ward.first, "POST", f"/{one}/approval", {"hours": 1})
            for ear in (first, doctor):
                assert await ear.next() == told | {"state": "approved", "decide_by": None}
            await glass.json(ward.second, "POST", f"/{one}/denial", {"words": SECRET})
            for ear in (first, doctor):
                assert (await ear.next())["state"] == "denied"
            await asyncio.sleep(SILENCE)
            for ear in (first, doctor, other, abroad):
                assert ear.events.empty()
            for ear in (other, abroad):
                assert [line for line in ear.lines if line and not line.startswith(("retry", ":"))] == []
            told_of = "".join((*first.lines, *doctor.lines))
            people = (ward.patient, ward.doctor, ward.first, ward.second, glass.hospital.organization)
            assert not any(to_text(who) in told_of or str(who) in told_of for who in people)
            assert "greenhouse" not in told_of

    on_glass(in_hospital, work)


def test_who_comes_later_is_told_what_waits_and_nothing_that_is_over(in_hospital: Run) -> None:
    async def work(glass: Glass) -> None:
        ward = glass.clinic
        over = await glass.opened()
        await glass.json(ward.first, "POST", f"/{over}/denial", {"words": "No."})
        waiting = (await glass.json(ward.doctor, "POST", body=glass.wish(), status=202))["id"]
        for headers in ({}, {"Last-Event-ID": "'; drop table x"}, {"Last-Event-ID": waiting}):
            async with listening(glass, ward.first, headers=headers) as first:
                told = await first.next()
                assert (told["id"], told["state"]) == (waiting, "requested")
                await asyncio.sleep(0.3)
                assert first.events.empty()

    on_glass(in_hospital, work)


def test_a_stream_ends_with_its_token(in_hospital: Run) -> None:
    async def work(glass: Glass) -> None:
        async with (
            listening(glass, glass.clinic.first) as staying,
            listening(glass, glass.clinic.first, hours=3 / 3600) as ending,
        ):
            async with asyncio.timeout(4):
                await ending.ended.wait()
            await glass.opened()
            assert (await staying.next())["state"] == "provisional"
            assert ending.events.empty()

    on_glass(in_hospital, work)


def test_a_stream_ends_with_its_sign_in(in_hospital: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "LOOK_ANYWAY", 0.3)

    async def work(glass: Glass) -> None:
        ward, actor = glass.clinic, Actor.provider(glass.clinic.doctor)
        async with listening(glass, ward.first) as staying, listening(glass, ward.doctor) as ending:
            await asyncio.sleep(0.5)
            assert not ending.ended.is_set()
            async with glass.hospital.change() as db:
                ended = await end_sign_ins(
                    db, actor_name=actor.name, organization=glass.hospital.organization, actor="operator:test"
                )
            assert ended == 1
            async with asyncio.timeout(2):
                await ending.ended.wait()
            await glass.opened()
            assert (await staying.next())["state"] == "provisional"
            assert ending.events.empty()

    on_glass(in_hospital, work)


def test_a_stream_needs_a_person_and_takes_no_token_from_the_address(in_hospital: Run) -> None:
    async def work(glass: Glass) -> None:
        own = glass.token(glass.clinic.first)
        bare = own["Authorization"].partition(" ")[2]
        for path, headers, status, code in (
            (EVENTS, {}, 401, "unauthenticated"),
            (f"{EVENTS}?access_token={bare}", {}, 401, "unauthenticated"),
            (f"{EVENTS}?access_token={bare}", own, 400, "invalid-request"),
            (EVENTS, glass.token("service:host"), 403, "person-required"),
            (EVENTS, glass.token("service:host", may=["change"]), 403, "person-required"),
        ):
            answer = await glass.client.get(path, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (status, code)

    on_glass(in_hospital, work)


def test_one_person_has_so_many_streams_and_who_leaves_makes_room_at_once(in_hospital: Run) -> None:
    async def work(glass: Glass) -> None:
        ward = glass.clinic

        async def one_more(who: UUID) -> httpx.Response:
            async with glass.client.stream("GET", EVENTS, headers=glass.token(who)) as answer:
                if answer.status_code != 200:
                    await answer.aread()
                return answer

        last = listening(glass, ward.first)
        streams = [listening(glass, ward.first) for _ in range(STREAMS_EACH - 1)]
        for one in (*streams, last):
            await one.__aenter__()
        refused = await one_more(ward.first)
        assert (refused.status_code, refused.json()["code"]) == (429, "too-many-streams")
        assert (await one_more(ward.second)).status_code == 200
        await last.__aexit__(None, None, None)
        await asyncio.sleep(0.2)
        assert (await one_more(ward.first)).status_code == 200
        for one in streams:
            await one.__aexit__(None, None, None)

    on_glass(in_hospital, work)


def test_a_lost_connection_is_made_again_and_a_lost_notification_is_made_up_for(
    in_hospital: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(glass: Glass) -> None:
        ward = glass.clinic
        async with listening(glass, ward.first) as first:
            one = await glass.opened()
            assert (await first.next())["id"] == one
            assert await _cut_off(glass) == 1
            await asyncio.sleep(0.5)
            await glass.json(ward.first, "POST", f"/{one}/denial", {"words": "No."})
            assert (await first.next())["state"] == "denied"
            # Where nobody can listen, the next look finds it.
            monkeypatch.setattr("carecircle.api.live.open_connection", _nobody_connects)
            monkeypatch.setattr(stream, "LOOK_ANYWAY", 1.0)
            assert await _cut_off(glass) == 1
            await asyncio.sleep(0.5)
            await glass.json(ward.doctor, "POST", body=glass.wish(), status=202)
            assert (await first.next(within=stream.HEARTBEAT))["state"] == "requested"

    on_glass(in_hospital, work)


def test_whose_duty_is_taken_back_hears_no_more_and_who_approved_for_another_hears_the_rest(in_hospital: Run) -> None:
    async def work(glass: Glass) -> None:
        ward = glass.clinic
        async with listening(glass, ward.first) as first, listening(glass, ward.second) as second:
            one = await glass.opened()
            for ear in (first, second):
                assert (await ear.next())["id"] == one
            await ward.do(end_duty, duty_id=ward.duties[ward.first].id)
            await glass.json(ward.second, "POST", f"/{one}/approval")
            await glass.json(ward.doctor, "POST", f"/{one}/end")
            states = [(await second.next())["state"]]
            if states == ["approved"]:
                states.append((await second.next())["state"])
            assert states[-1] == "ended"
            await asyncio.sleep(SILENCE)
            assert first.events.empty()

    on_glass(in_hospital, work)


def test_a_server_that_stops_does_not_wait_for_those_who_listen(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        glass = Glass(await Clinic.open(hospital), httpx.AsyncClient())
        listener = socket.create_server(("127.0.0.1", 0))
        service = Service(hospital.circle.settings, hospital.circle.reach)
        server = uvicorn.Server(uvicorn.Config(service, log_level="error", http=CorkedProtocol))
        running = asyncio.create_task(server.serve([listener]))
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}") as client:
            while not server.started:  # noqa: ASYNC110 - uvicorn has a flag, not an event
                await asyncio.sleep(0.01)
            glass.client = client
            async with listening(glass, glass.clinic.first) as first:
                await glass.opened()
                assert (await first.next())["state"] == "provisional"
                server.should_exit = True
                async with asyncio.timeout(3):
                    await running
        listener.close()

    in_hospital(body)


def test_silence_is_broken_by_comments(in_hospital: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(glass: Glass) -> None:
        monkeypatch.setattr(stream, "HEARTBEAT", 0.3)
        async with listening(glass, glass.clinic.first) as first:
            await asyncio.sleep(1.2)
        assert 2 <= first.lines.count(":") <= 4

    on_glass(in_hospital, work)


def test_a_storm_of_wakings_is_answered_by_few_looks_and_who_is_gone_looks_no_more() -> None:
    looks = 0

    async def look() -> list[dict[str, Any]]:
        nonlocal looks
        looks += 1
        if looks == 2:
            raise DatabaseUnavailable
        return [{"look": looks}]

    async def whole() -> None:
        nonlocal looks
        organization, person = OrganizationId(new_id()), new_id()
        async with open_live(_nowhere) as live:
            gone = asyncio.Event()
            serving = asyncio.create_task(_serve(live, organization, person, look, gone))
            began = time.monotonic()
            while time.monotonic() - began < 1:
                live._heard(None, 0, "", str(organization))
                live._heard(None, 0, "", "no id at all")
                await asyncio.sleep(0.001)
            assert 3 <= looks <= 1 / stream.SHORTEST_REST + 2
            assert live.count() == 1
            gone.set()
            told = await asyncio.wait_for(serving, 0.1)
            assert live.count() == 0
            before = looks
            live._heard(None, 0, "", str(organization))
            await asyncio.sleep(0.3)
            assert looks == before
        assert b'event: emergency\ndata: {"look":1}\n\n' in told
        assert b'event: emergency\ndata: {"look":3}\n\n' in told

    asyncio.run(whole())


async def _serve(
    live: Live, organization: OrganizationId, person: UUID, look: Callable[[], Awaitable[Any]], gone: asyncio.Event
) -> list[bytes]:
    """Serve one stream to a reader who takes everything until they are gone; what they were told."""
    told: list[bytes] = []

    async def receive() -> dict[str, Any]:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        told.append(message.get("body", b""))

    caller = Caller(organization, Actor.provider(person), time.time() + 60)
    await stream.EventStream(live, caller, person, "emergency", look, _always)({"type": "http"}, receive, send)
    return told


async def _always() -> bool:
    return True


def _nowhere() -> str:
    raise DatabaseUnavailable


async def _nobody_connects(*_: Any) -> None:
    raise DatabaseUnavailable


async def _cut_off(glass: Glass) -> int:
    """End every connection that listens, as the database's administrator; how many there were."""
    connection = await asyncpg.connect(dsn(glass.hospital.circle.reach.admin))
    try:
        ended = await connection.fetch(
            "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'carecircle_notifier'"
        )
        return len(ended)
    finally:
        await connection.close()
