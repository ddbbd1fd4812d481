"""The pytest plugin: the fixture `carecircle_access`, a FakeAccess that guards ask while the test runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from carecircle.testing.fake import FakeAccess


@pytest.fixture
def carecircle_access() -> Iterator[FakeAccess]:
    """A FakeAccess of this test's own: it says no to everything, and all guards of this process ask it."""
    # Loaded on use: pytest imports this module for every run, of tests that ask nothing too.
    from carecircle.hosts.asking import replacing
    from carecircle.testing.fake import FakeAccess

    fake = FakeAccess()
    with replacing(fake):
        yield fake
