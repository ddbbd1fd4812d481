"""worker: the process that sends notices, takes the steps that are due, and seals the audit trail."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from carecircle.cli.circle import database, read_settings
from carecircle.cli.output import say
from carecircle.cli.serving import HOST, require_free

if TYPE_CHECKING:
    from carecircle.database.reach import Reach
    from carecircle.settings import Settings


class Part(StrEnum):
    """What a worker does."""

    notices = "notices"
    sealing = "sealing"


def worker(
    once: Annotated[bool, typer.Option("--once", help="Do what is due now, and end.")] = False,
    only: Annotated[
        Part | None, typer.Option(help="Do only this: the key that signs checkpoints can then live on another machine.")
    ] = None,
    metrics_port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Show this process's metrics on 127.0.0.1 at this port."),
    ] = None,
) -> None:
    """Send notices, take the steps that are due and seal the audit trail, for every organization, until Ctrl-C.

    Several may run side by side; one that is killed loses nothing. Its log goes to stderr (CARECIRCLE_LOG_FORMAT).

    Example: carecircle worker
    """
    from carecircle.logs import written

    settings = read_settings()
    with written(settings.log_format, settings.log_level), database(settings) as at, _metrics(metrics_port):
        if once:
            say(" ".join(asyncio.run(_once(settings, at, only))))
        else:
            asyncio.run(_until_stopped(settings, at, only))


async def _once(settings: Settings, at: Reach, only: Part | None) -> list[str]:
    from carecircle.audit.sealing import seal_once
    from carecircle.worker import work_once

    said = []
    if only is not Part.sealing:
        said.append(f"Done: {await work_once(settings, at)}.")
    if only is not Part.notices:
        said.append(f"Sealed: {await seal_once(settings, at)}.")
    return said


async def _until_stopped(settings: Settings, at: Reach, only: Part | None) -> None:
    from carecircle.worker import run_worker

    stop = asyncio.Event()
    for one in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(one, stop.set)
    await run_worker(settings, at, stop=stop, only=only.value if only else None)


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
