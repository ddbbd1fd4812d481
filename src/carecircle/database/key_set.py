"""The data keys of one organization as a process knows them, and since when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from carecircle.errors import KeyDestroyed, KeyUnavailable

Purpose = Literal["field", "blind"]
LONG_AGO = float("-inf")


class Kept(NamedTuple):
    """A row of organization_keys: `wrapped` is None once destroyed, `writes_in` seconds until it may write (or negative)."""

    key_id: bytes
    purpose: str
    wrapped: bytes | None
    root_key_id: bytes
    writes_in: float


@dataclass(frozen=True, slots=True)
class DataKey:
    """One data key; `plain` is None when it is destroyed or its root key is not here. `writes_at` is of the monotonic clock."""

    key_id: bytes
    purpose: str
    root_key_id: bytes
    writes_at: float
    destroyed: bool
    plain: bytes | None = field(repr=False)

    def secret(self) -> bytes:
        """The key itself. Raises KeyDestroyed, or KeyUnavailable where the root key is missing that wraps it."""
        if self.destroyed:
            raise KeyDestroyed
        if self.plain is None:
            raise KeyUnavailable(
                f"The key {self.key_id.hex()} of an organization does not open: its root key {self.root_key_id.hex()} is not"
                " among the keys of this installation, or it was changed."
            )
        return self.plain


class KeySet:
    """What was read at `read_at` (monotonic seconds; LONG_AGO for what must be read again before it is next relied on).

    `pending` is what a transaction that has not ended has made; `settled` is what was known before that.
    """

    __slots__ = ("_ciphers", "blind", "fields", "pending", "read_at", "settled")

    def __init__(
        self, keys: Sequence[DataKey], read_at: float, *, pending: bool = False, settled: KeySet | None = None
    ) -> None:
        self.pending, self.settled = pending, settled
        self.fields = {key.key_id: key for key in sorted(keys, key=lambda key: key.writes_at) if key.purpose == "field"}
        self.blind = next((key for key in keys if key.purpose == "blind"), None)
        self.read_at = read_at
        self._ciphers: dict[bytes, AESGCM] = {}

    def __bool__(self) -> bool:
        """Whether the organization has keys of its own."""
        return bool(self.fields) or self.blind is not None

    def cipher(self, key_id: bytes) -> AESGCM:
        """Raises KeyDestroyed, KeyUnavailable."""
        if (made := self._ciphers.get(key_id)) is None:
            made = self._ciphers[key_id] = AESGCM(self.fields[key_id].secret())
        return made

    def writing(self, now: float) -> bytes | None:
        """The id of the key that writes now; None where the first one may not write yet. Raises KeyDestroyed."""
        chosen = None
        for key in self.fields.values():
            if key.destroyed:
                raise KeyDestroyed
            if key.writes_at <= now:
                chosen = key.key_id
        return chosen
