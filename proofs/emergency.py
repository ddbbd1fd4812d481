"""Proof that emergency access never waits, never hides, and is nobody's to take: `./dev prove emergency`.

`python -m proofs.emergency [--only PART] [--attempts N] …`: on a PostgreSQL of its own with durable settings, four parts in
turn. `abuse`: attempts to get more than there is, each refused and each on record. `expiry`: grants end when they were said
to end, by the database's clock. `speed`: how soon a request opens and a supervisor hears of it, and how soon a denial is
felt in every process. `kills`: server, worker and PostgreSQL are killed at every step, and nothing is half there or lost.
Exit code 0 when everything holds.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from importlib import import_module

from proofs.emergency_abuse import abuse
from proofs.emergency_expiry import expiry
from proofs.emergency_kills import kills
from proofs.emergency_practice import Practice, Site, open_practice, site


def in_practice(work: Callable[[Practice], Awaitable[list[str]]]) -> list[str]:
    """The broken claims of a part, in a practice of its own."""

    async def whole(at: Site) -> list[str]:
        async with open_practice(at) as practice:
            return await work(practice)

    with site() as at:
        return asyncio.run(whole(at))


async def _speed(practice: Practice) -> list[str]:
    broken: list[str] = await import_module("proofs.emergency_speed").speed(practice)
    return broken


PARTS: dict[str, Callable[[argparse.Namespace], list[str]]] = {
    "abuse": lambda said: in_practice(lambda practice: abuse(practice, said.attempts)),
    "expiry": lambda said: in_practice(lambda practice: expiry(practice, said.grants)),
    "speed": lambda _: in_practice(_speed),
    "kills": lambda said: kills(said.kills),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=PARTS, action="append", help="this part alone; may be given again")
    parser.add_argument("--attempts", type=int, default=500, help="of abuse")
    parser.add_argument("--grants", type=int, default=20, help="whose end is watched")
    parser.add_argument("--kills", type=int, default=60, help="how many processes are killed")
    said = parser.parse_args()
    began = time.monotonic()
    broken: list[str] = []
    parts = said.only or list(PARTS)
    for part in parts:
        started = time.monotonic()
        broken += PARTS[part](said)
        print(f"{part}: {time.monotonic() - started:.0f} s", flush=True)
    for line in broken:
        print(f"BROKEN {line}")
    print(f"emergency: {', '.join(parts)}; {len(broken)} claims broken; {time.monotonic() - began:.0f} s")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
