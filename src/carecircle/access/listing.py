"""Whom may this provider see, and who may see this patient: list answers, each decided and recorded in one statement."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Literal
from uuid import UUID

import asyncpg

from carecircle.access.decide import aware
from carecircle.access.decision import Listed, Listing
from carecircle.access.relation import circle, filled, holding, known_action, merged, restrictions
from carecircle.actor import Actor
from carecircle.identifiers import EntryId

Wanted = Literal["patients", "providers"]


@cache
def statement(wanted: Wanted, *, as_of: bool, believed: bool) -> str:
    """The statement that lists patients of a provider, or providers of a patient; its parameters in `listing`'s order."""
    instant = "coalesce($12::timestamptz, statement_timestamp())" if as_of or believed else "statement_timestamp()"
    belief = "$13::timestamptz" if believed else None
    parts = {
        "circle": circle(
            organization="$2",
            action="$4",
            as_of=instant,
            believed_at=belief,
            **{"provider" if wanted == "patients" else "patient": "$3"},
        ),
        "as_of": instant,
        "believed_at": belief or "null::timestamptz",
        "wanted": "patient_id" if wanted == "patients" else "provider_id",
        "given": "provider_id" if wanted == "patients" else "patient_id",
        "given_table": "providers" if wanted == "patients" else "patients",
        "unknown": "unknown-provider" if wanted == "patients" else "unknown-patient",
        "restrictions": restrictions(
            organization="$2", patient="c.patient_id", provider="c.provider_id", as_of=instant, believed_at=belief
        ),
        "known action": known_action("$4", "$2"),
        "when merged": f"when {merged('$3', '$2')} then 'patient-merged'" if wanted == "providers" else "",
    }
    text = filled((files(__package__) / "listing.sql").read_text(), parts)
    return holding(text, as_of=instant, believed_at=belief)


async def listing(
    connection: asyncpg.Connection,
    wanted: Wanted,
    *,
    organization_id: UUID,
    given: UUID,
    action: str,
    actor: Actor,
    purpose: str,
    request_id: str | None,
    entry_id: UUID,
    mark: bytes,
    digest_key: bytes,
    as_of: datetime | None,
    believed_at: datetime | None,
) -> Listing:
    """List and record. Raises asyncpg's errors; then nothing was recorded, and nothing may be told."""
    arguments: list[object] = [
        entry_id, organization_id, given, action, actor.name, purpose, request_id, digest_key, actor.on_behalf_of,
        actor.address, mark,
    ]  # fmt: skip
    if as_of is not None or believed_at is not None:
        arguments.append(as_of)
    if believed_at is not None:
        arguments.append(believed_at)
    text = statement(wanted, as_of=as_of is not None, believed=believed_at is not None)
    rows = await connection.fetch(text, *arguments)
    return Listing(
        EntryId(entry_id),
        rows[0]["code"],
        rows[0]["as_of"],
        tuple(Listed(row["id"], tuple(row["kinds"]), aware(row["ends_at"])) for row in rows if row["id"] is not None),
    )
