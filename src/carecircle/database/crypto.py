"""Protected fields: AES-256-GCM envelopes bound to their row, and keyed blind indexes for looking identifiers up."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from carecircle.database.reach import files_of, write_privately
from carecircle.errors import KeyUnavailable
from carecircle.identifiers import Identifier
from carecircle.settings import Settings

_NONCE = 12
_KEY_ID = 4


class Keyring:
    """The root keys of an installation, by key id; the newest writes, all read.

    Every organization's keys are derived from a root key, so no two organizations share one.
    """

    def __init__(self, roots: dict[bytes, bytes], newest: bytes) -> None:
        self._roots = roots
        self._newest = newest
        self._derive = lru_cache(maxsize=4096)(self._derived)

    @classmethod
    def open(cls, home: Path) -> Keyring:
        """Read the key file, made on first use with mode 600. CARECIRCLE_KEYS (its JSON) takes precedence.

        Raises KeyUnavailable when it is there and cannot be read; InvalidSetting or DatabaseUnavailable when it cannot be made.
        """
        given = os.environ.get("CARECIRCLE_KEYS")
        file = home / "keys.json"
        with files_of(home):
            if given is None and not file.exists():
                home.mkdir(mode=0o700, parents=True, exist_ok=True)
                key_id = secrets.token_bytes(_KEY_ID).hex()
                root = base64.b64encode(secrets.token_bytes(32)).decode()
                write_privately(file, json.dumps({"newest": key_id, "keys": {key_id: root}}).encode())
        try:
            kept = json.loads(given if given is not None else file.read_bytes())
            roots = {bytes.fromhex(key_id): base64.b64decode(root) for key_id, root in kept["keys"].items()}
            newest = bytes.fromhex(kept["newest"])
            usable = newest in roots and all(len(k) == _KEY_ID and len(v) == 32 for k, v in roots.items())
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            usable = False
        if not usable:
            where = "CARECIRCLE_KEYS" if given is not None else "The key file keys.json under CARECIRCLE_HOME"
            raise KeyUnavailable(f"{where} cannot be read as carecircle keys; restore it from its backup.")
        return cls(roots, newest)

    def seal(self, plain: bytes, organization: UUID, table: str, column: str, row: UUID | bytes) -> bytes:
        """Encrypt one field. The envelope opens only in the same organization, table, column and row."""
        nonce = os.urandom(_NONCE)
        cipher = AESGCM(self._derive(self._newest, organization, "field"))
        return self._newest + nonce + cipher.encrypt(nonce, plain, _bound_to(organization, table, column, row))

    def unseal(self, envelope: bytes, organization: UUID, table: str, column: str, row: UUID | bytes) -> bytes:
        """Decrypt one field. Raises KeyUnavailable when its key is missing or the envelope was moved or changed."""
        key_id, nonce, sealed = envelope[:_KEY_ID], envelope[_KEY_ID : _KEY_ID + _NONCE], envelope[_KEY_ID + _NONCE :]
        if key_id not in self._roots:
            raise KeyUnavailable(f"The key {key_id.hex()} that protects a field of {table} is not in the key file.")
        cipher = AESGCM(self._derive(key_id, organization, "field"))
        try:
            return cipher.decrypt(nonce, sealed, _bound_to(organization, table, column, row))
        except InvalidTag:
            raise KeyUnavailable(f"A protected field of {table} does not open: it was changed or moved.") from None

    def blind_index(self, identifier: Identifier, organization: UUID) -> bytes:
        """16 bytes that are equal for equal identifiers of one organization and say nothing else."""
        key = self._derive(self._newest_blind, organization, "blind")
        text = f"{len(identifier.system)}:{identifier.system}|{identifier.value}"
        return hmac.digest(key, text.encode(), hashlib.sha256)[:16]

    def digest_key(self, organization: UUID, entry: UUID) -> bytes:
        """The key of one entry's digest of a list answer: of use for nothing else, so it may travel."""
        return hmac.digest(self._derive(self._newest_blind, organization, "digest"), entry.bytes, hashlib.sha256)

    def mark(self, content: bytes) -> bytes:
        """8 bytes that show, to who holds the keys, that carecircle wrote this."""
        key = self._derive(self._newest_blind, UUID(int=0), "mark")
        return hashlib.blake2b(content, digest_size=8, key=key).digest()

    def marks(self, entries: Iterable[tuple[UUID, UUID]]) -> list[bytes]:
        """The same for entries (organization, entry) whose content nobody knows before the database decides."""
        return [self.mark(organization.bytes + entry.bytes) for organization, entry in entries]

    def token_key(self) -> bytes:
        """The key with which this installation signs its own tokens."""
        return self._derive(self._newest_blind, UUID(int=0), "token")

    @property
    def _newest_blind(self) -> bytes:
        # Blind indexes outlive field keys: they stay with the first key of the file.
        return next(iter(self._roots))

    def _derived(self, key_id: bytes, organization: UUID, use: str) -> bytes:
        # HKDF-Expand's first block (RFC 5869) over a uniformly random root key.
        info = b"carecircle/" + use.encode() + b"/" + organization.bytes
        return hmac.digest(self._roots[key_id], info + b"\x01", hashlib.sha256)


def _bound_to(organization: UUID, table: str, column: str, row: UUID | bytes) -> bytes:
    row_bytes = row.bytes if isinstance(row, UUID) else row
    return b"|".join((organization.bytes, table.encode(), column.encode(), row_bytes))


@lru_cache(maxsize=8)
def _opened(home: Path) -> Keyring:
    return Keyring.open(home)


def keyring() -> Keyring:
    """The installation's keys, read once per process. Raises KeyUnavailable."""
    return _opened(Settings.read().home)
