"""A server told to stop loses no answer; of several workers one that is killed is replaced, and all stop together."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psutil

from carecircle import Actor
from carecircle.api.tokens import mint
from carecircle.database.reach import dsn
from carecircle.identifiers import new_id
from tests.access.test_batch import entries
from tests.api.test_hot_route import head, listening
from tests.api.test_service import question
from tests.conftest import Hospital
from tests.notices.receivers import free_port

Run = Callable[[Callable[[Hospital], Any]], Any]
READY = b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n"


@contextmanager
def served(hospital: Hospital, port: int, workers: int = 1, **settings: str) -> Iterator[subprocess.Popen[bytes]]:
    """The service in processes of its own, as `carecircle serve` starts it."""
    circle = hospital.circle
    environment = {
        "CARECIRCLE_HOME": str(circle.settings.home),
        "CARECIRCLE_DATABASE_URL": dsn(circle.reach.admin),
        "CARECIRCLE_LOG_LEVEL": "error",
    }
    program = (
        "from carecircle.api.serve import serve; from carecircle.settings import Settings\n"
        f"if __name__ == '__main__': serve(Settings.read(), port={port}, workers={workers})"
    )
    process = subprocess.Popen([sys.executable, "-c", program], env=os.environ | environment | settings)
    try:
        yield process
    finally:
        if process.poll() is None:
            for one in psutil.Process(process.pid).children(recursive=True):
                one.kill()
            process.kill()
        process.wait(10)


async def ready(port: int) -> None:
    async with asyncio.timeout(90):
        while b"200 OK" not in await look(port):  # noqa: ASYNC110  another process, which tells nobody
            await asyncio.sleep(0.05)


async def look(port: int) -> bytes:
    """What /readyz says, if anybody listens."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return b""
    writer.write(READY.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    told = await reader.read()
    writer.close()
    return told


class Asker:
    """Asks over one connection for as long as it can, and makes a new one where the server closed the last.

    A connection on which nothing was ever answered had not been accepted when the server stopped to: `unaccepted`. That none
    of those was decided is told by the entries.
    """

    def __init__(self, port: int, request: bytes) -> None:
        self.port, self.request = port, request
        self.answers = self.lost = self.unaccepted = 0

    async def ask(self) -> None:
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                return  # nobody accepts any more
            last, before = False, self.answers
            while not last:
                try:
                    writer.write(self.request)
                    answer = await reader.readuntil(b"\r\n\r\n")
                    length = int(answer.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                    await reader.readexactly(length)
                except (asyncio.IncompleteReadError, ConnectionError):
                    if self.answers == before:
                        self.unaccepted += 1
                    else:
                        self.lost += 1
                    break
                self.answers += answer.startswith(b"HTTP/1.1 200")
                last = b"connection: close" in answer
            writer.close()


def test_a_stop_under_load_loses_no_answer(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        request = request_of(hospital)
        settings = hospital.circle.settings.model_copy(update={"drain_notice": 0.2})
        async with listening(hospital, settings=settings) as (port, _, server):
            idle, idle_writer = await asyncio.open_connection("127.0.0.1", port)
            askers = [Asker(port, request) for _ in range(24)]
            asking = [asyncio.create_task(asker.ask()) for asker in askers]
            await asyncio.sleep(0.2)
            server.should_exit = True  # what uvicorn's signal handler does
            await asyncio.sleep(0.15)
            told = await look(port)
            await asyncio.wait_for(asyncio.gather(*asking), 10)
            assert await asyncio.wait_for(idle.read(), 5) == b""
            idle_writer.close()
        assert told.startswith(b"HTTP/1.1 503 ")
        assert b"draining" in told
        await lost_nothing(hospital, askers)

    in_hospital(body)


def test_a_killed_worker_is_replaced_and_all_stop_together_without_losing_an_answer(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        port, request = free_port(), request_of(hospital)
        with served(hospital, port, workers=2) as process:
            await ready(port)
            family = psutil.Process(process.pid)

            def workers() -> set[int]:
                return {one.pid for one in family.children() if "spawn_main" in " ".join(one.cmdline())}

            before = workers()
            assert len(before) == 2
            os.kill(min(before), signal.SIGKILL)
            async with asyncio.timeout(60):
                while len(workers() - before) != 1:  # noqa: ASYNC110  nobody tells of a process that another has started
                    await asyncio.sleep(0.05)
            assert len(workers()) == 2
            assert b"200 OK" in await look(port)
            askers = [Asker(port, request) for _ in range(24)]
            asking = [asyncio.create_task(asker.ask()) for asker in askers]
            await asyncio.sleep(0.5)
            process.send_signal(signal.SIGTERM)
            await asyncio.wait_for(asyncio.gather(*asking), 20)
            assert await asyncio.to_thread(process.wait, 20) == 0
            assert not any(psutil.pid_exists(one) for one in before)
        await lost_nothing(hospital, askers)

    in_hospital(body)


def request_of(hospital: Hospital) -> bytes:
    token = mint(hospital.circle.keyring, organization_id=hospital.organization, actor=Actor.service("t"), hours=1)
    asked = json.dumps(question(new_id(), new_id())).encode()
    return head(token, len(asked)) + asked


async def lost_nothing(hospital: Hospital, askers: list[Asker]) -> None:
    """Every request that was sent was answered, and there are as many entries as answers."""
    assert sum(asker.lost for asker in askers) == 0
    assert all(asker.unaccepted <= 1 for asker in askers)
    answers = sum(asker.answers for asker in askers)
    assert answers >= len(askers)
    assert await entries(hospital) == answers
