"""The text of an API key: how it is made, read and hashed. Only the hash of its secret is ever kept."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import NamedTuple
from uuid import UUID

from carecircle.identifiers import parse_id, to_text

PREFIX = "cck_"
_ULID = "[0-7][0-9A-HJKMNP-TV-Z]{25}"
_SHAPE = re.compile(rf"{PREFIX}({_ULID})_({_ULID})_([A-Za-z0-9_-]{{43}})", re.ASCII)
_SECRET_BYTES = 32


class KeyText(NamedTuple):
    """What the text of a key says: whose it is, which one, and the secret that nobody else has."""

    organization_id: UUID
    key_id: UUID
    secret: str

    def __repr__(self) -> str:
        # A traceback must not hand the key on.
        return f"KeyText({self.organization_id!r}, {self.key_id!r}, …)"


def new_secret() -> str:
    """43 characters fit for an address, of 256 random bits."""
    return secrets.token_urlsafe(_SECRET_BYTES)


def written(organization_id: UUID, key_id: UUID, secret: str) -> str:
    """The text of a key, which is shown once: to whoever made it."""
    return f"{PREFIX}{to_text(organization_id)}_{to_text(key_id)}_{secret}"


def parse(text: str) -> KeyText | None:
    """What a text says that has exactly the shape of a key; None for any other."""
    found = _SHAPE.fullmatch(text)
    if found is None:
        return None
    organization, key, secret = found.groups()
    return KeyText(parse_id(organization), parse_id(key), secret)


def hash_of(secret: str) -> bytes:
    """SHA-256 of the secret: 256 random bits need no slower one."""
    return hashlib.sha256(secret.encode()).digest()


def is_secret_of(secret: str, kept: bytes | None) -> bool:
    """Whether this secret has that hash; as long for a key that is not there as for one that is."""
    known = bytes(32) if kept is None else kept
    return hmac.compare_digest(hash_of(secret), known) and kept is not None
