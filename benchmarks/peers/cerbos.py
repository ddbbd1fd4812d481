"""Cerbos as a server of its own, asked over HTTP by the same load generator; each request brings the circle with it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from benchmarks.load import free_port, load
from benchmarks.peers.setting_up import NotHereError, node_program
from benchmarks.workload import home

POLICY = """
apiVersion: api.cerbos.dev/v1
resourcePolicy:
  resource: patient
  version: default
  rules:
    - actions: [read]
      effect: EFFECT_ALLOW
      roles: [provider]
      condition:
        match:
          expr: P.id in R.attr.circle
"""
ROUTE = "/api/check/resources"
BATCH = 50
"""Resources in one request: as many as it takes by default."""


def measure(facts: Path, seconds: float) -> dict[str, float]:
    """Raises NotHereError."""
    known = json.loads(facts.read_text())

    def asking(provider: str, patients: list[str]) -> tuple[str, bytes]:
        body = {
            "principal": {"id": provider, "roles": ["provider"]},
            "resources": [
                {
                    "actions": ["read"],
                    "resource": {"kind": "patient", "id": one, "attr": {"circle": known["circles"].get(one, [])}},
                }
                for one in patients
            ],
        }
        return ("none", orjson.dumps(body))

    questions: list[tuple[str, str]] = known["questions"]
    patients = [patient for _, patient in questions]
    singles = [asking(provider, [patient]) for provider, patient in questions]
    batches = [asking(questions[at][0], patients[at : at + BATCH]) for at in range(0, len(questions) - BATCH, BATCH)]
    figures: dict[str, float] = {}
    with _serving() as port:
        load(port, ROUTE, singles, connections=16, seconds=1)
        for connections in (1, 64):
            told = load(port, ROUTE, singles, connections=connections, seconds=seconds)
            figures[f"{connections}_per_s"], figures[f"{connections}_p50_us"] = told.per_s, told.p50_us
            figures[f"{connections}_errors"] = told.errors
        told = load(port, ROUTE, batches, connections=8, seconds=seconds)
        figures["batch_pairs_per_s"], figures["batch_errors"] = told.per_s * BATCH, told.errors
    return figures


@contextmanager
def _serving() -> Iterator[int]:
    program = node_program("cerbos")
    place = home() / "peers" / "cerbos"
    (place / "policies").mkdir(parents=True, exist_ok=True)
    (place / "policies" / "patient.yaml").write_text(POLICY)
    port, other = free_port(), free_port()
    settings: dict[str, Any] = {
        "server": {"httpListenAddr": f"127.0.0.1:{port}", "grpcListenAddr": f"127.0.0.1:{other}"},
        "storage": {"driver": "disk", "disk": {"directory": str(place / "policies"), "watchForChanges": False}},
        "telemetry": {"disabled": True},
    }
    (place / "settings.json").write_text(json.dumps(settings))
    command = [program, "server", "--config", str(place / "settings.json"), "--log-level", "error"]
    # The program is a wrapper around the server: both are in a group of their own, and end together.
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        for _ in range(100):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/_cerbos/health", timeout=2)
                break
            except OSError:
                time.sleep(0.1)
        else:
            raise NotHereError("Cerbos installs on this machine but does not start.")
        yield port
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)
