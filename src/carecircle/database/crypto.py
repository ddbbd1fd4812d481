"""Protected fields: AES-256-GCM envelopes bound to their row, and keyed blind indexes for looking identifiers up."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from time import monotonic
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from carecircle.database.key_set import LONG_AGO, DataKey, Kept, KeySet, Purpose
from carecircle.database.keys_source import COMMAND, GIVEN, KEY, KEY_ID, Roots, read_roots
from carecircle.errors import CareCircleError, KeyUnavailable
from carecircle.identifiers import Identifier
from carecircle.settings import Settings

_NONCE = 12
FRESH_FOR = 2.0
"""Seconds for which an organization's keys, once read, are relied on: a rotation's margin must be longer."""
# A key nobody knows is looked for again no more often than this, in seconds.
_PAUSE = 1.0


class Keyring:
    """The root keys of an installation, and the data keys of its organizations, which the root keys wrap.

    Data keys come from the database where a tenant is entered (data_keys.py). An organization that has none yet uses keys
    derived from the newest root key; so it was for all before they had data keys. Marks, digests and tokens use keys
    derived from the first root key.
    """

    def __init__(self, roots: Roots, reread: Callable[[], Roots] | None = None) -> None:
        self._roots = roots
        self._reread = reread
        self._known: dict[UUID, KeySet] = {}
        self._looked: dict[UUID | None, float] = {}
        self._derive = lru_cache(maxsize=4096)(self._derived)
        self.fresh_for = FRESH_FOR
        # Reads an organization's keys at once, from wherever it stands: for a key that came after the tenant was entered.
        self.reload: Callable[[UUID], None] | None = None

    @classmethod
    def open(cls, home: Path) -> Keyring:
        """A keyring of its own on this installation's root keys; `keyring_at` is the one its process shares.

        Raises KeyUnavailable when they are somewhere and cannot be read; InvalidSetting or DatabaseUnavailable when the key
        file cannot be made.
        """
        return cls(read_roots(home), lambda: read_roots(home))

    def seal(self, plain: bytes, organization: UUID, table: str, column: str, row: UUID | bytes) -> bytes:
        """Encrypt one field. The envelope opens only in the same organization, table, column and row.

        Raises KeyDestroyed for an organization that was shredded, KeyUnavailable.
        """
        nonce = os.urandom(_NONCE)
        known = self._keys_of(organization)
        key_id = known.writing(monotonic())
        if key_id is None:
            key_id, cipher = self._roots.newest, self._root_cipher(self._roots.newest, organization)
        else:
            cipher = known.cipher(key_id)
        return key_id + nonce + cipher.encrypt(nonce, plain, _bound_to(organization, table, column, row))

    def unseal(self, envelope: bytes, organization: UUID, table: str, column: str, row: UUID | bytes) -> bytes:
        """Decrypt one field. Raises KeyUnavailable when its key is missing or the envelope was moved or changed.

        KeyDestroyed, a kind of it, when its organization was shredded.
        """
        key_id, nonce, sealed = envelope[:KEY_ID], envelope[KEY_ID : KEY_ID + _NONCE], envelope[KEY_ID + _NONCE :]
        cipher = self._reading(key_id, organization)
        if cipher is None and self._look_again(organization):
            cipher = self._reading(key_id, organization)
        if cipher is None:
            raise KeyUnavailable(f"The key {key_id.hex()} that protects a field of {table} is not known here.")
        try:
            return cipher.decrypt(nonce, sealed, _bound_to(organization, table, column, row))
        except (InvalidTag, ValueError):
            raise KeyUnavailable(f"A protected field of {table} does not open: it was changed or moved.") from None

    def blind_index(self, identifier: Identifier, organization: UUID) -> bytes:
        """16 bytes that are equal for equal identifiers of one organization and say nothing else.

        Raises KeyDestroyed for an organization that was shredded, KeyUnavailable.
        """
        blind = self._keys_of(organization).blind
        key = self.first_blind_key(organization) if blind is None else blind.secret()
        text = f"{len(identifier.system)}:{identifier.system}|{identifier.value}"
        return hmac.digest(key, text.encode(), hashlib.sha256)[:16]

    def digest_key(self, organization: UUID, entry: UUID) -> bytes:
        """The key of one entry's digest of a list answer: of use for nothing else, so it may travel."""
        return hmac.digest(self._derive(self._first, organization, "digest"), entry.bytes, hashlib.sha256)

    def mark(self, content: bytes) -> bytes:
        """8 bytes that show, to who holds the keys, that carecircle wrote this."""
        key = self._derive(self._first, UUID(int=0), "mark")
        return hashlib.blake2b(content, digest_size=8, key=key).digest()

    def marks(self, entries: Iterable[tuple[UUID, UUID]]) -> list[bytes]:
        """The same for entries (organization, entry) whose content nobody knows before the database decides."""
        return [self.mark(organization.bytes + entry.bytes) for organization, entry in entries]

    def token_key(self) -> bytes:
        """The key with which this installation signs its own tokens."""
        return self._derive(self._first, UUID(int=0), "token")

    def first_blind_key(self, organization: UUID) -> bytes:
        """The blind key of an organization from before it had keys of its own, which it keeps."""
        return self._derive(self._first, organization, "blind")

    @property
    def roots(self) -> tuple[bytes, ...]:
        """The ids of the root keys, the oldest first."""
        return tuple(self._roots.keys)

    @property
    def newest_root(self) -> bytes:
        """The id of the root key that wraps from now on."""
        return self._roots.newest

    def read_roots_again(self) -> None:
        """Take root keys that came in the meantime. Raises KeyUnavailable, InvalidSetting."""
        if self._reread is not None:
            self._roots = self._reread()
            self._derive.cache_clear()

    def wrap(self, plain: bytes, organization: UUID, purpose: Purpose, key_id: bytes) -> tuple[bytes, bytes]:
        """A data key wrapped under the newest root key (RFC 3394), and that root key's id."""
        root = self._roots.newest
        return aes_key_wrap(self._wrapping(root, organization, purpose, key_id), plain), root

    def fresh_key_id(self, organization: UUID) -> bytes:
        """An id that no root key and no known key of the organization has."""
        known = self._known.get(organization)
        while True:
            key_id = secrets.token_bytes(KEY_ID)
            if key_id not in self._roots.keys and (known is None or key_id not in known.fields):
                return key_id

    def is_fresh(self, organization: UUID) -> bool:
        """Whether the organization's keys were read so lately that nobody writes with one that is not among them."""
        known = self._known.get(organization)
        return known is not None and monotonic() - known.read_at < self.fresh_for

    def known_keys(self, organization: UUID) -> KeySet:
        """What this process knows of the organization's keys. Raises KeyUnavailable when it never read them."""
        return self._keys_of(organization)

    def learn(self, organization: UUID, rows: Iterable[Kept], *, read_at: float, settled: bool = True) -> None:
        """Take what organization_keys said at `read_at` (monotonic seconds).

        Not settled is what the caller's transaction made and may roll back; that, and none at all, is read again where the
        tenant is next entered.
        """
        before = self._known.get(organization)
        keys = [self._opened(organization, row, before, read_at) for row in rows]
        if settled:
            # An older reading knows nothing newer, and one that finds none does not see what another transaction has begun.
            if before is not None and (before.read_at > read_at or (before.pending and not keys)):
                return
            self._known[organization] = KeySet(keys, read_at if keys else LONG_AGO)
        else:
            earlier = before.settled if before is not None and before.pending else before
            self._known[organization] = KeySet(keys, LONG_AGO, pending=True, settled=earlier)

    def ended(self, organization: UUID) -> None:
        """The transaction ended that made keys of the organization: what became of them is read where it is next entered."""
        known = self._known.get(organization)
        if known is not None and known.pending:
            if known.settled is None:
                del self._known[organization]
            else:
                self._known[organization] = known.settled
        self.expire(organization)

    def unwrap(self, organization: UUID, row: Kept) -> bytes:
        """A data key out of its row. Raises KeyUnavailable, KeyDestroyed."""
        return self._opened(organization, row, None, 0.0).secret()

    def expire(self, organization: UUID) -> None:
        """Rely no longer on what was read of the organization's keys: read them again where its tenant is next entered."""
        if (known := self._known.get(organization)) is not None:
            known.read_at = LONG_AGO

    def forget(self, organization: UUID) -> None:
        """Know nothing of an organization any more, until its tenant is entered again."""
        self._known.pop(organization, None)

    def _keys_of(self, organization: UUID) -> KeySet:
        known = self._known.get(organization)
        if known is None and self._look_again(organization):
            known = self._known.get(organization)
        if known is None:
            raise KeyUnavailable("The keys of this organization were not read; enter its tenant first (enter_tenant).")
        return known

    def _opened(self, organization: UUID, row: Kept, before: KeySet | None, read_at: float) -> DataKey:
        plain = None
        if row.wrapped is not None:
            earlier = (
                None if before is None else before.blind if row.purpose == "blind" else before.fields.get(row.key_id)
            )
            plain = earlier.plain if earlier is not None and earlier.key_id == row.key_id else None
            plain = plain or self._unwrapped(organization, row, row.wrapped)
        return DataKey(row.key_id, row.purpose, row.root_key_id, read_at + row.writes_in, row.wrapped is None, plain)

    def _unwrapped(self, organization: UUID, row: Kept, wrapped: bytes) -> bytes | None:
        if row.root_key_id not in self._roots.keys and self._may_look(None):
            with suppress(CareCircleError):
                self.read_roots_again()
        if row.root_key_id not in self._roots.keys:
            return None
        try:
            plain = aes_key_unwrap(self._wrapping(row.root_key_id, organization, row.purpose, row.key_id), wrapped)
        except (InvalidUnwrap, ValueError):
            return None
        return plain if len(plain) == KEY else None

    def _reading(self, key_id: bytes, organization: UUID) -> AESGCM | None:
        known = self._known.get(organization)
        if known is not None and key_id in known.fields:
            return known.cipher(key_id)
        return self._root_cipher(key_id, organization) if key_id in self._roots.keys else None

    def _look_again(self, organization: UUID) -> bool:
        """Read the organization's keys, and the root keys, out of turn; False where that was done a moment ago."""
        if not self._may_look(organization):
            return False
        with suppress(CareCircleError):
            self.read_roots_again()
        if self.reload is not None:
            self.reload(organization)
        return True

    def _may_look(self, what: UUID | None) -> bool:
        now = monotonic()
        if now - self._looked.get(what, LONG_AGO) < _PAUSE:
            return False
        self._looked[what] = now
        return True

    @property
    def _first(self) -> bytes:
        # What they protect outlives field keys: they stay with the first key.
        return next(iter(self._roots.keys))

    def _root_cipher(self, key_id: bytes, organization: UUID) -> AESGCM:
        return AESGCM(self._derive(key_id, organization, "field"))

    def _wrapping(self, root: bytes, organization: UUID, purpose: str, key_id: bytes) -> bytes:
        return self._derived(root, organization, f"wrap/{purpose}/{key_id.hex()}")

    def _derived(self, key_id: bytes, organization: UUID, use: str) -> bytes:
        # HKDF-Expand's first block (RFC 5869) over a uniformly random root key.
        info = b"carecircle/" + use.encode() + b"/" + organization.bytes
        return hmac.digest(self._roots.keys[key_id], info + b"\x01", hashlib.sha256)


def _bound_to(organization: UUID, table: str, column: str, row: UUID | bytes) -> bytes:
    row_bytes = row.bytes if isinstance(row, UUID) else row
    return b"|".join((organization.bytes, table.encode(), column.encode(), row_bytes))


@lru_cache(maxsize=8)
def _opened(home: Path, *_said: str | None) -> Keyring:
    return Keyring.open(home)


def keyring_at(home: Path) -> Keyring:
    """The keys of one installation, one object per process. Raises KeyUnavailable, InvalidSetting, DatabaseUnavailable."""
    return _opened(home, os.environ.get(GIVEN), os.environ.get(COMMAND))


@lru_cache(maxsize=8)
def _home_of(*_said: str | None) -> Path:
    return Settings.read().home


def keyring() -> Keyring:
    """The keys of the installation that the environment names. Raises KeyUnavailable."""
    return keyring_at(_home_of(*(os.environ.get(name) for name in ("CARECIRCLE_HOME", "XDG_DATA_HOME", "HOME"))))
