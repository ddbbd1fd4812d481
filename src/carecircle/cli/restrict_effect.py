"""What a restriction takes away, asked of the circle before it is recorded; every such look is recorded like any answer."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import TYPE_CHECKING

from carecircle.cli.careful import counted
from carecircle.cli.circle import Desk
from carecircle.cli.explained import NOBODY_NAMED, words
from carecircle.period import show

if TYPE_CHECKING:
    from uuid import UUID

    from carecircle.access.decision import Listed, Listing

# Looking who has access, to restrict it, is running a hospital, not treating a patient (HL7 v3 PurposeOfUse).
PURPOSE = "HOPERAT"
# Ways in that are not an assignment of that person to that patient.
INDIRECT = {"care_team", "coverage"}
MOST_NAMED = 5


async def objected(desk: Desk, patient: str, provider: str, at: datetime | None) -> str:
    """How many ways in to this patient this provider loses."""
    decision = await desk.circle.access.check(provider, "read", patient, as_of=at, purpose=PURPOSE)
    provider_id = decision.question.provider_id
    who = (await desk.names([provider_id])).get(provider_id, NOBODY_NAMED)
    when = _when(at)
    if decision.restrictions:
        kinds = ", ".join(dict.fromkeys(one.kind for one in decision.restrictions))
        return f"{_capital(who)} is kept from this patient {when} already ({kinds})."
    if not decision.bases:
        return f"{_capital(who)} has no way in to this patient {when}; none that is recorded later will let them in."
    ways = ", ".join(dict.fromkeys(words(basis.kind) for basis in decision.bases))
    return f"{_capital(who)} keeps 0 of {counted(len(decision.bases), 'way')} in to this patient {when}: {ways}."


async def suspended(desk: Desk, provider: str, at: datetime | None) -> str:
    """How many patients this provider loses."""
    listing = await desk.circle.access.list_patients(provider, as_of=at, purpose=PURPOSE)
    _require_known(listing)
    if not listing.rows:
        return (
            f"This provider can read no patient's record {_when(at)}; nothing that is recorded later will let them in."
        )
    primary = sum("primary" in row.bases for row in listing.rows)
    return (
        f"This provider can read the records of {counted(len(listing.rows), 'patient')} {_when(at)}, and is primary for "
        f"{primary:,} of them; nothing lets them in to any while this holds. What they hold stays on record and comes back "
        "when it is lifted. Whoever stands in for them keeps access; see that somebody does."
    )


async def labelled(desk: Desk, patient: str, at: datetime | None) -> str:
    """How many of those who can read this record lose that, and who."""
    listing = await desk.circle.access.list_providers(patient, as_of=at, purpose=PURPOSE)
    _require_known(listing)
    losing = [row for row in listing.rows if not _directly(row)]
    kept = len(listing.rows) - len(losing)
    told = (
        f"Only who is assigned to this patient directly keeps access: {kept:,} of "
        f"{counted(len(listing.rows), 'person', 'people')} who can read this record {_when(at)}."
    )
    if not losing:
        return f"{told} Nobody loses it."
    names = await desk.names(row.id for row in losing)
    verb = "loses" if len(losing) == 1 else "lose"
    named = _named([row.id for row in losing], names)
    return f"{told} {named} {verb} it: a team seat or standing in for somebody is not enough."


def _directly(row: Listed) -> bool:
    return not INDIRECT.issuperset(row.bases)


def _named(losing: Collection[UUID], names: dict[UUID, str]) -> str:
    shown = [names[one] for one in losing if one in names][:MOST_NAMED]
    others = len(losing) - len(shown)
    parts = [*shown, *([counted(others, "other" if shown else "provider")] if others else [])]
    return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))


def _require_known(listing: Listing) -> None:
    from carecircle.errors import PatientNotRegistered, ProviderNotRegistered

    if listing.code == "unknown-patient":
        raise PatientNotRegistered
    if listing.code == "unknown-provider":
        raise ProviderNotRegistered


def _when(at: datetime | None) -> str:
    return "now" if at is None else f"at {show(at)}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
