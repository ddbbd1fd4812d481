"""The canonical bytes of an entry: what is hashed into the tree, exported, and compared years later.

The bytes are UTF-8 of one JSON object without spaces, its fields in the order of COLUMNS, as PostgreSQL's row_to_json
writes them in a session whose time zone is UTC: ids as lower-case UUIDs, instants as ISO 8601 with +00:00 or the word
infinity, `mark` as \\x and hexadecimal digits, `xid` and `snapshot` as text, what is not said as null. `detail` stays text,
which itself holds JSON. docs/reference/audit-entry.md says field by field what each means.
"""

from __future__ import annotations

COLUMNS = (
    "organization_id", "id", "recorded_at", "kind", "actor", "on_behalf_of", "address", "provider_id", "patient_id",
    "action", "purpose", "allowed", "code", "as_of", "believed_at", "basis_kinds", "basis_ids", "basis_under",
    "basis_via", "basis_ends", "policy_version", "request_id", "detail", "writer_id", "writer_turn", "mark", "xid",
    "snapshot",
)  # fmt: skip

UTC_SESSION = "set timezone = 'UTC'"
"""What a session says before it reads LINE; instants would be written in its own zone otherwise."""

# Said out, because how a session writes bytes is a setting too.
_SAID = {"mark": "'\\x' || encode(e.mark, 'hex') as mark"}
LINE = f"(select row_to_json(c)::text from (select {', '.join(_SAID.get(name, 'e.' + name) for name in COLUMNS)}) c)"
"""SQL: the canonical form, as text, of a row `e` of audit_events."""

UNTOUCHED = "(e.xmin = e.xid::xid)"
"""SQL: whether a row `e` of kind decision or listing is still the one that its transaction inserted: no savepoint is around
those. Of others the mark tells. True only where they were written: a dump that is restored elsewhere has other transactions."""

OWN_TRANSACTION = ("decision", "listing")
"""The kinds of entry that a statement of its own decides and records, so that nobody knew their content before."""


def hash_of(line: str = LINE, prefix: str = "") -> str:
    """SQL: the leaf hash of a row `e` (RFC 6962: SHA-256 of a zero byte and the bytes), with words put before the bytes."""
    told = f"'{prefix}' || " if prefix else ""
    return f"sha256('\\x00'::bytea || convert_to({told}{line}, 'UTF8'))"
