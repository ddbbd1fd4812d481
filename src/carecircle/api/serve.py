"""Starting the HTTP service under uvicorn, in one process or several."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import socket
from collections.abc import Callable
from contextlib import nullcontext

import uvicorn

from carecircle.api.app import Service
from carecircle.api.hot import HotProtocol
from carecircle.api.oidc_settings import issuers_of
from carecircle.api.server import Server
from carecircle.api.workers import keep
from carecircle.bootstrap import assemble
from carecircle.database.reach import Reach, reach
from carecircle.logs import set_up
from carecircle.settings import Settings

BACKLOG = 4096
"""Connections that may be made before they are accepted."""


def serve(
    settings: Settings,
    at: Reach | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    workers: int = 1,
    checked: Callable[[], None] | None = None,
) -> None:
    """Serve until stopped. With several workers each reaches the database by itself, from the same environment.

    `checked` is called once the settings and the database have been looked at, just before anything listens.

    The caller says where the log goes (carecircle.logs); every further process says so for itself.
    Raises DatabaseUnavailable, DatabaseNotMigrated or DatabaseRoleUnsafe before anything listens,
    InvalidSetting for identity providers that cannot be read.
    """
    with nullcontext(at) if at is not None else reach(settings) as found:
        asyncio.run(_check(settings, found))
    if checked is not None:
        checked()
    if workers > 1:
        listener = socket.create_server((host, port), family=_family(host, port), backlog=BACKLOG)
        keep(workers, _work, listener, settings.drain_notice + settings.drain + 5)
    else:
        _prepare(settings)
        Server(_config(Service(settings, at), settings, host, port), settings).run()


async def _check(settings: Settings, at: Reach) -> None:
    issuers_of(settings.oidc)
    async with assemble(settings, at):
        pass


def _work(listener: socket.socket) -> None:
    """What every worker process does: all it needs it reads from the environment."""
    settings = Settings.read()
    set_up(settings.log_format, settings.log_level)
    _prepare(settings)
    Server(_config(Service(settings), settings), settings, parent=os.getppid()).run([listener])


def _config(application: Service, settings: Settings, host: str = "127.0.0.1", port: int = 0) -> uvicorn.Config:
    return uvicorn.Config(
        application,
        host=host,
        port=port,
        http=HotProtocol,
        backlog=BACKLOG,
        log_config=None,  # its lines go where all do
        log_level="debug" if settings.log_level == "debug" else "warning",
        access_log=False,  # it would show the path as it was sent; api/traffic.py shows the route
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=1,  # after Server has waited for all
    )


def _prepare(settings: Settings) -> None:
    """Set this process up for many connections and questions."""
    HotProtocol.most_connections = settings.most_connections
    HotProtocol.keep_alive_ticks = settings.keep_alive
    HotProtocol.slowest_request_ticks = settings.slowest_request
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    # Collect in larger steps, and leave alone what lives as long as the process: a question makes no cycles.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def _family(host: str, port: int) -> int:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
