"""What a record is called: "Practitioner/d" at the server whose export this is, the whole URL at any other."""

from __future__ import annotations

import re

_SERVER = re.compile(r"https?://[^/]+", re.IGNORECASE)
_UUID_URN = "urn:uuid:"


def normalized(url: str) -> str:
    """A URL or urn as it is compared: scheme, host and UUIDs in lower case, no version, no slash at its end."""
    if url[: len(_UUID_URN)].lower() == _UUID_URN:
        return url.lower()
    server = _SERVER.match(url)
    if server is None:
        return url
    return (server.group().lower() + url[server.end() :]).split("/_history/")[0].rstrip("/")


def is_absolute(name: str) -> bool:
    return _SERVER.match(name) is not None


def kind_of(record: str) -> str:
    return record.rsplit("/", 2)[-2] if is_absolute(record) else record.partition("/")[0]


def id_of(record: str) -> str:
    return record.rpartition("/")[2] if is_absolute(record) else record.partition("/")[2]


def base_of(record: str) -> str:
    """The server of a record that goes by its whole URL; empty for the others."""
    return record.rsplit("/", 2)[0] if is_absolute(record) else ""


def record_at(url: str, own: str) -> str:
    """The record a RESTful URL stands for, when `own` is the base of the server whose records go by kind and id alone."""
    base, _, rest = normalized(url).rpartition("/")
    base, _, kind = base.rpartition("/")
    return f"{kind}/{rest}" if own and base == own else f"{base}/{kind}/{rest}"
