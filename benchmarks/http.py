"""The service over HTTP, authenticated, audited and durable: single questions, batches and memory, beside a bare echo and peers.

Peers are asked for by name (--cedar, --cerbos, --spicedb, or --peers for all) and installed into a throw-away environment;
they get the circle worked out beforehand and neither record nor make durable what they answer.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import orjson
import psutil

from benchmarks import decisions
from benchmarks.load import Figures, free_port, load
from benchmarks.peers import cerbos
from benchmarks.peers.setting_up import NotHereError, facts, figures_of, python_with
from benchmarks.table import goals, table
from benchmarks.workload import loaded, questions
from carecircle.access.decision import Question
from carecircle.actor import Actor
from carecircle.api.tokens import mint
from carecircle.database.crypto import Keyring
from carecircle.database.reach import Reach, dsn
from carecircle.identifiers import to_text
from carecircle.settings import Settings

CONNECTIONS = (1, 64, 256)
ROUTE = "/access/v1/evaluation"
BATCH_ROUTE = "/access/v1/evaluations"
BATCH = 128
BATCH_CONNECTIONS = 8
SERVER = (
    "from carecircle.api.serve import serve; from carecircle.logs import set_up; from carecircle.settings import Settings\n"
    "set_up('json', 'warning')\n"
)
IN_PROCESS = {"cedar": ("cedarpy", "in_cedar.py"), "spicedb": ("spicedb-embedded", "in_spicedb.py")}
NOT_MEASURED = {"openfga": "no Python, npm or Debian package that holds the server of OpenFGA is known here."}

Asked = list[tuple[str, bytes]]


def requests(settings: Settings, count: int = 20_000) -> Asked:
    """(token, body) pairs: each question with a token of its own organization."""
    tokens = _Tokens(settings)
    return [(tokens.of(one.organization_id), orjson.dumps(_body(one))) for one in questions(count)]


def batches(settings: Settings, count: int = 40_000) -> Asked:
    """(token, body) pairs of BATCH questions each, all of one organization, as one token can ask them."""
    tokens = _Tokens(settings)
    by_organization: dict[UUID, list[Question]] = defaultdict(list)
    asked = []
    for one in questions(count, seed=2):
        line = by_organization[one.organization_id]
        line.append(one)
        if len(line) == BATCH:
            asked.append(
                (tokens.of(one.organization_id), orjson.dumps({"evaluations": [_body(each) for each in line]}))
            )
            line.clear()
    return asked


class _Tokens:
    def __init__(self, settings: Settings) -> None:
        self._ring = Keyring.open(settings.home)
        self._minted: dict[UUID, str] = {}

    def of(self, organization_id: UUID) -> str:
        if organization_id not in self._minted:
            actor = Actor.service("benchmark")
            self._minted[organization_id] = mint(self._ring, organization_id=organization_id, actor=actor, hours=24)
        return self._minted[organization_id]


def _body(question: Question) -> dict[str, dict[str, str]]:
    return {
        "subject": {"type": "user", "id": to_text(question.provider_id)},
        "action": {"name": question.action},
        "resource": {"type": "patient", "id": to_text(question.patient_id)},
    }


@contextmanager
def running(command: list[str], port: int, environment: dict[str, str]) -> Iterator[psutil.Process]:
    """A server of another process, from the moment it is ready."""
    process = subprocess.Popen(command, env=os.environ | environment)
    try:
        for _ in range(200):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5)
            except urllib.error.HTTPError:
                break
            except OSError:
                time.sleep(0.1)
            else:
                break
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(40)


def family(process: psutil.Process) -> list[psutil.Process]:
    """A server and its workers."""
    return [process, *process.children(recursive=True)]


def busy(process: psutil.Process) -> float:
    """Seconds of processor time a server and its workers have used so far."""
    return float(sum(sum(one.cpu_times()[:2]) for one in family(process)))


def memory(process: psutil.Process) -> dict[str, float]:
    """MiB: what is resident (shared pages counted in each process), and what only they have."""
    told = [one.memory_full_info() for one in family(process)]
    return {"rss_mib": sum(one.rss for one in told) / 2**20, "uss_mib": sum(one.uss for one in told) / 2**20}


def measure(settings: Settings, at: Reach, workers: int, seconds: float) -> dict[str, float]:
    asked = requests(settings)
    figures: dict[str, float] = {"workers": workers}
    where = {"CARECIRCLE_HOME": str(settings.home), "CARECIRCLE_DATABASE_URL": dsn(at.admin)}
    where["CARECIRCLE_LOG_LEVEL"] = "warning"
    port, echo_port = free_port(), free_port()
    echo = [sys.executable, "-m", "uvicorn", "benchmarks.echo:app", "--port", str(echo_port), "--log-level", "warning"]
    echo += ["--no-access-log", "--no-proxy-headers", "--no-server-header", "--no-date-header"]
    call = f"serve(Settings.read(), port={port}, workers={workers})"
    serve = [sys.executable, "-c", f"{SERVER}if __name__ == '__main__': {call}"]
    for name, command, its_port in (("echo", echo, echo_port), ("http", serve, port)):
        with running(command, its_port, where) as process:
            load(its_port, ROUTE, asked, connections=64, seconds=2)
            for connections in CONNECTIONS:
                before = busy(process)
                told = load(its_port, ROUTE, asked, connections=connections, seconds=seconds)
                used = (busy(process) - before) / max(told.per_s * seconds, 1) * 1e6
                _keep(figures, f"{name}_{connections}", told, used)
            figures |= {f"{name}_{key}": value for key, value in memory(process).items()}
            if name == "http":
                many = batches(settings)
                before = busy(process)
                told = load(its_port, BATCH_ROUTE, many, connections=BATCH_CONNECTIONS, seconds=seconds)
                used = (busy(process) - before) / max(told.per_s * seconds * BATCH, 1) * 1e6
                _keep(figures, "batch", told, used)
                figures["batch_pairs_per_s"] = told.per_s * BATCH
    figures["in_process_pairs_per_s"] = asyncio.run(decisions.measure(at, seconds))["batch_128_per_s"]
    return figures


def _keep(figures: dict[str, float], name: str, told: Figures, cpu_us: float) -> None:
    print(f"measured {name} ({told.generator})", file=sys.stderr, flush=True)
    figures[f"{name}_per_s"], figures[f"{name}_errors"] = told.per_s, told.errors
    figures[f"{name}_p50_us"], figures[f"{name}_p99_us"] = told.p50_us, told.p99_us
    figures[f"{name}_cpu_us"] = cpu_us


def measure_peers(wanted: set[str], at: Reach, seconds: float) -> tuple[dict[str, float], list[str]]:
    """Their figures, and a sentence for each that could not be measured."""
    figures: dict[str, float] = {}
    missing = []
    known = facts(at) if wanted - set(NOT_MEASURED) else None
    for name in sorted(wanted):
        try:
            told = _peer(name, known, seconds)
        except NotHereError as reason:
            missing.append(f"{name}: {reason}")
        else:
            figures |= {f"{name}_{key}": value for key, value in told.items()}
    return figures, missing


def _peer(name: str, known: Path | None, seconds: float) -> dict[str, float]:
    if known is None or name in NOT_MEASURED:
        raise NotHereError(NOT_MEASURED[name])
    if name == "cerbos":
        return cerbos.measure(known, seconds)
    package, program = IN_PROCESS[name]
    return figures_of(python_with(package), program, known, seconds)


def main() -> None:
    parser = argparse.ArgumentParser(prog="./dev bench http", description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--seconds", type=float, default=8, help="how long each figure is measured")
    parser.add_argument("--workers", type=int, default=1, help="server processes; the echo has one")
    parser.add_argument("--peers", action="store_true", help="all of the following")
    names = ("cedar", "cerbos", "openfga", "spicedb")
    for name in names:
        parser.add_argument(f"--{name}", action="store_true", help=f"measure {name} too")
    given = parser.parse_args()
    wanted = {name for name in names if given.peers or getattr(given, name)}
    with loaded() as (settings, at):
        figures = measure(settings, at, given.workers, given.seconds)
        theirs, missing = measure_peers(wanted, at, given.seconds)
    figures |= theirs
    for line in (*table(figures, CONNECTIONS), *goals(figures), *(f"not measured, {one}" for one in missing)):
        print(line)
    if given.json:
        given.json.write_text(json.dumps({key: round(value, 3) for key, value in figures.items()}, indent=2) + "\n")


if __name__ == "__main__":
    main()
