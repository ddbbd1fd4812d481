"""Import tests run their body on a ward of their own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Hospital
from tests.interop.ward import Ward

OnWard = Callable[[Callable[[Ward], Any]], Any]


@pytest.fixture
def on_ward(in_hospital: Callable[[Callable[[Hospital], Any]], Any], tmp_path: Path) -> OnWard:
    def run(body: Callable[[Ward], Any]) -> Any:
        async def inside(hospital: Hospital) -> Any:
            return await body(Ward(hospital, tmp_path))

        return in_hospital(inside)

    return run
