"""Proof that keys are rotated while everybody works: `./dev prove keys`, or `python -m proofs.keys`.

Several processes register, edit, read and look up patients of an organization from before data keys, each with one
transaction that outlives the margin; meanwhile its keys are rotated, twice, and everything is sealed anew. No read fails, no
edit is lost, and at the end every field is under the last key. Positive control: with no margin, and processes that rely for
long on what they once read and do not look again, reads do fail or fields are left under the old key.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg
import uvloop
from sqlalchemy import text
from sqlalchemy.engine import make_url

from carecircle import CareCircle, Settings, assemble, directory
from carecircle.database import migrate
from carecircle.database.embedded import temporary_server
from carecircle.database.reach import Reach, dsn, over_socket, role_passwords
from carecircle.database.resealing_service import under_keys
from carecircle.database.session import open_engine, transaction
from carecircle.directory import keys_service
from carecircle.identifiers import new_id, to_text

QUICK = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "max_connections": "200"}
NAMES = text("select id, demographics from carecircle.patients where organization_id = :organization")


@dataclass
class Outcome:
    """What a run came to: how often each thing was done, what failed, fields sealed anew, left and lost, and how long."""

    done: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    resealed: list[int] = field(default_factory=list)
    left: int = 0
    lost: int = 0
    fields: int = 0
    seconds: list[float] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Whether no read failed, nothing was lost, and everything is under the last key."""
        return not self.failed and not self.left and not self.lost and self.done["read late"] > 0

    @property
    def noticed(self) -> bool:
        """Whether a read failed or a field was left: what the control must come to."""
        return bool(self.failed or self.left)


class Worker:
    """A process of the load."""

    def __init__(self, said: dict[str, Any]) -> None:
        command = [sys.executable, "-m", "proofs.keys_load"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(said) + "\n")
        self._process.stdin.flush()

    def await_ready(self) -> None:
        if self._answer() != "ready\n":
            raise RuntimeError("a process of the load did not start")

    def stop(self) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.close()
        told: dict[str, Any] = json.loads(self._answer())
        self._process.wait()
        return told

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()
        self._process.wait()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


async def prove(
    at: Reach,
    settings: Settings,
    *,
    processes: int,
    patients: int,
    margin: float,
    rotations: int,
    careless: bool = False,
) -> Outcome:
    """One run in an organization of its own. `careless` is the control: no margin, and nobody looks again."""
    outcome = Outcome()
    async with assemble(settings, at) as circle:
        organization = await _organization(circle, at, with_keys=careless)
        said = {
            "address": at.admin.render_as_string(hide_password=False), "organization": str(organization),
            "patients": patients // processes, "margin": margin, "careless": careless,
        }  # fmt: skip
        workers = [Worker(said) for _ in range(processes)]
        try:
            for worker in workers:
                await asyncio.to_thread(worker.await_ready)
            for _ in range(rotations):
                await asyncio.sleep(1)
                await _rotate(circle, at, organization, 0.0 if careless else margin, outcome)
            # Those who linger began before the last key wrote; they end after it.
            await asyncio.sleep(margin * 1.5)
            told = [await asyncio.to_thread(worker.stop) for worker in workers]
        finally:
            for worker in workers:
                worker.close()
        outcome.done = sum((Counter(one["done"]) for one in told), Counter())
        outcome.failed = sum((Counter(one["failed"]) for one in told), Counter())
        await _compare(circle, organization, [one["written"] for one in told], outcome)
    return outcome


async def _organization(circle: CareCircle, at: Reach, *, with_keys: bool) -> UUID:
    """An organization; without keys of its own, as before there were data keys, nobody relies on having read that."""
    async with transaction(circle.engine) as db:
        slug = f"k{to_text(new_id()).lower()}"
        organization = await directory.register_organization(db, slug=slug, name="Keys", actor="proof")
    if with_keys:
        return organization
    admin = await asyncpg.connect(dsn(at.admin))
    await admin.execute("delete from carecircle.organization_keys where organization_id = $1", organization)
    await admin.close()
    circle.keyring.forget(organization)
    return organization


async def _rotate(circle: CareCircle, at: Reach, organization: UUID, margin: float, outcome: Outcome) -> None:
    async with transaction(circle.engine, organization) as db:
        await keys_service.rotate(db, margin=margin, organization=organization, actor="proof")
    await asyncio.sleep(margin + 0.5)
    keeper = open_engine(at, role="keeper", connections=1)
    began = time.monotonic()
    try:
        done = await keys_service.seal_anew(circle.engine, keeper, organization=organization, actor="proof")
    finally:
        await keeper.dispose()
    outcome.seconds.append(time.monotonic() - began)
    outcome.resealed.append(done.fields.total())


async def _compare(circle: CareCircle, organization: UUID, written: list[dict[str, int]], outcome: Outcome) -> None:
    """Every patient reads what was last committed, and every field is under the key that writes."""
    expected = {UUID(patient): number for told in written for patient, number in told.items()}
    async with transaction(circle.engine, organization) as db:
        counted = await under_keys(db, organization)
        kept = await keys_service.keys_of(db, organization=organization)
        last = next(key.key_id for key in kept if key.purpose == "field" and key.state == "writes")
        outcome.fields = sum(one.fields for one in counted)
        outcome.left = sum(one.fields for one in counted if one.key_id != last)
        for patient, envelope in await db.execute(NAMES, {"organization": organization}):
            plain = circle.keyring.unseal(envelope, organization, "patients", "demographics", patient)
            outcome.lost += int(json.loads(plain)["name"]) != expected.pop(patient)
    outcome.lost += len(expected)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--patients", type=int, default=4000)
    parser.add_argument("--rotations", type=int, default=2)
    parser.add_argument("--margin", type=float, default=6.0)
    said = parser.parse_args()
    began = time.monotonic()
    with temporary_server(settings=QUICK) as (home, server):
        os.environ["CARECIRCLE_HOME"] = str(home)
        at = Reach(over_socket(make_url(server.admin_url), server), role_passwords(home), server.bin_dir)
        migrate.upgrade(at)
        shape = {"processes": said.processes, "margin": said.margin}
        settings = Settings(home=home)
        found = uvloop.run(prove(at, settings, patients=said.patients, rotations=said.rotations, **shape))
        control = uvloop.run(prove(at, settings, patients=400, rotations=1, careless=True, **shape))
    for name, one in (("keys", found), ("control", control)):
        print(f"{name}: {json.dumps({'done': one.done, 'failed': one.failed, 'left': one.left, 'lost': one.lost})}")
    sealed = ", ".join(f"{n:,} in {s:.1f} s" for n, s in zip(found.resealed, found.seconds, strict=True))
    holds = found.whole and control.noticed
    print(
        f"keys: {said.rotations} rotations with a margin of {said.margin:g} s under {said.processes} processes;"
        f" {found.done['read'] + found.done['read late'] + found.done['looked up']:,} reads, {found.failed.total()} failed;"
        f" {found.done['edited'] + found.done['registered']:,} writes, {found.lost} lost; sealed anew {sealed};"
        f" {found.fields - found.left:,} of {found.fields:,} fields under the last key; control: {control.failed.total():,}"
        f" failed, {control.left:,} left; {'holds' if holds else 'BROKEN'}; {time.monotonic() - began:.0f} s"
    )
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
