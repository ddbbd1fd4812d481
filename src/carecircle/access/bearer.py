"""What a request rests on, and what that may now: read in the database each time, by the deciding statement itself."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import NamedTuple
from uuid import UUID

import asyncpg

from carecircle.access.decision import Bearer
from carecircle.access.relation import filled
from carecircle.directory.permissions import ON_A_VISIT, permitted, roles_that_may


class Standing(NamedTuple):
    """What a bearer may at this instant. `actions` are those a key may ask about, None for every one."""

    live: bool
    may: frozenset[str]
    roles: frozenset[str] = frozenset()
    actions: frozenset[str] | None = None
    provider_id: UUID | None = None


# What a bearer brings into a statement, in the order of the parameters, with its PostgreSQL type.
BORNE = (
    ("organization_id", "uuid"),
    ("home_id", "uuid"),
    ("key_id", "uuid"),
    ("sign_in_id", "uuid"),
    ("account_row_id", "uuid"),
    ("account_id", "uuid"),
    ("visit_id", "uuid"),
    ("permission", "text"),
    ("asking_roles", "text"),
)
# Whether a live bearer `b` may what it is used for. Who visits another organization never asks about patients there.
ADMITTED = """b.live and case when b.key_id is not null then b.permission = any (b.may)
  when b.visit_id is not null then false
  when b.account_id is not null then coalesce(b.roles && string_to_array(b.asking_roles, ' '), false)
  else true end"""


def bearers(first: int, *, alone: bool) -> str:
    """The query of bearer.sql over parameters from number `first` on: arrays, or of one bearer alone, plain."""
    if alone:
        given = ", ".join(f"${number}::{kind} as {name}" for number, (name, kind) in enumerate(BORNE, first))
        source = f"(select {given}, 1::bigint as number) b"
    else:
        arrays = ", ".join(f"${number}::{kind}[]" for number, (_, kind) in enumerate(BORNE, first))
        source = f"unnest({arrays}) with ordinality as b ({', '.join(name for name, _ in BORNE)}, number)"
    return filled(_text(), {"bearers": source, "now": "statement_timestamp()"})


def parameters(borne: Sequence[tuple[UUID, Bearer, str]]) -> list[list[object]]:
    """The columns of `BORNE` for (organization asked in, bearer, permission)."""
    rows = [(at, *bearer, permission, " ".join(roles_that_may(permission))) for at, bearer, permission in borne]
    return [list(column) for column in zip(*rows, strict=True)]


async def standing(connection: asyncpg.Connection, organization_id: UUID, bearer: Bearer) -> Standing:
    """Read it now, as carecircle_decider. Raises asyncpg's errors."""
    given = [column[0] for column in parameters([(organization_id, bearer, "")])]
    row = await connection.fetchrow(bearers(1, alone=True), *given)
    if not row["live"]:
        return Standing(False, frozenset())
    actions = None if row["actions"] is None else frozenset(row["actions"])
    roles = frozenset(row["roles"] or ())
    if bearer.key_id is not None:
        return Standing(True, frozenset(row["may"]), actions=actions)
    if bearer.visit_id is not None:
        return Standing(True, ON_A_VISIT if "super_admin" in roles else frozenset(), roles)
    return Standing(True, permitted(roles), roles, provider_id=row["provider_id"])


@cache
def _text() -> str:
    lines = (files(__package__) / "bearer.sql").read_text().splitlines()
    return "\n".join(line for line in lines if not line.startswith("--"))
