"""Who has come to be on record as related to the patient since they were told decides no more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from carecircle.directory.relation_service import relate
from carecircle.emergency.deciding_service import approve, deny
from carecircle.errors.emergency import NotAnApprover
from tests.conftest import Hospital
from tests.emergency.clinic import Clinic


def test_a_supervisor_who_turns_out_to_be_family_decides_no_more(
    in_hospital: Callable[[Callable[[Hospital], Any]], Any],
) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        row = await c.request()
        await c.do(relate, provider=c.first, patient=c.patient, relation="family")
        await c.do(relate, provider=c.second, patient=await hospital.patient(), relation="family")
        with pytest.raises(NotAnApprover):
            await c.do(approve, emergency_id=row.lineage_id, approver=c.first)
        with pytest.raises(NotAnApprover):
            await c.do(deny, emergency_id=row.lineage_id, approver=c.first, words="No.")
        assert (await c.do(approve, emergency_id=row.lineage_id, approver=c.second)).state == "approved"

    in_hospital(body)
