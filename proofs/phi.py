"""Proof that patients' data stays where it belongs: `./dev prove phi [--quick]`, or `python -m proofs.phi`.

Thirty canary values (names, identifiers of several systems, birth dates, addresses, telephone numbers, reasons and notes)
go through everything carecircle does: the command, an import, the HTTP routes with right and wrong requests, broken glass
with all its notices, the worker, a host's own process. Then they are looked for, in several encodings, in: the logs of
server and worker at debug level, what the command says on stderr, addresses and headers of answers, error bodies, metrics,
mails and webhooks, the trail's export, PostgreSQL's own log, the statements pg_stat_activity showed meanwhile, a dump of
every table, and every file of the data directory after a checkpoint. None may be found.

What may hold them, and is not looked at: bodies that answer an authorised reader, what the driver itself sent, and its own
X-Request-ID, which goes back to it. There are no traces: carecircle makes none. Controls: each kind of leak is planted once,
and must be found.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import Request, urlopen

import asyncpg
from tests.notices.receivers import HERE, SECRET, HookReceiver, MailServer

from carecircle.database.reach import dsn
from proofs.emergency_practice import Site, free_port, open_practice, serving, site
from proofs.phi_canaries import ALL, Hit, hits, raw_hits
from proofs.phi_controls import missed
from proofs.phi_flows import OverCommands, all_of_http, in_process

WAIT = 20.0


@dataclass
class Search:
    """What was looked at, and what was found there."""

    found: list[Hit] = field(default_factory=list)
    size: int = 0
    places: dict[str, int] = field(default_factory=dict)

    def seen(self, where: str, said: bytes) -> None:
        """Look for every canary in what was said."""
        self._count(where, said)
        self.found += hits(where, said)

    def seen_file(self, where: str, file: Path) -> None:
        """The same for a file, in which canaries are looked for as they are."""
        try:
            said = file.read_bytes()
        except OSError:
            return  # PostgreSQL has taken it away
        self._count(where, said)
        self.found += raw_hits(f"{where} {file.name}", said)

    def _count(self, where: str, said: bytes) -> None:
        self.size += len(said)
        kind = " ".join(where.split()[:2])
        self.places[kind] = self.places.get(kind, 0) + 1


@dataclass(frozen=True)
class Result:
    """What a run came to: requests, commands and notices that went through it, what was found, and which control missed."""

    requests: int
    commands: int
    notices: int
    search: Search
    missed: tuple[str, ...]


@contextmanager
def watched_statements(at: Site) -> Iterator[set[str]]:
    """Every text that pg_stat_activity shows in the block, to an administrator who looks fifty times a second."""
    texts: set[str] = set()
    stop = threading.Event()

    async def look() -> None:
        connection = await asyncpg.connect(dsn(at.at.admin))
        try:
            while not stop.is_set():
                rows = await connection.fetch(
                    "select query, application_name from pg_stat_activity where pid <> pg_backend_pid()"
                )
                texts.update(f"{row[0]} {row[1]}" for row in rows)
                await asyncio.sleep(0.02)
        finally:
            await connection.close()

    thread = threading.Thread(target=lambda: asyncio.run(look()), daemon=True)
    thread.start()
    try:
        yield texts
    finally:
        stop.set()
        thread.join(5)


def prove(*, quick: bool = False) -> Result:
    """Everything, or (`quick`) each way once."""
    search = Search()
    mail, hook = MailServer(), HookReceiver()
    mail.start()
    hook.start()
    try:
        with site() as at:
            more = {
                "CARECIRCLE_LOG_LEVEL": "debug", "CARECIRCLE_SMTP_URL": f"smtp://{HERE}:{mail.port}",
                "CARECIRCLE_MAIL_FROM": "carecircle@proof.example", "CARECIRCLE_WEBHOOK_URL": hook.url,
                "CARECIRCLE_WEBHOOK_SECRET": SECRET, "CARECIRCLE_PUBLIC_URL": "https://carecircle.proof.example",
            }  # fmt: skip
            requests, commands = asyncio.run(_flows(at, search, more, mail, quick=quick))
            for raw in (*mail.raw, *hook.raw):
                search.seen("notice sent", raw)
            notices = len(mail.raw) + len(hook.raw)
            if not mail.raw or not hook.raw:
                raise RuntimeError("no notice was sent; the proof saw nothing")
            _stored(at, search)
            return Result(requests, commands, notices, search, tuple(missed(at, mail)))
    finally:
        mail.stop()
        hook.stop()


async def _flows(at: Site, search: Search, more: dict[str, str], mail: MailServer, *, quick: bool) -> tuple[int, int]:
    async with open_practice(at, clinicians=12 if quick else 30, supervisors=2, patients=3) as practice:
        commands = OverCommands(practice, at.home, search.seen, {})
        metrics = free_port()
        with watched_statements(at) as texts, serving(at, env=more) as server:
            await asyncio.to_thread(commands.registering, deep=not quick)
            with _working(at, more, metrics) as worker_log:
                requests = await all_of_http(practice, server.address, search.seen, deep=not quick)
                await in_process(practice, search.seen)
                if not quick:
                    await asyncio.to_thread(commands.everything)
                await _until_told(mail)
                bearer = practice.bearer("service:phi")["Authorization"]
                for address, token in ((server.address, bearer), (f"http://127.0.0.1:{metrics}", "")):
                    search.seen("metrics scraped", await asyncio.to_thread(_scraped, address, token))
            search.seen("log of the worker", worker_log.read_bytes())
        search.seen("log of the server", server.log.read_bytes())
        for one in texts:
            search.seen("statement shown", one.encode())
    return requests, commands.ran


@contextmanager
def _working(at: Site, more: dict[str, str], port: int) -> Iterator[Path]:
    """`carecircle worker` with metrics; its log."""
    log = at.home / "phi-worker.log"
    with log.open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-c", "from carecircle.cli.main import run; run()", "worker", "--metrics-port", str(port)],
            stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=at.environment(more),
        )  # fmt: skip
    try:
        yield log
    finally:
        process.terminate()
        process.wait(20)


async def _until_told(mail: MailServer) -> None:
    limit = time.monotonic() + WAIT
    while len(mail.raw) < 2 and time.monotonic() < limit:  # noqa: ASYNC110  a thread's list has no event
        await asyncio.sleep(0.1)


def _scraped(address: str, token: str) -> bytes:
    headers = {"Authorization": token} if token else {}
    with urlopen(Request(f"{address}/metrics", headers=headers), timeout=10) as answer:  # noqa: S310  our own address
        said: bytes = answer.read()
    return said


def _stored(at: Site, search: Search) -> None:
    """What PostgreSQL keeps: its log, a dump of every table as text, and its files after a checkpoint."""

    async def checkpoint() -> None:
        connection = await asyncpg.connect(dsn(at.at.admin))
        try:
            await connection.execute("checkpoint")
        finally:
            await connection.close()

    asyncio.run(checkpoint())
    search.seen("PostgreSQL's log", at.server.log.read_bytes())
    for line in dumped(at).splitlines():
        if found := hits("row stored", line):
            search.found += found
    for file in at.server.data_dir.rglob("*"):
        if file.is_file():
            search.seen_file("data file", file)
    for file in at.home.glob("*.json"):
        if file.name in ("keys.json", "database-roles.json", "sealing-key.json"):
            search.seen_file("home file", file)


def dumped(at: Site) -> bytes:
    """Every table of the schema as text."""
    program = str(at.server.bin_dir / "pg_dump")
    done = subprocess.run(
        [program, "--data-only", "--schema", "carecircle", at.server.admin_url],
        capture_output=True,
        check=True,
        timeout=120,
    )
    return done.stdout


def told(result: Result) -> str:
    """The figures, and every hit."""
    places = ", ".join(f"{kind} {count:,}" for kind, count in sorted(result.search.places.items()))
    lines = [
        f"{len(ALL)} canaries through {result.requests:,} requests, {result.commands:,} commands, {result.notices:,} notices",
        f"looked at {result.search.size / 1e6:,.0f} MB: {places}",
    ]
    grouped: dict[tuple[str, str], Hit] = {}
    for hit in result.search.found:
        grouped.setdefault((hit.where, hit.canary), hit)
    lines += [f"FOUND in {hit.where}: {hit.canary!r}: {hit.around!r}" for hit in grouped.values()]
    lines.append(f"{len(result.search.found)} hits; planted leaks not found: {', '.join(result.missed) or 'none'}")
    return "\n".join(lines)


def main() -> int:
    asked = argparse.ArgumentParser(prog="./dev prove phi", description=__doc__.partition("\n")[0])
    asked.add_argument("--quick", action="store_true", help="each way once")
    result = prove(quick=asked.parse_args().quick)
    print(told(result))
    return 1 if result.search.found or result.missed else 0


if __name__ == "__main__":
    sys.exit(main())
