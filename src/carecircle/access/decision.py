"""What a question is and what an answer says: values only, no database, no clock."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

from carecircle.errors import InvalidRequest, Undecidable
from carecircle.identifiers import EntryId
from carecircle.period import FOREVER, Period, show
from carecircle.policy import ACTION_CODE
from carecircle.policy import ACTIONS as ACTIONS

Code = Literal[
    "allowed",
    "no-relationship",
    "action-not-granted",
    "restricted",
    "unknown-action",
    "patient-merged",
    "unknown-patient",
    "unknown-provider",
    "not-admitted",
    "outside-scope",
]

MESSAGES: dict[str, str] = {
    "allowed": "This provider takes part in this patient's care.",
    "no-relationship": "Nothing on record makes this provider take part in this patient's care at this instant.",
    "action-not-granted": "This provider takes part in this patient's care, but not with this action.",
    "restricted": "A restriction keeps this provider from this patient, or asks for a direct relation.",
    "patient-merged": "This record was merged into another one of the same patient.",
    "unknown-action": f"No such action; known are {', '.join(ACTIONS)}.",
    "unknown-patient": "No such patient is registered in this organization.",
    "unknown-provider": "No such provider is registered in this organization.",
    "not-admitted": "What this request rests on (its key, sign-in, account or role) does not hold, or does not permit asking.",
    "outside-scope": "The API key of this request may not ask about this action.",
}


# Whatever else is asked for is none of our actions; it may be anything, an MRN in the wrong place too, so it is not kept.
_PURPOSE = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}")
UNREADABLE_ACTION = "unreadable-action"
_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+=@-]{0,127}")


def action_code(action: str) -> str:
    """An action as it is asked and recorded: itself where it looks like a code, UNREADABLE_ACTION otherwise."""
    return action if ACTION_CODE.fullmatch(action) else UNREADABLE_ACTION


def purpose_code(purpose: str) -> str:
    """A purpose of use. Raises InvalidRequest when it does not look like a code."""
    if not _PURPOSE.fullmatch(purpose):
        raise InvalidRequest("A purpose of use is a code, such as TREAT.")
    return purpose


def request_label(request_id: str | None) -> str | None:
    """A caller's request id, kept when it is short and one word: what people are called has spaces, or other letters."""
    return request_id if request_id is not None and _REQUEST_ID.fullmatch(request_id) else None


class Bearer(NamedTuple):
    """Ids of what must hold: an API key; or a sign-in, its account and, elsewhere than at home, the visit.

    `home_id` is the organization that keeps key, sign-in and account. `account_row_id` is the account's row as the token
    was read by it: an account that was changed since must be read again.
    """

    home_id: UUID
    key_id: UUID | None = None
    sign_in_id: UUID | None = None
    account_row_id: UUID | None = None
    account_id: UUID | None = None
    visit_id: UUID | None = None


class Question(NamedTuple):
    """May this provider do this to this patient, at `as_of` (None: now), as believed at `believed_at` (None: now)?

    With a `bearer`, the answer is no (`not-admitted`) unless that holds and permits `permission` when it is answered.
    """

    organization_id: UUID
    provider_id: UUID
    patient_id: UUID
    action: str
    actor: str
    purpose: str = "TREAT"
    request_id: str | None = None
    as_of: datetime | None = None
    believed_at: datetime | None = None
    on_behalf_of: str | None = None
    address: str | None = None
    bearer: Bearer | None = None
    permission: str = "ask"


class Basis(NamedTuple):
    """One way of being let in: the kind, the row, the row under that one, and the period.

    Under a seat lies the team's patient; under a coverage arrangement what the provider `via_id`, who is covered, holds.
    """

    kind: str
    id: UUID
    under_id: UUID | None
    via_id: UUID | None
    starts_at: datetime
    ends_at: datetime

    @property
    def period(self) -> Period:
        return Period(self.starts_at, self.ends_at)


class Restriction(NamedTuple):
    """What took the paths away: a patient's objection, the provider's suspension, or a label (`sensitivity`); and its row."""

    kind: str
    id: UUID


@dataclass(frozen=True, slots=True)
class MissingPath:
    """A relationship that would have let in: `lack` says whether it has ended, has not begun, lacks the action, or rests
    on credentials or a referral (`lacking`) that do not hold.
    """

    lack: Literal["ended", "not-begun", "lapsed", "action-not-granted"]
    kind: str
    id: UUID
    period: Period
    lacking: tuple[str, ...] = ()

    def __str__(self) -> str:
        name = self.kind.replace("_", " ")
        match self.lack:
            case "ended":
                return f"The nearest path, {name}, ended {show(self.period.ends_at)}."
            case "not-begun":
                return f"The nearest path, {name}, begins {show(self.period.starts_at)}."
            case "lapsed":
                return f"The nearest path, {name}, is suspended: it rests on {', '.join(self.lacking)}, which does not hold."
            case _:
                return f"The nearest path, {name}, holds but does not grant this action."


@dataclass(frozen=True, slots=True)
class Remedy:
    """What somebody can do about a denial; `kind` is stable, `sentence` is for people."""

    kind: str
    sentence: str
    href: str | None = None


BREAK_GLASS = Remedy(
    "break-glass",
    "In an emergency, break the glass: carecircle break-glass request, or POST /v1/break-glass. A supervisor is told at once.",
    "/v1/break-glass",
)
_REMEDY = {
    "not-admitted": Remedy("sign-in", "Sign in again, or ask an administrator for the role or key that may ask."),
    "outside-scope": Remedy("widen-key", "Ask an administrator for an API key whose actions hold this one."),
    "unknown-patient": Remedy("register-patient", "Register the patient here, or check the id."),
    "unknown-provider": Remedy("register-provider", "Register the provider here, or check the id."),
    "unknown-action": Remedy("use-known-action", f"Ask for one of {', '.join(ACTIONS)}."),
    "restricted": Remedy("ask-privacy-office", "The privacy office can say why, and whether it can be lifted."),
    "patient-merged": Remedy("ask-for-survivor", "Ask about the record it was merged into."),
    "action-not-granted": Remedy(
        "widen-scope", "Ask a care coordinator for an assignment whose scope has this action."
    ),
}
_IN_AN_EMERGENCY = frozenset({"no-relationship", "restricted", "action-not-granted"})


@dataclass(frozen=True, slots=True)
class AccessDecision:
    """The recorded answer to one question. `id` is its entry in the audit trail.

    It has no truth value: `if decision:` raises, so that a careless test fails loudly. Read `allowed`.
    """

    id: EntryId
    allowed: bool
    code: str
    question: Question
    as_of: datetime
    bases: tuple[Basis, ...] = ()
    restrictions: tuple[Restriction, ...] = ()
    nearest: MissingPath | None = None
    may_break_glass: bool = False

    def __bool__(self) -> bool:
        raise Undecidable

    @property
    def message(self) -> str:
        return MESSAGES[self.code]

    @property
    def expires_at(self) -> datetime | None:
        """When the last basis ends; None when there is none or it is open."""
        last = max((basis.ends_at for basis in self.bases), default=FOREVER)
        return None if last == FOREVER else last

    @property
    def remedies(self) -> tuple[Remedy, ...]:
        if self.allowed:
            return ()
        glass = self.may_break_glass and self.code in _IN_AN_EMERGENCY
        return (*remedies(self.code, self.nearest), *([BREAK_GLASS] if glass else []))


def remedies(code: str, nearest: MissingPath | None = None) -> tuple[Remedy, ...]:
    """What would help, nearest first."""
    if code in _REMEDY:
        return (_REMEDY[code],)
    if nearest is not None and nearest.lack == "ended":
        return (
            Remedy("renew", f"Ask a care coordinator to renew what ended {show(nearest.period.ends_at)}."),
            Remedy("assign", "Ask a care coordinator for an assignment or a seat on the care team."),
        )
    if nearest is not None and nearest.lack == "not-begun":
        return (
            Remedy("wait", f"Access begins by itself {show(nearest.period.starts_at)}."),
            Remedy("assign", "Ask a care coordinator for an earlier start."),
        )
    if nearest is not None and nearest.lack == "lapsed":
        credentials = [one for one in nearest.lacking if one != "referral"]
        renew = Remedy(
            "renew-credential", f"It lets in again as soon as these credentials hold again: {', '.join(credentials)}."
        )
        refer = Remedy("refer-again", "Refer the patient again, and assign the specialist by that referral.")
        return (*([renew] if credentials else []), *([refer] if "referral" in nearest.lacking else []))
    return (Remedy("assign", "Ask a care coordinator for an assignment or a seat on the care team."),)


@dataclass(frozen=True, slots=True)
class Listed:
    """One row of a list answer: a patient or a provider, by which kinds of basis, and until when."""

    id: UUID
    bases: tuple[str, ...]
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Listing:
    """The recorded answer to `list_patients` or `list_providers`; one entry, whatever the number of rows."""

    id: EntryId
    code: str
    as_of: datetime
    rows: tuple[Listed, ...]
