"""What a notice says: that something happened, a reference and a link; never who, whom, where or why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from carecircle.identifiers import to_text

UNKNOWN = "emergency-notice"
"""The event of a notice that names none, or none that is known here."""
_DECIDE = "It waits for a decision. Please decide now: what happened, and who asks, is shown where the link leads."
_LOOK = "Who it is about is shown where the link leads."
# What happened → how the subject goes on after the reference, and what the body adds.
_SAID: dict[str, tuple[str, str]] = {
    "emergency-opened": (
        "was opened: please look now",
        _DECIDE.replace("It waits", "Unless it says otherwise, it waits"),
    ),
    "emergency-requested": ("needs a decision now", f"Nothing is open yet. {_DECIDE}"),
    "emergency-seconded": ("needs a second person's decision", _DECIDE),
    "emergency-extension-asked": ("should last longer: please decide", _DECIDE),
    "emergency-escalated": ("needs your decision now", f"Whoever was told before has not answered. {_DECIDE}"),
    "emergency-undecided": ("is undecided", f"Nobody decided in time. {_DECIDE}"),
    "emergency-asked": ("has a question for you", _LOOK),
    "emergency-answered": ("has an answer to your question", _LOOK),
    "emergency-acknowledged": ("was acknowledged", _LOOK),
    "emergency-approved": ("was approved", _LOOK),
    "emergency-extended": ("was extended", _LOOK),
    "emergency-denied": ("was denied and has ended", _LOOK),
    "emergency-ended": ("has ended", _LOOK),
    "emergency-converted": ("has ended: it is needed no more", _LOOK),
    "emergency-review-due": ("is due for review", "It has ended and nobody has reviewed it yet."),
    "emergency-reviewed": ("was reviewed", _LOOK),
    "emergency-downtime-recorded": ("was recorded after a downtime", "It is waiting for its review."),
    UNKNOWN: ("needs your attention", _LOOK),
}
EVENTS = frozenset(_SAID)


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice ready to be sent. `id` is the outbox's, by which a receiver knows again what comes twice."""

    id: UUID
    event: str
    emergency_id: UUID
    occurred_at: datetime
    link: str | None

    @property
    def reference(self) -> str:
        return reference(self.emergency_id)

    @property
    def subject(self) -> str:
        return f"Emergency access {self.reference} {_SAID[self.event][0]}"

    @property
    def body(self) -> str:
        """Plain text with lines as long as a sentence."""
        where = self.link or "Open carecircle and look for this reference."
        return f"{self.subject}.\n\n{_SAID[self.event][1]}\n\n{self.reference}\n{where}\n"


def reference(emergency_id: UUID) -> str:
    """How people name an emergency access to each other: BG-7K3F9Q. Short, not secret, and not always unique."""
    return f"BG-{to_text(emergency_id)[-6:]}"


def link(public_url: str | None, emergency_id: UUID) -> str | None:
    """Where a person opens it; None where nobody has said at which address people find carecircle."""
    return None if public_url is None else f"{public_url.rstrip('/')}/break-glass/{to_text(emergency_id)}"


def channel_and_event(kind: str) -> tuple[str, str]:
    """What an outbox row's kind says: `email:emergency-opened` is (`email`, `emergency-opened`).

    Words come from the list above or not at all, so that nothing else can reach a notice by way of its kind.
    """
    channel, _, said = kind.partition(":")
    event = said if said.startswith("emergency-") else f"emergency-{said}"
    return channel, event if event in EVENTS else UNKNOWN
