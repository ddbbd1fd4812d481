"""Proof that tenants never meet: `./dev prove tenancy`, or `python -m proofs.tenancy`.

Two organizations with rows in every table; then attempts to see or infer a row of the other one, in raw SQL, as every
role, through psql with the environment of `carecircle db shell --role ROLE --organization OWN`; then one pool that
serves both in turn; then attempts to reopen, back-date or rewrite a fact. The same attempts are made again with the
policies dropped: those that now succeed show that the proof can see a leak.

What is not an attempt: saying `set carecircle.organization_id` to another tenant's id, which is what the wall trusts a
session to say; the sealer's naming none and saying that it serves every tenant; the decider's becoming the role that
does, which is tried for what else it may do; what an owner may do to its tables, which can take the wall down, and its
EXPLAIN, which counts the rows of a tenant whose id it knows; how many rows all tenants have together, which PostgreSQL
tells everybody (EXPLAIN's removed rows, the size of a table, a planner's estimate); whether an organization's id is
taken, which registering one tells; the notifier's seeing for whom something is due, and when, which is all it sees; and
the keeper's putting an envelope in the place of another, in the tenant it names.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from uuid import UUID, uuid4

import asyncpg
from httpx import AsyncClient
from sqlalchemy import text
from sqlalchemy.engine import make_url

from carecircle import Settings, assemble, to_text
from carecircle.database import migrate
from carecircle.database.embedded import temporary_server
from carecircle.database.reach import ROLES, Reach, Role, dsn, role_passwords
from carecircle.database.roles import EVERYWHERE
from carecircle.database.session import enter_tenant, transaction
from proofs.tenancy_attempts import TARGETS, Attempt, attempts
from proofs.tenancy_pool import leaks_of_one_pool
from proofs.tenancy_rewrites import rewrites, worked
from proofs.tenancy_roles import looks_of_roles
from proofs.tenancy_routes import ask_all, bearers, serving
from proofs.tenancy_tenants import Tenants, make_tenants, tables
from proofs.tenancy_timing import compare

# How many of a role's attempts must succeed once the wall is down, or the proof sees nothing.
CONTROL_AT_LEAST = 10
# All seven, and what the decider becomes to serve every tenant.
SEATS: tuple[tuple[Role, str], ...] = (*((role, "") for role in ROLES), ("decider", EVERYWHERE))


@dataclass(frozen=True)
class Found:
    """What a run of all attempts came to."""

    tried: int
    leaked: tuple[str, ...]


def psql(at: Reach, role: Role, organization: UUID, sql: str) -> str:
    """What psql prints, errors included, in a session that the wall takes for this organization's."""
    url = at.as_role(role)
    host = url.host or url.query.get("host")
    port = str(url.port or url.query.get("port"))
    program = str(at.bin_dir / "psql") if at.bin_dir is not None else "psql"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PG")},
        "PGHOST": str(host), "PGPORT": port, "PGDATABASE": str(url.database), "PGUSER": str(url.username),
        "PGPASSWORD": str(url.password), "PGOPTIONS": f"-c carecircle.organization_id={organization}",
    }  # fmt: skip
    done = subprocess.run(
        [program, "-X", "-q", "-A", "-t", "-f", "-"],
        input=sql + "\n;\n", env=environment, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    if "connection to server" in done.stderr:
        raise RuntimeError(f"psql could not connect as {role}: {done.stderr}")
    return done.stdout + done.stderr


def filled(sql: str, role: Role, tenants: Tenants, values: dict[str, str]) -> str:
    table, column = TARGETS[role]
    known = {
        **values, "t": f"carecircle.{table}", "column": column, "own": str(tenants.own),
        "own_provider": str(tenants.own_provider),
        "target_id": values["entry" if table == "audit_events" else "fact"],
    }  # fmt: skip
    return re.sub(r"@(\w+)@", lambda match: known[match[1]], sql)


def leak(at: Reach, role: Role, tenants: Tenants, attempt: Attempt) -> str | None:
    """What an attempt gave away, or None."""
    sql = filled(attempt.sql, role, tenants, tenants.real)
    said = psql(at, role, tenants.own, sql)
    if "LEAK" in said:
        return "rows of the other"
    seen = next((mark for mark in tenants.marks if mark in said and mark not in sql), None)
    if seen is not None:
        return f"{seen[:60]}"
    if attempt.oracle:
        blank = _blank(said, tenants.real)
        made_up = _blank(
            psql(at, role, tenants.own, filled(attempt.sql, role, tenants, tenants.made_up)), tenants.made_up
        )
        if blank != made_up:
            return f"real: {blank[-200:]!r}, made up: {made_up[-200:]!r}"
    return None


def _blank(said: str, values: dict[str, str]) -> str:
    """Without the values themselves and generated ids; of a plan, only how many rows it met and threw away."""
    if met := re.findall(r"actual rows=[\d.]+|Rows Removed by [\w ]+: \d+|Heap Fetches: [1-9]\d*", said):
        return " ".join(sorted(met))
    for value in values.values():
        said = said.replace(value, "?")
    return re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "?", said)


def try_all(at: Reach, role: Role, tenants: Tenants, names: list[str]) -> Found:
    tried = list(attempts(role, names))
    with ThreadPoolExecutor(2) as runners:
        leaks = list(runners.map(lambda attempt: leak(at, role, tenants, attempt), tried))
    return Found(
        len(tried),
        tuple(f"{role}: {attempt.name}: {what}" for attempt, what in zip(tried, leaks, strict=True) if what),
    )


async def administer(at: Reach, statements: Iterable[str]) -> list[asyncpg.Record]:
    """Statements as the administrator; the rows of the last."""
    connection = await asyncpg.connect(dsn(at.admin))
    try:
        rows: list[asyncpg.Record] = []
        for statement in statements:
            rows = await connection.fetch(statement)
        return rows
    finally:
        await connection.close()


@contextmanager
def without_the_wall(at: Reach, names: list[str]) -> Iterator[Reach]:
    """A copy of the database in which the policies are dropped, and the notifier reads; nothing else differs."""
    copy = f"open_{uuid4().hex}"
    asyncio.run(administer(at, [f"create database {copy} template {at.admin.database}"]))
    there = replace(at, admin=at.admin.set(database=copy))
    try:
        policies = asyncio.run(administer(there, ["select polname::text, polrelid::regclass::text from pg_policy"]))
        asyncio.run(
            administer(
                there,
                [
                    *(f"drop policy {name} on {table}" for name, table in policies),
                    *(f"alter table carecircle.{name} disable row level security" for name in names),
                    # The notifier's wall is that it may read next to nothing.
                    f"grant select on carecircle.outbox, carecircle.{TARGETS['notifier'][0]} to carecircle_notifier",
                ],
            )
        )
        yield there
    finally:
        asyncio.run(administer(at, [f"drop database {copy} with (force)"]))


async def prepare(settings: Settings, at: Reach) -> tuple[Tenants, list[str]]:
    async with assemble(settings, at) as circle:
        tenants = await make_tenants(circle, at)
    connection = await asyncpg.connect(dsn(at.admin))
    try:
        return tenants, await tables(connection)
    finally:
        await connection.close()


@contextmanager
def others_at_work(settings: Settings, at: Reach, tenants: Tenants) -> Iterator[None]:
    """While the attempts run, the other tenant has transactions open, in which it has read."""
    ready, stop = threading.Event(), threading.Event()

    other, provider = UUID(tenants.real["other"]), UUID(tenants.real["provider"])
    query = text("select * from carecircle.patient_assignments where provider_id = :provider")

    async def work() -> None:
        try:
            async with (
                assemble(settings, at) as circle,
                transaction(circle.engine, other) as reading,
                transaction(circle.engine, other) as beginning,
            ):
                while not stop.is_set():
                    await reading.execute(query, {"provider": provider})
                    await enter_tenant(beginning, other)
                    ready.set()
                    # Not for long: the server ends transactions that idle for a minute.
                    await asyncio.sleep(0.5)
        finally:
            ready.set()

    with ThreadPoolExecutor(1) as runner:
        running = runner.submit(asyncio.run, work())
        try:
            ready.wait(timeout=30)
            yield
        finally:
            stop.set()
            running.result()


def main() -> int:
    with temporary_server() as (home, server):
        os.environ["CARECIRCLE_HOME"] = str(home)
        at = Reach(make_url(server.admin_url), role_passwords(home), server.bin_dir)
        migrate.upgrade(at)
        return prove(Settings(home=home, database_url=None), at)


async def timed(settings: Settings, at: Reach, tenants: Tenants, samples: int) -> list[str]:
    """What the times of answers tell apart and must not; and the control, where it cannot be told and must."""
    broken = []
    async with serving(settings, at) as client:
        *_, (_, headers) = bearers(settings, tenants.own, tenants.own_provider)
        client.headers.update(headers)
        foreign = {name: to_text(UUID(tenants.real[name])) for name in ("patient", "provider", "fact")}
        own = to_text(tenants.own_provider)

        async def decide(asking: AsyncClient, patient: str) -> None:
            body = {
                "subject": {"type": "user", "id": own}, "action": {"name": "read"},
                "resource": {"type": "patient", "id": patient},
            }  # fmt: skip
            await asking.post("/access/v1/evaluation", json=body)

        async def read_patient(asking: AsyncClient, patient: str) -> None:
            await asking.get(f"/v1/patients/{patient}")

        async def read_provider(asking: AsyncClient, provider: str) -> None:
            await asking.get(f"/v1/providers/{provider}")

        async def read_assignment(asking: AsyncClient, assignment: str) -> None:
            await asking.get(f"/v1/assignments/{assignment}")

        for what, ask, real in (
            ("a decision about a patient", decide, foreign["patient"]),
            ("reading a patient", read_patient, foreign["patient"]),
            ("reading a provider", read_provider, foreign["provider"]),
            ("reading an assignment", read_assignment, foreign["fact"]),
        ):
            found = await compare(client, what, ask, real, samples)
            if not found.alike:  # one in a hundred pairs of like samples differs by chance
                found = await compare(client, what, ask, real, samples, seed=2)
            print(f"absent and the other's, {found}", flush=True)
            if not found.alike:
                broken.append(f"the time of {what} tells an id of the other from nobody's: {found}")
        control = await compare(client, "reading a provider of one's own", read_provider, own, max(samples // 5, 400))
        print(f"control: {control}", flush=True)
        if control.alike:
            broken.append("control: the time of reading one's own is not told from nobody's either")
    return broken


def prove(settings: Settings, at: Reach, samples: int = 10_000) -> int:
    """Everything, with the figure on the last line. 0 when no row of the other tenant was seen and no fact rewritten."""
    tenants, names = asyncio.run(prepare(settings, at))
    broken: list[str] = []
    tried = 0
    with others_at_work(settings, at, tenants):
        for role in ROLES:
            found = try_all(at, role, tenants, names)
            print(f"{role}: {found.tried} attempts, {len(found.leaked)} leaks")
            tried += found.tried
            broken += found.leaked
        seen = asyncio.run(looks_of_roles(at, tenants, names))
    print(f"every role and {EVERYWHERE}, at every table: {seen.tried} looks, {len(seen.leaked)} leaks")
    pooled = asyncio.run(leaks_of_one_pool(at, tenants))
    print(f"one pool, both tenants in turn: {pooled.tried} looks, {len(pooled.leaked)} leaks")
    broken += seen.leaked + pooled.leaked
    leaks = len(broken)
    edits = asyncio.run(rewrites(at, tenants.own))
    rewritten = asyncio.run(worked(at, SEATS, tenants.own, edits))
    broken += rewritten
    seen_without = 0
    with without_the_wall(at, names) as there:
        for role in ROLES:
            found = try_all(there, role, tenants, names)
            print(f"{role}, without the policies: {len(found.leaked)} of {found.tried} attempts succeed")
            seen_without += len(found.leaked)
            if len(found.leaked) < CONTROL_AT_LEAST:
                broken.append(f"control: {role} sees next to nothing without the policies either")
        looked_without = asyncio.run(looks_of_roles(there, tenants, names))
        rewritten_without = len(asyncio.run(worked(there, (("app", ""), ("owner", "")), tenants.own, edits)))
    if not rewritten_without:
        broken.append("control: no fact is rewritten without the policies either")
    if not looked_without.leaked:
        broken.append("control: no role sees another tenant without the policies either")
    broken += [f"control: {line}" for line in seen.blind]
    if not pooled.careless:
        broken.append("control: a bare SET left nothing behind, so the pool proves nothing")
    # Last: what it leaves on record is so much that a look at everything would take long.
    matrix = asyncio.run(ask_all(settings, at, tenants))
    print(
        f"{matrix.operations} operations over HTTP x {matrix.roles} roles x ids of the other: {matrix.requests:,} requests,"
        f" {len(matrix.rows)} showed a row, {len(matrix.oracles)} told an id apart; control: the other itself sees its rows"
        f" {matrix.control} times",
        flush=True,
    )
    broken += [f"a row of the other: {one}" for one in matrix.rows] + [f"an oracle: {one}" for one in matrix.oracles]
    broken += [f"a server error: {one}" for one in sorted(set(matrix.failed))]
    if matrix.control < CONTROL_AT_LEAST:
        broken.append("control: the other organization does not see its own rows either")
    broken += asyncio.run(timed(settings, at, tenants, samples))
    for line in broken:
        print(f"does not hold: {line}")
    refused = len(SEATS) * len(edits)
    print(
        f"tenancy: {len(ROLES)} roles and {EVERYWHERE}, {tried + seen.tried + pooled.tried} attempts,"
        f" {leaks} saw anything of the other tenant; {refused - len(rewritten)} of {refused} rewrites refused;"
        f" control: {seen_without} attempts and {rewritten_without} rewrites succeed without the policies"
    )
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
