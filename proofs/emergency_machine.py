"""The processes of the proof `emergency` that are killed with SIGKILL and come back: server, worker and PostgreSQL."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, suppress
from typing import Literal, get_args

import asyncpg
import httpx
import psutil

from carecircle.database.embedded import EmbeddedServer
from carecircle.database.reach import dsn
from proofs.emergency_practice import Running, Site, serving, working
from proofs.emergency_receivers import SECRET, SENDER, HookReceiver, MailServer

Victim = Literal["server", "worker", "postgres"]
VICTIMS: tuple[Victim, ...] = get_args(Victim)
WHOLE_AGAIN = 90.0
"""Seconds after which something that was killed counts as never coming back."""
SUPERVISED_DEATHS = 4
"""How many deaths in a row of PostgreSQL its supervisor repairs; at the next one it is killed too, and both are made anew."""


class Machine:
    """Everything runs from `start` to `stop` but for what was killed and not mended yet (`dead`)."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.mail, self.hook = MailServer(), HookReceiver()
        self.kills: Counter[str] = Counter()
        self.dead: set[str] = set()
        self.answering = asyncio.Event()
        """Not set while the server or PostgreSQL is dead."""
        self.longest_mending: dict[str, float] = {}
        self._database = site.server
        self._blocks: dict[str, ExitStack] = {}
        self._running: dict[str, Running] = {}
        self._watched = 0

    @property
    def address(self) -> str:
        return self._running["server"].address

    async def start(self) -> None:
        await self.mail.start()
        await self.hook.start()
        await asyncio.gather(self._begin("server"), self._begin("worker"))
        self.answering.set()

    async def stop(self) -> None:
        await asyncio.gather(*(asyncio.to_thread(block.close) for block in self._blocks.values()))
        self.mail.kill()
        self.hook.kill()
        await asyncio.to_thread(self._database.stop)

    def end(self, name: Victim) -> None:
        """For good."""
        self._running[name].kill()

    def kill(self, victim: Victim) -> None:
        """SIGKILL, now."""
        self._watched = self._count_watching()
        if victim == "postgres":
            lines = (self._database.data_dir / "postmaster.pid").read_text().splitlines()
            postmaster = psutil.Process(int(lines[0]))
            if self.kills[victim] % (SUPERVISED_DEATHS + 1) == SUPERVISED_DEATHS:
                parent = postmaster.parent()
                assert parent is not None
                parent.kill()
            os.kill(postmaster.pid, signal.SIGKILL)
        else:
            self._running[victim].kill()
        self.kills[victim] += 1
        self.dead.add(victim)
        if victim != "worker":
            self.answering.clear()

    async def mend(self, victim: Victim) -> None:
        """Start again what was killed; everything works when this returns. Raises RuntimeError when that never comes."""
        began = time.monotonic()
        if victim != "postgres":
            await self._begin(victim)
        elif self.kills[victim] % (SUPERVISED_DEATHS + 1) == 0:
            await asyncio.to_thread(self._renew)
        await soon(self._database_answers, "PostgreSQL answers", WHOLE_AGAIN)
        await soon(self._server_answers, "the server answers", WHOLE_AGAIN)
        if victim != "server":
            again = self._watched + 1 if victim == "postgres" else 1
            await soon(lambda: self._watches(again), "the worker watches", WHOLE_AGAIN)
        self.dead.discard(victim)
        self.answering.set()
        took = time.monotonic() - began
        self.longest_mending[victim] = max(took, self.longest_mending.get(victim, 0.0))

    async def _begin(self, name: Victim) -> None:
        if name in self._blocks:
            await asyncio.to_thread(self._blocks[name].close)
        block = self._blocks[name] = ExitStack()
        if name == "server":
            made = serving(self.site)
        else:
            made = working(
                self.site,
                env={
                    "CARECIRCLE_SMTP_URL": self.mail.url, "CARECIRCLE_MAIL_FROM": SENDER,
                    "CARECIRCLE_WEBHOOK_URL": self.hook.url, "CARECIRCLE_WEBHOOK_SECRET": SECRET,
                },
            )  # fmt: skip
        self._running[name] = await asyncio.to_thread(block.enter_context, made)

    def _renew(self) -> None:
        port = self._database.port
        self._database.stop()
        self._database = EmbeddedServer.start(self.site.home)
        if self._database.port != port:
            raise RuntimeError(f"PostgreSQL came back on port {self._database.port} instead of {port}")

    async def _database_answers(self) -> bool:
        connection = await asyncpg.connect(dsn(self.site.at.admin), timeout=5)
        await connection.close()
        return True

    async def _server_answers(self) -> bool:
        async with httpx.AsyncClient(timeout=5) as client:
            return (await client.get(f"{self.address}/readyz")).status_code == 200

    async def _watches(self, times: int) -> bool:
        worker = self._running["worker"]
        if worker.process.poll() is not None:
            said = worker.log.read_text(errors="replace")[-500:]
            raise RuntimeError(f"the worker ended by itself ({worker.process.returncode}): {said}")
        return self._count_watching() >= times

    def _count_watching(self) -> int:
        return self._running["worker"].log.read_bytes().count(b'"watching"')


GONE = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, httpx.TransportError)


async def soon(holds: Callable[[], Awaitable[bool]], what: str, seconds: float, every: float = 0.05) -> None:
    """Wait until it holds; while something is gone it does not. Raises RuntimeError when that takes longer."""
    limit = time.monotonic() + seconds
    while True:
        with suppress(*GONE):
            if await holds():
                return
        if time.monotonic() > limit:
            raise RuntimeError(f"it did not come about that {what}, within {seconds:.0f} s")
        await asyncio.sleep(every)


class Watcher:
    """The administrator's connection, made again after each death of PostgreSQL."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._connection: asyncpg.Connection | None = None

    async def connection(self) -> asyncpg.Connection:
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(self._address, timeout=10)
            await self._connection.execute("set synchronous_commit = local")  # it never waits for a standby
        return self._connection

    async def close(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
