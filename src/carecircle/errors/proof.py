"""Errors of the audit trail's keeping: legal holds, and months of entries that may not be retired yet."""

from __future__ import annotations

from carecircle.errors import Conflict, NotFound


class LegalHoldNotFound(NotFound):
    """There is no such legal hold in this organization, or it was lifted already; see: carecircle audit hold list."""

    code = "legal-hold-not-found"


class MonthNotKept(NotFound):
    """There is no such month of the audit trail here; see: carecircle audit months."""

    code = "month-not-kept"


class MonthTooYoung(Conflict):
    """This month of the audit trail must be kept longer; see: carecircle audit months."""

    code = "month-too-young"


class MonthOnHold(Conflict):
    """A legal hold keeps this month of the audit trail; see: carecircle audit hold list."""

    code = "month-on-hold"


class MonthNotSealed(Conflict):
    """Entries of this month are not sealed yet; run: carecircle worker --once."""

    code = "month-not-sealed"


class MonthNotVerified(Conflict):
    """Entries of this month differ from what was sealed; nothing was retired."""

    code = "month-not-verified"


class MonthRetired(Conflict):
    """This month of the audit trail was retired already."""

    code = "month-retired"
