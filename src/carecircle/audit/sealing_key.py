"""The key that signs checkpoints (Ed25519): from the environment or a file, made on first use, replaced when asked.

`sealing-key.json` in CARECIRCLE_HOME (mode 600) holds the name, the seed of the key that signs, and the public keys that
signed before, each with the day it was replaced: what they signed is verified with them for ever. CARECIRCLE_SEALING_KEY
(the 32 bytes of a seed in base64) signs instead of it, CARECIRCLE_SEALING_NAME names the key.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from carecircle.audit.verify import Checkpoint, Signature, VerifyKey, format_vkey
from carecircle.database.reach import files_of, write_privately
from carecircle.errors import InvalidSetting, KeyUnavailable

FILE = "sealing-key.json"
NAME = "carecircle"
SEED = 32


@dataclass(frozen=True)
class SealingKey:
    """The key that signs now, under a name, and the public keys (32 bytes) that signed before it, the oldest first."""

    name: str
    _private: Ed25519PrivateKey = field(repr=False)
    older: tuple[bytes, ...] = ()

    @classmethod
    def open(cls, home: Path) -> SealingKey:
        """The key of the environment, or of the file, which is made on first use.

        Raises KeyUnavailable when it is there and cannot be read, InvalidSetting for a name that is none, and
        DatabaseUnavailable or InvalidSetting when it cannot be made.
        """
        given = os.environ.get("CARECIRCLE_SEALING_KEY")
        file = home / FILE
        if given is None:
            with files_of(home):
                if not file.exists():
                    home.mkdir(mode=0o700, parents=True, exist_ok=True)
                    write_privately(file, _written(_name(), secrets.token_bytes(SEED), []))
        kept = _read(file) if given is None or file.exists() else {"older": []}
        seed = _seed(kept["seed"] if given is None else given)
        private = Ed25519PrivateKey.from_private_bytes(seed)
        older = [base64.b64decode(one["public"]) for one in kept["older"]]
        if given is not None and "seed" in kept:
            older.append(_public(_seed(kept["seed"])))
        name = _name() if given is not None or "CARECIRCLE_SEALING_NAME" in os.environ else str(kept["name"])
        own = private.public_key().public_bytes_raw()
        return cls(name, private, tuple(one for one in older if one != own))

    @property
    def public(self) -> bytes:
        """The public key that fits the one that signs now."""
        return self._private.public_key().public_bytes_raw()

    def vkeys(self) -> list[str]:
        """Verification keys, as an outsider needs them: the one that signs now first, then those before it."""
        return [format_vkey(self.name, public) for public in (self.public, *reversed(self.older))]

    def sign(self, body: str) -> str:
        """The note: the text of a checkpoint with this key's signature under it."""
        key_id = VerifyKey.parse(self.vkeys()[0]).key_id
        return f"{body}\n{Signature(self.name, key_id, self._private.sign(body.encode()))}"

    def signed(self, checkpoint: Checkpoint) -> bool:
        """Whether this key, or one before it, signed a checkpoint."""
        return any(VerifyKey.parse(one).verifies(checkpoint) for one in self.vkeys())


class CurrentKey:
    """The key of an installation, read anew when its file was replaced: whoever signs notices that it was rotated."""

    def __init__(self, home: Path) -> None:
        """Raises as SealingKey.open."""
        self._home = home
        self._key = SealingKey.open(home)
        self._state = self._stat()

    def get(self) -> SealingKey:
        """The key that signs now. A file that cannot be read at the moment changes nothing."""
        state = self._stat()
        if state is not None and state != self._state:
            self._key, self._state = SealingKey.open(self._home), state
        return self._key

    def _stat(self) -> tuple[int, int] | None:
        try:
            found = (self._home / FILE).stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns


def rotate_sealing_key(home: Path) -> SealingKey:
    """Make a new key that signs from now on, and keep the public half of the one before. Raises as SealingKey.open.

    InvalidSetting where the key comes from the environment: it is replaced there, and the public half of the one before it
    is kept by whoever verifies.
    """
    if "CARECIRCLE_SEALING_KEY" in os.environ:
        raise InvalidSetting("CARECIRCLE_SEALING_KEY: the key that signs is given there; replace it there.")
    before = SealingKey.open(home)
    file = home / FILE
    kept = _read(file)
    replaced = {"public": base64.b64encode(before.public).decode(), "replaced_at": datetime.now(UTC).isoformat()}
    with files_of(home):
        content = _written(kept["name"], secrets.token_bytes(SEED), [*kept["older"], replaced])
        write_privately(file, content, instead=True)
    return SealingKey.open(home)


def _written(name: str, seed: bytes, older: list[dict[str, str]]) -> bytes:
    kept = {"name": name, "seed": base64.b64encode(seed).decode(), "older": older}
    return json.dumps(kept, indent=1).encode()


def _read(file: Path) -> dict[str, Any]:
    try:
        kept = json.loads(file.read_bytes())
        usable = _is_name(kept["name"]) and len(base64.b64decode(kept["seed"], validate=True)) == SEED
        usable &= all(len(base64.b64decode(one["public"], validate=True)) == SEED for one in kept["older"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        usable = False
    if not usable:
        raise KeyUnavailable(
            f"The file {FILE} under CARECIRCLE_HOME cannot be read as the key that signs checkpoints; restore it from its backup."
        )
    return dict(kept)


def _seed(text: str) -> bytes:
    try:
        seed = base64.b64decode(text, validate=True)
    except ValueError:
        seed = b""
    if len(seed) != SEED:
        raise KeyUnavailable(
            "CARECIRCLE_SEALING_KEY: write the 32 bytes of an Ed25519 seed in base64, as from: openssl rand -base64 32."
        )
    return seed


def _public(seed: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def _name() -> str:
    name = os.environ.get("CARECIRCLE_SEALING_NAME", NAME)
    if not _is_name(name):
        raise InvalidSetting(
            "CARECIRCLE_SEALING_NAME: write 1 to 100 printable characters without spaces and plus signs."
        )
    return name


def _is_name(name: object) -> bool:
    return isinstance(name, str) and 0 < len(name) <= 100 and name.isprintable() and not set(name) & {" ", "+", "\xa0"}
