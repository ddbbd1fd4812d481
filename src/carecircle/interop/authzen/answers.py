"""Our answers in AuthZEN's words: decisions, batches of them, and pages of a search. Values only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from carecircle.access.decision import AccessDecision
from carecircle.identifiers import to_text
from carecircle.period import FOREVER, show


def decision_of(decision: AccessDecision) -> dict[str, Any]:
    """A Decision. Why not is told by code and remedy only: the full path is in the audit trail."""
    context: dict[str, Any] = {"id": to_text(decision.id), "code": decision.code}
    if decision.allowed:
        context["bases"] = [
            {
                "kind": basis.kind,
                "id": to_text(basis.id),
                "until": _until(basis.ends_at),
                **({"via": to_text(basis.via_id)} if basis.via_id else {}),
            }
            for basis in decision.bases
        ]
    else:
        context["remedies"] = [
            {"kind": one.kind, "sentence": one.sentence, **({"href": one.href} if one.href else {})}
            for one in decision.remedies
        ]
    return {"decision": decision.allowed, "context": context}


def failure_of(sentence: str) -> dict[str, Any]:
    """The Decision about a question of a batch that could not be read: no, and why. Nothing was decided or recorded."""
    return {"decision": False, "context": {"error": {"status": 400, "message": sentence}}}


def page_of(
    results: Sequence[dict[str, str]], *, total: int, next_token: str, as_of: datetime, entry: str | None = None
) -> dict[str, Any]:
    """A search response: the page first, so that who reads along knows how much will come."""
    context = {"as_of": show(as_of), **({"id": entry} if entry else {})}
    return {
        "page": {"next_token": next_token, "count": len(results), "total": total},
        "context": context,
        "results": list(results),
    }


def _until(ends_at: datetime) -> str | None:
    return None if ends_at == FOREVER else show(ends_at)
