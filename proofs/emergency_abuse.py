"""Hundreds of attempts to get, keep or decide about emergency access otherwise than it is meant: `abuse(practice)`.

Each attempt is made from a state of its own. Afterwards it must have been refused with the right code, no emergency access,
note, approver or duty of any organization may be another, nobody involved may do more than before, and the audit trail
must have one entry of it, by who tried. Where an attempt is answered with less than it wanted (a request that waits, an
approval cut at the cap), what came of it is compared with what may. The first of every kind is then done rightly, which
must succeed.

What is not an attempt: what the app's role may write by itself, such as an approval in another's name, since the
program's own checks stand before that; and tokens that the installation's key has signed, whatever they say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import cycle, islice
from random import Random
from uuid import UUID

import asyncpg
import httpx

from carecircle.database.reach import dsn
from proofs.emergency_asking import ASKING
from proofs.emergency_clocks import SKEWED, late_token
from proofs.emergency_deciding import DECIDING
from proofs.emergency_forging import FORGING
from proofs.emergency_ground import Ground, Kind
from proofs.emergency_practice import Practice, clock_can_be_turned, serving
from proofs.emergency_sql import SEAT, in_sql, without_constraints

SKEW = timedelta(minutes=5)
SEED = 20260301


@dataclass
class Tally:
    """How many were tried of each kind, how many left an entry, could not leave one, or got less; and every broken claim."""

    kinds: Counter[str] = field(default_factory=Counter)
    recorded: int = 0
    not_believed: int = 0
    in_sql: int = 0
    got_less: int = 0
    controls: int = 0
    broken: list[str] = field(default_factory=list)


async def abuse(practice: Practice, attempts: int) -> list[str]:
    """Make so many attempts, all kinds in turn; the broken claims."""
    tally = Tally()
    turned = clock_can_be_turned()
    async with ground(practice, turned=turned, attempts=attempts) as here:
        kinds: list[tuple[str, Kind]] = [*DECIDING.items(), *ASKING.items(), *FORGING.items(), *in_sql().items()]
        if turned:
            kinds += SKEWED.items()
        for number, (name, kind) in enumerate(islice(cycle(kinds), attempts)):
            await one(here, name, kind, tally)
            if number % 100 == 99:
                print(f"abuse: {number + 1} of {attempts} attempts", flush=True)
        freed, kept = await without_constraints(here)
        late = await late_token(here) if turned else ""
    tally.broken += kept
    if not turned:
        print("abuse: no attempts by a host whose clock is wrong: the program faketime is not on PATH (apt: faketime)")
    print(
        f"abuse: {attempts} attempts of {len(tally.kinds)} kinds; {tally.recorded} left an entry by who tried, of which"
        f" {tally.got_less} got less than they wanted and no more than they may; {tally.not_believed} had a token"
        f" that nobody believes and {tally.in_sql} were raw SQL, where no entry can say who; {tally.controls} kinds done rightly"
        f" succeed; {freed} attempts in SQL succeed once their constraint is dropped; {len(tally.broken)} claims broken"
    )
    if late:
        print(f"abuse: {late}")
    return [f"abuse: {line}" for line in tally.broken]


@asynccontextmanager
async def ground(practice: Practice, *, turned: bool, attempts: int) -> AsyncIterator[Ground]:
    """Servers with a right clock and, where that can be had, with one five minutes ahead and one five minutes behind."""
    await practice.policy(emergency_modes={"R": "gated"})
    with ExitStack() as servers:
        addresses = {"": servers.enter_context(serving(practice.site)).address}
        if turned:
            addresses["ahead"] = servers.enter_context(serving(practice.site, ahead=SKEW)).address
            addresses["behind"] = servers.enter_context(serving(practice.site, ahead=-SKEW)).address
        admin = await asyncpg.connect(dsn(practice.site.at.admin))
        clients = {
            name: httpx.AsyncClient(base_url=address, timeout=30, trust_env=False)
            for name, address in addresses.items()
        }
        try:
            here = Ground(practice, admin, clients, Random(SEED))
            await here.fill(attempts)
            yield here
        finally:
            for client in clients.values():
                await client.aclose()
            await admin.close()


async def one(here: Ground, name: str, kind: Kind, tally: Tally) -> None:
    """Make one attempt and look at everything it must not have moved."""
    attempt = await kind(here)
    first = name not in tally.kinds
    tally.kinds[name] += 1
    could = {pair: await here.may_do(*pair) for pair in attempt.pairs}
    before, since = await here.everything(), await here.now()
    told = await attempt.act()
    complaints = [] if told in attempt.told else [f"was told {told!r}, not {' or '.join(sorted(attempt.told))}"]
    if attempt.within is not None:
        tally.got_less += 1
        complaints += filter(None, [await attempt.within()])
    else:
        complaints += await moved(here, before, could)
    if attempt.kept is None:
        tally.in_sql += attempt.actor == SEAT
        tally.not_believed += attempt.actor != SEAT
    else:
        found = await here.entries(attempt, since)
        tally.recorded += found == attempt.times
        if found != attempt.times:
            complaints.append(f"{found} entries {attempt.kept!r} of it")
    if first and attempt.right is not None:
        tally.controls += 1
        if not await attempt.right():
            complaints.append("control: done rightly it does not succeed either")
    tally.broken += [f"{name}: {complaint}" for complaint in complaints]


async def moved(here: Ground, before: str, could: dict[tuple[UUID, UUID], set[str]]) -> list[str]:
    """What is another than it was: rows, or what somebody may do."""
    found = [] if await here.everything() == before else ["changed emergency accesses, notes, approvers or duties"]
    for pair, actions in could.items():
        if more := await here.may_do(*pair) - actions:
            found.append(f"may now {', '.join(sorted(more))}")
    return found
