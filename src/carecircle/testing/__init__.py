"""For the tests of applications that ask: FakeAccess answers in memory, and says no unless it was told to say yes."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from carecircle.testing.fake import Asked as Asked
    from carecircle.testing.fake import FakeAccess as FakeAccess

__all__ = ["Asked", "FakeAccess"]


def __getattr__(name: str) -> Any:
    # Loaded on first use: pytest imports the plugin, and this package with it, for tests that ask nothing too.
    if name in __all__:
        return getattr(import_module("carecircle.testing.fake"), name)
    raise AttributeError(f"module 'carecircle.testing' has no attribute {name!r}")
