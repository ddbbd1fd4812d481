"""A decision in words for somebody who is tired, as a tree for somebody who wants it all, and as a record."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from carecircle.cli.output import printable
from carecircle.identifiers import to_text
from carecircle.period import Period, show

if TYPE_CHECKING:
    from rich.tree import Tree

    from carecircle.access.decision import AccessDecision, Basis, MissingPath, Restriction
    from carecircle.access.explain import Explanation

NOBODY_NAMED = "this provider"
INDENT = " " * 12
WORDS = {
    "primary": "primary provider",
    "care_team": "a seat on a care team that looks after the patient",
    "attending": "attending on a hospital stay",
    "admitting": "admitting provider of a hospital stay",
    "consulting": "consulting provider",
    "emergency": "emergency assignment",
    "coverage": "standing in for another provider",
}
RESTRICTION_WORDS = {
    "objection": "objection: the patient does not want this provider",
    "suspension": "suspension: this provider is kept from every patient",
    "sensitivity": "sensitivity: only a direct assignment lets in",
}
NO_NAMES: Mapping[UUID, str] = {}

DEEDS = {
    "read": "read this patient's record",
    "write": "write in this patient's record",
    "order": "order for this patient",
    "share": "share this patient's record",
}


def headline(decision: AccessDecision, who: str = NOBODY_NAMED) -> str:
    """The answer in one line."""
    question = decision.question
    verdict, may = ("ALLOWED", "may") if decision.allowed else ("DENIED", "may not")
    deed = DEEDS.get(question.action, "do this with this patient's record")
    when = " now" if question.as_of is None else f" at {show(decision.as_of)}"
    known = "" if question.believed_at is None else f", going by what was known at {exactly(question.believed_at)}"
    return f"{verdict}: {printable(who)} {may} {deed}{when}{known}."


def exactly(instant: datetime) -> str:
    """An instant with all its digits: what was believed can change within a second."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def lines(decision: AccessDecision, who: str = NOBODY_NAMED, names: Mapping[UUID, str] = NO_NAMES) -> list[str]:
    """Why, what came nearest, what would help, and where it is recorded. `names` are those of who is stood in for."""
    told = [headline(decision, who)]
    if decision.allowed:
        told += [_line("why" if first else "and", _basis(basis, names)) for first, basis in _marked(decision.bases)]
    else:
        told.append(_line("why", decision.message))
        told += [_line("by" if first else "and", _restriction(one)) for first, one in _marked(decision.restrictions)]
        if decision.nearest is not None:
            told.append(_line("nearest", _path(decision.nearest)))
        told += [_line("try" if first else "or", remedy.sentence) for first, remedy in _marked(decision.remedies)]
    if decision.expires_at is not None:
        told.append(_line("ends", f"{show(decision.expires_at)}, when the last of these does"))
    told.append(_line("recorded", f"entry {to_text(decision.id)}"))
    return told


def tree(explanation: Explanation, who: str = NOBODY_NAMED, names: Mapping[UUID, str] = NO_NAMES) -> Tree:
    """Everything there is to say, as a tree."""
    from rich.tree import Tree

    decision = explanation.decision
    question = decision.question
    root = Tree(headline(decision, who), style="bold green" if decision.allowed else "bold red", guide_style="dim")
    asked = root.add("asked", style="default")
    asked.add(f"provider  {to_text(question.provider_id)}")
    asked.add(f"patient   {to_text(question.patient_id)}")
    asked.add(f"at        {show(decision.as_of)}" + ("" if question.as_of else " (now)"))
    asked.add(
        f"knowing   {'what was known at ' + exactly(question.believed_at) if question.believed_at else 'all that is on record'}"
    )
    held = root.add("what held", style="default")
    for basis in decision.bases:
        branch = held.add(_basis(basis, names))
        branch.add(f"row {to_text(basis.id)}")
        if basis.under_id is not None:
            under = "the team's patient" if basis.via_id is None else "what the provider who is covered holds"
            branch.add(f"under it, {under}: row {to_text(basis.under_id)}")
    if not decision.bases:
        held.add(f"nothing ({decision.code}): {decision.message}")
    if decision.restrictions:
        taken = root.add("what takes it away", style="default")
        for restriction in decision.restrictions:
            taken.add(_restriction(restriction))
    if not decision.allowed:
        near = root.add("what came near", style="default")
        for path in explanation.missing:
            near.add(_path(path)).add(f"row {to_text(path.id)}")
        if not explanation.missing:
            near.add("nothing")
        helps = root.add("what would help", style="default")
        for remedy in decision.remedies:
            helps.add(f"{remedy.sentence} [{remedy.kind}]")
    root.add(f"recorded as entry {to_text(decision.id)}", style="default")
    return root


def record(explanation: Explanation, *, whole: bool = False) -> dict[str, Any]:
    """The decision as data; with `whole`, every path that came near, not only the nearest."""
    decision = explanation.decision
    question = decision.question
    told = {
        "allowed": decision.allowed,
        "code": decision.code,
        "message": decision.message,
        "provider": question.provider_id,
        "action": question.action,
        "patient": question.patient_id,
        "as_of": decision.as_of,
        "believed_at": question.believed_at,
        "expires_at": decision.expires_at,
        "bases": [
            {
                "kind": basis.kind,
                "id": basis.id,
                "under_id": basis.under_id,
                "via_id": basis.via_id,
                **_ends(basis.period),
            }
            for basis in decision.bases
        ],
        "restrictions": [{"kind": one.kind, "id": one.id} for one in decision.restrictions],
        "nearest": _missing(decision.nearest) if decision.nearest else None,
        "remedies": [{"kind": remedy.kind, "sentence": remedy.sentence} for remedy in decision.remedies],
        "entry": decision.id,
    }
    return told | ({"missing": [_missing(path) for path in explanation.missing]} if whole else {})


def flat(explanation: Explanation) -> dict[str, Any]:
    """The decision as one row."""
    told = record(explanation)
    nearest = explanation.decision.nearest
    return told | {
        "bases": [basis.kind for basis in explanation.decision.bases],
        "restrictions": [one.kind for one in explanation.decision.restrictions],
        "nearest": str(nearest) if nearest else None,
        "remedies": [remedy.kind for remedy in explanation.decision.remedies],
    }


def since_until(period: Period) -> str:
    """A period in words."""
    until = show(period.ends_at)
    return f"since {show(period.starts_at)}, {'open-ended' if until == 'open' else f'until {until}'}"


def _basis(basis: Basis, names: Mapping[UUID, str]) -> str:
    what = words(basis.kind)
    if basis.via_id is not None and basis.via_id in names:
        what = f"standing in for {printable(names[basis.via_id])}"
    return f"{what}, {since_until(basis.period)}"


def _restriction(restriction: Restriction) -> str:
    """Its kind and row; which label it is says nobody here."""
    return f"{RESTRICTION_WORDS.get(restriction.kind, restriction.kind)} (row {to_text(restriction.id)})"


def _path(path: MissingPath) -> str:
    what = words(path.kind)
    match path.lack:
        case "ended":
            return f"{what}, which ended {show(path.period.ends_at)}"
        case "not-begun":
            return f"{what}, which begins {show(path.period.starts_at)}"
        case "lapsed":
            lacking = " and ".join(map(printable, path.lacking))
            return f"{what}, suspended: rests on {lacking}, which {'does' if len(path.lacking) == 1 else 'do'} not hold"
        case _:
            return f"{what}, which holds but does not grant this action"


def words(kind: str) -> str:
    """A kind of basis as people say it."""
    return WORDS.get(kind, printable(kind.replace("_", " ")))


def _missing(path: MissingPath) -> dict[str, Any]:
    return {"lack": path.lack, "kind": path.kind, "id": path.id, "lacking": list(path.lacking), **_ends(path.period)}


def _ends(period: Period) -> dict[str, datetime]:
    return {"starts_at": period.starts_at, "ends_at": period.ends_at}


def _line(label: str, text: str) -> str:
    return f"  {label:<{len(INDENT) - 3}} {text}"


def _marked(items: tuple[Any, ...]) -> list[tuple[bool, Any]]:
    return [(position == 0, item) for position, item in enumerate(items)]
