"""The tree against the published vectors of RFC 6962 and against the definition, written down as naively as it reads."""

from __future__ import annotations

import random
from hashlib import sha256

import pytest

from carecircle.audit import merkle
from carecircle.audit.verify import EMPTY_ROOT, Frontier, consistent, leaf_hash, node_hash, root_of_inclusion

# The inputs, roots and paths of the test suite of Certificate Transparency's own log.
INPUTS = [
    bytes.fromhex(data)
    for data in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
    )
]  # fmt: skip
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
INCLUSION = {
    (0, 1): [],
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (1, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
CONSISTENCY = {
    (1, 1): [],
    (1, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}


def naive_root(leaves: list[bytes]) -> bytes:
    """RFC 6962, 2.1."""
    if len(leaves) < 2:
        return leaves[0] if leaves else sha256(b"").digest()
    half = naive_half(len(leaves))
    return node_hash(naive_root(leaves[:half]), naive_root(leaves[half:]))


def naive_path(index: int, leaves: list[bytes]) -> list[bytes]:
    """RFC 6962, 2.1.1."""
    if len(leaves) == 1:
        return []
    half = naive_half(len(leaves))
    if index < half:
        return [*naive_path(index, leaves[:half]), naive_root(leaves[half:])]
    return [*naive_path(index - half, leaves[half:]), naive_root(leaves[:half])]


def naive_path_between(old: int, leaves: list[bytes], *, whole: bool = True) -> list[bytes]:
    """RFC 6962, 2.1.2."""
    if old == len(leaves):
        return [] if whole else [naive_root(leaves)]
    half = naive_half(len(leaves))
    if old <= half:
        return [*naive_path_between(old, leaves[:half], whole=whole), naive_root(leaves[half:])]
    return [*naive_path_between(old - half, leaves[half:], whole=False), naive_root(leaves[:half])]


def naive_half(count: int) -> int:
    half = 1
    while half * 2 < count:
        half *= 2
    return half


def some_leaves(count: int) -> list[bytes]:
    return [leaf_hash(b"%d" % number) for number in range(count)]


def store(leaves: list[bytes]) -> dict[tuple[int, int], bytes]:
    """What the sealer keeps of a tree: its leaves, and the nodes that they completed."""
    tree, kept = merkle.Nodes(), {}
    for index, leaf in enumerate(leaves):
        kept[0, index] = leaf
        kept.update({(level, at): root for level, at, root in tree.append(leaf)})
    return kept


def read(kept: dict[tuple[int, int], bytes], ranges: list[merkle.Hashes]) -> dict[tuple[int, int], bytes]:
    """Only what was asked for."""
    return {(level, at): kept[level, at] for level, first, length in ranges for at in range(first, first + length)}


def test_published_roots() -> None:
    edge = Frontier()
    assert (
        edge.root() == EMPTY_ROOT == bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    )
    for data, root in zip(INPUTS, ROOTS, strict=True):
        edge.append(leaf_hash(data))
        assert edge.root().hex() == root


@pytest.mark.parametrize(("index", "size"), INCLUSION)
def test_published_inclusion_paths(index: int, size: int) -> None:
    leaves = [leaf_hash(data) for data in INPUTS[:size]]
    path = merkle.path(index, size, read(store(leaves), merkle.needed(index, size)))
    assert [one.hex() for one in path] == INCLUSION[index, size]
    assert root_of_inclusion(leaves[index], index, size, path).hex() == ROOTS[size - 1]


@pytest.mark.parametrize(("old", "new"), CONSISTENCY)
def test_published_consistency_paths(old: int, new: int) -> None:
    leaves = [leaf_hash(data) for data in INPUTS[:new]]
    path = merkle.path_between(old, new, read(store(leaves), merkle.needed_between(old, new)))
    assert [one.hex() for one in path] == CONSISTENCY[old, new]
    roots = [bytes.fromhex(root) for root in ROOTS]
    assert consistent(old, roots[old - 1], new, roots[new - 1], path)
    assert not consistent(old, roots[old - 2], new, roots[new - 1], path)


def test_every_small_tree_equals_the_definition() -> None:
    leaves = some_leaves(40)
    kept = store(leaves)
    for size in range(41):
        assert Frontier.of(size, grown(leaves[:size]).hashes).root() == naive_root(leaves[:size])
        for index in range(size):
            assert merkle.path(index, size, read(kept, merkle.needed(index, size))) == naive_path(index, leaves[:size])
        for old in range(1, size + 1):
            path = merkle.path_between(old, size, read(kept, merkle.needed_between(old, size)))
            assert path == naive_path_between(old, leaves[:size])
            assert consistent(old, naive_root(leaves[:old]), size, naive_root(leaves[:size]), path)


def grown(leaves: list[bytes]) -> Frontier:
    edge = Frontier()
    for leaf in leaves:
        edge.append(leaf)
    return edge


def test_large_trees_read_little_and_equal_the_definition() -> None:
    dice = random.Random(6962)
    leaves = some_leaves(66_000)
    kept = store(leaves)
    assert (2, 0) in kept
    for size in (255, 256, 257, 65_535, 65_536, 65_537, 66_000):
        index, old = dice.randrange(size), dice.randrange(1, size)
        ranges = merkle.needed(index, size)
        assert sum(length for _, _, length in ranges) < 3 * merkle.WIDTH
        root = naive_root(leaves[:size])
        assert root_of_inclusion(leaves[index], index, size, merkle.path(index, size, read(kept, ranges))) == root
        between = merkle.path_between(old, size, read(kept, merkle.needed_between(old, size)))
        assert between == naive_path_between(old, leaves[:size])
        assert consistent(old, naive_root(leaves[:old]), size, root, between)


def test_a_tree_goes_on_from_what_was_kept() -> None:
    leaves = some_leaves(66_000)
    kept = store(leaves)
    for size in (0, 1, 255, 256, 700, 65_535, 65_536, 65_800):
        tiles: dict[int, list[bytes]] = {}
        for level, first, length in merkle.Nodes.needed(size):
            tiles[level] = [kept[level, at] for at in range(first, first + length)]
        tree = merkle.Nodes(size, tiles)
        made = [each for leaf in leaves[size : size + 300] for each in tree.append(leaf)]
        assert all(kept[level, at] == root for level, at, root in made)
        end = min(size + 300, len(leaves))
        assert tree.size == end
        assert tree.root() == naive_root(leaves[:end])
        assert Frontier.of(tree.size, tree.edge()).root() == tree.root()


def test_a_tree_does_not_go_on_from_less() -> None:
    with pytest.raises(ValueError, match="open subtrees"):
        merkle.Nodes(3, {0: some_leaves(2)})
    with pytest.raises(ValueError, match="on its edge"):
        Frontier.of(3, some_leaves(3))


def test_changed_paths_prove_nothing() -> None:
    leaves = some_leaves(21)
    root, old_root = naive_root(leaves), naive_root(leaves[:13])
    path, between = naive_path(7, leaves), naive_path_between(13, leaves)
    assert root_of_inclusion(leaves[7], 7, 21, path) == root
    assert root_of_inclusion(leaves[8], 7, 21, path) != root
    assert root_of_inclusion(leaves[7], 6, 21, path) != root
    for wrong in (path[:-1], [*path, root], []):
        with pytest.raises(ValueError, match="no path"):
            root_of_inclusion(leaves[7], 7, 21, wrong)
    for index, size in ((-1, 21), (21, 21), (0, 0)):
        with pytest.raises(ValueError, match="no"):
            root_of_inclusion(leaves[7], index, size, path)
        with pytest.raises(ValueError, match="no leaf"):
            merkle.needed(index, size)
    assert consistent(13, old_root, 21, root, between)
    for wrong in (between[:-1], [*between, root], [], between[::-1]):
        assert not consistent(13, old_root, 21, root, wrong)
    assert not consistent(21, root, 13, old_root, between)
    assert not consistent(12, old_root, 21, root, between)
    assert consistent(0, EMPTY_ROOT, 21, root, [])
    assert not consistent(0, old_root, 21, root, [])
    with pytest.raises(ValueError, match="does not begin"):
        merkle.needed_between(22, 21)
