"""Referrals: one provider sends a patient to a specialty; a specialist assignment rests on one and ends with it."""
