"""What /metrics says of decisions over HTTP: plain numbers, made into metrics when they are read, as each answer is counted."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from carecircle.errors import CareCircleError
from carecircle.errors.service import TooBusy

BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 5.0)


class Tally(Collector):
    """The counters of one process, whose event loop alone changes them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.allowed = self.denied = self.failed = self.refused = 0
        self._within = [0] * (len(BUCKETS) + 1)
        self._seconds = 0.0
        registry.register(self)

    def answered(self, allowed: bool, seconds: float) -> None:
        """An answer, and how long its question was here."""
        if allowed:
            self.allowed += 1
        else:
            self.denied += 1
        self._within[bisect_left(BUCKETS, seconds)] += 1
        self._seconds += seconds

    def unanswered(self, error: CareCircleError) -> bool:
        """Count it; whether the log should hold it. A server that is full has no time to write of each whom it refuses."""
        if isinstance(error, TooBusy):
            self.refused += 1
            return False
        self.failed += 1
        return True

    def collect(self) -> Iterator[Metric]:
        decisions = CounterMetricFamily("carecircle_decisions", "Decisions answered over HTTP.", labels=["answer"])
        for answer in ("allowed", "denied", "failed", "refused"):
            decisions.add_metric([answer], getattr(self, answer))
        yield decisions
        bounds = [*map(str, BUCKETS), "+Inf"]
        yield HistogramMetricFamily(
            "carecircle_evaluation_seconds",
            "Time from a question's arrival to its recorded answer.",
            buckets=list(zip(bounds, accumulate(self._within), strict=True)),
            sum_value=self._seconds,
        )
