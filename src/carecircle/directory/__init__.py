"""Who there is: organizations, units, providers, patients."""

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
