"""The words a patient is told things in: why somebody may look, what for, and why somebody was kept out."""

from __future__ import annotations

from carecircle.access import purposes

_PURPOSES = {
    "TREAT": "To treat you",
    "COC": "To coordinate your care",
    "ETREAT": "To treat you in an emergency",
    "BTG": "To treat you in an emergency",
    "HPAYMT": "For billing and payment",
    "HOPERAT": "To run and check this hospital's own work",
    "HRESCH": "For research",
    "PATRQT": "Because you asked for it",
    "FAMRQT": "Because your family asked for it",
    "PUBHLTH": "For public health",
    "DISASTER": "To help in a disaster",
    "THREAT": "To prevent a serious threat",
    "HMARKT": "For marketing",
    "HLEGAL": "For legal services",
    "GOV": "For a government agency",
    "DONAT": "For the donation of an organ or of tissue",
    "HDECD": "In connection with a death",
    "MILCDM": "For a military command",
}
_ACTIONS = {
    "read": "read your record",
    "write": "write in your record",
    "order": "order something for you",
    "share": "share your record",
}
_READINGS = {
    "access-reported": "prepared a report like this one",
    "disclosures-accounted": "prepared a list of disclosures for you",
    "audit-searched": "searched the log of who looked at your record",
    "audit-entry-proved": "checked that one line of the log of who looked at your record is as it was written",
    "audit-export-begun": "copied the log of who looked at your record",
    "audit-entry-read": "looked up one line of the log of who looked at your record",
    "audit-exported": "copied the log of who looked at your record",
    "decision-explained": "looked up why somebody was let in or kept out",
    "objection-told": "was told that you do not want somebody to see your record",
    "holds-read": "looked up what of your log has to be kept",
    "emergency-read": "looked up an emergency access to your record",
    "emergency-listed": "looked up an emergency access to your record",
    "emergency-report-read": "read the report of an emergency access to your record",
    "restrictions-read": "looked up who is kept from your record",
    "relations-read": "looked up who of your family works here",
    "referrals-read": "looked up your referrals",
    "responsible-asked": "looked up who is responsible for you",
    "coverage-read": "looked up who stands in for the people who care for you",
    "coverage-forecast-read": "looked up who will stand in for the people who care for you",
    "team-patients-read": "looked up the patients of your care team",
    "suspended-read": "looked up whose access to your record is paused",
    "patient-looked-up": "looked up whether you are registered here",
    "patient-read": "looked up your name and your numbers",
    "primary-read": "looked up who is your main doctor or provider",
    "assignment-read": "looked up who takes part in your care",
    "assignments-read": "looked up who takes part in your care",
    "labels-read": "looked up which parts of your record are specially protected",
}
_BASES = {
    "primary": "your main doctor or provider",
    "attending": "in charge of you during your stay",
    "admitting": "the one who admitted you",
    "consulting": "asked to advise on your care",
    "emergency": "assigned to you for emergency care",
}
_DENIALS = {
    "no-relationship": "Nothing on record linked them to your care.",
    "restricted": "A restriction kept them out.",
    "action-not-granted": "They take part in your care, but may not do this.",
    "patient-merged": "They asked about an old number of your record.",
    "unknown-action": "They asked for something that does not exist here.",
    "unknown-provider": "They are not registered here.",
    "unknown-patient": "Your record was not registered here yet.",
}
ALTERED = "This line is not as it was first written down; the privacy office is looking into it."
WORK = "Running the system, answering questions"
"""Why somebody worked with the log, or asked who may see the patient."""
EMERGENCY_STEPS = {
    "emergency-requested": "They asked for it. It stayed closed until somebody decided.",
    "emergency-opened": "Your record was opened for them. A supervisor was told at once.",
    "emergency-approved": "A supervisor agreed.",
    "emergency-extended": "A supervisor gave them more time.",
    "emergency-denied": "A supervisor refused. Your record was closed to them.",
    "emergency-ended": "It was ended. Your record was closed to them.",
    "emergency-converted": "They became part of your care, so the emergency access was ended.",
    "emergency-reviewed": "Somebody else checked afterwards whether it was right.",
    "emergency-downtime-recorded": "It was used while the computers were down, and written down later.",
}
"""What became of an emergency access, by the code of its entry. Other steps are the staff's own and are not told."""


def purpose_in_words(purpose: str) -> str:
    """What it was for; a code that nobody knows here is told as it is, as an accounting of disclosures has to."""
    return _known_purpose(purpose) or f"Other: {purpose}"


def purpose_for_the_patient(purpose: str) -> str:
    """What it was for, never as a code."""
    return _known_purpose(purpose) or "For another purpose"


def _known_purpose(purpose: str) -> str | None:
    return next((_PURPOSES[one] for one in purposes.within(purpose) if one in _PURPOSES), None)


def action_in_words(action: str) -> str:
    """What somebody may do, to follow "may"."""
    return _ACTIONS.get(action, "use your record in another way")


def reading_in_words(code: str) -> str:
    """What somebody did who read what is kept about a patient's circle, to follow their name."""
    return _READINGS.get(code, "looked up something about your care")


def denial_in_words(code: str) -> str:
    return _DENIALS.get(code, "They were not let in.")


def basis_in_words(kind: str, *, team: str | None = None, covered: str | None = None) -> str:
    """Why they may look, as a sentence about "they"."""
    if kind == "care_team":
        return f"They are on your care team {team}." if team else "They are on a care team that looks after you."
    if kind == "coverage":
        return f"They stood in for {covered}." if covered else "They stood in for somebody who cares for you."
    if kind == "emergency_access":
        return "They opened it in an emergency."
    return f"They were {_BASES[kind]}." if kind in _BASES else "They take part in your care."
