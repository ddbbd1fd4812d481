"""Proof that nobody changes the audit trail unseen, and that nothing is seen where nobody did: `./dev prove audit`.

`python -m proofs.audit [--only PART] [--tampers N] [--logs N] …`: on a PostgreSQL of its own, five parts in turn. `tampers`:
every kind of tamper, each with a fresh copy of a database, is found and the entry named; without a witness the tail cut and
the fork are missed, which is the control. `clean`: logs with random histories have no findings. `behind`: facts recorded and
closed behind the application's back are all named. `writers`: 24 writers, some slow, some rolled back, and a sealer that is
killed: nothing missed, nothing twice. `replay`: answers are given again from their entries. Exit code 0 when all holds.

What no trail can show, all of it within the second before an entry is sealed, and by a superuser alone: that the last
entries of a session which never writes again were taken away, unless a fact names them; and that a fact was written in the
name of an entry and its transaction, where savepoints leave room for it.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

import structlog
from sqlalchemy.engine import make_url

from carecircle import Settings, assemble
from carecircle.database import migrate
from carecircle.database.embedded import temporary_server
from carecircle.database.reach import Reach, over_socket, role_passwords
from proofs.audit_behind import ROWS, behind
from proofs.audit_logs import clean, opened
from proofs.audit_replay import replays
from proofs.audit_sealing import sealing
from proofs.audit_trials import tampers

# Nothing here needs to survive a power cut, and no copy may wait for a vacuum; the part `writers` has a server of its own.
QUICK = {"fsync": "off", "full_page_writes": "off", "autovacuum": "off", "max_connections": "100"}

Place = tuple[Settings, Reach]


def _tampers(said: argparse.Namespace) -> list[str]:
    with place() as (settings, at):
        return asyncio.run(tampers(settings, at, count=said.tampers, seed=said.seed, progress=terminal()))


def _clean(said: argparse.Namespace) -> list[str]:
    with place() as (settings, at):
        return asyncio.run(clean(settings, at, logs=said.logs, seed=said.seed, progress=terminal()))


def _behind(said: argparse.Namespace) -> list[str]:
    async def work(settings: Settings, at: Reach) -> list[str]:
        async with assemble(settings, at) as circle:
            outcome = await behind(circle, settings.home, rows=said.rows, seed=said.seed)
        broken = outcome.broken()
        print(
            f"behind: {len(outcome.written) - len(outcome.unnamed)} of {len(outcome.written)} rows named, of"
            f" {len(Counter(outcome.written.values()))} kinds; {len(outcome.before.facts.strays)} of"
            f" {outcome.before.facts.rows} honest rows named before", flush=True,
        )  # fmt: skip
        return [f"behind: {one}" for one in broken]

    with place() as at:
        return asyncio.run(work(*at))


def _replay(said: argparse.Namespace) -> list[str]:
    async def work(settings: Settings, at: Reach) -> list[str]:
        async with assemble(settings, at) as circle:
            scene = await opened(circle, random.Random(said.seed))
            found = await replays(circle, scene.organization, answers=said.answers, seed=said.seed)
        print(
            f"replay: {found.answers} answers ({found.allowed} allowed) asked again, {len(found.differing)} differ;"
            f" control: by the clocks alone {found.by_clocks} would", flush=True,
        )  # fmt: skip
        broken = [f"replay: {one}" for one in found.differing]
        return (
            broken
            if found.by_clocks
            else [*broken, "replay: the control gets every answer right, so it proves nothing"]
        )

    with place() as at:
        return asyncio.run(work(*at))


PARTS: dict[str, Callable[[argparse.Namespace], list[str]]] = {
    "tampers": _tampers,
    "clean": _clean,
    "behind": _behind,
    "writers": lambda said: sealing(said.seconds),
    "replay": _replay,
}


@contextmanager
def place() -> Iterator[Place]:
    """A home and a migrated database on a server of its own; nothing of them is left afterwards."""
    before = os.environ.get("CARECIRCLE_HOME")
    with temporary_server(settings=QUICK) as (home, server):
        os.environ["CARECIRCLE_HOME"] = str(home)
        try:
            at = Reach(over_socket(make_url(server.admin_url), server), role_passwords(home), server.bin_dir)
            migrate.upgrade(at)
            yield Settings(home=home, database_url=None), at
        finally:
            if before is None:
                del os.environ["CARECIRCLE_HOME"]
            else:
                os.environ["CARECIRCLE_HOME"] = before


def terminal() -> TextIO | None:
    """Where progress goes, if anybody looks."""
    return sys.stderr if sys.stderr.isatty() else None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=PARTS, action="append", help="this part alone; may be given again")
    parser.add_argument("--tampers", type=int, default=1000, help="evenly of all kinds")
    parser.add_argument("--logs", type=int, default=100, help="that are clean")
    parser.add_argument("--rows", type=int, default=ROWS, help="behind the application's back")
    parser.add_argument("--seconds", type=float, default=60.0, help="of the writers")
    parser.add_argument("--answers", type=int, default=5000, help="that are asked again")
    parser.add_argument("--seed", type=int, default=1, help="from which everything is drawn")
    said = parser.parse_args()
    # Sealers tell of every tamper that they meet.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    began = time.monotonic()
    broken: list[str] = []
    parts = said.only or list(PARTS)
    for part in parts:
        started = time.monotonic()
        broken += PARTS[part](said)
        print(f"{part}: {time.monotonic() - started:.0f} s", flush=True)
    for line in broken:
        print(f"BROKEN {line}")
    print(f"audit: {', '.join(parts)}; {len(broken)} claims broken; {time.monotonic() - began:.0f} s")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
