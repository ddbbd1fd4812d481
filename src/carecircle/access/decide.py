"""The deciding statement, in its three forms, and how a batch of questions goes through it on one connection."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Literal, NamedTuple
from uuid import UUID

import asyncpg

from carecircle.access.bearer import ADMITTED, bearers, parameters
from carecircle.access.decision import ACTIONS, AccessDecision, Basis, Bearer, Question, Restriction
from carecircle.access.relation import (
    circle,
    filled,
    holding,
    known_action,
    may_break_glass,
    merged,
    restrictions,
)
from carecircle.database.crypto import Keyring
from carecircle.database.roles import EVERYWHERE
from carecircle.identifiers import EntryId, new_id, new_ids
from carecircle.period import FOREVER

# now: at the statement's own instant. as-of: at another, knowing what we know. believed: knowing what was known then.
Clocks = Literal["now", "as-of", "believed"]


class Form(NamedTuple):
    """What questions must share to be answered by one statement. `policy_action`: whether only the organization's policy
    can know the action; everybody else's statement does not look there. `borne`: whether they rest on a bearer, whose
    standing the statement reads too; a question of this process itself rests on none.
    """

    clocks: Clocks = "now"
    policy_action: bool = False
    borne: bool = False


def form_of(question: Question) -> Form:
    clocks: Clocks = "now" if question.as_of is None else "as-of"
    if question.believed_at is not None:
        clocks = "believed"
    return Form(clocks, question.action not in ACTIONS, question.bearer is not None)


# What a question brings, in the order of the parameters, with its PostgreSQL type.
ASKED = (
    ("entry_id", "uuid"),
    ("organization_id", "uuid"),
    ("provider_id", "uuid"),
    ("patient_id", "uuid"),
    ("action", "text"),
    ("actor", "text"),
    ("purpose", "text"),
    ("request_id", "text"),
    ("on_behalf_of", "text"),
    ("address", "text"),
    ("writer_turn", "bigint"),
    ("mark", "bytea"),
)
CLOCKS: dict[Clocks, tuple[tuple[str, str], ...]] = {
    "now": (),
    "as-of": (("at", "timestamptz"),),
    "believed": (("at", "timestamptz"), ("believed", "timestamptz")),
}


@cache
def statement(form: Form, *, alone: bool = False) -> str:
    """The statement's text; the database's clock stands in wherever the caller named no instant.

    `alone` is the same for one question, as plain parameters instead of arrays: a tenth quicker.
    """
    asked = ASKED + CLOCKS[form.clocks] + ((("bearer", "bigint"),) if form.borne else ())
    borne = bearers(len(asked) + 2, alone=alone) if form.borne else ""
    if alone:
        given = ", ".join(f"${number}::{kind} as {name}" for number, (name, kind) in enumerate(asked, 1))
        source = f"(select {given}, 1 as position) as q"
    else:
        arrays = ", ".join(f"${number}::{kind}[]" for number, (_, kind) in enumerate(asked, 1))
        source = f"unnest({arrays}) with ordinality as q ({', '.join(name for name, _ in asked)}, position)"
    clocks: dict[Clocks, tuple[str, str, str | None]] = {
        "now": ("statement_timestamp()", "null::timestamptz", None),
        "as-of": ("q.at", "null::timestamptz", None),
        "believed": ("coalesce(q.at, statement_timestamp())", "q.believed", "q.believed_at"),
    }
    as_of, believed_at, belief = clocks[form.clocks]
    parts = {
        "writer": f"${len(asked) + 1}::uuid",
        "asked": source + (" join bearer b on b.number = q.bearer" if form.borne else ""),
        # 0: may ask. 1: may, but not about this action. 2: may not, or no more.
        "admitted": f"case when {ADMITTED} then (b.actions is not null and q.action <> all (b.actions))::int else 2 end"
        if form.borne
        else "0",
        "bearers": f"bearer as materialized ({borne}), " if form.borne else "",
        "in order": "" if alone else "order by position",
        "materialized": "not materialized" if alone else "materialized",
        "as_of": as_of,
        "believed_at": believed_at,
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
        # A remedy is for now: nobody breaks the glass in the past.
        "may break glass": may_break_glass("q.provider_id", "q.organization_id") if form.clocks == "now" else "false",
        "merged": merged("q.patient_id", "q.organization_id"),
        "known action": known_action("q.action", "q.organization_id") if form.policy_action else "true",
    }
    text = filled((files(__package__) / "statement.sql").read_text(), parts)
    return holding(text, as_of="q.as_of", believed_at=belief)


async def for_every_organization(connection: asyncpg.Connection) -> asyncpg.Connection:
    """Let a connection of the deciding role serve all organizations: without this it sees none."""
    await connection.execute(f"set role {EVERYWHERE}")
    return connection


class Decider:
    """One connection of the role carecircle_decider, with the statement prepared in the forms it has met.

    It is one writer of entries: for each organization its turns count 1, 2, 3, … without a gap, and a turn is taken only by
    what was committed. When nobody knows whether it was, another writer begins.
    """

    def __init__(self, connection: asyncpg.Connection, keyring: Keyring, *, timeout: float) -> None:
        self.connection = connection
        self.timeout = timeout
        self._keyring = keyring
        self._writer = new_id()
        self._turns: dict[UUID, int] = {}
        self._prepared: dict[tuple[Form, bool], asyncpg.prepared_stmt.PreparedStatement] = {}

    async def decide(self, form: Form, questions: Sequence[Question]) -> list[AccessDecision]:
        """Answer and record questions of one form, in their order, in one committed statement.

        Raises asyncpg's errors; then nothing was recorded, and nobody may be answered.
        """
        alone = len(questions) == 1
        prepared = self._prepared.get((form, alone))
        if prepared is None:
            prepared = await self.connection.prepare(statement(form, alone=alone), timeout=self.timeout)
            self._prepared[form, alone] = prepared
        entries = new_ids(len(questions))
        turns, taken = self._next_turns(questions)
        columns: list[Sequence[object]] = [
            entries,
            [q.organization_id for q in questions],
            [q.provider_id for q in questions],
            [q.patient_id for q in questions],
            [q.action for q in questions],
            [q.actor for q in questions],
            [q.purpose for q in questions],
            [q.request_id for q in questions],
            [q.on_behalf_of for q in questions],
            [q.address for q in questions],
            taken,
            self._keyring.marks((q.organization_id, entry) for q, entry in zip(questions, entries, strict=True)),
        ]
        if form.clocks != "now":
            columns.append([q.as_of for q in questions])
        if form.clocks == "believed":
            columns.append([q.believed_at for q in questions])
        borne: list[Sequence[object]] = []
        if form.borne:
            numbers, borne = _bearers(questions)
            columns.append(numbers)
        given = [*_sent(columns, alone), self._writer, *_sent(borne, alone)]
        try:
            rows = await prepared.fetch(*given, timeout=self.timeout)
        except BaseException:
            self._writer, self._turns = new_id(), {}
            raise
        self._turns |= turns
        return [
            AccessDecision(
                EntryId(entry),
                row[0],
                row[1],
                question,
                row[8],
                _bases(row) if row[0] else (),
                _restrictions(row) if row[1] == "restricted" else (),
                may_break_glass=row[9],
            )
            for entry, question, row in zip(entries, questions, rows, strict=True)
        ]

    def _next_turns(self, questions: Sequence[Question]) -> tuple[dict[UUID, int], list[int]]:
        """The last turn of each organization once these questions are recorded, and the turn of each question."""
        last: dict[UUID, int] = {}
        taken = []
        for question in questions:
            tenant = question.organization_id
            last[tenant] = turn = (last.get(tenant) or self._turns.get(tenant, 0)) + 1
            taken.append(turn)
        return last, taken


def _sent(columns: Sequence[Sequence[object]], alone: bool) -> list[object]:
    return [column[0] for column in columns] if alone else list(columns)


def _bearers(questions: Sequence[Question]) -> tuple[list[int], list[Sequence[object]]]:
    """Which bearer each question rests on, counted from 1; and every bearer once, as columns of parameters."""
    known: dict[tuple[UUID, Bearer, str], int] = {}
    numbers = []
    for question in questions:
        assert question.bearer is not None
        borne = (question.organization_id, question.bearer, question.permission)
        numbers.append(known.setdefault(borne, len(known) + 1))
    return numbers, list(parameters(list(known)))


def _bases(row: asyncpg.Record) -> tuple[Basis, ...]:
    return tuple(
        Basis(kind, basis_id, under, via, starts_at, aware(ends_at))
        for kind, basis_id, under, via, starts_at, ends_at in zip(*row[2:8], strict=True)
    )


def _restrictions(row: asyncpg.Record) -> tuple[Restriction, ...]:
    return tuple(map(Restriction, row[2], row[3]))


def aware(instant: datetime) -> datetime:
    """asyncpg gives instants in UTC, but 'infinity' without a time zone; ours has one."""
    return FOREVER if instant.tzinfo is None else instant
