"""The statements that give a recorded answer again, from what could be seen by the statement that gave it first.

The text is that of the deciding statement and of the lists, cut off before the part that records. `{x holds}` means there
that the entry's own snapshot saw the fact and not its closing (relation.InSnapshot), to the transaction. Where the snapshot
means nothing, after a restored dump, both clocks stand in; they cannot tell what had not committed yet.
"""

from __future__ import annotations

from datetime import datetime
from functools import cache
from importlib.resources import files

import asyncpg

from carecircle.access.listing import Wanted
from carecircle.access.recorded import Answer, Knowing, Known, Recorded, Replay, compared, proofs
from carecircle.access.relation import Belief, InSnapshot, circle, filled, holding, known_action, merged, restrictions
from carecircle.database.crypto import Keyring
from carecircle.period import FOREVER


async def replay(connection: asyncpg.Connection, entry: Recorded, known: Known, keyring: Keyring) -> Replay:
    """Ask again, as carecircle_decider; nothing is recorded. `entry` is of a kind in REPLAYED. Raises asyncpg's errors."""
    answer = (
        await _decided(connection, entry, known)
        if entry.kind == "decision"
        else await _listed(connection, entry, known, keyring.digest_key(entry.organization_id, entry.id))
    )
    return Replay(entry, known, answer, tuple(compared(entry, answer)))


async def _decided(connection: asyncpg.Connection, entry: Recorded, known: Known) -> Answer:
    text = _deciding(known.by, entry.believed_at is not None)
    row = await connection.fetchrow(
        text, entry.organization_id, entry.provider_id, entry.patient_id, entry.action, entry.as_of,
        *_belief_of(entry, known), known.patient, known.provider,
    )  # fmt: skip
    found = proofs(row["kinds"], row["ids"], row["under"], row["via"], row["ends"])
    return Answer(row["allowed"], row["code"], found, row["policy_version"])


async def _listed(connection: asyncpg.Connection, entry: Recorded, known: Known, digest_key: bytes) -> Answer:
    of_provider = entry.listed != "providers"
    row = await connection.fetchrow(
        _listing("patients" if of_provider else "providers", known.by, entry.believed_at is not None),
        entry.organization_id, entry.provider_id if of_provider else entry.patient_id, entry.action, digest_key,
        entry.as_of, *_belief_of(entry, known), known.provider if of_provider else known.patient,
    )  # fmt: skip
    count = row["count"]
    return Answer(count > 0, row["code"], (), row["policy_version"], count, row["digest"])


def _belief_of(entry: Recorded, known: Known) -> tuple[str | datetime, datetime]:
    """The two parameters of what was believed: the snapshot, or how long it knew; and the instant asked for, or for ever."""
    asked = entry.believed_at or FOREVER
    if known.by == "snapshot":
        return entry.snapshot, asked
    return min(entry.recorded_at, asked), asked


def _belief(by: Knowing, believed: bool, parameter: int) -> Belief:
    """Parameters `parameter` and the next, in the order of `_belief_of`."""
    if by == "clocks":
        return f"${parameter}::timestamptz"
    return InSnapshot(f"${parameter}::text::pg_snapshot", f"${parameter + 1}::timestamptz" if believed else None)


# What the statements take as asked, that only recording needs.
_UNASKED = (
    "null::uuid as entry_id, null::text as actor, null::text as purpose, null::text as request_id,"
    " null::text as on_behalf_of, null::text as address, null::bigint as writer_turn, null::bytea as mark"
)
_POLICY = (
    "(select y.version from carecircle.policies y where y.organization_id = {organization} and {y holds} limit 1)"
    " as policy_version"
)


@cache
def _deciding(by: Knowing, believed: bool) -> str:
    """Parameters: organization, provider, patient, action, as_of, two of belief, patient and provider known."""
    belief = _belief(by, believed, 6)
    asked = (
        "(select $1::uuid as organization_id, $2::uuid as provider_id, $3::uuid as patient_id, $4::text as action,"
        f" $5::timestamptz as at, 1 as position, {_UNASKED}) as q"
    )
    parts = {
        "asked": asked,
        "materialized": "not materialized",
        "as_of": "q.at",
        "believed_at": "$7::timestamptz",
        "circle": circle(
            organization="q.organization_id",
            action="q.action",
            provider="q.provider_id",
            patient="q.patient_id",
            as_of="q.as_of",
            believed_at=belief,
        ),
        "restrictions": restrictions(
            organization="q.organization_id",
            patient="q.patient_id",
            provider="q.provider_id",
            as_of="q.as_of",
            believed_at=belief,
        ),
        "may break glass": "false",
        "bearers": "",
        "admitted": "0",  # the entry is not of a bearer that was refused
        "merged": merged("q.patient_id", "q.organization_id"),
        "known action": known_action("q.action", "q.organization_id"),
    }
    text = _registered(_unrecorded("statement.sql"), {"patients": "$8::boolean", "providers": "$9::boolean"})
    text += f" select allowed, code, kinds, ids, under, via, ends, {_POLICY} from answer q"
    return holding(filled(text, parts | {"organization": "q.organization_id"}), as_of="q.as_of", believed_at=belief)


@cache
def _listing(wanted: Wanted, by: Knowing, believed: bool) -> str:
    """Parameters: organization, whose list, action, digest key, as_of, two of belief, whether the one it is of is known."""
    instant, belief = "$5::timestamptz", _belief(by, believed, 6)
    of = "provider" if wanted == "patients" else "patient"
    parts = {
        "circle": circle(organization="$1", action="$3", as_of=instant, believed_at=belief, **{of: "$2::uuid"}),
        "wanted": "patient_id" if wanted == "patients" else "provider_id",
        "unknown": f"unknown-{of}",
        "restrictions": restrictions(
            organization="$1", patient="c.patient_id", provider="c.provider_id", as_of=instant, believed_at=belief
        ),
        "known action": known_action("$3", "$1"),
        "when merged": f"when {merged('$2', '$1')} then 'patient-merged'" if wanted == "providers" else "",
        "organization": "$1",
    }
    text = filled(_unrecorded("listing.sql"), {"given_table": f"{of}s"})
    # The list's own parameters, under the numbers that they have here.
    for theirs, ours in (("$2", "$1::uuid"), ("$3", "$2::uuid"), ("$4", "$3::text"), ("$8", "$4::bytea")):
        text = text.replace(theirs, ours)
    text = _registered(text, {f"{of}s": "$8::boolean"})
    # Not every form needs the second parameter of belief, and PostgreSQL wants to know of what type it is.
    text += f" select code, count, digest, $7::timestamptz as believed_at, {_POLICY} from verdict"
    return holding(filled(text, parts), as_of=instant, believed_at=belief)


def _unrecorded(name: str) -> str:
    """A statement up to where it records: what it answers, and nothing written."""
    text, recording, _ = (files(__package__) / name).read_text().partition("), recorded as (")
    assert recording, f"{name} records nothing"
    return text + ")"


def _registered(text: str, known: dict[str, str]) -> str:
    """Whoever is registered by now need not have been then: the tables of people are read only where they were."""
    for table, then in known.items():
        whole = f"from carecircle.{table} "
        assert text.count(whole) == 1, f"{table} are not asked once"
        text = text.replace(whole, f"from (select organization_id, id from carecircle.{table} where {then}) ")
    return text
