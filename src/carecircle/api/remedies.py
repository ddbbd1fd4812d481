"""What helps against an error, as problems list it: a kind for programs, a sentence for people, and where to go.

A remedy is the same for everybody who gets the error: it tells nothing of what is there and what is not.
"""

from __future__ import annotations

from typing import NamedTuple

from carecircle.errors import (
    AccessUnavailable,
    CareCircleError,
    Conflict,
    KeyDestroyed,
    PatientNotRegistered,
    PermissionRequired,
    PrimaryAlreadyAssigned,
    ProviderNotRegistered,
    RulesViolated,
    StaleVersion,
    Unauthenticated,
)
from carecircle.errors.emergency import EmergencyAccessOpen, PersonRequired, StepUpRequired
from carecircle.errors.service import (
    IdempotencyKeyInUse,
    IdempotencyKeyReused,
    InvalidCursor,
    PreconditionFailed,
    TooBusy,
)


class Remedy(NamedTuple):
    """One thing that helps. `href` is a route of this service, where there is one to go to."""

    kind: str
    sentence: str
    href: str | None = None


SIGN_IN = Remedy("sign-in", "Send a token or an API key that is still good.")
AGAIN = Remedy("repeat", "Repeat the same request; with an Idempotency-Key a change is still made only once.")

# By class of error, the nearest class first as Python looks them up. An empty list says that nothing of the caller's helps.
REMEDIES: dict[type[CareCircleError], tuple[Remedy, ...]] = {
    Unauthenticated: (SIGN_IN,),
    StepUpRequired: (
        Remedy("step-up", "Sign in again, and repeat this with the new token within the time it allows."),
    ),
    PermissionRequired: (
        Remedy("permission", "Ask whoever administers this organization for a role or an API key that permits this."),
        Remedy("own-token", "On the installation itself: carecircle token --may change, audit, privacy or administer."),
    ),
    PersonRequired: (Remedy("sign-in", "Sign in as the person who does this; a service cannot do it for them."),),
    PrimaryAlreadyAssigned: (
        Remedy(
            "read-again", "Ask who is responsible, and assign with the id of that row as version.", "/v1/responsible"
        ),
        Remedy("other-period", "Choose a time in which nobody is primary."),
    ),
    StaleVersion: (Remedy("read-again", "Read it again, decide again, and repeat with the version that was read."),),
    PreconditionFailed: (Remedy("read-again", "Read it again, decide again, and repeat with its ETag as If-Match."),),
    EmergencyAccessOpen: (Remedy("continue", "Go on with the one that is open already: emergency_id names it."),),
    PatientNotRegistered: (Remedy("register", "Register the patient first, or correct the identifier."),),
    ProviderNotRegistered: (Remedy("register", "Register the provider first, or correct the identifier."),),
    RulesViolated: (
        Remedy("meet-the-rules", "Put right what violations lists, and repeat this."),
        Remedy("read-policy", "The organization's policy says which rules there are.", "/v1/policy"),
    ),
    IdempotencyKeyReused: (Remedy("new-key", "Send a new request with a new key."),),
    IdempotencyKeyInUse: (Remedy("wait", "Repeat the same request with the same key in a moment."),),
    InvalidCursor: (Remedy("first-page", "Leave after out, and begin with the first page."),),
    TooBusy: (Remedy("wait", "Repeat this after the seconds that Retry-After names; nothing was decided or changed."),),
    AccessUnavailable: (AGAIN,),
    KeyDestroyed: (),
    Conflict: (),
}


def remedies_of(error: CareCircleError) -> tuple[Remedy, ...]:
    """What helps, or nothing where we do not know."""
    return next((REMEDIES[kind] for kind in type(error).__mro__ if kind in REMEDIES), ())
