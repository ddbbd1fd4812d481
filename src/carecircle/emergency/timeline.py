"""The timeline of a report: what happened one after the other, and where each of it is drawn. Measures are pixels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from uuid import UUID

from carecircle.emergency.report import Report, StateHeld
from carecircle.identifiers import to_text

ROW = 28
TOP = 16
COLOURS = {
    "requested": "#8a6d00",
    "provisional": "#d4351c",
    "approved": "#005ea5",
    "denied": "#505a5f",
    "ended": "#505a5f",
    "expired": "#505a5f",
    "reviewed": "#00703c",
}
"""A state's colour; what is said beside it never depends on seeing it."""
_NOTES = {
    "acknowledged": "Acknowledged",
    "asked": "Question asked",
    "answered": "Question answered",
    "escalated": "Passed on to the next who may decide",
    "converted": "A relationship of care was found",
}
_ENDED = {
    "clinician": "Ended by who had asked",
    "discharge": "Ended: the patient was discharged",
    "relationship": "Ended: a relationship of care lets in from here on",
    "offboarded": "Ended: who had asked has left",
    "merged": "Ended: since records were merged it is the requester's own record",
    "parted": "Ended: a merge of the patient's records was taken back",
}


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened; `state` is set where a state begins."""

    at: datetime
    text: str
    state: str | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """An event where it is drawn, with the time since the first one in words."""

    y: int
    at: datetime
    after: str
    text: str
    colour: str | None


@dataclass(frozen=True, slots=True)
class Bar:
    """A state from one mark to the next one that begins a state."""

    y: int
    height: int
    colour: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """A drawing in rows of equal height: distances show the order, the words say how long."""

    height: int
    marks: tuple[Mark, ...]
    bars: tuple[Bar, ...]


def timeline(report: Report) -> Timeline:
    """States, notes and the first and last opening of the record, in the order of their instants."""
    events = sorted(_events(report), key=lambda event: event.at)
    marks = tuple(
        Mark(
            TOP + ROW * number, event.at, lasted((event.at - events[0].at).total_seconds()), event.text,
            COLOURS.get(event.state) if event.state else None,
        )
        for number, event in enumerate(events)
    )  # fmt: skip
    coloured = [mark for mark in marks if mark.colour]
    bars = tuple(Bar(one.y, following.y - one.y, one.colour or "") for one, following in pairwise(coloured))
    return Timeline(2 * TOP + ROW * max(len(marks) - 1, 0), marks, bars)


def lasted(seconds: float) -> str:
    """A time that passed, in its two largest units: 2 h 5 min."""
    whole = int(seconds)
    units = [(whole // 86400, "d"), (whole // 3600 % 24, "h"), (whole // 60 % 60, "min"), (whole % 60, "s")]
    first = next((place for place, (count, _) in enumerate(units) if count), len(units) - 1)
    return " ".join(f"{count} {unit}" for count, unit in units[first : first + 2] if count) or "0 s"


def called(report: Report, provider_id: UUID | None) -> str:
    """A provider's name, or the id of one who has none."""
    return report.names.get(provider_id) or f"provider {to_text(provider_id)}" if provider_id else "nobody"


def _events(report: Report) -> Iterator[Event]:
    before: StateHeld | None = None
    more_time_asked = False
    for state in report.states:
        if before is not None and before.patient_id != state.patient_id:
            said = "Goes on under the record into which the patient's was merged"
        elif before is not None and before.state == state.state == "approved":
            # Asking leaves the state as it is, and nobody asks again before an answer.
            more_time_asked = not more_time_asked
            by = f"approved by {called(report, state.decided_by_id)}"
            said = f"More time {'asked for' if more_time_asked else by}"
        else:
            said = _began(report, before, state)
        yield Event(state.since, said, state.state)
        before = state
    last = report.states[-1]
    if report.emergency.state == "expired" and last.until is not None:
        yield Event(last.until, "Expired: nobody decided in time" if not last.decided_at else "Expired", "expired")
    for before, state in _expired_before_review(report.states):
        yield Event(before.until or state.since, "Expired", "expired")
    for note in report.notes:
        if note.kind in _NOTES:
            by = f" by {called(report, note.provider_id)}" if note.provider_id else ""
            yield Event(note.at, _NOTES[note.kind] + by)
    if report.opened:
        yield Event(report.opened[0].at, "Record opened for the first time")
    if len(report.opened) > 1:
        yield Event(report.opened[-1].at, f"Record opened for the last time, of {len(report.opened)}")


def _expired_before_review(states: Iterable[StateHeld]) -> Iterator[tuple[StateHeld, StateHeld]]:
    for before, state in pairwise(states):
        if state.state == "reviewed" and before.until is not None and before.until < state.since:
            yield before, state


def _began(report: Report, before: StateHeld | None, state: StateHeld) -> str:
    emergency = report.emergency
    scope = " and ".join(state.scope)
    match state.state:
        case "denied":
            return f"Denied by {called(report, state.decided_by_id)}, and ended"
        case "ended":
            return _ENDED.get(emergency.ended_because or "", "Ended")
        case "reviewed":
            if emergency.verdict is None:
                return "Reviewed"
            return f"Reviewed by {called(report, emergency.reviewed_by_id)}: {emergency.verdict}"
        case "approved":
            return f"Approved by {called(report, state.decided_by_id)}, to {scope}"
    if before is None:
        return _asked(emergency.mode, scope)
    if before.seconded_by_id != state.seconded_by_id:
        return f"Approved by {called(report, state.seconded_by_id)}; a second person must approve too"
    return "Set down anew: nothing changed in what it lets in to"


def _asked(mode: str, scope: str) -> str:
    return {
        "downtime": "Used while carecircle could not be asked",
        "gated": "Asked for; nothing opens until it is approved",
        "immediate": "Opened at once, as asked",
    }.get(mode, f"Opened provisionally, to {scope}")
