"""Who is related to which patient: over time, once at a time, and through merged records."""

from __future__ import annotations

from datetime import timedelta

import pytest

from carecircle.directory.relation_service import end_relation, relate, relations
from carecircle.errors import InvalidPeriod, InvalidRequest, PatientNotRegistered
from carecircle.errors.emergency import OverlappingRelation, RelationNotFound
from tests.directory.house import House
from tests.directory.test_duties import Run, in_house

DAY = timedelta(days=1)


def test_a_relation_holds_until_it_is_ended(in_hospital: Run) -> None:
    async def work(house: House) -> None:
        doctor, other = house.people[:2]
        patient = await house.hospital.patient("urn:mrn|1")
        row = await house.do(relate, provider=doctor, patient="urn:mrn|1", relation="family")
        await house.do(relate, provider=other, patient=patient, relation="household", starts_at=house.now + DAY)
        with pytest.raises(OverlappingRelation):
            await house.do(relate, provider=doctor, patient=patient, relation="household")
        assert [one.provider_id for one in await house.do(relations, patient=patient)] == [doctor, other]
        assert [one.id for one in await house.do(relations, patient=patient, as_of=row.starts_at)] == [row.id]
        assert len(await house.do(relations, provider="staff|1")) == 1
        assert len(await house.do(end_relation, provider=doctor, patient=patient)) == 1
        assert await house.do(relations, provider=doctor) == []
        with pytest.raises(RelationNotFound):
            await house.do(end_relation, provider=doctor, patient=patient)
        await house.do(relate, provider=doctor, patient=patient, relation="self")
        codes = ["relation-added", "relation-added", "relation-ended", "relation-added"]
        assert await house.entries(*codes) == codes

    in_house(in_hospital, work)


def test_what_is_no_relation_is_refused(in_hospital: Run) -> None:
    async def work(house: House) -> None:
        doctor, patient = house.people[0], await house.hospital.patient()
        with pytest.raises(InvalidRequest):
            await house.do(relate, provider=doctor, patient=patient, relation="friend")
        with pytest.raises(InvalidPeriod):
            await house.do(relate, provider=doctor, patient=patient, relation="self", ends_at=house.now - DAY)
        with pytest.raises(PatientNotRegistered):
            await house.do(relate, provider=doctor, patient="urn:mrn|2", relation="self")
        assert await house.do(relations) == []

    in_house(in_hospital, work)
