"""Addresses from settings: read strictly, with sentences that say what is wrong and never repeat a password."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from carecircle.errors import InvalidSetting


def is_here(host: str) -> bool:
    """Whether a host is this machine: what is sent there never leaves it."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def split_url(name: str, url: str, schemes: tuple[str, ...], written: str) -> tuple[SplitResult, str, int | None]:
    """An address in parts, its host and its port. Raises InvalidSetting, naming the variable and how to write it."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if host is None or port == 0 or parts.scheme not in schemes or not url.isprintable() or " " in url:
        raise InvalidSetting(f"{name}: write it as {written}.")
    return parts, host, port
