"""What one FHIR record says about who takes part in whose care: pure reading, before anything is looked up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from carecircle.interop.fhir.codes import NO_SEAT, PARTICIPATION, codes_of, dicts, member_role, text_of
from carecircle.interop.fhir.dates import Span, UnusableDate, span
from carecircle.interop.fhir.problems import (
    Problem,
    group_subject,
    no_reference,
    no_subject,
    period_empty,
    period_missing,
    period_reversed,
    unusable_date,
)
from carecircle.interop.fhir.references import PROVIDER_KINDS, Pointer, Reader

SUBJECT = "subject"


@dataclass(frozen=True, slots=True)
class Said:
    """One statement. `item` names it within its record, the same at every import; `role` is what somebody is."""

    item: str
    role: str
    pointer: Pointer
    span: Span
    specialty: str = ""


@dataclass(slots=True)
class Heard:
    """Everything one record says. `withdrawn`: it should never have said anything. Items in `untouched` stay as they are."""

    subject: Pointer | None = None
    said: list[Said] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    withdrawn: bool = False

    @property
    def untouched(self) -> set[str]:
        return {problem.item for problem in self.problems}


def hear(kind: str, resource: Mapping[str, Any], reader: Reader) -> Heard:
    """Read a record of a kind that makes facts."""
    return _HEARING[kind](resource, reader)


def hear_encounter(resource: Mapping[str, Any], reader: Reader) -> Heard:
    """Participants of some types become assignments; no encounter makes a primary."""
    status = text_of(resource.get("status"))
    heard = Heard(subject=reader.read(resource.get("subject")), withdrawn=status in ("entered-in-error", "cancelled"))
    if heard.withdrawn:
        return heard
    seen: Counter[tuple[str, str]] = Counter()
    for position, participant in enumerate(dicts(resource.get("participant"))):
        kinds = dict.fromkeys(
            PARTICIPATION[code] for code in codes_of(participant.get("type")) if code in PARTICIPATION
        )
        if not kinds:
            continue
        pointer = reader.read(participant.get("individual"), resource.get("contained"))
        if pointer is None:
            heard.problems.append(no_reference(f"participant:{position}"))
            continue
        if pointer.kind and pointer.kind not in PROVIDER_KINDS:
            continue
        for kind in kinds:
            item = f"{kind}:{pointer.key}:{seen[kind, pointer.key]}"
            seen[kind, pointer.key] += 1
            periods = participant.get("period"), resource.get("period")
            when = _when(heard, item, periods, status == "finished", _ENCOUNTER.get(status, _both))
            if when is not None:
                heard.said.append(Said(item, kind, pointer, when))
    if heard.said and heard.subject is None:
        heard.problems.append(no_subject())
    return heard


def hear_care_team(resource: Mapping[str, Any], reader: Reader) -> Heard:
    """The subject is looked after, practitioners have seats; a team that was only proposed grants nothing."""
    status = text_of(resource.get("status"))
    heard = Heard(subject=reader.read(resource.get("subject")), withdrawn=status == "entered-in-error")
    if status in ("entered-in-error", "proposed", "suspended"):
        return heard
    over = status == "inactive"
    if heard.subject is not None and heard.subject.kind == "Group":
        heard.problems.append(group_subject())
    elif heard.subject is not None:
        when = _when(heard, SUBJECT, (resource.get("period"),), over, _ended if over else _any)
        if when is not None:
            heard.said.append(Said(SUBJECT, SUBJECT, heard.subject, when))
    elif resource.get("subject"):
        heard.problems.append(no_subject())
    _hear_seats(heard, resource, reader, over=over)
    return heard


def _hear_seats(heard: Heard, resource: Mapping[str, Any], reader: Reader, *, over: bool) -> None:
    seen: Counter[str] = Counter()
    for position, participant in enumerate(dicts(resource.get("participant"))):
        codes = codes_of(participant.get("role"))
        pointer = reader.read(participant.get("member"), resource.get("contained"))
        if NO_SEAT.intersection(codes) or (pointer is not None and heard.subject == pointer):
            continue
        if pointer is None:
            heard.problems.append(no_reference(f"participant:{position}"))
            continue
        if pointer.kind and pointer.kind not in PROVIDER_KINDS:
            continue
        item = f"member:{pointer.key}:{seen[pointer.key]}"
        seen[pointer.key] += 1
        when = _when(heard, item, (participant.get("period"), resource.get("period")), over, _ended if over else _any)
        if when is not None:
            heard.said.append(Said(item, member_role(codes), pointer, when))


def hear_patient(resource: Mapping[str, Any], reader: Reader) -> Heard:
    """General practitioners in document order; organizations among them are nobody's primary provider."""
    heard = Heard()
    for position, reference in enumerate(dicts(resource.get("generalPractitioner"))):
        pointer = reader.read(reference, resource.get("contained"))
        if pointer is None:
            if "Organization" not in text_of(reference.get("type")):
                heard.problems.append(no_reference(f"generalPractitioner:{position}"))
        elif not pointer.kind or pointer.kind in PROVIDER_KINDS:
            item = f"primary:{pointer.key}"
            if all(item != other.item for other in heard.said):
                heard.said.append(Said(item, "primary", pointer, Span()))
    return heard


def hear_role(resource: Mapping[str, Any], reader: Reader) -> Heard:
    """Each code with each specialty is one role; an inactive one without an end says nothing any more."""
    heard = Heard()
    contained = resource.get("contained")
    heard.subject = reader.read(resource.get("practitioner"), contained)
    over = resource.get("active") is False
    roles = list(dict.fromkeys(codes_of(resource.get("code")))) or [""]
    specialties = list(dict.fromkeys(codes_of(resource.get("specialty")))) or [""]
    if heard.subject is None:
        # A role that names nobody is a vacancy, or names somebody in a way that cannot be looked up.
        if resource.get("practitioner"):
            heard.problems.append(no_reference("practitioner"))
        return heard
    for role in roles:
        for specialty in specialties:
            item = f"role:{role}:{specialty}"
            when = _when(heard, item, (resource.get("period"),), over, _any)
            if when is not None and (when.has_end or not over):
                heard.said.append(Said(item, role, heard.subject, when, specialty))
    return heard


def replacements(resource: Mapping[str, Any], reader: Reader, own: str) -> Iterable[tuple[str, str]]:
    """Pairs (replaced, survivor) of patient records, from links `replaced-by` and `replaces`; other links say nothing."""
    for link in dicts(resource.get("link")):
        other = reader.read(link.get("other"))
        if other is None or other.kind not in ("", "Patient"):
            continue
        record = other.record or (f"Patient/{other.uuid}" if other.uuid else "")
        if record and link.get("type") == "replaced-by":
            yield own, record
        elif record and link.get("type") == "replaces":
            yield record, own


def _when(heard: Heard, item: str, periods: tuple[Any, ...], over: bool, wanted: Callable[[Span], bool]) -> Span | None:
    """The period of one statement; None, with a problem noted, when it cannot be used."""
    try:
        when = span(*periods, over=over)
    except UnusableDate:
        heard.problems.append(unusable_date(item))
        return None
    if when.starts_at is not None and when.starts_at >= when.ends_at:
        heard.problems.append(period_empty(item) if when.starts_at == when.ends_at else period_reversed(item))
    elif not wanted(when):
        heard.problems.append(period_missing(item))
    else:
        return when
    return None


def _any(_: Span) -> bool:
    return True


def _started(when: Span) -> bool:
    return when.starts_at is not None


def _ended(when: Span) -> bool:
    return when.starts_at is not None and when.has_end


_both = _ended

_ENCOUNTER: Mapping[str, Callable[[Span], bool]] = {
    "planned": _started,
    "arrived": _any,
    "triaged": _any,
    "in-progress": _any,
    "onleave": _any,
    "finished": _ended,
}

_HEARING: Mapping[str, Callable[[Mapping[str, Any], Reader], Heard]] = {
    "Encounter": hear_encounter,
    "CareTeam": hear_care_team,
    "Patient": hear_patient,
    "PractitionerRole": hear_role,
}
