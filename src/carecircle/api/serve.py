"""Starting the HTTP service under uvicorn, in one process or several."""

from __future__ import annotations

import asyncio
import gc
from contextlib import nullcontext

import uvicorn

from carecircle.api.app import Service
from carecircle.api.cork import CorkedProtocol
from carecircle.bootstrap import assemble
from carecircle.database.reach import Reach, reach
from carecircle.logs import set_up
from carecircle.settings import Settings


def serve(
    settings: Settings, at: Reach | None = None, *, host: str = "127.0.0.1", port: int = 8080, workers: int = 1
) -> None:
    """Serve until stopped. With several workers each reaches the database by itself, from the same environment.

    The caller says where the log goes (carecircle.logs); every further process says so for itself.
    Raises DatabaseUnavailable, DatabaseNotMigrated or DatabaseRoleUnsafe before anything listens.
    """
    with nullcontext(at) if at is not None else reach(settings) as found:
        asyncio.run(_check(settings, found))
    common = {
        "host": host,
        "port": port,
        "http": CorkedProtocol,
        "log_config": None,  # its lines go where all do
        "log_level": "debug" if settings.log_level == "debug" else "warning",
        "access_log": False,  # it would show the path as it was sent; api/traffic.py shows the route
        "proxy_headers": False,
        "server_header": False,
        "date_header": False,
    }
    if workers > 1:
        uvicorn.run("carecircle.api.serve:worker", factory=True, workers=workers, **common)  # type: ignore[arg-type]  # one dict of mixed settings
    else:
        _calm_the_collector()
        uvicorn.run(Service(settings, at), **common)  # type: ignore[arg-type]  # the same


async def _check(settings: Settings, at: Reach) -> None:
    async with assemble(settings, at):
        pass


def worker() -> Service:
    """What uvicorn calls in every worker process."""
    settings = Settings.read()
    set_up(settings.log_format, settings.log_level)
    _calm_the_collector()
    return Service(settings)


def _calm_the_collector() -> None:
    """Collect in larger steps, and leave alone what lives as long as the process: a question makes no cycles."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
