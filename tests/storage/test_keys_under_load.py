"""The keys proof, small: a rotation while processes read and write, and its control, in which reads fail or fields are left."""

from __future__ import annotations

import asyncio

import pytest
from proofs.keys import prove

from carecircle import Settings
from carecircle.database.reach import Reach


@pytest.mark.parametrize("careless", [False, True])
def test_keys_are_rotated_while_everybody_works(migrated: Reach, settings: Settings, careless: bool) -> None:
    found = asyncio.run(prove(migrated, settings, processes=2, patients=12, margin=1.0, rotations=1, careless=careless))
    assert found.done["read"] > 20
    assert found.lost == 0
    if careless:
        assert found.noticed
    else:
        assert (found.failed, found.left, found.whole) == ({}, 0, True)
