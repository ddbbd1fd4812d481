"""How one emergency access is told after something was done about it: as it stands, who knows of it, what may come next."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from carecircle.cli.break_glass_options import How, meant, tell
from carecircle.cli.break_glass_words import (
    DUTIES,
    FOR_WHO_ASKS,
    OPEN,
    SIGNALS,
    Told,
    headline,
    labelled,
    record,
    situation,
)
from carecircle.cli.careful import command
from carecircle.cli.circle import Desk, at_desk
from carecircle.cli.clock import Clock
from carecircle.identifiers import OrganizationId, to_text

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from carecircle.emergency.approvers_service import Approver
    from carecircle.emergency.reading_service import Emergency

NOBODY = "NOBODY: nobody on duty may decide; call the privacy office"


@dataclass(frozen=True)
class Standing:
    """One emergency access as the database has it now, whoever may decide about it, and names."""

    one: Emergency
    approvers: tuple[Approver, ...]
    told: Told
    organization: str

    def who_decides(self, approvers: Iterable[Approver]) -> str:
        """`Dr. Okafor (supervisor), Dr. Haddad (duty manager, no e-mail: call them)`."""
        duties: dict[UUID, list[str]] = {}
        reached: set[UUID] = set()
        for each in approvers:
            duties.setdefault(each.provider_id, []).append(DUTIES.get(each.duty, each.duty))
            reached |= {each.provider_id} if each.contact else set()
        return ", ".join(
            f"{self.told.who(who)} ({' and '.join(dict.fromkeys(held))}{'' if who in reached else '; no e-mail: call them'})"
            for who, held in duties.items()
        )

    @property
    def clock_line(self) -> list[str]:
        return [labelled("now", f"{self.told.at(self.told.now)} ({self.told.clock.name})")]

    @property
    def reached(self) -> list[Approver]:
        """Whom the request reached first; where it takes two people, the privacy office too."""
        from carecircle.emergency.approvers_service import first_told

        office = [each for each in self.approvers if self.one.two_persons and each.duty == "privacy_office"]
        return [*first_told(self.approvers), *office]

    def next(self, *verbs: str, who: str | None = None) -> dict[str, str]:
        """Commands that may follow, by their verb; `who` as it was typed, a placeholder where nobody was named."""
        following = {}
        for verb in verbs:
            person = who or (to_text(self.one.provider_id) if verb == "end" else "PROVIDER")
            words = [] if verb == "show" else ["--as", person]
            words += ["--verdict", "VERDICT"] if verb == "review" else []
            following[verb] = command(self.organization, "break-glass", verb, self.one.reference, *words)
        return following


async def standing(desk: Desk, emergency_id: UUID, clock: Clock, others: Iterable[UUID] = ()) -> Standing:
    """Look it up, with the names of all who have to do with it, and of `others`."""
    from carecircle.database.session import instant
    from carecircle.emergency.approvers_service import approvers_on
    from carecircle.emergency.reading_service import show

    async def look(session: AsyncSession) -> tuple[Emergency, list[Approver], datetime]:
        one = await show(session, emergency_id=emergency_id)
        approvers = await approvers_on(session, OrganizationId(desk.organization), emergency_id)
        return one, approvers, await instant(session)

    one, approvers, now = await desk.read(look)
    names = await desk.names({*people_of(one), *others, *(each.provider_id for each in approvers)})
    return Standing(one, tuple(approvers), Told(names, now, clock), desk.slug)


def people_of(one: Emergency) -> set[UUID]:
    """Everybody whose name tells something about it."""
    named = (one.provider_id, one.decided_by_id, one.seconded_by_id, one.reviewed_by_id)
    return {who for who in named if who is not None}


def acted(
    organization: str | None, which: str, clock: Clock, change: Callable[[AsyncSession, UUID], Awaitable[Any]]
) -> Standing:
    """Do something about the one that is meant, in one transaction; then look how it stands."""

    from carecircle.emergency.concern_service import naming

    async def work(desk: Desk) -> Standing:
        async def done(session: AsyncSession) -> UUID:
            emergency_id = await meant(session, which)
            async with naming(session, emergency_id=emergency_id):
                await change(session, emergency_id)
            return emergency_id

        return await standing(desk, await desk.change(done), clock)

    return at_desk(organization, work)


def tell_standing(found: Standing, following: dict[str, str], how: How, *, who_asked: bool = False) -> None:
    """How it stands now, in words or as data. Whoever asked is not told what stands out about patient and past."""
    one, told = found.one, found.told
    lines = [headline(one, told)]
    if who_asked and one.state in ("requested", *OPEN):
        lines.append(labelled("told", found.who_decides(found.reached) or NOBODY))
    lines += situation(one, told)
    signals = [each for each in one.signals if not who_asked or each in FOR_WHO_ASKS]
    if signals:
        lines.append(labelled("note", "; ".join(SIGNALS.get(each, each) for each in signals)))
    lines += found.clock_line
    data = record(one, told.names) | {"signals": signals}
    if who_asked:
        data["review_due_at"] = None  # it would tell a label
        data["told"] = list(dict.fromkeys(each.provider_id for each in found.reached))
    tell(lines, data, following, how)
