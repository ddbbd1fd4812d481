"""A running service for each file of tests that needs one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from carecircle import Settings
from carecircle.database.reach import Reach
from tests.client.running import Ward, running_ward


@pytest.fixture(scope="module")
def ward(settings: Settings, migrated: Reach) -> Iterator[Ward]:
    with running_ward(settings, migrated) as opened:
        yield opened
