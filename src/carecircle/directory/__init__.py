"""Who there is: organizations, units, providers, patients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from carecircle.directory.service import (
        find_organization,
        register_organization,
        register_patient,
        register_provider,
        resolve_patient,
        resolve_provider,
    )

__all__ = [
    "find_organization",
    "register_organization",
    "register_patient",
    "register_provider",
    "resolve_patient",
    "resolve_provider",
]


def __getattr__(name: str) -> Any:
    # Loaded on first use: roles and permissions, which live here too, need no database.
    if name in __all__:
        from carecircle.directory import service

        return getattr(service, name)
    raise AttributeError(f"module 'carecircle.directory' has no attribute {name!r}")
