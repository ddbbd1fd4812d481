"""What each entry of the audit trail is in DICOM's and ISO 21089's words: the codes of an AuditEvent by kind and code."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from carecircle.errors import CareCircleError, Refused, Unauthenticated

DCM = "http://dicom.nema.org/resources/ontology/DCM"
ISO_21089 = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle"
DISPLAYS = {
    "110100": "Application Activity",
    "110101": "Audit Log Used",
    "110106": "Export",
    "110107": "Import",
    "110110": "Patient Record",
    "110112": "Query",
    "110113": "Security Alert",
    "110114": "User Authentication",
    "110122": "Login",
    "110123": "Logout",
    "110127": "Emergency Override Started",
    "110129": "Security Configuration",
    "110132": "Use of Restricted Function",
    "110135": "Object Security Attributes Changed",
    "110136": "Security Roles Changed",
    "110137": "User Security Attributes Changed",
    "110138": "Emergency Override Stopped",
}


class Meaning(NamedTuple):
    """An AuditEvent's type and subtype (both of DICOM), its action (C R U D E), and the life-cycle event of what it is about."""

    type: str
    subtype: str | None
    action: str
    lifecycle: str | None = None


ALERT, RECORD, QUERY, LOG_USED, IMPORT = "110113", "110110", "110112", "110101", "110107"
ROLES, ATTRIBUTES, OBJECTS, CONFIGURATION = "110136", "110137", "110135", "110129"
STARTED, STOPPED = "110127", "110138"


def _changes(type_: str, subtype: str | None, **codes: str) -> dict[str, Meaning]:
    """Codes by what was done: `made`, `changed`, `ended` and so on; other names are life-cycle events, and change something."""
    done = {
        "made": ("C", "originate"), "changed": ("U", "amend"), "ended": ("D", "deprecate"), "destroyed": ("D", "destroy"),
        "archived": ("D", "archive"),
    }  # fmt: skip
    return {
        code: Meaning(type_, subtype, *done.get(name, ("U", name)))
        for name, listed in codes.items()
        for code in listed.split()
    }


# Who takes part in whose care is a role; what lets them, or keeps them out, is an attribute of theirs or of the record.
CHANGES: dict[str, Meaning] = {
    **_changes(
        ALERT, ROLES,
        made="primary-assigned assignment-added member-added team-patient-added care-team-created coverage-arranged referred"
        " duty-added reporting-line-added provider-role-added",
        changed="assignment-corrected assignments-corrected primary-demoted member-changed care-team-renamed"
        " referral-redirected referral-prolonged handed-over handover-cancelled handover-reverted reassignment-planned"
        " finding-resolved panel-capacity-set",
        ended="assignment-ended member-removed team-patient-removed care-team-closed coverage-ended referral-ended duty-ended"
        " reporting-line-ended provider-role-ended ended-on-leaving offboarded",
        reactivate="care-team-reopened",
    ),
    **_changes(
        ALERT, ATTRIBUTES,
        made="provider-registered token-issued credential-added provider-suspended absence-recorded",
        changed="credential-renewed",
        ended="credential-ended suspension-lifted absence-ended",
    ),
    # Who signs in, by what, and what that permits.
    **_changes(
        ALERT, ROLES,
        made="role-given visit-begun visit-begun-elsewhere",
        ended="role-taken visit-ended visit-ended-elsewhere visit-not-begun",
    ),
    **_changes(
        ALERT, ATTRIBUTES,
        made="account-added api-key-made", changed="account-changed api-key-rotated",
        ended="account-ended api-key-revoked sign-in-ended",
    ),
    **_changes(
        ALERT, OBJECTS,
        made="objection-recorded patient-labelled relation-added",
        ended="objection-lifted patient-unlabelled relation-ended",
    ),
    **_changes(
        ALERT, CONFIGURATION,
        made="organization-registered unit-registered", changed="policy-set key-rotated keys-wrapped-anew sealing-key-rotated",
        destroyed="organization-shredded",
        encrypt="fields-resealing fields-resealed", hold="hold-placed", unhold="hold-lifted",
    ),
    **_changes(LOG_USED, None, archived="month-retired"),
    **_changes(RECORD, None, made="patient-registered", merge="patients-merged", unmerge="patients-unmerged"),
    # An approval may be what opened it, which its entry does not say: a start too many does less harm than one too few.
    # What runs out has no entry of its own: the entry that opened, approved or extended it says until when it was.
    **_changes(ALERT, STARTED, made="emergency-opened emergency-downtime-recorded", changed="emergency-approved"),
    **_changes(ALERT, STOPPED, ended="emergency-ended emergency-denied emergency-converted"),
    **_changes(
        ALERT, ROLES,
        made="emergency-requested",
        changed="emergency-extended emergency-seconded emergency-extension-asked emergency-escalated emergency-undecided"
        " emergency-acknowledged emergency-asked emergency-answered",
        attest="emergency-reviewed",
    ),
}  # fmt: skip
_LOG_READINGS = frozenset({
    "audit-searched", "decision-explained", "emergency-report-read", "disclosures-accounted", "access-reported",
})  # fmt: skip
"""Readings of the trail itself; every reading whose code begins with `audit-` is one as well."""
READINGS = frozenset({
    "team-patients-read", "coverage-read", "coverage-forecast-read", "referrals-read", "restrictions-read", "relations-read",
    "suspended-read", "responsible-asked", "emergency-listed", "emergency-read", "holds-read",
    "objection-told", "patient-looked-up", "patient-read", "primary-read", "assignment-read", "assignments-read", "labels-read",
})  # fmt: skip
"""Readings of what is kept about patients and providers."""
IMPORTS = frozenset({"fhir-imported", "fhir-record-taken", "specialties-imported", "demo-built", "demo-units-made"})


def meaning_of(kind: str, code: str) -> Meaning:
    """What an entry of this kind and code is. One that is not known here yet is still told, by its kind alone."""
    match kind:
        case "decision":
            return Meaning(ALERT, None, "E")
        case "listing":
            return Meaning(QUERY, None, "E")
        case "reading" if code in _LOG_READINGS or code.startswith("audit-"):
            return Meaning(LOG_USED, None, "R", "access")
        case "reading":
            return Meaning(RECORD, None, "R", "access")
        case "refusal" if code == Unauthenticated.code:
            return Meaning("110114", "110122", "E")
        case "refusal":
            return Meaning(ALERT, "110132", "E") if code in _not_permitted() else Meaning("110100", None, "E")
        case "sign-in":
            return Meaning("110114", "110122", "E")
        case "import":
            return CHANGES.get(code) or Meaning(IMPORT, None, "C", "receive")
        case _:
            return CHANGES.get(code) or Meaning("110100", None, "E")


def is_known(kind: str, code: str) -> bool:
    """Whether an entry of this kind and code is told as what it is, and not by its kind alone."""
    match kind:
        case "decision" | "listing" | "refusal" | "sign-in":
            return True
        case "reading":
            return code in READINGS or code in _LOG_READINGS or code.startswith("audit-")
        case "import":
            return code in IMPORTS or code in CHANGES
        case _:
            return code in CHANGES


@cache
def _not_permitted() -> frozenset[str]:
    """The codes of refusals that say somebody may not do it; the others say that it cannot be done."""
    found: set[str] = set()
    waiting: list[type[CareCircleError]] = [Refused]
    while waiting:
        one = waiting.pop()
        found.add(one.code)
        waiting += one.__subclasses__()
    return frozenset(found)
