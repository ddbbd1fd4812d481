"""Who answers for a patient, drawn as a chain: A, covered by B, covered by C, and where access stops."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from carecircle.cli.careful import command
from carecircle.cli.clock import Clock
from carecircle.cli.coverage_words import TYPES, Known
from carecircle.cli.output import Output, note, printable

if TYPE_CHECKING:
    from carecircle.coverage.responsibility import Link, Responsibility

WHY = {
    "one-hop": "access passes from one to the next only once",
    "restricted": "a restriction keeps them out",
    "not-granted": "nothing lets them in at that time",
}


def print_chain(found: Responsibility, known: Known, clock: Clock, *, now: bool, helps: str | None) -> None:
    """The chain from top to bottom, then who answers, and what helps where that is not as it should be."""
    when = "now" if now else f"on {clock.tell(found.as_of)}"
    if not found.chain:
        print(f"NOBODY answers for this patient {when}: there is no primary provider.")
        note("Choose one with: carecircle assign primary.", Output.table)
        return
    print(printable(_answer(found, known, when)) + "\n")
    for number, link in enumerate(found.chain):
        if number:
            print(f"    |  covered {TYPES[link.basis]}, {clock.until(link.until)}, by")
        role = ", primary provider" if not number else ""
        print(printable(f"  {'v ' if number else '  '}{known.who(link.provider_id)}{role}"))
        print(f"       {'may read the record' if link.has_access else 'MAY NOT read the record: ' + _why(link)}")
    if found.returns_to is not None:
        print("    |  covered by")
        print(printable(f"  ^ {known.who(found.returns_to)}, who is on this chain already"))
    if (stopped := stopped_at(found)) is not None:
        print()
        print(
            printable(f"Access stops at {known.who(stopped.provider_id)}, {clock.until(until_when(found, stopped))}.")
        )
    note(f"\nTimes by the clock of {clock.name}.", Output.table)
    if helps is not None:
        note(f"To let them in, let them cover the primary provider too:\n  {helps}", Output.table)


def remedy(slug: str, found: Responsibility) -> str | None:
    """The command that lets in whoever access does not reach, because they cover somebody who covers."""
    stopped = stopped_at(found)
    if stopped is None or stopped.why_not != "one-hop":
        return None
    whom, until = found.chain[0].provider_id, until_when(found, stopped)
    said = ("--patient", found.patient_id, "--from", found.as_of, "--until", until)
    return command(slug, "coverage", "add", whom, stopped.provider_id, *said)


def stopped_at(found: Responsibility) -> Link | None:
    """The first on the chain who may not read the record."""
    return next((link for link in found.chain if not link.has_access), None)


def until_when(found: Responsibility, link: Link) -> datetime:
    """Until when the chain reaches a link: the earliest end of all that lead to it."""
    return min(one.until for one in found.chain[: found.chain.index(link) + 1])


def chain_record(found: Responsibility, known: Known) -> dict[str, Any]:
    """The same as data."""
    return {
        "patient": found.patient_id,
        "as_of": found.as_of,
        "responsible": found.responsible,
        "access_stops_at": found.access_stops_at,
        "returns_to": found.returns_to,
        "chain": [
            {
                "provider": link.provider_id,
                "name": known.names.get(link.provider_id),
                "basis": link.basis,
                "until": link.until,
                "has_access": link.has_access,
                "why_not": link.why_not,
            }
            for link in found.chain
        ],
    }


def _answer(found: Responsibility, known: Known, when: str) -> str:
    if found.responsible is None:
        return f"NOBODY answers for this patient {when}: those who cover go round in a circle."
    told = f"{known.who(found.responsible)} answers for this patient {when}"
    return f"{told}." if found.chain[-1].has_access else f"{told}, but MAY NOT read the record."


def _why(link: Link) -> str:
    return WHY.get(link.why_not or "not-granted", "")
