"""The circle of care as one relation: a `.sql` branch per mechanism, composed here and nowhere else.

Every branch yields organization_id, patient_id, provider_id, basis, basis_id, under_id, scope, starts_at, ends_at.
In a branch, `{x holds}` becomes what it means for a fact `x` to hold at the question's instant, as far as was believed.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

from carecircle.access.decision import ACTIONS

# The list of ways in, readable in one place. A new mechanism is one file and one word here.
MECHANISMS = ("direct_assignment", "care_team")

BELIEVED_NOW = "{x}.superseded_at = 'infinity'"
# The two arms are what the partial indexes of open and of superseded rows are made of.
BELIEVED_THEN = (
    "{x}.recorded_at <= {believed_at} and ({x}.superseded_at = 'infinity'"
    " or ({x}.superseded_at < 'infinity' and {x}.superseded_at > {believed_at}))"
)
AT = " and {x}.starts_at <= {as_of} and {x}.ends_at > {as_of}"
# Offers the indexes of a provider's panel and a team's patients (see the first migration); always true.
OVER_A_PANEL = " and {x}.starts_at < {x}.ends_at"


def circle(*, as_of: str | None, believed_at: str | None = None, over_a_panel: bool = False) -> str:
    """The relation's rows that hold at the SQL expression `as_of` (None: at any time).

    Without `believed_at`, as we believe now; with it, as we believed then. `over_a_panel` when the question names a
    provider and no patient.
    """
    holds = BELIEVED_NOW if believed_at is None else BELIEVED_THEN
    holds += (AT if as_of else "") + (OVER_A_PANEL if over_a_panel else "")
    branches = (
        re.sub(
            r"\{(\w+) holds\}",
            lambda match: "(" + holds.format(x=match[1], as_of=as_of, believed_at=believed_at) + ")",
            _branch(mechanism),
        )
        for mechanism in MECHANISMS
    )
    return "\nunion all\n".join(branches)


def known_actions() -> str:
    """The known actions as an SQL array."""
    return "array[" + ", ".join(f"'{action}'" for action in ACTIONS) + "]"


def filled(template: str, parts: dict[str, str]) -> str:
    """A statement's text with its `{parts}` put in; every part comes from this package, never from a caller."""
    for name, part in parts.items():
        template = template.replace("{" + name + "}", part)
    return template


@cache
def _branch(mechanism: str) -> str:
    return (files(__package__) / f"{mechanism}.sql").read_text()
