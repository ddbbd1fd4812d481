"""The tree (RFC 6962, SHA-256): hashes of leaves and nodes, the right edge of a growing tree, paths of proofs checked."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

EMPTY_ROOT = sha256(b"").digest()
# What stands before the bytes of an entry whose mark, or whose transaction, did not fit when it was sealed.
UNMARKED, ALTERED = b"unmarked\n", b"altered\n"


def leaf_hash(data: bytes) -> bytes:
    """The hash (32 bytes) of a leaf, as RFC 6962 has it."""
    return sha256(b"\0" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash (32 bytes) of a node over its two children."""
    return sha256(b"\1" + left + right).digest()


class Frontier:
    """The right edge of a growing tree: one hash for every complete subtree, the largest first."""

    def __init__(self) -> None:
        self.size = 0
        self._hashes: list[bytes] = []

    @classmethod
    def of(cls, size: int, hashes: Sequence[bytes]) -> Frontier:
        """The right edge of a tree of `size` leaves. Raises ValueError where the number of hashes does not fit the size."""
        if len(hashes) != size.bit_count():
            raise ValueError(f"A tree of {size} leaves has {size.bit_count()} hashes on its edge, not {len(hashes)}.")
        edge = cls()
        edge.size, edge._hashes = size, list(hashes)
        return edge

    @property
    def hashes(self) -> tuple[bytes, ...]:
        return tuple(self._hashes)

    def append(self, leaf: bytes) -> None:
        """Add the hash of the next leaf."""
        size, hashes = self.size, self._hashes
        self.size = size + 1
        while size & 1:
            leaf = sha256(b"\1" + hashes.pop() + leaf).digest()
            size >>= 1
        hashes.append(leaf)

    def root(self) -> bytes:
        root = self._hashes[-1] if self._hashes else EMPTY_ROOT
        for left in reversed(self._hashes[:-1]):
            root = node_hash(left, root)
        return root


def root_of_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """The root to which a path leads from the leaf at `index` in a tree of `size`. ValueError where its length does not fit."""
    if not 0 <= index < size or (size == 1) != (not path):
        raise ValueError(f"This is no path from leaf {index} in a tree of {size} leaves.")
    if size == 1:
        return leaf
    half = 1 << (size - 1).bit_length() - 1
    if index < half:
        return node_hash(root_of_inclusion(leaf, index, half, path[:-1]), path[-1])
    return node_hash(path[-1], root_of_inclusion(leaf, index - half, size - half, path[:-1]))


def consistent(old_size: int, old_root: bytes, new_size: int, new_root: bytes, path: Sequence[bytes]) -> bool:
    """Whether the path shows that the tree of `new_size` leaves begins with the whole tree of `old_size`."""

    def roots(old: int, new: int, path: Sequence[bytes], known: tuple[bytes, ...]) -> tuple[bytes, bytes]:
        if old == new:
            (one,) = (*known, *path)
            return one, one
        half = 1 << (new - 1).bit_length() - 1
        if old <= half:
            one, two = roots(old, half, path[:-1], known)
            return one, node_hash(two, path[-1])
        one, two = roots(old - half, new - half, path[:-1], ())
        return node_hash(path[-1], one), node_hash(path[-1], two)

    if old_size == 0:
        return not path and old_root == EMPTY_ROOT and (new_size > 0 or new_root == EMPTY_ROOT)
    try:
        return 0 < old_size <= new_size and roots(old_size, new_size, path, (old_root,)) == (old_root, new_root)
    except (ValueError, IndexError):
        return False
