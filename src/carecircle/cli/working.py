"""worker: the process that sends notices and takes the steps that are due."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from carecircle.cli.circle import database
from carecircle.cli.output import say
from carecircle.cli.serving import HOST, require_free
from carecircle.settings import Settings

if TYPE_CHECKING:
    from carecircle.database.reach import Reach


def worker(
    once: Annotated[bool, typer.Option("--once", help="Do what is due now, and end.")] = False,
    metrics_port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Show this process's metrics on 127.0.0.1 at this port."),
    ] = None,
) -> None:
    """Send notices and take the steps that are due, for every organization, until stopped with Ctrl-C.

    Several may run side by side; one that is killed loses nothing. Its log goes to stderr (CARECIRCLE_LOG_FORMAT).

    Example: carecircle worker
    """
    from carecircle.worker import work_once

    settings = Settings.read()
    _write_log(settings)
    with database(settings) as at, _metrics(metrics_port):
        if once:
            say(f"Done: {asyncio.run(work_once(settings, at))}.")
        else:
            asyncio.run(_until_stopped(settings, at))


async def _until_stopped(settings: Settings, at: Reach) -> None:
    from carecircle.worker import run_worker

    stop = asyncio.Event()
    for one in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(one, stop.set)
    await run_worker(settings, at, stop=stop)


def _write_log(settings: Settings) -> None:
    """One line per event on stderr: JSON, or key=value for people."""
    import structlog

    shown: Any = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"], drop_missing=True)
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            shown,
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


@contextmanager
def _metrics(port: int | None) -> Iterator[None]:
    """The metrics of this process at /metrics, for as long as the block; nothing without a port. Raises InvalidSetting."""
    if port is None:
        yield
        return
    from prometheus_client import start_http_server

    from carecircle.audit.metrics import REGISTRY

    require_free(HOST, port)
    server, _ = start_http_server(port, HOST, REGISTRY)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
