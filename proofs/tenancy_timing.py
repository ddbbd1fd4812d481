"""Whether the time of an answer tells a row of another organization from no row at all.

Ids of the other's rows and ids of nobody are asked in random turn over one connection; the two samples must not differ by
the Mann-Whitney test (p > 0.01), and their medians by less than 0.2 ms. The control compares an id of one's own with one
of nobody: that difference must be seen.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any
from uuid import uuid4

import httpx

from carecircle import to_text

LEAST_P, MOST_GAP = 0.01, 0.0002


@dataclass(frozen=True)
class Compared:
    """Two samples of seconds: how far their medians lie apart, and how likely it is that they are of one kind."""

    what: str
    samples: int
    gap: float
    p: float

    @property
    def alike(self) -> bool:
        return self.p > LEAST_P and self.gap < MOST_GAP

    def __str__(self) -> str:
        return f"{self.what}: {self.samples:,} samples, medians {self.gap * 1e6:.0f} us apart, p = {self.p:.3f}"


Ask = Callable[[httpx.AsyncClient, str], Any]


async def compare(client: httpx.AsyncClient, what: str, ask: Ask, real: str, samples: int, seed: int = 1) -> Compared:
    """Ask in random turn about `real` and about nobody."""
    chance, took = random.Random(seed), ([], [])  # type: tuple[random.Random, tuple[list[float], list[float]]]
    turns = [0, 1] * (samples // 2)
    chance.shuffle(turns)
    for _ in range(200):
        await ask(client, real)
    for turn in turns:
        own = real if turn else to_text(uuid4())
        began = time.perf_counter()
        await ask(client, own)
        took[turn].append(time.perf_counter() - began)
    return Compared(what, samples, abs(median(took[0]) - median(took[1])), mann_whitney(*took))


def mann_whitney(one: list[float], two: list[float]) -> float:
    """The two-sided p by the normal approximation; with the samples in thousands, ties do not matter."""
    ranked = sorted([(value, 0) for value in one] + [(value, 1) for value in two])
    ranks = sum(rank for rank, (_, whose) in enumerate(ranked, 1) if whose == 0)
    first, second = len(one), len(two)
    u = ranks - first * (first + 1) / 2
    spread = math.sqrt(first * second * (first + second + 1) / 12)
    return math.erfc(abs(u - first * second / 2) / spread / math.sqrt(2))
