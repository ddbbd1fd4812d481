"""Indexes of surnames: there only while the organization's policy asks for them, equal for equal surnames, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from carecircle.directory.name_index_service import patients_named, surname_of
from carecircle.directory.policy_service import set_policy
from carecircle.errors import InvalidPeriod
from tests.conftest import Hospital, open_hospital

KEPT = "select blind_index from carecircle.patient_name_indexes where blind_index is not null"
Run = Callable[[Callable[[Hospital], Any]], Any]


@pytest.mark.parametrize(
    ("name", "surname"),
    [
        ("Anna Müller-Schmidt", "mullerschmidt"), ("MULLER SCHMIDT, Anna", "mullerschmidt"), ("Seán O'Brien", "obrien"),
        ("Jürgen Groß", "gross"), ("Martin King Jr.", "king"), ("山田太郎", "山田太郎"), ("Cher", "cher"), ("", ""),
        (None, ""), ("Jr", "jr"), ("7 -", ""),
    ],
)  # fmt: skip
def test_a_surname_is_compared_without_what_people_write_differently(name: str | None, surname: str) -> None:
    assert surname_of(name) == surname


def test_they_are_there_only_while_the_rule_is_on(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async def ruled(on: bool, **more: Any) -> None:
            async with hospital.change() as db:
                await set_policy(
                    db, document={"family_rule": on}, organization=hospital.organization, actor="test", **more
                )

        async def named(surname: str) -> set[UUID]:
            async with hospital.change() as db:
                return set(await patients_named(db, hospital.organization, surname))

        async def kept() -> list[bytes]:
            async with hospital.change() as db:
                found = await db.scalars(text(KEPT))
                return [bytes(one) for one in found]

        first = await hospital.patient("urn:mrn|1", name="Anna Müller")
        await hospital.patient("urn:mrn|2")
        assert await kept() == []
        with pytest.raises(InvalidPeriod):
            await ruled(True, starts_at=datetime.now(UTC) + timedelta(days=1))
        await ruled(True)
        second = await hospital.patient("urn:mrn|3", name="MULLER, Ben")
        await hospital.patient("urn:mrn|4", name="Chen Wei")
        assert await named("Muller") == {first, second}
        assert await named("Wei")
        assert await named("Smith") == set()
        indexes = await kept()
        assert (len(indexes), len(set(indexes)), {len(one) for one in indexes}) == (3, 2, {16})
        await ruled(False)
        assert await kept() == []
        await hospital.patient("urn:mrn|5", name="Dora Muller")
        assert await kept() == []

    in_hospital(body)


def test_another_organizations_indexes_tell_nothing_here(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async def indexes(one: Hospital) -> list[bytes]:
            async with one.change() as db:
                await set_policy(db, document={"family_rule": True}, organization=one.organization, actor="test")
            await one.patient("urn:mrn|1", name="Anna Müller")
            async with one.change() as db:
                found = await db.scalars(text(KEPT))
                return [bytes(index) for index in found]

        async with open_hospital(hospital.circle) as other:
            [mine], [theirs] = await indexes(hospital), await indexes(other)
            assert mine != theirs

    in_hospital(body)
