"""An organization's policy as a value: what it requires and allows beyond the rules that always hold. No grant by default."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

AssignmentType = Literal["primary", "consulting", "attending", "admitting", "emergency"]
ASSIGNMENT_TYPES: tuple[AssignmentType, ...] = get_args(AssignmentType)
EmergencyMode = Literal["immediate", "provisional", "gated"]
EMERGENCY_MODES: tuple[EmergencyMode, ...] = get_args(EmergencyMode)
"""How emergency access opens, the strictest last: at once as asked; at once, narrow and short; or once a supervisor approves."""
SENSITIVE = ("R", "CEL", "EMP", "PSY", "HIV", "SUD", "family")
"""What may have an emergency mode of its own: a patient's labels, and patients to whom the provider is related."""
OVERRIDABLE = ("sensitivity", "objection")
DEMANDS = ("attestation", "sign-in", "words")
ACTIONS = ("read", "write", "order", "share")
"""What every organization knows; a policy adds its own."""
ACTION_CODE = re.compile(r"[a-z][a-z0-9_.:-]{0,31}")
"""What an action looks like: a decision about anything else is recorded as about `unreadable-action`."""
SUBJECT_TYPES = ("user", "provider")
"""What everybody may call a provider who asks by AuthZEN; a policy adds its own words."""
RESOURCE_TYPES = ("patient",)
_MOST_TYPES = 32
_MAIL = re.compile(r"[^\s@<>()\[\],;:\\\"]{1,64}@[^\s@<>()\[\],;:\\\"]{1,189}")
RANGES = {
    "coverage_grace_minutes": (0, 240), "largest_team": (1, 10_000), "longest_specialist_days": (1, 3650),
    "emergency_provisional_minutes": (1, 120), "emergency_waiting_minutes": (5, 720), "emergency_longest_hours": (1, 72),
    "emergency_sign_in_minutes": (1, 720), "emergency_acknowledge_minutes": (1, 60), "emergency_decide_minutes": (1, 60),
    "emergency_open_at_once": (1, 1000), "emergency_opened_a_day": (1, 1000), "emergency_opened_by_unit_an_hour": (1, 10_000),
    "audit_retention_years": (6, 100),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Policy:
    """The limits of one organization, as of one version. `Policy()` is what holds where nobody has set one.

    A credential is named by its kind (`licence`, `certification`) or its code (`207RC0000X`). Days and minutes are whole.
    """

    version: int = 0
    actions: tuple[str, ...] = ()
    """Action codes beyond read, write, order and share."""
    assignment_credentials: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What a direct assignment rests on, by its type: every credential named must hold, now and as long as it lasts."""
    role_credentials: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What a seat on a care team rests on, by its role."""
    coverage_credentials: tuple[str, ...] = ()
    """What standing in for somebody rests on."""
    coverage_grace_minutes: int = 0
    """How long access outlasts the end of a coverage arrangement, 0 to 240."""
    largest_team: int = 100
    """How many members a care team has at most at one instant."""
    roles_held_once: tuple[str, ...] = ()
    """Roles that one care team gives to one member at a time."""
    conflicting_roles: tuple[tuple[str, str], ...] = (("attending", "resident"),)
    """Pairs of roles that one person does not hold at the same time, on whatever teams."""
    referral_from_primary: bool = True
    """A specialist's referral must come from the patient's primary provider of that time."""
    longest_specialist_days: int = 365
    """How long a specialist assignment lasts at most."""
    emergency_mode: EmergencyMode = "provisional"
    """How emergency access opens."""
    emergency_modes: Mapping[str, EmergencyMode] = field(default_factory=dict)
    """How it opens to a patient with such a label, or to one the provider is related to (`family`)."""
    emergency_life_threat_opens: bool = False
    """Whether the reason `life-threat` opens provisionally what would otherwise wait for an approval."""
    emergency_provisional_minutes: int = 15
    """How long provisional access lasts."""
    emergency_waiting_minutes: int = 60
    """How long a request that opens nothing waits for a decision."""
    emergency_longest_hours: int = 24
    """How long emergency access lasts at most, extensions included; no policy may say more than 72."""
    emergency_scope: tuple[str, ...] = ("read",)
    """The actions that approved, or immediate, access may have; provisional access has `read`."""
    emergency_overrides: tuple[str, ...] = ("sensitivity",)
    """The kinds of restriction that emergency access overrides: sensitivity, objection; never a suspension."""
    emergency_reasons: tuple[str, ...] = ()
    """Codes of reasons beyond everybody's."""
    emergency_demands: tuple[str, ...] = ()
    """What a request must bring besides a reason's code, also from a host: attestation, sign-in, words."""
    emergency_sign_in_minutes: int = 5
    """How long ago the provider may have signed in, where that is said."""
    emergency_acknowledge_minutes: int = 2
    """After how long without an acknowledgement the next approver is told."""
    emergency_decide_minutes: int = 5
    """After how long without a decision the duty manager and the privacy office are told, and it is counted."""
    emergency_open_at_once: int = 3
    """How many a provider may have open at once before two persons must approve."""
    emergency_opened_a_day: int = 5
    """How many a provider may have opened in 24 hours before two persons must approve."""
    emergency_opened_by_unit_an_hour: int = 20
    """How many a unit may have opened in an hour before two persons must approve."""
    privacy_office_email: str = ""
    """Where the privacy office is told when nobody of it is on duty."""
    audit_retention_years: int = 6
    """How many years after its month's end an entry of the audit trail is kept at least; no policy may say fewer than six."""
    family_rule: bool = False
    """Whether surnames are indexed under a key, so that who may be of a provider's family can be looked for."""
    authzen_resource_types: Mapping[str, str] = field(default_factory=dict)
    """What AuthZEN clients call a patient beside `patient`, and the system of the identifiers they use with that word."""
    authzen_subject_types: Mapping[str, str] = field(default_factory=dict)
    """What they call a provider beside `user` and `provider`, in the same way; an empty system is that of bare identifiers."""

    def emergency_mode_for(self, sensitive: Iterable[str]) -> EmergencyMode:
        """How emergency access opens to a patient with these labels (or `family`): the strictest that is said for any."""
        said = [self.emergency_modes[one] for one in sensitive if one in self.emergency_modes]
        return max(said, key=EMERGENCY_MODES.index, default=self.emergency_mode)


def is_mail_address(text: str) -> bool:
    """Whether this is one plain address and nothing that could be a header, a list or a route."""
    return text.isprintable() and _MAIL.fullmatch(text) is not None


def problems_of(policy: Policy) -> list[str]:
    """Everything that a policy of the right shape must not say, as one sentence each; nothing when it is a good one."""
    return [
        *_numbers(policy), *_actions(policy), *_credentials(policy), *_roles(policy), *_emergency(policy), *_types(policy),
    ]  # fmt: skip


def _numbers(policy: Policy) -> Iterator[str]:
    for name, (least, most) in RANGES.items():
        if not least <= getattr(policy, name) <= most:
            yield f"{name} is a whole number from {least} to {most}."


def _actions(policy: Policy) -> Iterator[str]:
    for action in policy.actions:
        if not ACTION_CODE.fullmatch(action):
            yield (
                f"actions: {action!r} is not an action code; one has up to 32 small letters, digits and _ . : -, a letter first."
            )
        elif action == "unreadable-action":
            yield "actions: 'unreadable-action' is what a decision about no action is recorded as; choose another code."


def _credentials(policy: Policy) -> Iterator[str]:
    for assignment_type in policy.assignment_credentials:
        if assignment_type not in ASSIGNMENT_TYPES:
            yield (
                f"assignment_credentials: {assignment_type!r} is no assignment type; known are {', '.join(ASSIGNMENT_TYPES)}."
            )
    named = {
        "assignment_credentials": [*_in(policy.assignment_credentials)],
        "role_credentials": [*policy.role_credentials, *_in(policy.role_credentials)],
        "coverage_credentials": policy.coverage_credentials,
        "roles_held_once": policy.roles_held_once,
    }
    for key, names in named.items():
        if any(not name.strip() for name in names):
            yield f"{key}: a name is empty."


def _roles(policy: Policy) -> Iterator[str]:
    for one, other in policy.conflicting_roles:
        if one == other or not one.strip() or not other.strip():
            yield f"conflicting_roles: [{one!r}, {other!r}] does not name two different roles."


def _emergency(policy: Policy) -> Iterator[str]:
    known = (*ACTIONS, *policy.actions)
    for key, named, allowed in (
        ("emergency_modes", policy.emergency_modes, SENSITIVE),
        ("emergency_scope", policy.emergency_scope, known),
        ("emergency_overrides", policy.emergency_overrides, OVERRIDABLE),
        ("emergency_demands", policy.emergency_demands, DEMANDS),
    ):
        for one in named:
            if one not in allowed:
                yield f"{key}: {one!r} is not known here; known are {', '.join(allowed)}."
    if "read" not in policy.emergency_scope:
        yield "emergency_scope: it has at least read."
    for reason in policy.emergency_reasons:
        if not ACTION_CODE.fullmatch(reason):
            yield f"emergency_reasons: {reason!r} is not a code: up to 32 small letters, digits and _ . : -, a letter first."
    if policy.emergency_acknowledge_minutes > policy.emergency_decide_minutes:
        yield "emergency_acknowledge_minutes: it is no longer than emergency_decide_minutes."
    if policy.privacy_office_email and not is_mail_address(policy.privacy_office_email):
        yield "privacy_office_email: this is not an e-mail address."


def _types(policy: Policy) -> Iterator[str]:
    for key, named, ours in (
        ("authzen_resource_types", policy.authzen_resource_types, RESOURCE_TYPES),
        ("authzen_subject_types", policy.authzen_subject_types, SUBJECT_TYPES),
    ):
        if len(named) > _MOST_TYPES:
            yield f"{key}: it names at most {_MOST_TYPES}."
        for name, system in named.items():
            if name in ours:
                yield f"{key}: {name!r} is known everywhere; choose another word."
            if not name.isprintable() or name != name.strip() or not 1 <= len(name) <= 64:
                yield f"{key}: a type is 1 to 64 printable characters, without spaces around them."
            if not system.isprintable() or system != system.strip() or "|" in system or len(system) > 256:
                yield f"{key}: the system of {name!r} is at most 256 printable characters without |, or empty."


def _in(lists: Mapping[str, Iterable[str]]) -> Iterator[str]:
    for names in lists.values():
        yield from names
