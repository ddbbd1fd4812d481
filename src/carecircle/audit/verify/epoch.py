"""The tree of one epoch as far as it was read, with the checkpoints that were compared with it."""

from __future__ import annotations

from .finding import Report, Where, leaves
from .note import Checkpoint
from .tree import EMPTY_ROOT, Frontier


class Epoch:
    """A tree as far as it was read. `watched` are witnesses' checkpoints by size: its roots at these sizes are kept."""

    def __init__(self, number: int, watched: dict[int, list[Checkpoint]]) -> None:
        self.number, self.size, self.edge = number, 0, Frontier()
        # The tree as the entries have it, from the first on that differs from its leaf: a signed root tells which was changed.
        self.other: Frontier | None = None
        self.doubts: list[Where] = []
        self.broken = False  # whether roots cannot be computed any more
        self.agreed = 0  # leaves under the last checkpoint that agreed
        self.shift = 0  # leaves too many (or too few) so far
        self.signed: dict[int, bytes] = {}
        self.named: dict[int, Where] = {}  # sizes that checkpoints say were signed before them, and where they say so
        self.unbelieved: set[int] = set()  # sizes of checkpoints that are here and not signed
        self.strange = 0  # the largest size of these that only a key signed that was not given
        self.missed: set[int] = set()  # sizes of checkpoints of which it was said that they are missing
        self.cited: tuple[int, bytes] | None = None
        self.watched = watched
        self.roots: dict[int, tuple[bytes, ...]] = {0: (EMPTY_ROOT,)}
        self.beyond: list[Checkpoint] = []

    def grow(self, claimed: bytes) -> None:
        """Take in the hash of the next leaf."""
        self.size += 1
        self.edge.append(claimed)
        if self.other is not None and self.other.size < self.edge.size:
            self.other.append(claimed)
        if self.size in self.watched and not self.broken:
            self.roots[self.size] = (self.edge.root(), (self.other or self.edge).root())

    def skip_to(self, index: int) -> None:
        """Go on at a later leaf than the next: those between are not here, so that no root can be computed."""
        self.size, self.broken = index, True

    def doubt(self, computed: bytes, where: Where, report: Report) -> None:
        """Remember that the next leaf's entry has this hash, which is not the leaf's: the next signed root says which is right."""
        if len(self.doubts) >= 1000:
            self.settle_doubts("entry-altered", report)
        self.doubts.append(where)
        self.other = self.other or Frontier.of(self.edge.size, self.edge.hashes)
        self.other.append(computed)

    def settle_doubts(self, code: str, report: Report) -> None:
        """Say of every entry that differs from its leaf which of the two was changed."""
        for where in self.doubts:
            report.find_at(code, where)
        self.doubts, self.other = [], None

    def compare(self, one: Checkpoint, report: Report) -> None:
        """Compare the tree, which has the checkpoint's size, with its signed root."""
        self.shift = 0
        if self.edge.root() == one.root:
            self.settle_doubts("entry-altered", report)
        elif self.other is not None and self.other.root() == one.root:
            self.edge = self.other
            self.settle_doubts("leaf-altered", report)
        else:
            self.broken = True
            report.find("checkpoint-wrong-root", self.agreed, one.size - 1, None, leaves(one.size))
        self.agreed = one.size
