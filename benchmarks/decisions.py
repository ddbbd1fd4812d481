"""Audited, durable decisions per second in process, one at a time and in batches, beside a bare SELECT 1."""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from benchmarks.workload import loaded, questions
from carecircle.access.decide import Decider, Form, for_every_organization
from carecircle.access.decision import Question
from carecircle.database.crypto import keyring
from carecircle.database.reach import Reach
from carecircle.database.roles import open_connection

SECONDS = 5.0
BATCHES = (8, 32, 128)


async def measure(at: Reach, seconds: float) -> dict[str, float]:
    asked = questions(50_000)
    connections = [await for_every_organization(await open_connection(at.dsn("decider"))) for _ in range(2)]
    deciders = [Decider(connection, keyring(), timeout=10) for connection in connections]
    figures: dict[str, float] = {}
    floor = await connections[0].prepare("select 1")
    source = _batches(asked, 1)

    async def decide() -> object:
        return await deciders[0].decide(Form(), next(source))

    # Turn and turn about, so that floor and figure meet the same machine in the same state.
    await _in_turn(floor.fetch, decide, 1.0)
    floors, latencies = await _in_turn(floor.fetch, decide, seconds)
    figures["floor_per_s"] = len(floors) / sum(floors)
    figures["single_per_s"] = len(latencies) / sum(latencies)
    figures["floor_p50_us"] = _at(sorted(floors), 0.50)
    figures["single_p50_us"], figures["single_p99_us"] = (_at(sorted(latencies), share) for share in (0.50, 0.99))
    for size in BATCHES:
        # Two in flight, as in service: while one batch is decided, the next is on its way.
        rates = await asyncio.gather(*(_in_batches(decider, asked, size, seconds) for decider in deciders))
        figures[f"batch_{size}_per_s"] = sum(rates)
    answers = await deciders[0].decide(Form(), asked[:1000])
    figures["allowed_share"] = sum(answer.allowed for answer in answers) / len(answers)
    for connection in connections:
        await connection.close()
    return figures


async def _in_turn(
    first: Callable[[], Awaitable[object]], second: Callable[[], Awaitable[object]], seconds: float
) -> tuple[list[float], list[float]]:
    """The latencies of two calls made in turn."""
    times: tuple[list[float], list[float]] = ([], [])
    started = last = time.perf_counter()
    while last - started < seconds:
        for call, seen in zip((first, second), times, strict=True):
            await call()
            now = time.perf_counter()
            seen.append(now - last)
            last = now
    return times


async def _in_batches(decider: Decider, asked: list[Question], size: int, seconds: float) -> float:
    """Questions answered per second by one connection that always has the next batch ready."""
    source, answered = _batches(asked, size), 0
    started = last = time.perf_counter()
    while last - started < seconds:
        answered += len(await decider.decide(Form(), next(source)))
        last = time.perf_counter()
    return answered / (last - started)


def _batches(asked: list[Question], size: int) -> Iterator[list[Question]]:
    while True:
        for at in range(0, len(asked) - size, size):
            yield asked[at : at + size]


def _at(ordered: list[float], share: float) -> float:
    return ordered[int(len(ordered) * share)] * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(prog="./dev bench decisions", description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="how long each figure is measured")
    given = parser.parse_args()
    with loaded() as (_, at):
        figures = asyncio.run(measure(at, given.seconds))
    floor = figures["floor_per_s"]
    print(f"{'SELECT 1, one at a time':38} {floor:10,.0f}/s")
    print(
        f"{'audited decision, one at a time':38} {figures['single_per_s']:10,.0f}/s   {figures['single_per_s'] / floor:.2f} x floor"
    )
    print(f"{'    p50 / p99':38} {figures['single_p50_us']:10,.0f} / {figures['single_p99_us']:,.0f} us")
    for size in BATCHES:
        rate = figures[f"batch_{size}_per_s"]
        print(f"{f'audited decisions, batches of {size}':38} {rate:10,.0f}/s   {rate / floor:.2f} x floor")
    print(f"{'allowed':38} {figures['allowed_share']:10.0%}")
    if given.json:
        given.json.write_text(json.dumps({key: round(value, 3) for key, value in figures.items()}, indent=2) + "\n")


if __name__ == "__main__":
    main()
