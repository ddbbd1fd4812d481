"""The evaluation route over HTTP at 1, 64 and 256 connections, authenticated, audited and durable, beside a bare echo."""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import psutil

from benchmarks.load import load
from benchmarks.workload import loaded, questions
from carecircle.actor import Actor
from carecircle.api.tokens import mint
from carecircle.database.crypto import Keyring
from carecircle.database.reach import Reach, dsn
from carecircle.identifiers import to_text
from carecircle.settings import Settings

CONNECTIONS = (1, 64, 256)
ROUTE = "/access/v1/evaluation"
SERVER = "from carecircle.api.serve import serve; from carecircle.settings import Settings; "


def requests(settings: Settings, count: int = 20_000) -> list[tuple[str, bytes]]:
    """(token, body) pairs: each question with a token of its own organization."""
    ring = Keyring.open(settings.home)
    tokens: dict[object, str] = {}
    asked = []
    for question in questions(count):
        tenant = question.organization_id
        if tenant not in tokens:
            tokens[tenant] = mint(ring, organization_id=tenant, actor=Actor.service("benchmark"), hours=24)
        body = {
            "subject": {"type": "user", "id": to_text(question.provider_id)},
            "action": {"name": question.action},
            "resource": {"type": "patient", "id": to_text(question.patient_id)},
        }
        asked.append((tokens[tenant], orjson.dumps(body)))
    return asked


@contextmanager
def running(command: list[str], port: int, environment: dict[str, str]) -> Iterator[psutil.Process]:
    """A server of another process, from the moment it is ready."""
    process = subprocess.Popen(command, env=os.environ | environment)
    try:
        for _ in range(200):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", data=b"{}", timeout=5)
            except urllib.error.HTTPError:
                break
            except OSError:
                time.sleep(0.1)
            else:
                break
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(20)


def busy(process: psutil.Process) -> float:
    """Seconds of processor time a server and its workers have used so far."""
    family = [process, *process.children(recursive=True)]
    return sum(sum(one.cpu_times()[:2]) for one in family)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def measure(settings: Settings, at: Reach, workers: int, seconds: float) -> dict[str, float]:
    asked = requests(settings)
    figures: dict[str, float] = {"workers": workers}
    where = {"CARECIRCLE_HOME": str(settings.home), "CARECIRCLE_DATABASE_URL": dsn(at.admin)}
    echo_port, port = free_port(), free_port()
    echo = [sys.executable, "-m", "uvicorn", "benchmarks.echo:app", "--port", str(echo_port), "--log-level", "warning"]
    echo += ["--no-access-log", "--no-proxy-headers", "--no-server-header", "--no-date-header"]
    serve = [sys.executable, "-c", f"{SERVER}serve(Settings.read(), port={port}, workers={workers})"]
    for name, command, its_port in (("echo", echo, echo_port), ("http", serve, port)):
        with running(command, its_port, where) as process:
            load(its_port, ROUTE, asked, connections=64, seconds=2)
            for connections in CONNECTIONS:
                before = busy(process)
                told = load(its_port, ROUTE, asked, connections=connections, seconds=seconds)
                figures[f"{name}_{connections}_cpu_us"] = (busy(process) - before) / (told.per_s * seconds) * 1e6
                figures[f"{name}_{connections}_per_s"] = told.per_s
                figures[f"{name}_{connections}_p50_us"] = told.p50_us
                figures[f"{name}_{connections}_p99_us"] = told.p99_us
                figures[f"{name}_{connections}_errors"] = told.errors
                print(f"{name:5} {connections:4} connections {told.per_s:10,.0f}/s   p50 {told.p50_us:8,.0f} us"
                      f"   p99 {told.p99_us:8,.0f} us   errors {told.errors}"
                      f"   server {figures[f'{name}_{connections}_cpu_us']:.0f} us of processor each"
                      f"   ({told.generator})", flush=True)  # fmt: skip
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(prog="./dev bench http", description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--seconds", type=float, default=8, help="how long each figure is measured")
    parser.add_argument("--workers", type=int, default=1, help="server processes; the echo has one")
    given = parser.parse_args()
    with loaded() as (settings, at):
        figures = measure(settings, at, given.workers, given.seconds)
    for connections in CONNECTIONS:
        ratio = figures[f"http_{connections}_per_s"] / figures[f"echo_{connections}_per_s"]
        print(f"{connections:4} connections: {ratio:.2f} x the echo")
    if given.json:
        given.json.write_text(json.dumps({key: round(value, 3) for key, value in figures.items()}, indent=2) + "\n")


if __name__ == "__main__":
    main()
