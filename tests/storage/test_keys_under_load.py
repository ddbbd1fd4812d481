"""The keys proof, small: a rotation while processes read and write."""

from __future__ import annotations

import asyncio

from proofs.keys import prove

from carecircle import Settings
from carecircle.database.reach import Reach


def test_keys_are_rotated_while_everybody_works(migrated: Reach, settings: Settings) -> None:
    """Its control, a rotation that does not wait and is noticed, is a part of the proof: ./dev prove keys."""
    found = asyncio.run(prove(migrated, settings, processes=2, patients=12, margin=1.0, rotations=1, careless=False))
    assert found.done["read"] > 20
    assert found.lost == 0
    assert (found.failed, found.left, found.whole) == ({}, 0, True)
