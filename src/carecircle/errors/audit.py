"""Errors of reading and proving the audit trail."""

from __future__ import annotations

from carecircle.errors import Conflict, NotFound


class EntryNotFound(NotFound):
    """There is no such entry in this organization's audit trail; it may have been retired with its month."""

    code = "entry-not-found"


class NotSealedYet(Conflict):
    """This entry is not sealed yet; try again in a few seconds. Is a worker running?"""

    code = "not-sealed-yet"


class NotAsSealed(Conflict):
    """This entry is not the one that was sealed, so that nothing proves it; run: carecircle audit verify."""

    code = "not-as-sealed"


class TrailTooLong(Conflict):
    """This audit trail was not verified in the time there was; verify an export of it, or run: carecircle audit verify."""

    code = "trail-too-long"
