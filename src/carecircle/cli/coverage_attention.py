"""What deserves attention in who stands in for whom: circles, two for the same, and times in which nobody answers."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from carecircle.cli.clock import Clock
from carecircle.cli.coverage_words import Known
from carecircle.cli.team_words import listed
from carecircle.period import Period

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from carecircle.coverage.forecast import Forecast
    from carecircle.coverage.tables import CoverageArrangement

FARTHEST_DAYS = 400
LABELS = {"circle": "CIRCLE", "twice": "TWICE", "covering-provider-covered": "STOPS"}


@dataclass(frozen=True)
class Attention:
    """One thing that will go wrong. `providers`: whose patients it is about first, except in a circle, where all are alike."""

    kind: str
    providers: tuple[UUID, ...]
    period: Period
    care_team_id: UUID | None = None
    patient_id: UUID | None = None
    arrangement_id: UUID | None = None

    @property
    def record(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "providers": list(self.providers),
            "care_team": self.care_team_id,
            "patient": self.patient_id,
            "arrangement": self.arrangement_id,
            "starts_at": self.period.starts_at,
            "ends_at": self.period.ends_at,
        }

    @property
    def label(self) -> str:
        return LABELS.get(self.kind, "NOBODY")

    def told(self, known: Known, clock: Clock) -> str:
        """What is wrong, from when until when, and what helps."""
        names = [known.who(one) for one in self.providers]
        when = clock.span(self.period)
        about = ""
        if self.care_team_id is not None or self.patient_id is not None:
            about = f" for {known.thing(self.care_team_id, self.patient_id)}"
        match self.kind:
            case "circle":
                return (
                    f"{listed(names)} cover each other in a circle{about}: nobody of them is left to answer, {when}."
                    " End one of these."
                )
            case "twice":
                together = "both" if len(names) == 3 else "all"
                return f"{listed(names[1:])} {together} cover {names[0]}{about}, {when}. Agree who answers."
            case "absent-without-coverage":
                return f"{names[0]} is away and nobody covers all their patients, {when}. Find somebody: coverage add."
            case "covering-provider-absent":
                return f"{names[1]} covers {names[0]}{about} but is away too, {when}. Find somebody else."
        return (
            f"{names[1]} covers {names[0]}{about} but is covered by somebody else, {when}: access does not pass on to"
            f" whoever that is. Let them cover {names[0]} too."
        )


def found_in(foreseen: Forecast) -> list[Attention]:
    """All of a forecast, by when it begins."""
    found = [
        *(Attention("circle", one.providers, one.period, one.care_team_id, one.patient_id) for one in foreseen.cycles),
        *(
            Attention("twice", (one.covered, *one.providers), one.period, one.care_team_id, one.patient_id)
            for one in foreseen.overlaps
        ),
        *(
            Attention(
                one.kind, (one.provider, *([one.covering] if one.covering else [])), one.period, one.care_team_id,
                one.patient_id, one.arrangement_id,
            )
            for one in foreseen.gaps
        ),
    ]  # fmt: skip
    return sorted(found, key=lambda one: one.period.starts_at)


async def attention(
    session: AsyncSession, rows: Sequence[CoverageArrangement], *, only: Collection[str] | None = None
) -> list[Attention]:
    """What is wrong with these rows as things are in this transaction, from their beginning to their end (400 days at most).

    With `only` these kinds, whomever they are about.
    """
    whole = Period(min(row.starts_at for row in rows), max(row.duty_ends_at for row in rows))
    found = await within(session, whole)
    if only is not None:
        return [one for one in found if one.kind in only]
    covered, arrangement_id = rows[0].covered_provider_id, rows[0].arrangement_id
    covering = {row.covering_provider_id for row in rows}
    duties = [Period(row.starts_at, row.duty_ends_at) for row in rows]
    things = {(row.care_team_id, row.patient_id) for row in rows}

    def concerns(one: Attention) -> bool:
        if one.kind == "circle":
            return covered in one.providers and bool(covering & set(one.providers))
        if one.kind == "twice":
            same = (one.care_team_id, one.patient_id) in things
            return same and one.providers[0] == covered and bool(covering & set(one.providers[1:]))
        if one.arrangement_id == arrangement_id:
            return True
        # Whoever is covered from now on cannot pass on those whom they cover themselves.
        passes_on = one.kind == "covering-provider-covered" and one.providers[1] == covered
        of_the_same = not things.isdisjoint({(None, None), (one.care_team_id, one.patient_id)})
        return passes_on and of_the_same and any(one.period.overlaps(duty) for duty in duties)

    return [one for one in found if concerns(one)]


async def within(session: AsyncSession, period: Period) -> list[Attention]:
    """What is wrong from now, or from a later beginning, until the end of a period."""
    from carecircle.coverage.reading_service import forecast
    from carecircle.database.session import instant

    begins = max(period.starts_at, await instant(session))
    days = (min(period.ends_at, begins + timedelta(days=FARTHEST_DAYS)) - begins) / timedelta(days=1)
    whole = min(FARTHEST_DAYS, max(1, int(days) + 1))
    foreseen = found_in(await forecast(session, days=whole, starts_at=begins))
    return [one for one in foreseen if one.period.starts_at < period.ends_at]


def without_echoes(found: Iterable[Attention]) -> list[Attention]:
    """Without what a circle that is told of means for each of those in it."""
    every = list(found)
    circles = [one for one in every if one.kind == "circle"]

    def echoes(one: Attention) -> bool:
        return one.kind == "covering-provider-covered" and any(
            set(one.providers) <= set(circle.providers)
            and circle.period.starts_at <= one.period.starts_at
            and one.period.ends_at <= circle.period.ends_at
            for circle in circles
        )

    return [one for one in every if not echoes(one)]


def lines_of(found: Iterable[Attention], known: Known, clock: Clock) -> list[str]:
    """Each in a line, for people; machines have it in the record."""
    return [f"{one.label:<7} {one.told(known, clock)}" for one in without_echoes(found)]
