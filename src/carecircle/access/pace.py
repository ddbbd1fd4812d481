"""How long somebody who asks now would wait, from how long the last batches took; pure but for the clock."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

_WEIGHT = 0.2
"""Of the newest batch, in the average of all."""


class Pace:
    """Of so many lanes, each with batches of at most `most`. Times are in seconds."""

    def __init__(self, lanes: int, most: int) -> None:
        self._lanes = lanes
        self._most = most
        self._each = 0.0
        self._left: dict[int, float] = {}
        self._batches = 0
        self._most_waiting = 0
        self._longest_wait = math.inf
        self.bounded = False

    def bound(self, most_waiting: int, longest_wait: float) -> None:
        self._most_waiting, self._longest_wait = most_waiting, longest_wait
        self.bounded = True

    @contextmanager
    def on_the_way(self, size: int) -> Iterator[None]:
        """While a batch of this size is being decided."""
        self._batches += 1
        batch, left = self._batches, monotonic()
        self._left[batch] = left
        try:
            yield
        finally:
            del self._left[batch]
            each = (monotonic() - left) / size
            self._each = each if not self._each else self._each + _WEIGHT * (each - self._each)

    def room(self) -> int:
        """How many may wait now. A whole batch always may, so that a database that is quick again is noticed; but none while
        one has been on its way for longer than anybody may wait."""
        if self._left and monotonic() - min(self._left.values()) > self._longest_wait:
            return 0
        if not self._each:
            return self._most_waiting
        in_time = self._longest_wait * self._lanes / self._each
        return int(min(self._most_waiting, max(in_time, self._most)))

    def retry_after(self, waiting: int) -> int:
        """Whole seconds after which those who wait now should have been answered; at least one."""
        return max(1, math.ceil(min(waiting * self._each / self._lanes, 60)))
