"""The people around the demo's patients, recorded by the services that anybody uses: a label, a referral, a merge, and so on."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.assignments.service import add_assignment
from carecircle.care_teams.service import add_patient
from carecircle.database.crypto import Keyring
from carecircle.demo.facts import DAY, fixed_id
from carecircle.demo.people import House
from carecircle.demo.stories import (
    AT_HOME,
    CARDIOLOGY,
    ENDOCRINOLOGY,
    OBJECTS_TO,
    ON_THE_WARD,
    OPENED_TWICE,
    PROMINENT,
    REFERRED,
)
from carecircle.directory.credential_service import add_credential
from carecircle.directory.service import register_patient
from carecircle.errors import AlreadyRestricted
from carecircle.referrals.service import end_referral, refer
from carecircle.restrictions.service import label, object_to
from carecircle.staffing.merge_service import merge_patients
from carecircle.staffing.specialist_service import assign_specialist


async def record(db: AsyncSession, keyring: Keyring, house: House, now: datetime) -> None:
    """Record it all, dated back from `now`, as the organization and the actor of the block this is called in."""

    def the(short: str) -> UUID:
        return fixed_id(house.slug, short)

    def ago(days: int) -> datetime:
        return now - DAY * days

    for number in (PROMINENT, REFERRED, OPENED_TWICE):
        await register_patient(db, patient_id=the(number), identifiers=[number], keys=keyring)

    primaries = ((PROMINENT, "mensah", 700), (REFERRED, "kowalska", 900))
    for number, doctor, days in primaries:
        await add_assignment(
            db, patient=the(number), provider=the(doctor), assignment_type="primary", starts_at=ago(days)
        )
    await add_assignment(
        db, patient=the(PROMINENT), provider=the("rossi"), assignment_type="attending", starts_at=ago(3)
    )
    await add_patient(db, care_team_id=the(CARDIOLOGY), patient=the(PROMINENT), starts_at=ago(3))
    await label(db, patient=the(PROMINENT), label="CEL", starts_at=ago(1))

    yilmaz, sent, until = the("yilmaz"), ago(60), now + DAY * 120
    await add_credential(db, provider=yilmaz, kind="specialty", code=ENDOCRINOLOGY, starts_at=ago(3000))
    referral = await refer(
        db, patient=the(REFERRED), referring=the("kowalska"), provider=yilmaz, specialty_code=ENDOCRINOLOGY,
        starts_at=sent, ends_at=until,
    )  # fmt: skip
    await assign_specialist(
        db, patient=the(REFERRED), provider=yilmaz, specialty=ENDOCRINOLOGY, referral_id=referral.lineage_id,
        starts_at=sent, ends_at=until,
    )  # fmt: skip
    await end_referral(db, referral_id=referral.lineage_id)

    novak = the("novak")
    await add_credential(db, provider=novak, kind="licence", code="physician", starts_at=ago(2000), ends_at=ago(3))
    await add_assignment(db, patient=the(REFERRED), provider=novak, starts_at=ago(200), rests_on=["licence"])

    await merge_patients(db, patient=the(OPENED_TWICE), into=the(AT_HOME))
    with suppress(AlreadyRestricted):  # somebody tried that out before this demo told it
        await object_to(db, patient=the(ON_THE_WARD), provider=the(OBJECTS_TO))
