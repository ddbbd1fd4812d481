"""The documentation page: open to everybody, nothing from elsewhere, a strict policy that a browser finds kept."""

from __future__ import annotations

import asyncio
import hashlib
import re
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import httpx
import pytest

from carecircle import to_text
from carecircle.api.docs_page import POLICY
from tests.api.test_service import serving
from tests.conftest import Hospital

Run = Callable[[Callable[[Hospital], Any]], Any]
# What Chromium asks its makers by itself; nothing that is shipped here names them.
BROWSERS_OWN = re.compile(r"^https?://([a-z0-9-]+\.)*(google|googleapis|gvt1)\.com/")
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def test_nobody_needs_a_token_and_nothing_of_a_tenant_is_told(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with serving(hospital) as client, httpx.AsyncClient(base_url=client.base_url, timeout=60) as anybody:
            for path in (
                "/docs",
                "/docs/swagger-ui-bundle.js",
                "/docs/swagger-ui.css",
                "/docs/start.js",
                "/openapi.json",
            ):
                answer = await anybody.get(path)
                assert answer.status_code == 200, path
                assert "'unsafe" not in answer.headers["content-security-policy"]
                assert to_text(hospital.organization) not in answer.text
                assert hospital.slug not in answer.text
                same = await anybody.get(path, headers={"If-None-Match": answer.headers["etag"]})
                assert (same.status_code, same.content) == (304, b"")
            for path in ("/docs/", "/docs/VERSION", "/docs/../app.py", "/docs/%2e%2e/app.py", "/docs/x", "/metrics"):
                assert (await anybody.get(path)).status_code == 401, path

    in_hospital(body)


def test_what_is_shipped_is_what_was_published() -> None:
    folder = files("carecircle.api") / "static" / "swagger-ui"
    published = dict(
        line.split()[::-1] for line in (folder / "VERSION").read_text().splitlines() if re.match(r"[0-9a-f]{64} ", line)
    )
    assert len(published) == 2
    for name, digest in published.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
        assert not re.search(r"(google|googleapis|gvt1)\.com", (folder / name).read_text())
    assert (folder / "LICENSE").read_text().strip().startswith("Apache License")


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")
def test_a_browser_shows_every_route_and_finds_the_policy_kept(in_hospital: Run, tmp_path: Path) -> None:
    async def body(hospital: Hospital) -> None:
        async with serving(hospital) as client:
            described = (await client.get("/openapi.json", timeout=60)).json()
            page, told, asked = await _browse(f"{client.base_url}/docs", tmp_path / "ours")
            for tag in described["tags"]:
                assert f'data-tag="{tag["name"]}"' in page
            assert "violates the following Content Security Policy" not in told
            known = {f"{client.base_url}{path}" for path in ("/docs", "/openapi.json", "/docs/start.js")}
            assert known <= asked
            assert {url for url in asked if not url.startswith(str(client.base_url))} == set()
            # A page that breaks the policy is told of, and one that asks elsewhere is seen.
            async with naughty() as address:
                _, told, asked = await _browse(address, tmp_path / "other")
            assert "violates the following Content Security Policy" in told
            assert "http://elsewhere.invalid/x.png" in asked

    in_hospital(body)


@asynccontextmanager
async def naughty() -> AsyncIterator[str]:
    page = b'<script>1</script><img src="http://elsewhere.invalid/x.png">'
    policy = POLICY.replace("img-src 'self'", "img-src 'self' http:").encode()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\ncontent-security-policy: "
        writer.write(head + policy + b"\r\n\r\n" + page)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


async def _browse(url: str, home: Path) -> tuple[str, str, set[str]]:
    """The page as it stands at last, what the console said, and every address that was asked for it, found or not."""
    assert BROWSER is not None
    home.mkdir()  # noqa: ASYNC240 - one directory
    process = await asyncio.create_subprocess_exec(
        BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", f"--user-data-dir={home}/user",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--enable-logging=stderr",
        f"--log-net-log={home}/net.json", "--virtual-time-budget=15000", "--dump-dom", url,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    page, told = await asyncio.wait_for(process.communicate(), 60)
    asked = set(re.findall(r'"url":"((?:https?|wss?)://[^"]+)"', (home / "net.json").read_text()))
    return page.decode(), told.decode(), {url for url in asked if not BROWSERS_OWN.search(url)}
