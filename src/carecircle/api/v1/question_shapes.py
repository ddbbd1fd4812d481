"""How a decision is told over HTTP: why, by code and remedy; never whose objection or which label it was."""

from __future__ import annotations

from typing import Any

from carecircle.access.decision import AccessDecision, MissingPath
from carecircle.access.explain import Explanation
from carecircle.api.v1.shapes import A_THIRD_ID, AN_ID, ANOTHER_ID, Answer, Id, Moment, end_of, example, id_of
from carecircle.identifiers import to_text
from carecircle.period import show

_BOTH_KNOWN = frozenset({"allowed", "no-relationship", "action-not-granted", "restricted", "patient-merged"})
_PATIENT_KNOWN = _BOTH_KNOWN | {"unknown-provider"}
BASIS = {
    "kind": "care_team", "id": A_THIRD_ID, "under_id": None, "via_id": None, "starts_at": "2026-01-01T08:00:00Z",
    "ends_at": None,
}  # fmt: skip
REMEDY = {"kind": "assign", "sentence": "Ask a care coordinator for an assignment.", "href": None}
DECISION = {
    "id": AN_ID, "allowed": True, "code": "allowed", "message": "This provider takes part in this patient's care.",
    "provider_id": ANOTHER_ID, "patient_id": A_THIRD_ID, "action": "read", "as_of": "2026-01-31T08:00:00Z",
    "bases": [BASIS], "expires_at": None, "remedies": [],
}  # fmt: skip
PATH = {
    "lack": "ended", "kind": "consulting", "id": A_THIRD_ID, "starts_at": "2025-01-31T08:00:00Z",
    "ends_at": "2026-01-30T08:00:00Z", "lacking": [],
    "sentence": "The nearest path, consulting, ended 2026-01-30T08:00:00Z.",
}  # fmt: skip


class Basis(Answer):
    """One way of being let in: the kind, its row, the row under that one, and the provider who is stood in for."""

    model_config = example(**BASIS)
    kind: str
    id: Id
    under_id: Id | None
    via_id: Id | None
    starts_at: Moment
    ends_at: Moment | None


class Remedy(Answer):
    """What somebody can do about a denial."""

    model_config = example(**REMEDY)
    kind: str
    sentence: str
    href: str | None


class Decision(Answer):
    """The recorded answer; `id` is its entry in the audit trail. Ids of somebody nobody registered are null."""

    model_config = example(**DECISION)
    id: Id
    allowed: bool
    code: str
    message: str
    provider_id: Id | None
    patient_id: Id | None
    action: str
    as_of: Moment
    bases: list[Basis]
    expires_at: Moment | None
    remedies: list[Remedy]


class Path(Answer):
    """A relation that would have let in: it has ended, has not begun, has lapsed, or does not grant the action."""

    model_config = example(**PATH)
    lack: str
    kind: str
    id: Id
    starts_at: Moment
    ends_at: Moment | None
    lacking: list[str]
    sentence: str


class Explained(Decision):
    """A decision, and what came nearest to another one, nearest first."""

    model_config = example(
        **DECISION | {"allowed": False, "code": "no-relationship", "bases": [], "remedies": [REMEDY]}, missing=[PATH]
    )
    missing: list[Path]


def decision_of(decision: AccessDecision) -> Decision:
    return Decision(**_told(decision))


def explained_of(found: Explanation) -> Explained:
    return Explained(**_told(found.decision), missing=[_path(one) for one in found.missing])


def _told(decision: AccessDecision) -> dict[str, Any]:
    question = decision.question
    # What stands for an identifier that nobody has says nothing without the keys, and is told to nobody.
    patient = id_of(question.patient_id) if decision.code in _PATIENT_KNOWN else None
    provider = id_of(question.provider_id) if decision.code in _BOTH_KNOWN else None
    return {
        "id": to_text(decision.id),
        "allowed": decision.allowed,
        "code": decision.code,
        "message": decision.message,
        "provider_id": provider,
        "patient_id": patient,
        "action": question.action,
        "as_of": show(decision.as_of),
        "bases": [
            Basis(
                kind=one.kind, id=to_text(one.id), under_id=id_of(one.under_id), via_id=id_of(one.via_id),
                starts_at=show(one.starts_at), ends_at=end_of(one.ends_at),
            )
            for one in decision.bases
        ],
        "expires_at": end_of(decision.expires_at),
        "remedies": [Remedy(kind=one.kind, sentence=one.sentence, href=one.href) for one in decision.remedies],
    }  # fmt: skip


def _path(one: MissingPath) -> Path:
    return Path(
        lack=one.lack, kind=one.kind, id=to_text(one.id), starts_at=show(one.period.starts_at),
        ends_at=end_of(one.period.ends_at), lacking=list(one.lacking), sentence=str(one),
    )  # fmt: skip
