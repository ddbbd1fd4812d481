"""Proof that the service does what its description says: `./dev prove openapi [--cases N]`, or `python -m proofs.openapi`.

The running service is asked by Schemathesis, which makes requests from /openapi.json, right ones and wrong ones, over every
operation. The examples of the description are given ids of people and facts that are there, so that requests get beyond
"not found". No answer may be a server error, and none may be other than the description says: status, content type, headers,
shape. The live events are left out, for that answer never ends. Controls: a route that fails, and one that answers in
another shape, stand before the service once, and must be found.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import uvicorn

from carecircle import Actor, to_text
from carecircle.api.tokens import mint
from carecircle.api.v1.shapes import A_THIRD_ID, AN_ID, ANOTHER_ID
from carecircle.database.crypto import Keyring
from carecircle.directory.permissions import PERMISSIONS
from proofs.emergency_practice import Practice, Site, free_port, open_practice, serving, site

CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
    "response_schema_conformance",
)  # fmt: skip
ENDLESS = "/v1/break-glass/events"
"""Live events: an answer that goes on for as long as the caller listens."""
SIDE_BY_SIDE = 2
"""Runs at the same time, one with a person's token and one with a program's: each keeps one processor busy."""
EACH_RUN = 150
"""Requests made for one operation in one run of Schemathesis; the next run has another seed."""


@dataclass
class Told:
    """How many requests were made, and what was wrong, by operation and check."""

    cases: int = 0
    operations: set[str] = field(default_factory=set)
    wrong: Counter[str] = field(default_factory=Counter)
    samples: dict[str, str] = field(default_factory=dict)


def describe(url: str, known: Mapping[str, str], place: Path) -> Path:
    """The service's own description, its examples' ids replaced by ones that are there; the file it is written to."""
    with urlopen(f"{url}/openapi.json") as answer:  # noqa: S310  our own server
        text = answer.read().decode()
    for example, real in known.items():
        text = text.replace(example, real)
    file = place / "openapi.json"
    file.write_text(text)
    return file


def ask(url: str, description: Path, token: str, *, seed: int, each: int, place: Path, only: str | None = None) -> Told:
    """One run of Schemathesis."""
    report = place / f"run-{seed}.ndjson"
    command = [
        sys.executable, "-m", "schemathesis.cli", "run", str(description), "--url", url, "--header",
        f"Authorization: Bearer {token}", "--checks", ",".join(CHECKS), "--max-examples", str(each), "--seed", str(seed),
        "--phases", "examples,coverage,fuzzing", "--continue-on-failure", "--no-shrink", "--workers", "4",
        "--suppress-health-check", "all", "--request-timeout", "30", "--warnings", "off", "--report", "ndjson",
        "--report-ndjson-path", str(report), "--exclude-path", ENDLESS,
    ]  # fmt: skip
    if only is not None:
        command += ["--include-path", only]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=place)
    if not report.exists():
        raise RuntimeError(f"Schemathesis did not run: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    told = Told()
    for line in report.read_text().splitlines():
        _take(json.loads(line), told)
    report.unlink()
    return told


def _take(event: dict[str, Any], told: Told) -> None:
    [(kind, said)] = event.items()
    if kind != "ScenarioFinished":
        return
    recorder = said["recorder"]
    told.operations.add(recorder["label"])
    told.cases += len(recorder.get("interactions", {}))
    for case, checks in recorder.get("checks", {}).items():
        for check in checks:
            if check["status"] == "failure":
                name = f"{recorder['label']}: {check['name']}"
                told.wrong[name] += 1
                told.samples.setdefault(name, json.dumps(recorder["interactions"].get(case), default=str)[:1500])


def token_of(at: Site, practice: Practice, person: bool) -> str:
    ring = Keyring.open(at.home)
    actor = Actor.provider(practice.clinicians[0]) if person else Actor.service("proof")
    may: Any = [one for one in PERMISSIONS if one != "all-organizations"]
    return mint(ring, organization_id=practice.organization, actor=actor, hours=12, may=may)


def prove(cases: int, seed: int) -> tuple[Told, list[str]]:
    """Ask until so many requests were made; what was wrong, and which control was missed."""
    whole = Told()
    with site() as at, tempfile.TemporaryDirectory() as folder:
        place = Path(folder)

        async def run() -> list[str]:
            async with open_practice(at, clinicians=4, supervisors=2, patients=8) as practice:
                with serving(at, env={"CARECIRCLE_LOG_LEVEL": "error"}) as server:
                    return await asyncio.to_thread(_ask_until, practice, server.address)

        def _ask_until(practice: Practice, url: str) -> list[str]:
            known = {
                AN_ID: to_text(practice.clinicians[1]), ANOTHER_ID: to_text(practice.patients[0]),
                A_THIRD_ID: to_text(practice.clinicians[0]),
            }  # fmt: skip
            description, turn, began = describe(url, known, place), seed, time.monotonic()

            def one_run(seed: int) -> Told:
                token = token_of(at, practice, person=seed % 2 == 0)
                return ask(url, description, token, seed=seed, each=EACH_RUN, place=place)

            while whole.cases < cases:
                with ThreadPoolExecutor(SIDE_BY_SIDE) as runs:
                    for told in runs.map(one_run, range(turn, turn + SIDE_BY_SIDE)):
                        _add(whole, told)
                        for name in sorted(told.wrong):
                            print(f"    {name}: {told.wrong[name]}", file=sys.stderr)
                turn += SIDE_BY_SIDE
                print(
                    f"openapi: {whole.cases:,} of {cases:,} requests over {len(whole.operations)} operations,"
                    f" {whole.wrong.total()} wrong, {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True,
                )  # fmt: skip
            return _controls(url, description, token_of(at, practice, person=False), place)

        missed = asyncio.run(run())
    return whole, missed


def _add(whole: Told, told: Told) -> None:
    whole.cases += told.cases
    whole.operations |= told.operations
    whole.wrong += told.wrong
    whole.samples = told.samples | whole.samples


def _controls(url: str, description: Path, token: str, place: Path) -> list[str]:
    """The names of planted faults that were not found."""
    planted = {"not_a_server_error": b"HTTP/1.1 500 broken", "response_schema_conformance": b"HTTP/1.1 200 OK"}
    missed = []
    for check, status in planted.items():
        with answering(status) as broken:
            told = ask(broken, description, token, seed=1, each=3, place=place, only="/v1/organization")
        print(f"control: a planted fault is {'found' if told.wrong else 'NOT FOUND'}: {check}")
        if not any(name.endswith(check) for name in told.wrong):
            missed.append(check)
    return missed


@contextmanager
def answering(status: bytes) -> Iterator[str]:
    """A server that answers every request with this status, and JSON of no known shape."""
    body = b'{"unlike":"everything"}'
    head = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while (await receive())["type"] != "lifespan.shutdown":
                await send({"type": "lifespan.startup.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        await send({"type": "http.response.start", "status": int(status.split()[1]), "headers": head})
        await send({"type": "http.response.body", "body": body})

    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error"))
    running = threading.Thread(target=server.run, daemon=True)
    running.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        running.join(10)


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev prove openapi", description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=100_000, help="requests made, at least")
    parser.add_argument("--seed", type=int, default=1, help="the first seed; the next run has the next")
    given = parser.parse_args()
    began = time.monotonic()
    whole, missed = prove(given.cases, given.seed)
    for name, count in whole.wrong.most_common():
        print(f"WRONG {name}: {count} times\n    {whole.samples.get(name, '')}")
    print(
        f"openapi: {whole.cases:,} requests over {len(whole.operations)} operations, {whole.wrong.total()} wrong,"
        f" {len(missed)} controls missed; {time.monotonic() - began:.0f} s"
    )
    return 1 if whole.wrong or missed else 0


if __name__ == "__main__":
    sys.exit(main())
