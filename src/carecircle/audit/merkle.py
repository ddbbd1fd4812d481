"""Which hashes a proof needs, the proof made of them, and which stored subtrees a growing tree completes (RFC 6962).

Stored are the leaves (level 0) and the roots of complete subtrees of 256^level leaves. A proof is made in two steps, so that
whoever holds the hashes may read them as he likes: `needed…` names ranges of stored hashes, `…path` takes what was read.
The package `verify` beside this file checks what is made here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import NamedTuple

WIDTH = 256
_BITS = 8


class Hashes(NamedTuple):
    """Stored hashes of a level: as many as `length`, from index `first` on; level 0 is the leaves."""

    level: int
    first: int
    length: int


Stored = Mapping[tuple[int, int], bytes]
"""Hashes that were read, by level and index."""


def needed(index: int, size: int) -> list[Hashes]:
    """What the inclusion path of the leaf at `index` in a tree of `size` is made of. Raises ValueError outside the tree."""
    return _ranges(_beside(index, size))


def path(index: int, size: int, stored: Stored) -> list[bytes]:
    """The inclusion path, the leaf's sibling first. Raises KeyError where a hash that is `needed` was not read."""
    return [_root(low, high, stored) for low, high in _beside(index, size)]


def needed_between(old: int, new: int) -> list[Hashes]:
    """What the proof is made of that the tree of `new` leaves begins with the tree of `old`. ValueError unless old <= new."""
    return _ranges(_between(old, new))


def path_between(old: int, new: int, stored: Stored) -> list[bytes]:
    """The consistency path from `old` to `new`; empty where there is nothing to show. KeyError as of `path`."""
    return [_root(low, high, stored) for low, high in _between(old, new)]


class Nodes:
    """A tree that grows, as far as the sealer must remember it: of each level, the hashes of the subtree not yet complete."""

    def __init__(self, size: int = 0, open_tiles: Mapping[int, Sequence[bytes]] | None = None) -> None:
        """A tree of `size` leaves; `open_tiles` are the hashes that `Nodes.needed(size)` names, by level.

        Raises ValueError where their number does not fit the size.
        """
        self.size = size
        self._open = {level: list(hashes) for level, hashes in (open_tiles or {}).items() if hashes}
        wanted = {each.level: each.length for each in self.needed(size)}
        if wanted != {level: len(hashes) for level, hashes in self._open.items()}:
            raise ValueError(f"A tree of {size} leaves has other open subtrees than were given.")

    @staticmethod
    def needed(size: int) -> list[Hashes]:
        """What to read in order to go on with a tree of `size` leaves: one range, of at most 255, for each level."""
        levels = range((size.bit_length() + _BITS - 1) // _BITS)
        counts = ((level, (size >> _BITS * level) % WIDTH) for level in levels)
        return [Hashes(level, (size >> _BITS * level) - count, count) for level, count in counts if count]

    def append(self, leaf: bytes) -> list[tuple[int, int, bytes]]:
        """Add the hash of the next leaf; what is to be stored beside it: (level, index, hash) of each subtree it completes."""
        self.size += 1
        complete: list[tuple[int, int, bytes]] = []
        level, tile = 0, self._open.setdefault(0, [])
        tile.append(leaf)
        while len(tile) == WIDTH:
            level, root = level + 1, _fold(tile)
            tile.clear()
            complete.append((level, (self.size >> _BITS * level) - 1, root))
            tile = self._open.setdefault(level, [])
            tile.append(root)
        return complete

    def edge(self) -> list[bytes]:
        """The roots of the largest complete subtrees, from the left: what verify.Frontier.of takes."""
        found: list[bytes] = []
        for level in sorted(self._open, reverse=True):
            tile, start = self._open[level], 0
            for bit in range(_BITS - 1, -1, -1):
                if len(tile) >> bit & 1:
                    found.append(_fold(tile[start : start + (1 << bit)]))
                    start += 1 << bit
        return found

    def root(self) -> bytes:
        """The root of the tree as it stands."""
        return _merge(self.edge())


def _beside(index: int, size: int) -> list[tuple[int, int]]:
    """The subtrees, as [low, high), beside the way from a leaf to the root, from below."""
    if not 0 <= index < size:
        raise ValueError(f"A tree of {size} leaves has no leaf {index}.")
    low, high = 0, size
    found = []
    while high - low > 1:
        middle = low + _left(high - low)
        if index < middle:
            found.append((middle, high))
            high = middle
        else:
            found.append((low, middle))
            low = middle
    return found[::-1]


def _between(old: int, new: int) -> list[tuple[int, int]]:
    """The subtrees of a consistency path, as [low, high), in its order."""
    if not 0 <= old <= new:
        raise ValueError(f"A tree of {new} leaves does not begin with one of {old}.")
    if old in (0, new):
        return []
    low, high = 0, new
    found = []
    while old != high:
        middle = low + _left(high - low)
        if old <= middle:
            found.append((middle, high))
            high = middle
        else:
            found.append((low, middle))
            low = middle
    # The old tree itself is known to whoever asks; a part of it is not.
    if low:
        found.append((low, high))
    return found[::-1]


def _left(count: int) -> int:
    """The leaves of the left half: the largest power of two below `count`."""
    return 1 << (count - 1).bit_length() - 1


def _pieces(low: int, high: int) -> Iterator[Hashes]:
    """The stored hashes that cover [low, high), a complete subtree each time, from the left."""
    while low < high:
        height = (high - low).bit_length() - 1
        level = height // _BITS
        yield Hashes(level, low >> _BITS * level, 1 << height - _BITS * level)
        low += 1 << height


def _ranges(subtrees: Iterable[tuple[int, int]]) -> list[Hashes]:
    """The stored hashes under some subtrees, neighbours joined."""
    joined: list[Hashes] = []
    for each in sorted(piece for low, high in subtrees for piece in _pieces(low, high)):
        last = joined[-1] if joined else None
        if last is not None and (last.level, last.first + last.length) == each[:2]:
            joined[-1] = last._replace(length=last.length + each.length)
        else:
            joined.append(each)
    return joined


def _root(low: int, high: int, stored: Stored) -> bytes:
    return _merge(
        [_fold([stored[level, at] for at in range(first, first + count)]) for level, first, count in _pieces(low, high)]
    )


def _fold(hashes: Sequence[bytes]) -> bytes:
    """The root over neighbours whose number is a power of two."""
    while len(hashes) > 1:
        hashes = [_node(left, right) for left, right in zip(hashes[::2], hashes[1::2], strict=True)]
    return hashes[0]


def _merge(edge: Sequence[bytes]) -> bytes:
    """The root over complete subtrees, the largest first."""
    if not edge:
        return sha256(b"").digest()
    root = edge[-1]
    for left in reversed(edge[:-1]):
        root = _node(left, root)
    return root


def _node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\1" + left + right).digest()
