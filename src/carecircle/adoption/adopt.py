"""Making the rule hold in a host's table: what it would take, and doing it, as often as it is interrupted."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass, field

import asyncpg

from carecircle.adoption import ledger
from carecircle.adoption.connection import Patience, host
from carecircle.adoption.host_table import HostTable, Shape, look_up
from carecircle.adoption.resolve import BATCH, resolve
from carecircle.adoption.scan import Progress, SeveralPrimaries, Tell, several_primaries, untold, without_key
from carecircle.adoption.unique_index import IndexState, build, create_statement, drop, drop_statement, state_of
from carecircle.errors import Conflict, InvalidRequest

SAMPLES = 5
ATTEMPTS = 5
LOCK_PAUSE = 0.25


@dataclass(frozen=True, slots=True)
class Plan:
    """What `apply` would do now. Rows and patients are counted in one snapshot, without changing anything."""

    index: IndexState
    primaries: int
    patients: int
    to_demote: int
    without_key: int
    samples: tuple[SeveralPrimaries, ...]
    statements: tuple[str, ...]
    interrupted: bool

    @property
    def nothing_to_do(self) -> bool:
        return self.index is IndexState.valid and not self.interrupted


@dataclass(frozen=True, slots=True)
class Applied:
    """What `apply` did. `passes` counts how often duplicates were looked for; `attempts` how often the index was built."""

    demoted: int = 0
    attempts: int = 0
    resumed: bool = False
    dropped_invalid: bool = False
    nothing_to_do: bool = False


@dataclass(slots=True)
class _Counted:
    """A Tell that remembers how many rows the pass was about."""

    tell: Tell
    total: int = field(default=0)

    def __call__(self, progress: Progress) -> None:
        self.total = progress.total or 0
        self.tell(progress)


async def plan(address: str, table: HostTable, *, patience: Patience | None = None, tell: Tell = untold) -> Plan:
    """Look, and change nothing. Raises InvalidRequest where there is no such table or column, or it cannot be adopted."""
    async with host(address, patience or Patience()) as connection:
        shape = await _adoptable(connection, table)
        state = await state_of(connection, table, shape)
        last = await ledger.last_run(connection, table)
        interrupted = last is not None and last.finished_at is None and last.reverted_at is None
        counted, patients, rows = _Counted(tell), 0, 0
        samples: list[SeveralPrimaries] = []
        async with aclosing(several_primaries(connection, table, counted)) as found:
            async for one in found:
                patients, rows = patients + 1, rows + len(one.demoted)
                if len(samples) < SAMPLES:
                    samples.append(one)
        statements = [samples[0].fix] if samples else []
        if state is IndexState.invalid:
            statements.append(drop_statement(table))
        if state is not IndexState.valid:
            statements.append(create_statement(table))
        keyless = await without_key(connection, table)
        return Plan(state, counted.total, patients, rows, keyless, tuple(samples), tuple(statements), interrupted)


async def apply(
    address: str,
    table: HostTable,
    *,
    patience: Patience | None = None,
    batch: int = BATCH,
    attempts: int = ATTEMPTS,
    tell: Tell = untold,
) -> Applied:
    """Resolve what is there, then build the index; again while others add duplicates, `attempts` times at most.

    Safe to kill and to repeat. Raises Conflict when duplicates keep appearing, when somebody else adopts this table
    now, or when the application is in the way for too long; what was done before is kept.
    """
    patience = patience or Patience()
    async with host(address, patience) as reader, host(address, patience) as writer:
        shape = await _adoptable(reader, table)
        await alone(writer, table, patience)
        state = await state_of(reader, table, shape)
        last = await ledger.last_run(reader, table)
        interrupted = last is not None and last.finished_at is None and last.reverted_at is None
        if state is IndexState.valid and not interrupted:
            return Applied(nothing_to_do=True)
        await ledger.make(writer)
        run, resumed = await ledger.begin_run(writer, table)
        demoted, tries, invalid = 0, 0, state is IndexState.invalid
        if invalid:
            await drop(writer, table, patience)
        while state is not IndexState.valid:
            if tries == attempts:
                raise Conflict(
                    f"Somebody keeps making second primaries in {table.schema}.{table.table} while the index is built"
                    f" ({tries} attempts); stop or correct that writer, then run the same again: what was resolved stays."
                )
            number = await _next_pass(writer, run)
            demoted += await resolve(reader, writer, table, shape, run, number, batch=batch, tell=tell)
            tries += 1
            if await build(writer, reader, table, patience, tell):
                state = await state_of(reader, table, shape)
        await writer.execute(
            "update carecircle_adoption.runs set finished_at = statement_timestamp() where run_id = $1", run
        )
        return Applied(demoted, tries, resumed, invalid)


async def _adoptable(connection: asyncpg.Connection, table: HostTable) -> Shape:
    shape = await look_up(connection, table)
    if shape.obstacle is not None:
        raise InvalidRequest(shape.obstacle)
    return shape


async def alone(writer: asyncpg.Connection, table: HostTable, patience: Patience) -> None:
    """Wait a little for a killed predecessor's server process to notice. Raises Conflict while somebody else is at it."""
    waited = 0.0
    while not await ledger.lock_table(writer, table):
        if waited >= patience.other:
            raise Conflict(
                f"Somebody else adopts or reverts {table.schema}.{table.table} just now; wait for that to end."
            )
        await asyncio.sleep(LOCK_PAUSE)
        waited += LOCK_PAUSE


async def _next_pass(writer: asyncpg.Connection, run: object) -> int:
    number: int = await writer.fetchval(
        "select coalesce(max(pass), 0) + 1 from carecircle_adoption.demotions where run_id = $1", run
    )
    return number
