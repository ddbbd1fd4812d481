"""Who answers for a patient: the chain from the primary provider through those who stand in, and where access stops."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Literal
from uuid import UUID

from carecircle.identifiers import to_text
from carecircle.period import show

WhyNot = Literal["one-hop", "restricted", "not-granted"]

_WHY: dict[WhyNot, str] = {
    "one-hop": "access passes one hop only",
    "restricted": "a restriction keeps them out",
    "not-granted": "nothing that holds then lets them in",
}


@dataclass(frozen=True, slots=True)
class Link:
    """One who answers for a patient: the primary provider, or who stands in for the link before.

    `basis` is `primary` or the type of coverage, `row_id` the assignment's or the arrangement's row, `until` when that ends
    (the duty, without grace). `has_access`: whether they may read the record then; if not, `why_not` says what is missing.
    """

    provider_id: UUID
    basis: str
    row_id: UUID
    until: datetime
    has_access: bool
    why_not: WhyNot | None = None


@dataclass(frozen=True, slots=True)
class Responsibility:
    """Who answers for a patient at `as_of`: the last link of the chain, which is empty when nobody is primary.

    `returns_to` is set when the chain comes back to somebody who is on it already: then nobody is left to answer.
    """

    patient_id: UUID
    as_of: datetime
    chain: tuple[Link, ...]
    returns_to: UUID | None = None

    @property
    def responsible(self) -> UUID | None:
        """Who answers; None when nobody does."""
        return self.chain[-1].provider_id if self.chain and self.returns_to is None else None

    @property
    def access_stops_at(self) -> UUID | None:
        """The first on the chain who may not read the record."""
        return next((link.provider_id for link in self.chain if not link.has_access), None)

    @property
    def sentence(self) -> str:
        return self.told()

    def told(self, names: Mapping[UUID, str] | None = None) -> str:
        """The chain as a sentence, with ids, or with names where there are some."""

        def called(provider_id: UUID) -> str:
            return (names or {}).get(provider_id) or to_text(provider_id)

        if not self.chain:
            return f"At {show(self.as_of)} this patient has no primary provider, so nobody answers."
        steps = [f"At {show(self.as_of)}: {called(self.chain[0].provider_id)} is primary{_unless(self.chain[0])}"]
        for before, link in pairwise(self.chain):
            steps.append(
                f"{called(link.provider_id)} covers {called(before.provider_id)} ({link.basis.replace('_', ' ')})"
                f" until {show(link.until)}{_unless(link)}"
            )
        if self.returns_to is not None:
            steps.append(
                f"{called(self.returns_to)} in turn covers {called(self.chain[-1].provider_id)}:"
                " the chain goes round, and nobody is left to answer"
            )
        return "; ".join(steps) + "."


def why_not(hops: int, *, restricted: bool) -> WhyNot:
    """Why somebody that many hops from the primary provider has no access, `restricted` when a path was taken away."""
    if restricted:
        return "restricted"
    return "one-hop" if hops > 1 else "not-granted"


def _unless(link: Link) -> str:
    return "" if link.has_access or link.why_not is None else f", but may not read the record: {_WHY[link.why_not]}"
