"""The clinic of the tests of referrals, for the tests of the services too."""

from __future__ import annotations

from tests.referrals.conftest import in_clinic

__all__ = ["in_clinic"]
