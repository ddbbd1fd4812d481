"""Emergency access in words for somebody who is tired: open or waiting, for how long, what stands out, what was said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from textwrap import fill
from typing import TYPE_CHECKING, Any
from uuid import UUID

from carecircle.cli.clock import Clock
from carecircle.cli.output import printable
from carecircle.cli.team_words import listed
from carecircle.emergency.rules import REASONS
from carecircle.identifiers import to_text

if TYPE_CHECKING:
    from carecircle.emergency.reading_service import Emergency, Note

WIDE, INDENT = 80, 13
OPEN = ("provisional", "approved")
LISTED = {"requested": "waiting", "provisional": "open"}
"""The states that a list calls otherwise."""
MODES = {
    "provisional": "opened at once, decided about after",
    "gated": "opened once approved",
    "immediate": "opened at once, only reviewed",
    "downtime": "entered from paper",
}
DUTIES = {
    "supervisor": "supervisor",
    "duty_manager": "duty manager",
    "privacy_office": "privacy office",
    "break_glass": "may break the glass",
}
SIGNALS = {
    "over-limit": "more of it than usual",
    "vip": "the patient is a VIP",
    "co-worker": "the patient works here",
    "family": "they are related",
    "same-surname": "they have the same surname",
    "nobody-on-duty": "no supervisor was on duty",
    "repeated-words": "the same words as before",
    "sign-in-not-said": "not known when they last signed in",
    "not-attested": "not attested",
    "reopened": "asked again after nobody decided, or after a denial",
    "no-unit": "asked from no unit",
    "other-unit": "asked from a unit they do not work in",
}
FOR_WHO_ASKS = frozenset({"nobody-on-duty", "reopened"})
"""What stands out that is told to whoever asked; the rest is for whoever decides."""
ENDED = {
    "clinician": "by whoever asked for it",
    "discharge": "with the patient's discharge",
    "relationship": "because the patient's circle lets them in now",
    "expired": "by its time",
    "offboarded": "because whoever asked for it has left",
    "merged": "because since a merge it is the record of whoever asked",
    "parted": "because a merge of the patient's records was taken back",
}
SAID = {
    "acknowledged": "{who} has seen it",
    "asked": "{who} asks",
    "answered": "{who} answers",
    "decided": "{who} decided",
    "reviewed": "{who} reviewed it",
    "converted": "the patient's circle lets them in now",
    "escalated": "passed on, because nobody had decided",
}


@dataclass(frozen=True)
class Told:
    """By what an emergency access is told: the names there are, the database's instant and the clock on the wall."""

    names: Mapping[UUID, str]
    now: datetime
    clock: Clock

    def who(self, provider_id: UUID | None) -> str:
        if provider_id is None:
            return "somebody"
        return self.names.get(provider_id) or to_text(provider_id)

    def at(self, instant: datetime) -> str:
        """`03:29`; on another day `Tue 24 Nov 2026 03:29`."""
        told = self.clock.tell(instant)
        same = self.clock.local(instant).date() == self.clock.local(self.now).date()
        return " ".join(told.split(" ")[4:]) if same else told

    def left(self, instant: datetime) -> str:
        return length(instant - self.now)


def length(span: timedelta) -> str:
    """`45 s`, `15 min`, `23 h 12 min`, `2 days 3 h`: never said longer than it is by more than a few seconds."""
    seconds = max(0, int(span.total_seconds()))
    if seconds < 55:
        return f"{seconds} s"
    seconds += 5  # what lasts 15 minutes is not said to last 14 at its beginning
    minutes, hours = seconds // 60, seconds // 3600
    if minutes < 60:
        return f"{minutes} min"
    if hours < 48:
        return f"{hours} h {minutes % 60} min" if minutes % 60 else f"{hours} h"
    return f"{hours // 24} days {hours % 24} h" if hours % 24 else f"{hours // 24} days"


def lasting(span: timedelta) -> str:
    """How long something was asked for, to the nearest minute: `24 h`, `1 h 30 min`."""
    return length(timedelta(minutes=round(span / timedelta(minutes=1))))


def headline(one: Emergency, told: Told) -> str:
    """How it stands, in one or two sentences, the first word first."""
    may = listed(one.scope)
    match one.state:
        case "requested":
            return f"WAITING {one.reference}: NOTHING IS OPEN until a supervisor approves it."
        case "provisional" | "approved":
            assert one.ends_at is not None
            kind = "approved" if one.state == "approved" else "not approved yet"
            if one.mode == "immediate" and one.state == "provisional":
                kind = "needs no approval"
            return (
                f"OPEN {one.reference}: may {may} for {told.left(one.ends_at)}, until {told.at(one.ends_at)} ({kind})."
            )
        case "denied":
            return f"DENIED {one.reference} by {told.who(one.decided_by_id)}: nothing is open."
        case "ended":
            if one.downtime:
                return f"RECORDED {one.reference}: used while carecircle could not be asked; nothing is open."
            because = ENDED.get(one.ended_because or "", "")
            return f"ENDED {one.reference}{' ' + because if because else ''}: nothing is open."
        case "reviewed":
            return f"REVIEWED {one.reference}: {one.verdict}."
        case _:
            undecided = one.decided_at is None and one.mode != "immediate"
            ended = f" at {told.at(one.ends_at)}" if one.ends_at else ""
            return f"EXPIRED {one.reference}{ended}{'; nobody had decided' if undecided else ''}: nothing is open."


def situation(one: Emergency, told: Told) -> list[str]:
    """What comes next, as lines with a label: what was asked, who has yet to decide and by when, what stands out."""
    lines: list[str] = []
    if one.downtime:
        return lines
    span = lasting(one.wanted_until - one.asked_at)
    if (one.state in ("requested", "provisional") and one.mode != "immediate") or one.extension_pending:
        lines.append(labelled("wanted", f"{listed(one.wanted_scope)} for {span}, until {told.at(one.wanted_until)}"))
    if one.state == "approved" and (less := [each for each in one.wanted_scope if each not in one.scope]):
        lines.append(labelled("not given", f"{listed(less)}: not approved, or policy does not allow it"))
    if one.decide_by is not None:
        who = "two people" if one.two_persons else "a supervisor"
        if half_approved(one):
            who = f"{told.who(one.seconded_by_id)} has approved; a second person"
        must = f"must decide{' about more time' if one.extension_pending else ''}"
        late = one.decide_by <= told.now
        left = f"{length(told.now - one.decide_by)} LATE" if late else f"{told.left(one.decide_by)} left"
        lines.append(labelled("decision", f"{who} {must} by {told.at(one.decide_by)} ({left})"))
    if one.state == "requested" and one.ends_at is not None:
        lines.append(labelled("waits", f"for {told.left(one.ends_at)}, until {told.at(one.ends_at)}; then ask again"))
    elif one.state == "provisional" and one.mode != "immediate" and one.ends_at is not None:
        lines.append(labelled("otherwise", f"it ends at {told.at(one.ends_at)}; no clock approves it"))
    return lines


def half_approved(one: Emergency) -> bool:
    """Whether one of the two who must approve a request has; about more time, nobody's half is known here."""
    return (
        one.two_persons and one.seconded_by_id is not None and one.decide_by is not None and not one.extension_pending
    )


def whole(one: Emergency, notes: Iterable[Note], approvers: str, told: Told) -> list[str]:
    """Everything there is to say about one, for whoever decides or reviews."""
    lines = [headline(one, told), labelled("who", told.who(one.provider_id))]
    lines.append(labelled("patient", to_text(one.patient_id)))
    lines.append(labelled("why", reason(one.reason_code)))
    if one.words:
        lines.append(labelled("", quoted(one.words)))
    lines.append(labelled("entered" if one.downtime else "asked", f"at {told.at(one.asked_at)}"))
    lines += situation(one, told)
    if one.second_reason_code is not None:
        more = f"{reason(one.second_reason_code)}{': ' + quoted(one.second_words) if one.second_words else ''}"
        lines.append(labelled("extension", more))
    if one.signals:
        lines.append(labelled("stands out", "; ".join(SIGNALS.get(each, each) for each in one.signals)))
    if one.decided_by_id is not None and one.state != "denied":
        first = f"; first decision after {length(one.decided_at - one.asked_at)}" if one.decided_at else ""
        lines.append(labelled("decided", f"by {told.who(one.decided_by_id)}{first}"))
    if approvers:
        lines.append(labelled("may decide", approvers))
    lines += [labelled("said" if first else "", note_line(note, told)) for first, note in _marked(notes)]
    if one.reviewed_by_id is not None:
        lines.append(labelled("reviewed", f"by {told.who(one.reviewed_by_id)}: {one.verdict}"))
    elif one.review_due_at is not None and one.state not in ("requested", *OPEN):
        due = f"{told.at(one.review_due_at)}" + (" (LATE)" if one.review_due_at < told.now else "")
        lines.append(labelled("review", f"due by {due}"))
    return [*lines, labelled("id", to_text(one.id))]


def note_line(note: Note, told: Told) -> str:
    said = SAID.get(note.kind, note.kind).format(who=told.who(note.provider_id))
    return f"{told.at(note.at)}  {said}" + (f": {quoted(note.words)}" if note.words else "")


def quoted(words: str) -> str:
    return f'"{" ".join(words.split())}"'


def reason(code: str) -> str:
    """A reason as people read it; an organization's own stands for itself."""
    return f"{REASONS[code]} ({code})" if code in REASONS else code


def labelled(label: str, text: str) -> str:
    """A line of the answer with its label, broken to fit where it is long."""
    return fill(
        printable(text), WIDE, initial_indent=f"  {label:<{INDENT - 3}} ", subsequent_indent=" " * INDENT,
        break_on_hyphens=False,
    )  # fmt: skip


def record(one: Emergency, names: Mapping[UUID, str]) -> dict[str, Any]:
    """The same as data: ids, codes and instants in UTC; what was said in words only where it was asked for."""
    told: dict[str, Any] = {
        "emergency": one.id, "reference": one.reference, "state": one.state, "open": bool(one.scope),
        "mode": one.mode, "provider": one.provider_id, "name": names.get(one.provider_id), "patient": one.patient_id,
        "scope": list(one.scope), "ends_at": one.ends_at, "decide_by": one.decide_by, "reason": one.reason_code,
        "second_reason": one.second_reason_code, "wanted_scope": list(one.wanted_scope),
        "wanted_until": one.wanted_until, "asked_at": one.asked_at, "opened_at": one.opened_at,
        "decided_at": one.decided_at, "decided_by": one.decided_by_id, "seconded_by": one.seconded_by_id,
        "two_persons": one.two_persons, "extension_pending": one.extension_pending,
        "ended_because": one.ended_because, "verdict": one.verdict, "reviewed_by": one.reviewed_by_id,
        "review_due_at": one.review_due_at, "unit": one.unit_id, "reopens": one.reopens_id,
        "acknowledged_by": list(one.acknowledged_by), "signals": list(one.signals),
    }  # fmt: skip
    return told


def _marked(items: Iterable[Any]) -> list[tuple[bool, Any]]:
    return [(position == 0, item) for position, item in enumerate(items)]
