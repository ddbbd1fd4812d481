"""Duties in words: which there are, of what unit, and what to do where nobody has one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from carecircle.cli.careful import command
from carecircle.cli.clock import Clock
from carecircle.identifiers import to_text

if TYPE_CHECKING:
    from carecircle.cli.circle import Desk
    from carecircle.directory.duty_gaps import Gap
    from carecircle.directory.tables import Duty

WORDS = {
    "supervisor": "supervisor",
    "duty_manager": "duty manager",
    "privacy_office": "privacy office",
    "break_glass": "may break the glass",
}


@dataclass(frozen=True)
class Named:
    """The names of providers and units; an id stands for itself where there is none."""

    people: Mapping[UUID, str]
    units: Mapping[UUID, str]

    def who(self, provider_id: UUID) -> str:
        return self.people.get(provider_id) or to_text(provider_id)

    def unit(self, unit_id: UUID | None) -> str:
        return "all units" if unit_id is None else self.units.get(unit_id) or to_text(unit_id)


async def named(desk: Desk, people: set[UUID], units: set[UUID | None]) -> Named:
    """Their names, looked up once."""
    from carecircle.directory.unit_service import unit_names

    wanted = {one for one in units if one is not None}
    found = await desk.read(lambda session: unit_names(session, desk.organization, wanted)) if wanted else {}
    return Named(await desk.names(people) if people else {}, found)


def record(row: Duty, known: Named) -> dict[str, Any]:
    return {
        "id": row.id,
        "duty": row.duty,
        "unit": row.unit_id,
        "unit_name": None if row.unit_id is None else known.units.get(row.unit_id),
        "order": row.call_order,
        "provider": row.provider_id,
        "name": known.people.get(row.provider_id),
        "contact": row.contact,
        "starts_at": row.starts_at,
        "ends_at": row.ends_at,
    }


def gap_record(gap: Gap, known: Named, organization: str | None) -> dict[str, Any]:
    return {
        "duty": gap.duty,
        "unit": gap.unit_id,
        "unit_name": None if gap.unit_id is None else known.units.get(gap.unit_id),
        "starts_at": gap.period.starts_at,
        "ends_at": gap.period.ends_at,
        "helps": remedy(gap, organization),
    }


def told(gap: Gap, known: Named, clock: Clock) -> str:
    """`No supervisor of Ward 7 from Fri 27 Mar 2026 18:00 until Sat 28 Mar 2026 06:00`."""
    when = clock.span(gap.period)
    if gap.duty == "break_glass":
        return f"Nobody may break the glass {when}"
    of = "" if gap.unit_id is None else f" of {known.unit(gap.unit_id)}"
    return f"Nobody is {'on the ' if gap.duty == 'privacy_office' else ''}{WORDS[gap.duty]}{of} {when}"


def remedy(gap: Gap, organization: str | None) -> str:
    """The command that closes a gap; its words in capitals are for people to fill in."""
    if gap.duty == "break_glass":
        return f"{command(organization, 'duty', 'add', 'break_glass')} --role ROLE"
    unit: list[str | UUID] = [] if gap.unit_id is None else ["--unit", gap.unit_id]
    return f"{command(organization, 'duty', 'add', gap.duty, *unit)} PROVIDER"
