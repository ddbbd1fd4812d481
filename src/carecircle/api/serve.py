"""Starting the HTTP service under uvicorn, in one process or several."""

from __future__ import annotations

import uvicorn

from carecircle.api.app import Service
from carecircle.database.reach import Reach
from carecircle.settings import Settings


def serve(
    settings: Settings, at: Reach | None = None, *, host: str = "127.0.0.1", port: int = 8080, workers: int = 1
) -> None:
    """Serve until stopped. With several workers each reaches the database by itself, from the same environment."""
    common = {
        "host": host,
        "port": port,
        "log_level": "warning",
        "access_log": False,  # an address line per question helps nobody, and ids do not belong in logs
        "proxy_headers": False,
        "server_header": False,
        "date_header": False,
    }
    if workers > 1:
        uvicorn.run("carecircle.api.app:create", factory=True, workers=workers, **common)  # type: ignore[arg-type]
    else:
        uvicorn.run(Service(settings, at), **common)  # type: ignore[arg-type]
