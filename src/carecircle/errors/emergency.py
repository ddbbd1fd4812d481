"""Errors of emergency access, of the duties behind it, and of who relates to whom."""

from __future__ import annotations

from carecircle.errors import Conflict, InvalidRequest, NotFound, Refused


class EmergencyAccessNotFound(NotFound):
    """There is no such emergency access in this organization; see: carecircle break-glass list."""

    code = "emergency-access-not-found"


class EmergencyAccessOpen(Conflict):
    """This provider's emergency access to this patient is open already, or waits for a decision."""

    code = "emergency-access-open"


class GrantEnded(Conflict):
    """This emergency access has ended; nothing about it can be decided any more."""

    code = "grant-ended"


class AlreadyDecided(Conflict):
    """Somebody has decided about this emergency access already."""

    code = "already-decided"


class AlreadyReviewed(Conflict):
    """This emergency access was reviewed already."""

    code = "already-reviewed"


class NotYetEnded(Conflict):
    """This emergency access is still open; it is reviewed once it has ended."""

    code = "not-yet-ended"


class MayNotBreakGlass(Refused):
    """This provider is not among those who may break the glass; see: carecircle duty list."""

    code = "may-not-break-glass"


class EmergencyAccessRefused(Refused):
    """Emergency access to this patient is not open to this provider; ask the privacy office."""

    code = "emergency-access-refused"


class OwnRecord(Refused):
    """Nobody opens their own record by breaking the glass; ask the privacy office for a copy of it."""

    code = "own-record"


class StepUpRequired(Refused):
    """The last sign-in is too long ago for this; sign in again, then repeat it."""

    code = "step-up-required"


class PersonRequired(Refused):
    """This is done by a person: use a token whose subject is a provider (provider:ID)."""

    code = "person-required"


class NotThemselves(Refused):
    """Nobody does this in another's name."""

    code = "not-themselves"


class NotAnApprover(Refused):
    """This provider is not among those who may decide about this request."""

    code = "not-an-approver"


class SelfApproval(Refused):
    """Nobody decides about their own request, or decides about one twice."""

    code = "self-approval"


class NotAReviewer(Refused):
    """Emergency access is reviewed by the privacy office; this provider is not on its duty."""

    code = "not-a-reviewer"


class OwnReview(Refused):
    """Who asked for emergency access, or decided about it, does not review it."""

    code = "own-review"


class ReasonRequired(InvalidRequest):
    """Say why: a reason by its code; with the code `other`, in words too."""

    code = "reason-required"


class AttestationRequired(InvalidRequest):
    """Confirm that you need this record to care for the patient in an emergency."""

    code = "attestation-required"


class DutyNotFound(NotFound):
    """There is no such duty in this organization, or it has ended; see: carecircle duty list."""

    code = "duty-not-found"


class OverlappingDuty(Conflict):
    """This provider has that duty already in that period."""

    code = "overlapping-duty"


class ReportingLineNotFound(NotFound):
    """There is no such reporting line now or ahead; see: carecircle duty lines."""

    code = "reporting-line-not-found"


class OverlappingReportingLine(Conflict):
    """This provider reports to that one already in that period."""

    code = "overlapping-reporting-line"


class ReportingLoop(InvalidRequest):
    """Nobody reports to somebody who reports to them."""

    code = "reporting-loop"


class RelationNotFound(NotFound):
    """No such relation between this provider and this patient is on record now or ahead."""

    code = "relation-not-found"


class OverlappingRelation(Conflict):
    """That relation between this provider and this patient is on record already in that period."""

    code = "overlapping-relation"
