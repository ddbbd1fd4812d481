"""Checks an export of the audit trail offline: `python -m verify EXPORT --key VKEY [--witness FILE]`.

This folder is the whole verifier: Python 3.11 and the package `cryptography` suffice, and it may be copied anywhere. It
trusts the keys and the witnesses it is given, nothing else. docs/reference/audit-verification.md describes the formats.
"""

from __future__ import annotations

from .finding import Finding, Unreadable, Verdict, Where
from .note import Checkpoint, Signature, VerifyKey, format_body, format_vkey, key_id, split_notes
from .reading import verify
from .tree import ALTERED, EMPTY_ROOT, UNMARKED, Frontier, consistent, leaf_hash, node_hash, root_of_inclusion

__all__ = [
    "ALTERED",
    "EMPTY_ROOT",
    "UNMARKED",
    "Checkpoint",
    "Finding",
    "Frontier",
    "Signature",
    "Unreadable",
    "Verdict",
    "VerifyKey",
    "Where",
    "consistent",
    "format_body",
    "format_vkey",
    "key_id",
    "leaf_hash",
    "node_hash",
    "root_of_inclusion",
    "split_notes",
    "verify",
]
