"""The metadata document of this policy decision point: who it is, and where it is asked."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

ENDPOINTS = {
    "access_evaluation_endpoint": "/access/v1/evaluation",
    "access_evaluations_endpoint": "/access/v1/evaluations",
    "search_subject_endpoint": "/access/v1/search/subject",
    "search_resource_endpoint": "/access/v1/search/resource",
    "search_action_endpoint": "/access/v1/search/action",
}
WELL_KNOWN = "/.well-known/authzen-configuration"
_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,127}(/[A-Za-z0-9][A-Za-z0-9._~-]{0,127}){0,7}")
_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")


def metadata(path: str, *, public_url: str | None, host: str | None) -> dict[str, str] | None:
    """The document at a well-known path; None where there is none.

    `public_url` is where the world finds this installation; without an https one, it is the host the request named. The
    identifier is what the well-known part was put into, as the specification demands, so it differs between the paths; the
    endpoints are the same for all, and a token says which organization is asked.
    """
    tenant = path.removeprefix(WELL_KNOWN).removeprefix("/")
    if not path.startswith(WELL_KNOWN) or (path != WELL_KNOWN and not _TENANT.fullmatch(tenant)):
        return None
    base = _public(public_url) or (f"https://{host}" if host is not None and _is_host(host) else None)
    if base is None:
        return None
    origin = "https://" + urlsplit(base).netloc
    return {
        "policy_decision_point": f"{origin}/{tenant}" if tenant else origin,
        **{name: base + endpoint for name, endpoint in ENDPOINTS.items()},
    }


def is_public(public_url: str | None) -> bool:
    """Whether the installation says itself where it is found."""
    return _public(public_url) is not None


def _public(public_url: str | None) -> str | None:
    if public_url is None:
        return None
    try:
        parts = urlsplit(public_url)
    except ValueError:
        return None
    if parts.scheme != "https" or not _is_host(parts.netloc):
        return None
    return f"https://{parts.netloc}{parts.path.rstrip('/')}"


def _is_host(named: str) -> bool:
    if not _HOST.fullmatch(named):
        return False
    try:
        urlsplit(f"https://{named}")
    except ValueError:  # in brackets, but no address
        return False
    return True
