"""The after-action report of one emergency access, as a value: who, why, what was opened, and what became of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from carecircle.emergency.concern_service import Concern
from carecircle.emergency.reading_service import Delivery, Note
from carecircle.emergency.value import Emergency
from carecircle.identifiers import to_text
from carecircle.period import show


@dataclass(frozen=True, slots=True)
class StateHeld:
    """One state for as long as it held; `until` is None for one that has no end. `wanted_until` is what had been asked for."""

    state: str
    since: datetime
    until: datetime | None
    scope: tuple[str, ...]
    patient_id: UUID
    decided_at: datetime | None
    decided_by_id: UUID | None
    seconded_by_id: UUID | None
    wanted_until: datetime


@dataclass(frozen=True, slots=True)
class MayHaveDecided:
    """Somebody who was kept as an approver when it was asked for."""

    provider_id: UUID
    duty: str
    call_order: int


@dataclass(frozen=True, slots=True)
class Opened:
    """A decision that let the provider in by this access. `id` is its entry's; `besides` are other bases it had as well.

    `as_of` is the instant that was asked about, `at` when it was asked.
    """

    id: UUID
    at: datetime
    as_of: datetime
    action: str
    purpose: str
    besides: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RelationFound:
    """Another basis that lets the provider read this record now; `until` is None for one that has no end."""

    kind: str
    id: UUID
    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class DisclosureNote:
    """A draft of what 42 CFR 2.51(c) wants in the patient's record; what is empty is for a person to complete.

    Who made the disclosure is always theirs to say: `approved_by` may have been asleep when the record opened. `at` is when
    it was opened first, or could have been.
    """

    recipient: str
    facility: str
    disclosed_by: str
    approved_by: str
    at: datetime
    nature: str


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that is known about one emergency access at `written_at`, as far as it is told to `told_to`. `names` has
    those providers who have a name.

    `opened` has the decisions about the instant they were asked at; `supposed` those about another instant, or about what
    was believed at one: they let nobody in. `seconds_open` is for how long it let somebody in until then. `disclosure` is
    None unless the patient carried the label SUD while it was open, and for everybody but the privacy office.
    """

    written_at: datetime
    emergency: Emergency
    organization: str
    unit: str | None
    reason: str
    second_reason: str | None
    names: dict[UUID, str]
    approvers: tuple[MayHaveDecided, ...]
    states: tuple[StateHeld, ...]
    notes: tuple[Note, ...]
    deliveries: tuple[Delivery, ...]
    opened: tuple[Opened, ...]
    supposed: tuple[Opened, ...]
    relations: tuple[RelationFound, ...]
    converted_at: datetime | None
    seconds_open: float
    disclosure: DisclosureNote | None
    told_to: Concern

    def as_json(self) -> dict[str, Any]:
        """The same under the same names, for JSON: ids and instants as text; names by the provider's id.

        What stands out is null for whoever asked: that they are not told is not to say that nothing does.
        """
        said: dict[str, Any] = _plain(asdict(self))
        if self.told_to == "requester":
            said["emergency"]["signals"] = None
        return said


def _plain(value: Any) -> Any:
    match value:
        case UUID():
            return to_text(value)
        case datetime():
            return show(value)
        case dict():
            return {_plain(key): _plain(one) for key, one in value.items()}
        case list() | tuple():
            return [_plain(one) for one in value]
        case _:
            return value
