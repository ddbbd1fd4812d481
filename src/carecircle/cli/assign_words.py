"""What assigning a primary and ending assignments changed, in words, and the commands that take it back."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from carecircle.cli.careful import command, undoing
from carecircle.cli.output import Output, printable
from carecircle.cli.team_words import listed
from carecircle.period import FOREVER, show

if TYPE_CHECKING:
    from carecircle.assignments.tables import PatientAssignment

NOBODY = "This patient has no primary provider now; choose one with: carecircle assign primary."
KINDS = ("licence", "certification", "specialty")


@dataclass(frozen=True)
class Handover:
    """Who was primary, the row of who is now, the ids of the rows there were before, and every row there is now."""

    before: PatientAssignment | None
    row: PatientAssignment
    known: Collection[UUID]
    every: Sequence[PatientAssignment]

    def became(self) -> list[str]:
        """As what the former primary is assigned from now on; nothing where there is none, or it is the same."""
        if self.before is None or self.row.id in self.known:
            return []
        at = self.row.starts_at
        return [row.assignment_type for row in self._theirs() if row.starts_at <= at < row.ends_at]

    def previous(self, names: Mapping[UUID, str]) -> dict[str, Any] | None:
        if self.before is None or self.row.id in self.known:
            return None
        who = self.before.provider_id
        return {"provider": who, "name": names.get(who), "became": self.became()}

    def sentences(self, names: Mapping[UUID, str]) -> list[str]:
        who = names.get(self.row.provider_id, "This provider")
        if self.row.id in self.known:
            return [
                f"{who} is primary for this patient already, since {show(self.row.starts_at)}; nothing was changed."
            ]
        told = [f"{who} is primary for this patient from now on."]
        if self.before is not None:
            former, now = names.get(self.before.provider_id, "Another provider"), self.became()
            is_now = f"is {listed(now)} from now on" if now else "is not assigned to this patient any more"
            told.append(f"{former} was primary and {is_now}.")
        return told

    def undo(self, organization: str) -> list[str]:
        """The former primary is primary again, for as long as before, and what they became ends; nothing else changes."""
        patient, new = self.row.patient_id, self.row.provider_id
        if self.row.id in self.known:
            return []
        if self.before is None:
            return [command(organization, "assign", "end", patient, new, "--type", "primary")]
        old = self.before.provider_id
        if self.before.ends_at == FOREVER:
            lines = [command(organization, "assign", "primary", patient, old, "--previous", "end")]
        else:
            said = ("--type", "primary", "--until", self.before.ends_at)
            lines = [
                command(organization, "assign", "end", patient, new, "--type", "primary"),
                command(organization, "assign", "add", patient, old, *said),
            ]
        at = self.row.starts_at
        consulting = [row.id for row in self._theirs() if row.assignment_type == "consulting" and row.ends_at > at]
        if len(consulting) == 1 and consulting[0] not in self.known:  # one cannot be ended without the others
            lines.append(command(organization, "assign", "end", patient, old, "--type", "consulting"))
        return lines

    def _theirs(self) -> list[PatientAssignment]:
        """What is believed of the former primary."""
        old = self.before.provider_id if self.before else None
        return [row for row in self.every if row.provider_id == old and row.superseded_at == FOREVER]


@dataclass(frozen=True)
class Ending:
    """The rows that were ended, as they were; every row there is now; and whether the patient has a primary."""

    ended: Sequence[PatientAssignment]
    every: Sequence[PatientAssignment]
    has_primary: bool

    @property
    def leaves_none(self) -> bool:
        return not self.has_primary and any(row.assignment_type == "primary" for row in self.ended)

    def end_of(self, row: PatientAssignment) -> datetime:
        """When it ended; what was to begin later ended where it began."""
        left = [one for one in self.every if one.lineage_id == row.lineage_id and one.superseded_at == FOREVER]
        return max((one.ends_at for one in left), default=row.starts_at)

    def sentences(self, names: Mapping[UUID, str]) -> list[str]:
        told = []
        for row in self.ended:
            who, end = names.get(row.provider_id, "This provider"), self.end_of(row)
            if end == row.starts_at:
                told.append(f"Taken back: {who} as {row.assignment_type}, which was to begin {show(end)}.")
            else:
                told.append(
                    f"Ended: {who} as {row.assignment_type}, from {show(row.starts_at)} until {show(end)}, now."
                )
        return told

    def undo(self, organization: str) -> list[str]:
        """Each is given again, for what was left of it; not what allowed less than is usual, which would then be more."""
        from carecircle.assignments.rules import DEFAULT_SCOPE

        usual = [(kind, set(scope)) for kind, scope in DEFAULT_SCOPE.items()]
        lines = []
        for row in self.ended:
            if (row.assignment_type, set(row.scope)) not in usual:
                continue
            said: list[str | UUID | datetime] = [row.patient_id, row.provider_id]
            if row.referral_id is None:
                said = ["add", *said, "--type", row.assignment_type]
            else:
                specialty = next((name for name in row.rests_on if name not in KINDS), "")
                said = ["specialist", *said, "--specialty", specialty, "--referral", row.referral_id]
            said += ["--from", row.starts_at] if self.end_of(row) == row.starts_at else []
            said += ["--until", row.ends_at] if row.ends_at != FOREVER else []
            lines.append(command(organization, "assign", *said))
        return lines


def tell(sentences: Sequence[str], undo: Sequence[str]) -> None:
    """For people: what is so now, and below it the commands that take it back."""
    for sentence in sentences:
        print(printable(sentence))
    undoing(undo, Output.table)
