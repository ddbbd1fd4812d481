"""A patient's report says which of its lines are not as they were sealed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from carecircle.database.reach import Reach
from carecircle.reports.page import access_page
from carecircle.reports.words import (
    ALTERED,
)
from tests.audit.trail import administer, seal
from tests.conftest import Hospital
from tests.reports.case import emergency_entries, open_case
from tests.reports.pages import must_be_plain

InHospital = Callable[[Callable[[Hospital], Any]], Any]


def test_lines_that_are_not_as_they_were_sealed_say_so(in_hospital: InHospital, migrated: Reach, home: Path) -> None:
    async def body(hospital: Hospital) -> None:
        case = await open_case(hospital)
        await case.ask(case.doctor)
        await case.ask(case.nurse)
        await case.ask(case.stranger)
        await emergency_entries(case, case.nurse, "emergency-opened")
        young = await case.access()  # nothing has a leaf yet
        assert not young.altered
        await seal(migrated, home, hospital.organization)
        sealed = await case.access(time_zone="Asia/Tokyo")
        assert not sealed.altered
        assert ALTERED not in access_page(sealed)

        async def rewrite(change: str) -> None:
            await administer(
                migrated,
                "set session_replication_role = replica;"
                f" update carecircle.audit_events set {change.format(nurse=case.nurse, doctor=case.doctor)}",
            )

        mine = f"organization_id = '{hospital.organization}'"
        await rewrite(f"provider_id = '{{nurse}}' where {mine} and kind = 'decision' and provider_id = '{{doctor}}'")
        found = await case.access()
        (day,) = found.days
        assert sorted((one.person.name, one.altered, one.times) for one in day.looks) == [
            ("Nadja Rossi", False, 1),
            ("Nadja Rossi", True, 1),
        ]
        assert [one.altered for one in found.attempts] == [False]
        text = must_be_plain(access_page(found)).text
        assert text.count(ALTERED) == 1
        assert "Some lines of this page are not as they were first written down." in text
        told = json.loads(json.dumps(found.as_json()))
        assert (told["altered"], sorted(one["altered"] for one in told["days"][0]["looks"])) == (True, [False, True])
        # What would be left out is told all the same once it was altered to say so.
        await rewrite(f"code = 'unknown-patient' where {mine} and kind = 'decision' and not allowed")
        await rewrite(f"code = 'emergency-ended' where {mine} and code = 'emergency-opened'")
        found = await case.access()
        assert [one.altered for one in found.attempts] == [True]
        assert [step.altered for one in found.emergencies for step in one.steps] == [True]
        assert must_be_plain(access_page(found)).text.count(ALTERED) == 3

    in_hospital(body)


def test_an_entry_that_the_sealer_has_passed_by_is_not_as_it_was(
    in_hospital: InHospital, migrated: Reach, home: Path
) -> None:
    async def body(hospital: Hospital) -> None:
        case = await open_case(hospital)
        await case.ask(case.doctor)
        await case.ask(case.nurse)
        await seal(migrated, home, hospital.organization)
        await case.ask(case.nurse)  # waits for its seal
        mine = f"organization_id = '{hospital.organization}'"
        replica = "set session_replication_role = replica; "
        gone = (
            f"delete from carecircle.audit_leaves where {mine} and entry_id in (select id from carecircle.audit_events"
            f" where {mine} and kind = 'decision' and provider_id = '{case.doctor}')"
        )
        await administer(migrated, replica + gone)
        assert not (await case.access()).altered  # young
        later = f"update carecircle.audit_checkpoints set signed_at = signed_at + interval '2 minutes' where {mine}"
        await administer(migrated, replica + later)
        looks = [(one.person.name, one.altered) for day in (await case.access()).days for one in day.looks]
        assert looks == [("Dr. Ada Brenner", True), ("Nadja Rossi", False)]

    in_hospital(body)
