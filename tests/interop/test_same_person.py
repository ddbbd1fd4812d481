"""When two records are one person: only with an identifier that says whose it is, and with nothing speaking against it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.interop.conftest import OnWard
from tests.interop.ward import Ward, patient, practitioner

FAMILY = {"identifier": [{"system": "http://insurer.example/family", "value": "F1"}]}
BARE = {"identifier": [{"value": "123"}]}


def named(family: str, *given: str) -> dict[str, Any]:
    return {"name": [{"family": family, "given": list(given)}]}


ANN = named("Doe", "Ann") | {"birthDate": "1980-01-01"}


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        (FAMILY | ANN, FAMILY | ANN, True),
        (FAMILY | ANN, FAMILY | named(" DOE", "ann ") | {"birthDate": "1980-01-01"}, True),
        (FAMILY | ANN, FAMILY | {"name": [], "birthDate": "1980-01-01"}, True),
        (FAMILY | ANN, FAMILY | named("Doe", "Ben") | {"birthDate": "1980-01-01"}, False),
        (FAMILY | ANN, FAMILY | named("Doe", "Ann") | {"birthDate": "1980-01-02"}, False),
        (FAMILY | ANN, FAMILY | named("Doe", "Ann"), False),
        (FAMILY | named("Doe", "Ann"), FAMILY | named("Doe", "Ann"), False),
        (FAMILY | ANN, FAMILY | named("Doe", "Ann") | {"birthDate": "1"}, False),
    ],
)
def test_patients_join_only_when_birth_dates_and_names_agree(
    on_ward: OnWard, first: dict[str, Any], second: dict[str, Any], same: bool
) -> None:
    async def body(ward: Ward) -> None:
        # Once in one import, once over two.
        await ward.take(patient("a", **first), patient("b", **second))
        await ward.take(patient("c", **second), source="other")
        a, b = await ward.patient("Patient/a"), await ward.patient("Patient/b")
        c = await ward.patient("Patient/c", "other")
        assert (a == b, a == c) == (same, same)
        codes = [] if same else ["identifier-taken"] * 2
        assert [code for _, code in await ward.findings()] == codes

    on_ward(body)


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        (named("Smith", "Anna"), named("Smith", "Anna"), True),
        (named("Smith45", "Anna7"), {"name": [{"text": "Dr. Anna Smith"}]}, True),
        (named("Smith", "Anna"), named("Smith"), True),
        (named("Smith", "Anna"), {"name": []}, True),
        (named("Smith", "Anna"), named("Smith", "Bob"), False),
        (named("Smith", "Anna"), named("Jones", "Anna"), False),
    ],
)
def test_providers_join_only_when_names_agree(
    on_ward: OnWard, first: dict[str, Any], second: dict[str, Any], same: bool
) -> None:
    async def body(ward: Ward) -> None:
        await ward.take(practitioner("a", "77", **first), practitioner("b", "77", **second))
        assert (await ward.provider("Practitioner/a") == await ward.provider("Practitioner/b")) == same
        assert await ward.findings() == ([] if same else [("Practitioner/b", "identifier-taken")])

    on_ward(body)


def test_an_identifier_without_a_system_joins_nobody(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        await ward.take(patient("a", **BARE | ANN), patient("b", **BARE | ANN))
        await ward.take(practitioner("a", **BARE), practitioner("b", **BARE, name=[{"family": "a"}]))
        assert await ward.patient("Patient/a") != await ward.patient("Patient/b")
        assert await ward.provider("Practitioner/a") != await ward.provider("Practitioner/b")
        # The positive control: with a system the very same records are one.
        whose = {"identifier": [{"system": "urn:oid:1.2", "value": "123"}]}
        await ward.take(patient("c", **whose | ANN), patient("d", **whose | ANN))
        assert await ward.patient("Patient/c") == await ward.patient("Patient/d")
        assert await ward.findings() == []

    on_ward(body)
