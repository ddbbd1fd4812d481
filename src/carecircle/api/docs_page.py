"""GET /docs: the API's description for people, with Swagger UI out of the package; nothing is loaded from elsewhere.

No token is asked for: the description is the same for everybody, and holds nothing of any organization. Which Swagger UI this
is stands in static/swagger-ui/VERSION.
"""

from __future__ import annotations

import hashlib
from asyncio import to_thread
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from threading import Lock
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.responses import Response

from carecircle.errors import NotFound

OPEN = frozenset({"/docs", "/openapi.json"})
_KINDS = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "start.js": "text/javascript",
    "page.css": "text/css",
}
OPEN_FILES = frozenset(f"/docs/{name}" for name in _KINDS)

# Swagger UI draws its icons as data: images; its own styles it sets by script, which needs no permission.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
GUARDED = {
    "content-security-policy": POLICY,
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-cache",
}
# The page is at /docs, so what it names lies beside it: it works behind a proxy that puts a path before it, too.
PAGE = b"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>carecircle: HTTP API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/swagger-ui.css">
<link rel="stylesheet" href="docs/page.css">
<script src="docs/swagger-ui-bundle.js" defer></script>
<script src="docs/start.js" defer></script>
</head>
<body>
<noscript><p>This page needs JavaScript; the description itself is at <a href="openapi.json">openapi.json</a>.</p></noscript>
<main id="description"></main>
</body>
</html>
"""

# Working the description out takes a moment, and every service of this version has the same.
_DESCRIBED: list[bytes] = []
_TURN = Lock()


def add_docs(pages: FastAPI, describe: Callable[[], dict[str, Any]]) -> None:
    """Add /docs, what it loads, and /openapi.json, which is worked out once."""

    def described() -> bytes:
        with _TURN:
            if not _DESCRIBED:
                _DESCRIBED.append(orjson.dumps(describe()))
            return _DESCRIBED[0]

    @pages.get("/openapi.json", include_in_schema=False)
    async def openapi(request: Request) -> Response:
        return _file(request, await to_thread(described), "application/json")

    @pages.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> Response:
        return _file(request, PAGE, "text/html; charset=utf-8")

    @pages.get("/docs/{name}", include_in_schema=False)
    async def docs_file(request: Request, name: str) -> Response:
        if name not in _KINDS:
            raise NotFound("There is no such route; /openapi.json lists them.")
        return _file(request, _read(name), f"{_KINDS[name]}; charset=utf-8")


def _file(request: Request, content: bytes, kind: str) -> Response:
    headers = GUARDED | {"etag": f'"{hashlib.sha256(content).hexdigest()[:32]}"'}
    if request.headers.get("if-none-match") == headers["etag"]:
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type=kind)


@cache
def _read(name: str) -> bytes:
    return (files("carecircle.api") / "static" / "swagger-ui" / name).read_bytes()
