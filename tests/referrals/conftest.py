"""Runs a test's body in a clinic of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.access.test_check import Run
from tests.conftest import Hospital
from tests.referrals.clinic import Clinic


@pytest.fixture
def in_clinic(in_hospital: Run) -> Callable[[Callable[[Clinic], Awaitable[None]]], None]:
    def run(body: Callable[[Clinic], Awaitable[None]]) -> None:
        async def whole(hospital: Hospital) -> Any:
            return await body(await Clinic.open(hospital))

        in_hospital(whole)

    return run
