"""Checkpoints as signed notes (C2SP): reading, writing and splitting them, and the keys that verify their signatures."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


class Signature(NamedTuple):
    """A signature line of a note."""

    name: str
    key_id: bytes
    value: bytes

    def __str__(self) -> str:
        return f"— {self.name} {_to_base64(self.key_id + self.value)}\n"


class Checkpoint(NamedTuple):
    """A signed size and root of a log (C2SP tlog-checkpoint)."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()
    signatures: tuple[Signature, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Read a whole note. Raises ValueError where it is not exactly one checkpoint in its one possible spelling."""
        text.encode()  # raises UnicodeEncodeError, a ValueError, where it is no text that could be signed or shown
        body, _, signed = text.rpartition("\n\n")
        origin, size, root, *extensions = [*body.split("\n"), "", ""][: max(3, body.count("\n") + 1)]
        if not re.fullmatch("0|[1-9][0-9]{0,17}", size):
            raise ValueError("The note says no size.")
        signatures = []
        for line in signed.split("\n")[:-1]:
            name, _, value = line.removeprefix("— ").partition(" ")
            signatures.append(Signature(name, _base64(value)[:4], _base64(value)[4:]))
        found = cls(origin, int(size), _base64(root), tuple(extensions), tuple(signatures))
        # A second spelling would be another text under the same signature.
        if not (origin and signatures and all(extensions)) or len(found.root) != 32 or found.text() != text:
            raise ValueError("The note is no checkpoint.")
        return found

    def signed_text(self) -> str:
        """The text under the signatures."""
        return "\n".join((self.origin, str(self.size), _to_base64(self.root), *self.extensions, ""))

    def text(self) -> str:
        """The whole note."""
        return self.signed_text() + "\n" + "".join(map(str, self.signatures))

    @property
    def log(self) -> tuple[str, int]:
        """Organization (a UUID's text) and epoch of the origin; ("", 0) where it is no log of carecircle."""
        found = re.fullmatch("carecircle/([0-9a-f-]{36})/([1-9][0-9]{0,8})", self.origin)
        return (found[1], int(found[2])) if found else ("", 0)

    @property
    def signed_at(self) -> str:
        """When it was signed, as it says (ISO 8601); empty where it does not."""
        return next((line[5:] for line in self.extensions if line.startswith("time ")), "")

    @property
    def after(self) -> tuple[int, bytes] | None:
        """Size and root of the last witnessed checkpoint of the epoch before, where it cites one."""
        found = re.search("^after ([0-9]{1,18}) ([A-Za-z0-9+/]{43}=)$", "\n".join(self.extensions), re.MULTILINE)
        return (int(found[1]), _base64(found[2])) if found else None

    @property
    def previous(self) -> int | None:
        """Size of the checkpoint before it in this epoch, 0 for the first, where it says so."""
        found = re.search("^previous (0|[1-9][0-9]{0,17})$", "\n".join(self.extensions), re.MULTILINE)
        return int(found[1]) if found else None


def format_body(
    organization: object,
    epoch: int,
    size: int,
    root: bytes,
    signed_at: datetime,
    after: tuple[int, bytes] | None = None,
    previous: int | None = None,
) -> str:
    """The text of a checkpoint that is to be signed; `signed_at` has a time zone, `after` is of the epoch before.

    `previous` is the size of the checkpoint before it in this epoch, 0 for the first.
    """
    cited = () if after is None else (f"after {after[0]} {_to_base64(after[1])}",)
    told = (f"time {signed_at.astimezone(UTC).isoformat()}", *cited)
    told += () if previous is None else (f"previous {previous}",)
    return Checkpoint(f"carecircle/{organization}/{epoch}", size, root, told).signed_text()


def key_id(name: str, public: bytes) -> bytes:
    """The four bytes by which a note names an Ed25519 key (32 bytes) of that name."""
    return sha256(name.encode() + b"\n\1" + public).digest()[:4]


def format_vkey(name: str, public: bytes) -> str:
    """The text of a verification key: the name, its id and the key."""
    return "+".join((name, key_id(name, public).hex(), _to_base64(b"\1" + public)))


class VerifyKey(NamedTuple):
    """A public key whose checkpoints are believed."""

    name: str
    key_id: bytes
    public: bytes

    @classmethod
    def parse(cls, vkey: str) -> VerifyKey:
        """Read `name+id+key`. Raises ValueError where it is not an Ed25519 key, or its id is not its own."""
        name, _, rest = vkey.strip().partition("+")
        public = _base64(rest.partition("+")[2])[1:]
        if len(public) != 32 or not name or name != "".join(name.split()) or format_vkey(name, public) != vkey.strip():
            raise ValueError("A verification key is written name+id+key, as `carecircle audit key` shows it.")
        return cls(name, key_id(name, public), public)

    def verifies(self, checkpoint: Checkpoint) -> bool:
        """Whether this key signed the checkpoint: at least once, and never wrongly."""
        mine = [one.value for one in checkpoint.signatures if one[:2] == self[:2]]
        try:
            for value in mine:
                Ed25519PublicKey.from_public_bytes(self.public).verify(value, checkpoint.signed_text().encode())
        except InvalidSignature:
            return False
        return bool(mine)


def believed(one: Checkpoint, keys: Sequence[VerifyKey]) -> bool:
    """Whether at least one of the keys signed the checkpoint, and none of them wrongly."""
    mine = [key for key in keys if any(signature[:2] == key[:2] for signature in one.signatures)]
    return bool(mine) and all(key.verifies(one) for key in mine)


def split_notes(text: str) -> Iterator[str]:
    """The checkpoint notes of a witness's file one by one; what is no note comes as it stands."""
    done = 0
    for found in re.finditer(r"\n*((?:(?!— )[^\n]+\n)+\n(?:— [^\n]+\n)+)", text):
        yield from filter(None, (text[done : found.start()].strip("\n"), found[1]))
        done = found.end()
    yield from filter(None, (text[done:].strip("\n"),))


def _base64(text: str) -> bytes:
    return b64decode(text.encode("ascii"), validate=True)


def _to_base64(data: bytes) -> str:
    return b64encode(data).decode()
