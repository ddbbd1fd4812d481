"""What a person can hold here: referrals addressed to them. Who referred is provenance, and stays on record."""

from __future__ import annotations

from carecircle.directory.holdings import Holding
from carecircle.referrals.tables import Referral

REFERRALS = Holding(
    "referral",
    Referral,
    named="specialty_code",
    patient="patient_id",
    passed_on=True,
    keeps_lineage=True,
)

REFERRALS_MADE = Holding(
    "referral-made",
    Referral,
    named="specialty_code",
    provider="referring_provider_id",
    patient="patient_id",
    about=True,
)
