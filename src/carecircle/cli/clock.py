"""Times as people here say them: local days and hours, in a zone that is always named."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from carecircle.errors import InvalidInstant, InvalidRequest
from carecircle.period import Period, parse_instant, show

TimeZoneOption = Annotated[
    str | None,
    typer.Option(
        "--time-zone",
        envvar="CARECIRCLE_TIME_ZONE",
        metavar="ZONE",
        help="Whose clock, such as Europe/Berlin; times without a zone are read in it. This computer's, for showing.",
    ),
]
_WALL = re.compile(r"\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d{2})?)?", re.ASCII)
_STEPS = {"w": timedelta(weeks=1), "d": timedelta(days=1), "h": timedelta(hours=1), "m": timedelta(minutes=1)}
_DURATION = re.compile(r"(?:(?P<w>\d{1,4})w)?(?:(?P<d>\d{1,4})d)?(?:(?P<h>\d{1,5})h)?(?:(?P<m>\d{1,6})m)?", re.ASCII)


@dataclass(frozen=True)
class Clock:
    """Reads and tells times by one zone's clock; with None by this computer's, which reads no times without a zone."""

    zone: ZoneInfo | None = None

    @classmethod
    def of(cls, name: str | None) -> Clock:
        """The clock of an IANA zone. Raises InvalidRequest for a zone that does not exist."""
        try:
            return cls(ZoneInfo(name) if name else None)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise InvalidRequest(
                "There is no such time zone; write an IANA name, such as Europe/Berlin (--time-zone)."
            ) from None

    def instant(self, text: str | None) -> datetime | None:
        """An instant somebody typed: ISO 8601 with a zone, or a local time when the zone was said. Raises InvalidInstant."""
        from carecircle.coverage.rota import instant_of

        if text is None:
            return None
        if _WALL.fullmatch(text.strip()):
            if self.zone is not None:
                return instant_of(wall_time(text), self.zone)
            if len(text.strip()) > len("2026-01-31"):
                raise InvalidInstant(
                    "This time has no zone; say whose clock it is with --time-zone Europe/Berlin, or write it as"
                    " 2026-01-31T08:00:00+01:00."
                )
        return parse_instant(text)

    def local(self, instant: datetime) -> datetime:
        return instant.astimezone(self.zone)

    def tell(self, instant: datetime) -> str:
        """`Fri 27 Mar 2026 18:00`; of an hour that comes twice, with its distance from UTC."""
        if show(instant) == "open":
            return "open-ended"
        at = self.local(instant)
        twice = self.zone is not None and at.replace(fold=0).utcoffset() != at.replace(fold=1).utcoffset()
        return f"{at:%a} {at.day} {at:%b %Y %H:%M}" + (f" ({offset(at)})" if twice else "")

    def until(self, instant: datetime) -> str:
        told = self.tell(instant)
        return told if told == "open-ended" else f"until {told}"

    def span(self, period: Period) -> str:
        """A period in words: the second day is only said when it is another one."""
        starts, ends = self.tell(period.starts_at), self.tell(period.ends_at)
        if ends == "open-ended":
            return f"from {starts}, {ends}"
        day = len(starts) - len("18:00")
        return f"from {starts} until {ends[day:] if ends[:day] == starts[:day] else ends}"

    @cached_property
    def name(self) -> str:
        """Whose clock it is: the zone, or what this computer's is called today."""
        return self.zone.key if self.zone is not None else f"{datetime.now(UTC).astimezone():%Z}"


def offset(local: datetime) -> str:
    """Its distance from UTC: `UTC+02:00`."""
    text = f"{local:%z}"
    return f"UTC{text[:3]}:{text[3:5]}"


def wall_time(text: str) -> datetime:
    """A local time without a zone: a day, or a day and a time. Raises InvalidInstant."""
    given = text.strip()
    if _WALL.fullmatch(given):
        try:
            return datetime.fromisoformat(given)
        except ValueError:
            pass
    raise InvalidInstant('A local time is written like this: "2026-01-31 18:00".')


def duration(text: str) -> timedelta:
    """How long: `14h`, `1d12h`, `90m`, `2w`. Raises InvalidRequest."""
    found = _DURATION.fullmatch(text.strip().lower())
    length = timedelta()
    for name, count in (found.groupdict() if found else {}).items():
        length += int(count or 0) * _STEPS[name]
    if not length:
        raise InvalidRequest("Write how long it is as 14h, 1d12h, 90m or 2w.")
    return length
