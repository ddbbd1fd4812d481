"""The proof that one entry is in the trail, as a text of its own (C2SP tlog-proof): written, read and checked.

The text is self-contained: it brings the entry's own bytes, its index, the inclusion path and the signed checkpoint. Whoever
knows the key can check it with this module, or with any other program that reads the format.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable
from typing import NamedTuple

from carecircle.audit.verify import ALTERED, UNMARKED, Checkpoint, VerifyKey, leaf_hash, root_of_inclusion
from carecircle.errors import InvalidInput

FIRST_LINE = "c2sp.org/tlog-proof@v1"
SUFFIX = ".tlog-proof"


class TlogProof(NamedTuple):
    """A proof as it is written. `record` is what was hashed into the leaf: the canonical bytes, and before them the word
    that says so where the entry was sealed as unmarked or altered; None where the text does not bring it."""

    leaf_index: int
    path: tuple[bytes, ...]
    checkpoint: Checkpoint
    record: bytes | None = None

    def text(self) -> str:
        """The proof as text, which ends with the checkpoint's note."""
        lines = [FIRST_LINE]
        if self.record is not None:
            lines.append(f"extra {b64encode(self.record).decode()}")
        lines.append(f"index {self.leaf_index}")
        lines += [b64encode(one).decode() for one in self.path]
        return "\n".join(lines) + "\n\n" + self.checkpoint.text()


class Checked(NamedTuple):
    """What a proof proves: `holds`, and in one sentence what, or why not."""

    holds: bool
    sentence: str
    proof: TlogProof

    @property
    def entry(self) -> bytes:
        """The canonical bytes, without the word that may stand before them; empty where the proof does not bring them."""
        return (self.proof.record or b"").removeprefix(UNMARKED).removeprefix(ALTERED)


def parse(text: str) -> TlogProof:
    """Read a proof. Raises InvalidInput where the text is none, or spells one in another way than `text` does."""
    head, _, note = text.partition("\n\n")
    first, *lines = head.split("\n")
    record = None
    try:
        if lines and lines[0].startswith("extra "):
            record = _base64(lines.pop(0).removeprefix("extra "))
        index = int(lines.pop(0).removeprefix("index ")) if lines else -1
        found = TlogProof(index, tuple(map(_base64, lines)), Checkpoint.parse(note), record)
    except ValueError:
        raise InvalidInput("The text is no tlog-proof: a part of it cannot be read.") from None
    hashes = len(found.path) <= 64 and all(len(one) == 32 for one in found.path)
    if first != FIRST_LINE or index < 0 or not hashes or found.text() != text:
        raise InvalidInput(f"The text is no tlog-proof: it must begin with {FIRST_LINE} and hold nothing else.")
    return found


def check(text: str, keys: Iterable[VerifyKey], record: bytes | None = None) -> Checked:
    """Whether a proof shows that `record`, or else the record that it brings, is in a log that one of `keys` signed.

    Raises InvalidInput where the text is no proof.
    """
    proof = parse(text)
    known = [key for key in keys if any(signature[:2] == key[:2] for signature in proof.checkpoint.signatures)]
    organization, epoch = proof.checkpoint.log
    claimed = proof.record if record is None else record
    if not organization:
        return Checked(False, "The checkpoint is not of a log of carecircle.", proof)
    if not known or not all(key.verifies(proof.checkpoint) for key in known):
        return Checked(False, "The checkpoint is not signed by a known key.", proof)
    if claimed is None:
        return Checked(False, "The proof does not bring its entry, and none was given.", proof)
    if not _leads_to_the_root(proof, leaf_hash(claimed)):
        return Checked(False, "The entry is not the one that the checkpoint was signed over.", proof)
    whole = f"entry {proof.leaf_index} of {proof.checkpoint.size}, epoch {epoch}, organization {organization}"
    for word, said in ((UNMARKED, "sealed as unmarked"), (ALTERED, "sealed as altered")):
        if claimed.startswith(word):
            return Checked(True, f"In the log, but {said}: {whole}.", proof._replace(record=claimed))
    return Checked(True, f"In the log: {whole}.", proof._replace(record=claimed))


def _leads_to_the_root(proof: TlogProof, leaf: bytes) -> bool:
    try:
        return root_of_inclusion(leaf, proof.leaf_index, proof.checkpoint.size, proof.path) == proof.checkpoint.root
    except ValueError:
        return False


def _base64(text: str) -> bytes:
    return b64decode(text.encode("ascii"), validate=True)
