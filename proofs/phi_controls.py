"""Controls of the proof `phi`: each kind of leak planted once, by the means a careless program would use."""

from __future__ import annotations

import asyncio
import smtplib
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from email.message import EmailMessage

import asyncpg
import httpx
from fastapi import FastAPI
from prometheus_client import CollectorRegistry, Counter, generate_latest
from pydantic import BaseModel
from tests.notices.receivers import HERE, MailServer

from carecircle.database.reach import dsn
from proofs.emergency_practice import Site
from proofs.phi_canaries import BIRTH_DATES, MRNS, NAMES, REASONS, hits, raw_hits

NAME, MRN = NAMES[0], MRNS[0].partition("|")[2]


class _Body(BaseModel):
    hours: int


def missed(at: Site, mail: MailServer) -> Iterator[str]:
    """The names of planted leaks that were not found."""
    controls: dict[str, Callable[[], bool]] = {
        "a log line": lambda: bool(
            hits("", _logged("import logging; logging.warning('registered %s', '" + NAME + "')"))
        ),
        "an error nobody caught": lambda: bool(hits("", _logged(f"raise ValueError('no patient {MRN}')"))),
        "an address": lambda: bool(hits("", _logged(_ACCESS_LOG.format(MRN)))),
        "a metric's label": lambda: bool(hits("", _labelled())),
        "an error body": lambda: bool(hits("", _echoed())),
        "a notice": lambda: _mailed(mail),
        "a statement shown": lambda: asyncio.run(_shown(at)),
        "a plaintext column": lambda: asyncio.run(_plain(at)),
        "PostgreSQL's log": lambda: asyncio.run(_refused(at)),
    }
    return (name for name, found in controls.items() if not found())


_ACCESS_LOG = """
import logging, uvicorn.logging
logging.basicConfig(level="INFO")
logging.getLogger("uvicorn.access").info('%s - "%s %s HTTP/%s" %d', "127.0.0.1:1", "GET", "/v1/patients?mrn={}", "1.1", 200)
"""


def _logged(program: str) -> bytes:
    """What a program says on stderr that has not set up its log as carecircle does."""
    return subprocess.run([sys.executable, "-c", program], capture_output=True, check=False, timeout=30).stderr


def _labelled() -> bytes:
    registry = CollectorRegistry()
    Counter("opened", "Records opened.", ["patient"], registry=registry).labels(MRN).inc()
    return generate_latest(registry)


def _echoed() -> bytes:
    """A validation error as FastAPI writes it."""
    app = FastAPI()

    @app.post("/")
    def take(body: _Body) -> None:
        del body

    async def ask() -> bytes:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
            return (await client.post("/", json={"hours": REASONS[0]})).content

    return asyncio.run(ask())


def _mailed(mail: MailServer) -> bool:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@proof.example", "b@proof.example", f"About {NAME}"
    message.set_content(REASONS[1])
    with smtplib.SMTP(HERE, mail.port) as client:
        client.send_message(message)
    return bool(hits("", mail.raw[-1]))


async def _shown(at: Site) -> bool:
    talking, looking = [await asyncpg.connect(dsn(at.at.admin)) for _ in range(2)]
    try:
        asked = asyncio.create_task(talking.execute(f"select '{MRN}', pg_sleep(0.5)"))
        await asyncio.sleep(0.2)
        rows = await looking.fetch("select query from pg_stat_activity where pid <> pg_backend_pid()")
        await asked
        return any(hits("", row[0].encode()) for row in rows)
    finally:
        await talking.close()
        await looking.close()


async def _plain(at: Site) -> bool:
    """A table that keeps a name and a birth date as they are: found in its dump, and in the files after a checkpoint."""
    connection = await asyncpg.connect(dsn(at.at.admin))
    try:
        await connection.execute("create table planted (name text, born text)")
        await connection.execute("insert into planted values ($1, $2)", NAME, BIRTH_DATES[0])
        await connection.execute("checkpoint")
        path: str = await connection.fetchval("select pg_relation_filepath('planted')")
        return bool(raw_hits("", (at.server.data_dir / path).read_bytes()))
    finally:
        await connection.execute("drop table planted")
        await connection.close()


async def _refused(at: Site) -> bool:
    """A server that logs the statements that fail."""
    connection = await asyncpg.connect(dsn(at.at.admin))
    try:
        await connection.execute("set log_min_messages = error")
        await connection.execute("set log_min_error_statement = error")
        with suppress(asyncpg.DataError):
            await connection.execute(f"select '{NAME}'::integer")
        return bool(hits("", at.server.log.read_bytes()))
    finally:
        await connection.close()
