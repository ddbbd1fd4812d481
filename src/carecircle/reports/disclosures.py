"""The accounting of disclosures (45 CFR 164.528) of one patient, as a value; and which purposes of use it leaves out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from carecircle.access import purposes
from carecircle.identifiers import to_text
from carecircle.period import show
from carecircle.reports.words import purpose_in_words

YEARS = 6
"""How far back an individual may ask."""
_ROUTINE = ("TREAT", "HPAYMT", "HOPERAT")
_TO_THE_INDIVIDUAL = "PATRQT"
# HL7 counts these to an organization's own operations, or to payment; 45 CFR 164.512 does not: organ donation, government,
# the dead, the military, and reports to public programmes. They are accounted for.
_ACCOUNTED_ALL_THE_SAME = frozenset({"DONAT", "GOV", "HDECD", "HPRGRP", "MILCDM", "MILDCRG"})


def is_to_the_individual(purpose: str) -> bool:
    """Whether the patient, or whoever stands for them, had asked for it."""
    return _TO_THE_INDIVIDUAL in purposes.within(purpose)


def is_routine(purpose: str) -> bool:
    """Treatment, payment and operations. A code that HL7 does not know is none of them."""
    line = list(purposes.within(purpose))
    return not _ACCOUNTED_ALL_THE_SAME.intersection(line) and any(one in line for one in _ROUTINE)


TO_THE_INDIVIDUAL = tuple(sorted(filter(is_to_the_individual, purposes.KNOWN)))
LEFT_OUT = tuple(sorted({*filter(is_routine, purposes.KNOWN), *TO_THE_INDIVIDUAL}))
"""The purposes of use that are not accounted for, in capital letters; sharing is, whatever its purpose but the patient's own."""


@dataclass(frozen=True, slots=True)
class Disclosure:
    """What was disclosed to one recipient for one purpose: once, or a series from the first to the last, so many `times`.

    `recipient` is None where it is not known here, as of what somebody shared: `made_by` is who did. `entry_id` is the first one's.
    """

    first_at: datetime
    last_at: datetime
    times: int
    recipient: str | None
    address: str | None
    made_by: str | None
    action: str
    purpose: str
    entry_id: UUID

    @property
    def description(self) -> str:
        """What of the record, as far as is known here."""
        known = {
            "read": "Reading the record", "write": "Adding to the record", "order": "Ordering for the patient",
            "share": "Sharing the record", "list": "Naming who takes part in the patient's care",
        }  # fmt: skip
        return known.get(self.action, f"Use of the record: {self.action}")

    @property
    def purpose_in_words(self) -> str:
        return purpose_in_words(self.purpose)


@dataclass(frozen=True, slots=True)
class Accounting:
    """The disclosures of one patient's record in a period, the oldest first.

    `untraced` lists of patients were given out in that time for a purpose that is accounted for. Of a list only its length and
    a digest are kept: whether this patient was on one has to be found out otherwise.
    """

    written_at: datetime
    organization: str
    patient_id: UUID
    patient_name: str | None
    since: datetime
    until: datetime
    disclosures: tuple[Disclosure, ...]
    untraced: int

    def as_json(self) -> dict[str, Any]:
        """The same for JSON: ids and instants as text."""
        return {
            "written_at": show(self.written_at),
            "organization": self.organization,
            "patient": to_text(self.patient_id),
            "patient_name": self.patient_name,
            "since": show(self.since),
            "until": show(self.until),
            "disclosures": [
                {
                    "first_at": show(one.first_at), "last_at": show(one.last_at), "times": one.times,
                    "recipient": one.recipient, "address": one.address, "made_by": one.made_by, "action": one.action,
                    "description": one.description, "purpose": one.purpose, "purpose_in_words": one.purpose_in_words,
                    "entry": to_text(one.entry_id),
                }
                for one in self.disclosures
            ],
            "untraced_lists": self.untraced,
        }  # fmt: skip
