"""Following merges: one text for the session and for decisions, that ends whatever the table holds."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any
from uuid import UUID

from sqlalchemy import text

from carecircle.directory import resolve_patient
from carecircle.directory.following_service import survivors_of
from carecircle.identifiers import new_id
from tests.conftest import Hospital, open_hospital

InHospital = Callable[[Callable[[Hospital], Any]], Any]


async def _say(hospital: Hospital, gone: UUID, into: UUID) -> UUID:
    """Record a merge past the service, which would refuse a circle; as the app role."""
    row_id = new_id()
    async with hospital.change() as db:
        await db.execute(
            text(
                "insert into carecircle.patient_merges (organization_id, id, lineage_id, patient_id, into_patient_id,"
                " starts_at, entry_id) values (:organization, :id, :id, :gone, :into, '2000-01-01', :id)"
            ),
            {"organization": hospital.organization, "id": row_id, "gone": gone, "into": into},
        )
    return row_id


async def _both_doors(hospital: Hospital, mrn: str) -> tuple[UUID, UUID]:
    """Whom a change and whom a question about this identifier is about."""
    async with hospital.change() as db:
        changed = await resolve_patient(db, hospital.organization, mrn)
    return changed, await _asked(hospital, mrn)


async def _asked(hospital: Hospital, mrn: str) -> UUID:
    decision = await hospital.circle.access.check(
        new_id(), "read", mrn, organization=hospital.organization, actor="service:test"
    )
    return decision.question.patient_id


def test_both_doors_follow_to_the_end(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        line = [await hospital.patient(f"mrn|{number}") for number in range(5)]
        assert await _both_doors(hospital, "mrn|0") == (line[0], line[0])
        for gone, into in itertools.pairwise(line):
            await _say(hospital, gone, into)
        for number in range(5):
            assert await _both_doors(hospital, f"mrn|{number}") == (line[-1], line[-1])
        async with hospital.change() as db:
            assert await survivors_of(db, hospital.organization, line) == dict.fromkeys(line, line[-1])
            assert await survivors_of(db, hospital.organization, []) == {}
            assert await resolve_patient(db, hospital.organization, line[0]) == line[-1]
            assert await resolve_patient(db, hospital.organization, line[0], follow=False) == line[0]
            assert await resolve_patient(db, hospital.organization, "mrn|0", follow=False) == line[0]

    in_hospital(body)


def test_a_merge_that_is_believed_no_more_is_not_followed(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        a, b = await hospital.patient("mrn|a"), await hospital.patient("mrn|b")
        row_id = await _say(hospital, a, b)
        assert await _both_doors(hospital, "mrn|a") == (b, b)
        async with hospital.change() as db:
            await db.execute(
                text(
                    "update carecircle.patient_merges set superseded_at = statement_timestamp(),"
                    " superseded_xid = pg_current_xact_id(), superseded_entry_id = id where id = :id"
                ),
                {"id": row_id},
            )
        assert await _both_doors(hospital, "mrn|a") == (a, a)

    in_hospital(body)


def test_a_circle_or_an_endless_line_has_an_answer(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        line = [await hospital.patient(f"mrn|{number}") for number in range(40)]
        for gone, into in itertools.pairwise(line):
            await _say(hospital, gone, into)
        _, asked = await _both_doors(hospital, "mrn|0")
        assert asked in line[20:]
        a, b = await hospital.patient("mrn|a"), await hospital.patient("mrn|b")
        await _say(hospital, a, b)
        await _say(hospital, b, a)
        assert await _asked(hospital, "mrn|a") == b
        changed, _ = await _both_doors(hospital, "mrn|a")
        assert changed in (a, b)

    in_hospital(body)


def test_another_organizations_merge_is_none_of_ours(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        same = new_id()
        async with open_hospital(hospital.circle) as elsewhere:
            await elsewhere.patient("mrn|a", patient_id=same)
            await hospital.patient("mrn|a", patient_id=same)
            into = await elsewhere.patient("mrn|b")
            await _say(elsewhere, same, into)
            assert await _both_doors(hospital, "mrn|a") == (same, same)
            assert await _both_doors(elsewhere, "mrn|a") == (into, into)

    in_hospital(body)
