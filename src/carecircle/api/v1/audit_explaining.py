"""An entry of the audit trail over HTTP, explained: what it rests on, and whether the same is answered again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from carecircle.access.recorded import Proof, Replay
from carecircle.access.replay_service import Row, explain_entry
from carecircle.actor import acting_as
from carecircle.api.v1.door import Auditing, routes
from carecircle.api.v1.shapes import A_THIRD_ID, AN_ID, ANOTHER_ID, Answer, Id, Moment, OwnId, end_of, example, id_of
from carecircle.identifiers import to_text
from carecircle.period import show

router = routes("audit")

ROW = {
    "table": "patient_assignments", "recorded_at": "2026-01-30T08:00:00Z", "entry_id": A_THIRD_ID, "superseded_at": None,
    "superseded_entry_id": None,
}  # fmt: skip
BASIS = {
    "kind": "primary", "id": A_THIRD_ID, "under_id": None, "via_id": None, "ends_at": None, "row": ROW, "under": None,
}  # fmt: skip
EXPLAINED = {
    "id": AN_ID, "recorded_at": "2026-01-31T08:00:00.123456Z", "kind": "decision", "code": "allowed", "allowed": True,
    "actor": "service:ehr", "on_behalf_of": None, "address": "10.0.0.7", "provider_id": ANOTHER_ID,
    "patient_id": A_THIRD_ID, "action": "read", "purpose": "TREAT", "as_of": "2026-01-31T08:00:00.123456Z",
    "believed_at": None, "policy_version": 1, "request_id": "r-1", "detail": None,
}  # fmt: skip
DIFFERENCE = {"what": "code", "recorded": "allowed", "replayed": "no-relationship"}
REPLAYED: dict[str, Any] = {
    "same": True, "by": "snapshot", "why": None, "differences": [], "allowed": True, "code": "allowed",
    "policy_version": 1, "count": None, "bases": [BASIS | {"row": None}],
}  # fmt: skip


class FactRow(Answer):
    """The row of a fact: by which entry it was recorded, and by which it was superseded since."""

    model_config = example(**ROW)
    table: str
    recorded_at: Moment
    entry_id: Id
    superseded_at: Moment | None
    superseded_entry_id: Id | None


class Basis(Answer):
    """What an answer rested on. `row` is where `id` stands, `under` where `under_id` does; null where there is no such row."""

    model_config = example(**BASIS)
    kind: str
    id: Id | None
    under_id: Id | None
    via_id: Id | None
    ends_at: Moment | None
    row: FactRow | None
    under: FactRow | None


class Explained(Answer):
    """What the entry says."""

    model_config = example(**EXPLAINED)
    id: Id
    recorded_at: Moment
    kind: str
    code: str
    allowed: bool | None
    actor: str
    on_behalf_of: str | None
    address: str | None
    provider_id: Id | None
    patient_id: Id | None
    action: str | None
    purpose: str | None
    as_of: Moment
    believed_at: Moment | None
    policy_version: int | None
    request_id: str | None
    detail: str | None


class Difference(Answer):
    """Something that the entry says, and what was said instead when asked again."""

    model_config = example(**DIFFERENCE)
    what: str
    recorded: str
    replayed: str


class Replayed(Answer):
    """The same question asked again. `by`: `snapshot`, exactly what the statement could see; or `clocks`, what both clocks say
    was known, where the snapshot means nothing here (`why`: `restored` or `rewritten`). `count` is of a list."""

    model_config = example(**REPLAYED)
    same: bool
    by: str
    why: str | None
    differences: list[Difference]
    allowed: bool
    code: str
    policy_version: int | None
    count: int | None
    bases: list[Basis]


class Explanation(Answer):
    """`replay` is null for an entry that answers nothing, such as a change."""

    model_config = example(entry=EXPLAINED, bases=[BASIS], replay=REPLAYED)
    entry: Explained
    bases: list[Basis]
    replay: Replayed | None


@router.get("/audit/entries/{entry}/explanation")
async def explain_audit_entry(door: Auditing, entry: OwnId) -> Explanation:
    """What an entry rests on and, of a decision or a list, whether the same is answered again from what was known then. That it
    was explained is recorded."""
    circle, own, actor = door.circle, door.caller.organization_id, door.caller.actor
    async with door.read():
        pass  # whether the token still holds
    with acting_as(organization=own, actor=actor):
        found = await explain_entry(
            circle.access, app=circle.engine, auditor=circle.auditor, entry_id=entry, organization=own, actor=actor
        )
    said = found.entry
    return Explanation(
        entry=Explained(
            id=to_text(said.id), recorded_at=show(said.recorded_at), kind=said.kind, code=said.code, allowed=said.allowed,
            actor=said.actor, on_behalf_of=said.on_behalf_of, address=said.address, provider_id=id_of(said.provider_id),
            patient_id=id_of(said.patient_id), action=said.action, purpose=said.purpose, as_of=show(said.as_of),
            believed_at=None if said.believed_at is None else show(said.believed_at), policy_version=said.policy_version,
            request_id=said.request_id, detail=said.detail,
        ),
        bases=[_basis(one, found.rows) for one in said.proofs],
        replay=None if found.replay is None else _replayed(found.replay),
    )  # fmt: skip


def _replayed(replay: Replay) -> Replayed:
    answer = replay.answer
    return Replayed(
        same=replay.same, by=replay.known.by, why=replay.known.why,
        differences=[Difference(**one._asdict()) for one in replay.differences], allowed=answer.allowed, code=answer.code,
        policy_version=answer.policy_version, count=answer.count, bases=[_basis(one, {}) for one in answer.proofs],
    )  # fmt: skip


def _basis(one: Proof, rows: Mapping[UUID, Row]) -> Basis:
    return Basis(
        kind=one.kind, id=id_of(one.id), under_id=id_of(one.under_id), via_id=id_of(one.via_id), ends_at=end_of(one.ends_at),
        row=_row(rows.get(one.id)), under=None if one.under_id is None else _row(rows.get(one.under_id)),
    )  # fmt: skip


def _row(row: Row | None) -> FactRow | None:
    if row is None:
        return None
    return FactRow(
        table=row.table, recorded_at=show(row.recorded_at), entry_id=to_text(row.entry_id),
        superseded_at=None if row.superseded_at is None else show(row.superseded_at),
        superseded_entry_id=id_of(row.superseded_entry_id),
    )  # fmt: skip
