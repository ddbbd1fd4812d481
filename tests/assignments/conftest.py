"""Runs a test's body on a ward of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.access.test_check import Run
from tests.assignments.ward import Ward
from tests.conftest import Hospital


@pytest.fixture
def on_ward(in_hospital: Run) -> Callable[[Callable[[Ward], Awaitable[None]]], None]:
    def run(body: Callable[[Ward], Awaitable[None]]) -> None:
        async def whole(hospital: Hospital) -> Any:
            return await body(await Ward.open(hospital))

        in_hospital(whole)

    return run
