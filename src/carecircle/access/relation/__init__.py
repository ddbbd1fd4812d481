"""The circle of care as one relation: a `.sql` branch per mechanism and restriction, composed here and nowhere else.

A branch of PATHS yields what a provider holds themselves; `standing_in.sql` who else has it, by coverage; `circle.sql`
puts them together, and adds `emergency_access.sql`: patient_id, provider_id, basis, basis_id, under_id, via_id, despite,
grants, starts_at, ends_at, and what ends_at was cut by (own_ends_at, rests_on, referral_id). RESTRICTIONS take rows away
again, but for those that let in `despite` their kind.

In a branch, `{x holds}` becomes what it means for a fact `x` to hold at the question's instant, as far as was believed;
`{x of patient}` and `{x of provider}` that it is of the one asked about, or anything where nobody is named.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from carecircle.access.decision import ACTIONS

# The list of ways in, readable in one place. A new mechanism is one file and one word here.
PATHS = ("direct_assignment", "care_team")
RESTRICTIONS = ("objection_or_suspension", "sensitivity")

BELIEVED_NOW = "{x}.superseded_at = 'infinity'"
# The two arms are what the partial indexes of open and of superseded rows are made of.
BELIEVED_THEN = (
    "{x}.recorded_at <= {believed_at} and ({x}.superseded_at = 'infinity'"
    " or ({x}.superseded_at < 'infinity' and {x}.superseded_at > {believed_at}))"
)
# What a statement saw is what had committed when it began: its snapshot says that to the transaction, the clocks do not.
_SEEN = "pg_visible_in_snapshot({x}.recorded_xid, {snapshot})"
_CLOSING_SEEN = "pg_visible_in_snapshot({x}.superseded_xid, {snapshot})"
SEEN = f"{_SEEN} and ({{x}}.superseded_at = 'infinity' or ({{x}}.superseded_at < 'infinity' and not {_CLOSING_SEEN}))"
SEEN_THEN = (
    f"{_SEEN} and {{x}}.recorded_at <= {{believed_at}} and ({{x}}.superseded_at = 'infinity' or"
    f" ({{x}}.superseded_at < 'infinity' and ({{x}}.superseded_at > {{believed_at}} or not {_CLOSING_SEEN})))"
)
AT = " and {x}.starts_at <= {as_of} and {x}.ends_at > {as_of}"
# Offers the indexes of a provider's panel and a team's patients (see the first migration); always true.
OVER_A_PANEL = " and {x}.starts_at < {x}.ends_at"


class InSnapshot(NamedTuple):
    """Belief as an earlier statement had it: SQL of its pg_snapshot, and of the instant it was asked to believe at, if any."""

    snapshot: str
    believed_at: str | None = None


Belief = str | InSnapshot | None
"""As believed at an instant (SQL), as seen in a snapshot, or (None) now."""


def circle(
    *,
    organization: str,
    action: str,
    as_of: str | None,
    provider: str | None = None,
    patient: str | None = None,
    believed_at: Belief = None,
) -> str:
    """The rows of a provider, of a patient, or of both, that hold at `as_of` (None: at any time), whatever restricts them.

    The arguments are SQL expressions. Without `believed_at`, as we believe now; with it, as we believed then.
    """
    over_a_panel = provider is not None and patient is None
    # Whoever is named leads: from a provider to whom they stand in for, or from a patient's providers to who stands in.
    if provider is not None:
        lead, paths_of = "w", "w.holder_id"
        who = {"self": provider, "v of one": f"v.covering_provider_id = {provider}"}
    else:
        lead, paths_of = "x", None
        who = {"self": "x.provider_id", "v of one": "v.covered_provider_id = x.provider_id"}
    paths = _of("patient", patient, _of("provider", paths_of, _union(PATHS)))
    personal = _of("patient", patient, _of("provider", provider, _sql("emergency_access")))
    parts = {
        "holders": "(" + filled(_sql("standing_in"), who) + ")",
        "paths": f"({paths})",
        "emergency_access": personal,
        "rests on": _sql("rests_on"),
        "referred": _sql("referred"),
        "organization": organization,
        "action": action,
    }
    text = _sql("circle")
    if lead == "x":
        text = text.replace("{holders} w cross join lateral {paths} x", "{paths} x cross join lateral {holders} w")
    text = holding(filled(text, parts), as_of=as_of, believed_at=believed_at, over_a_panel=over_a_panel)
    # What a row rests on may have cut its end. `offset 0` keeps that from being worked out twice.
    return f"select * from ({text} offset 0) ahead where ahead.ends_at > {as_of}" if as_of else text


def restrictions(
    *, organization: str, patient: str, provider: str, as_of: str | None, believed_at: Belief = None
) -> str:
    """What takes away a provider's rows for a patient that do not let in despite it: its kind, and the row.

    The arguments are SQL expressions.
    """
    asked = {"organization": organization, "patient": patient, "provider": provider}
    return holding(filled(_union(RESTRICTIONS), asked), as_of=as_of, believed_at=believed_at)


def known_action(action: str, organization: str) -> str:
    """Whether an SQL expression is one of everybody's actions, or one that the organization's policy adds."""
    everybodys = ", ".join(f"'{one}'" for one in ACTIONS)
    return (
        f"({action} = any (array[{everybodys}]) or (select true from carecircle.policies y"
        f" where y.organization_id = {organization} and {action} = any (y.actions) and {{y holds}} limit 1) is not null)"
    )


def may_break_glass(provider: str, organization: str) -> str:
    """Whether a provider is among those who may break the glass, wherever."""
    return (
        f"(select true from carecircle.duties d where d.organization_id = {organization} and d.provider_id = {provider}"
        " and d.duty = 'break_glass' and {d holds} limit 1) is not null"
    )


def merged(patient: str, organization: str) -> str:
    """Whether a patient's record was merged into another one."""
    return (
        f"(select true from carecircle.patient_merges g where g.organization_id = {organization}"
        f" and g.patient_id = {patient} and {{g holds}} limit 1) is not null"
    )


def filled(template: str, parts: Mapping[str, str]) -> str:
    """A statement's text with its `{parts}` put in; every part comes from this package, never from a caller."""
    for name, part in parts.items():
        template = template.replace("{" + name + "}", part)
    return template


def holding(text: str, *, as_of: str | None, believed_at: Belief = None, over_a_panel: bool = False) -> str:
    """A text with every `{x holds}` said out."""
    snapshot = None
    if isinstance(believed_at, InSnapshot):
        snapshot, believed_at = believed_at
        holds = SEEN if believed_at is None else SEEN_THEN
    else:
        holds = BELIEVED_NOW if believed_at is None else BELIEVED_THEN
    holds += (AT if as_of else "") + (OVER_A_PANEL if over_a_panel else "")
    return re.sub(
        r"\{(\w+) holds\}",
        lambda match: "(" + holds.format(x=match[1], as_of=as_of, believed_at=believed_at, snapshot=snapshot) + ")",
        text,
    )


def _of(whom: str, expression: str | None, text: str) -> str:
    return re.sub(
        rf"\{{(\w+) of {whom}\}}",
        lambda match: f"{match[1]}.{whom}_id = {expression}" if expression else "true",
        text,
    )


def _union(names: tuple[str, ...]) -> str:
    return "\nunion all\n".join(map(_sql, names))


@cache
def _sql(name: str) -> str:
    """A file's text without the comment on top, which says what it is."""
    lines = (files(__package__) / f"{name}.sql").read_text().splitlines()
    return "\n".join(line for line in lines if not line.startswith("--"))
