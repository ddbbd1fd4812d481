"""The deciding statement, in its three forms, and how a batch of questions goes through it on one connection."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Literal

import asyncpg

from carecircle.access.decision import AccessDecision, Basis, Question
from carecircle.access.relation import circle, filled, known_actions
from carecircle.identifiers import EntryId, new_ids
from carecircle.period import FOREVER

# now: at the statement's own instant. as-of: at another, knowing what we know. believed: knowing what was known then.
Form = Literal["now", "as-of", "believed"]


def form_of(question: Question) -> Form:
    if question.believed_at is not None:
        return "believed"
    return "now" if question.as_of is None else "as-of"


@cache
def statement(form: Form) -> str:
    """The statement's text for one form; the database's clock stands in wherever the caller named no instant."""
    template = (files(__package__) / "statement.sql").read_text()
    forms = {
        "now": ("statement_timestamp()", "null::timestamptz", "", "", circle(as_of="q.as_of")),
        "as-of": ("q.at", "null::timestamptz", ", $9::timestamptz[]", ", at", circle(as_of="q.as_of")),
        "believed": (
            "coalesce(q.at, statement_timestamp())",
            "q.believed",
            ", $9::timestamptz[], $10::timestamptz[]",
            ", at, believed",
            circle(as_of="q.as_of", believed_at="q.believed_at"),
        ),
    }
    names = ("as_of", "believed_at", "clocks", "clock_names", "circle")
    return filled(template, dict(zip(names, forms[form], strict=True)) | {"actions": known_actions()})


class Decider:
    """One connection of the role carecircle_decider, with the statement prepared in the forms it has met."""

    def __init__(self, connection: asyncpg.Connection, *, timeout: float) -> None:
        self.connection = connection
        self.timeout = timeout
        self._prepared: dict[Form, asyncpg.prepared_stmt.PreparedStatement] = {}

    async def decide(self, form: Form, questions: Sequence[Question]) -> list[AccessDecision]:
        """Answer and record questions of one form, in their order, in one committed statement.

        Raises asyncpg's errors; then nothing was recorded, and nobody may be answered.
        """
        prepared = self._prepared.get(form)
        if prepared is None:
            prepared = self._prepared[form] = await self.connection.prepare(statement(form), timeout=self.timeout)
        entries = new_ids(len(questions))
        columns: list[list[object]] = [
            entries,  # type: ignore[list-item]  # a list of UUIDs is sent, never written to
            [q.organization_id for q in questions],
            [q.provider_id for q in questions],
            [q.patient_id for q in questions],
            [q.action for q in questions],
            [q.actor for q in questions],
            [q.purpose for q in questions],
            [q.request_id for q in questions],
        ]
        if form != "now":
            columns.append([q.as_of for q in questions])
        if form == "believed":
            columns.append([q.believed_at for q in questions])
        rows = await prepared.fetch(*columns, timeout=self.timeout)
        return [
            AccessDecision(EntryId(entry), row[0], row[1], question, row[7], _bases(row) if row[0] else ())
            for entry, question, row in zip(entries, questions, rows, strict=True)
        ]


def _bases(row: asyncpg.Record) -> tuple[Basis, ...]:
    return tuple(
        Basis(kind, basis_id, under, starts_at, aware(ends_at))
        for kind, basis_id, under, starts_at, ends_at in zip(row[2], row[3], row[4], row[5], row[6], strict=True)
    )


def aware(instant: datetime) -> datetime:
    """asyncpg gives instants in UTC, but 'infinity' without a time zone; ours has one."""
    return FOREVER if instant.tzinfo is None else instant
