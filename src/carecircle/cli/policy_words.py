"""What each value of a policy means, in words; and a document to begin with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from carecircle.cli.output import printable

MEANINGS = {
    "actions": "Actions that may be asked about here beyond read, write, order and share.",
    "assignment_credentials": "What a direct assignment rests on, by its type: it holds only while all of these do.",
    "role_credentials": "What a seat on a care team rests on, by its role.",
    "coverage_credentials": "What standing in for somebody rests on.",
    "coverage_grace_minutes": "How many minutes access outlasts the end of a coverage arrangement, 0 to 240.",
    "largest_team": "How many members a care team has at most at one time.",
    "roles_held_once": "Roles that a care team gives to one member at a time.",
    "conflicting_roles": "Pairs of roles that one person does not hold at the same time, on whatever teams.",
    "referral_from_primary": "Whether a specialist's referral must come from the patient's primary provider.",
    "longest_specialist_days": "How many days a specialist's assignment lasts at most.",
    "emergency_mode": "How emergency access opens: immediate, provisional (short, to read) or gated (once approved).",
    "emergency_modes": "How it opens to patients with a label (R, CEL, EMP, PSY, HIV, SUD), or to a relative (family).",
    "emergency_life_threat_opens": "Whether the reason life-threat opens provisionally what would otherwise wait.",
    "emergency_provisional_minutes": "How many minutes provisional access lasts.",
    "emergency_waiting_minutes": "How many minutes a request that opens nothing waits for a decision.",
    "emergency_longest_hours": "How many hours emergency access lasts at most, extensions included; 72 at most.",
    "emergency_scope": "The actions that approved, or immediate, access may have.",
    "emergency_overrides": "The kinds of restriction that it overrides: sensitivity, objection.",
    "emergency_reasons": "Codes of reasons beyond everybody's.",
    "emergency_demands": "What every request must bring besides a reason: attestation, sign-in, words.",
    "emergency_sign_in_minutes": "How many minutes ago the provider may have signed in, where that is said.",
    "emergency_acknowledge_minutes": "After how many minutes without an acknowledgement the next approver is told.",
    "emergency_decide_minutes": "After how many minutes without a decision duty manager and privacy office are told.",
    "emergency_open_at_once": "How many a provider may have open at once before two persons must approve.",
    "emergency_opened_a_day": "How many a provider may open in 24 hours before two persons must approve.",
    "emergency_opened_by_unit_an_hour": "How many a unit may open in an hour before two persons must approve.",
    "privacy_office_email": "Where the privacy office is told when nobody of it is on duty.",
    "audit_retention_years": "How many years entries of the audit trail are kept at least, 6 to 100.",
    "family_rule": "Whether surnames are indexed under a key, so that family can be looked for.",
    "authzen_resource_types": "What AuthZEN clients call a patient, and the system of their identifiers.",
    "authzen_subject_types": "What they call a provider beside user and provider, and the system of those identifiers.",
}

EXAMPLE: dict[str, Any] = {
    "actions": ["prescribe"],
    "assignment_credentials": {"primary": ["licence"], "consulting": ["licence"]},
    "role_credentials": {"attending": ["licence"], "nurse": ["licence"]},
    "coverage_credentials": ["licence"],
    "coverage_grace_minutes": 30,
    "largest_team": 40,
    "roles_held_once": ["attending"],
    "conflicting_roles": [["attending", "resident"]],
    "referral_from_primary": True,
    "longest_specialist_days": 180,
    "emergency_mode": "provisional",
    "emergency_modes": {"CEL": "gated", "family": "gated"},
    "emergency_life_threat_opens": True,
    "emergency_provisional_minutes": 15,
    "emergency_waiting_minutes": 60,
    "emergency_longest_hours": 24,
    "emergency_scope": ["read", "write", "order"],
    "emergency_overrides": ["sensitivity"],
    "emergency_reasons": ["ambulance-handover"],
    "emergency_demands": ["attestation", "sign-in"],
    "emergency_sign_in_minutes": 5,
    "emergency_acknowledge_minutes": 2,
    "emergency_decide_minutes": 5,
    "emergency_open_at_once": 3,
    "emergency_opened_a_day": 5,
    "emergency_opened_by_unit_an_hour": 20,
    "privacy_office_email": "privacy@hospital.example",
    "audit_retention_years": 10,
    "family_rule": False,
    "authzen_resource_types": {"record": "urn:mrn"},
    "authzen_subject_types": {"clinician": "urn:staff"},
}


def in_words(value: Any) -> str:
    """A value of a policy's document on one line."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return "; ".join(f"{printable(key)}: {in_words(names) or 'bare'}" for key, names in value.items()) or "none"
    if isinstance(value, list | tuple):
        pairs = [" with ".join(map(str, one)) if isinstance(one, list | tuple) else str(one) for one in value]
        return printable(", ".join(pairs)) or "none"
    return printable(f"{value:,}" if isinstance(value, int) else str(value))
