"""Records of several servers in one import: each is kept apart, and a reference reaches only the server it names."""

from __future__ import annotations

from typing import Any

import pytest

from tests.interop.conftest import OnWard
from tests.interop.ward import Ward, encounter, participant, patient, practitioner, to

A, B = "https://a.example/fhir", "https://b.example/fhir"
OPEN: dict[str, Any] = {"status": "in-progress", "period": {"start": "2020-01-01T08:00:00Z"}}


def at(base: str, resource: dict[str, Any]) -> dict[str, Any]:
    return {"fullUrl": f"{base}/{resource['resourceType']}/{resource['id']}", "resource": resource}


def visit(name: str, doctor: str, of: str = "Patient/p") -> dict[str, Any]:
    return encounter(name, participant("ATND", to(doctor)), subject=to(of), **OPEN)


async def pairs(ward: Ward) -> set[tuple[Any, Any]]:
    rows = await ward.rows("select patient_id, provider_id from carecircle.patient_assignments")
    return {(row.patient_id, row.provider_id) for row in rows}


def test_records_of_two_servers_with_the_same_id_are_kept_apart(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        resources = [
            at(A, patient("p")), at(B, patient("p")), at(A, practitioner("d")), at(B, practitioner("d")),
            at(A, visit("e", f"{A}/Practitioner/d", f"{A}/Patient/p")), at(B, visit("e", "Practitioner/d")),
            at(A, visit("f", "Practitioner/d")),
        ]  # fmt: skip
        report = await ward.take(*resources)
        assert (report.taken, report.facts_recorded, report.findings_opened) == (7, 3, 0)
        ours = await ward.patient("Patient/p"), await ward.provider("Practitioner/d")
        theirs = await ward.patient(f"{B}/Patient/p"), await ward.provider(f"{B}/Practitioner/d")
        assert not set(ours) & set(theirs)
        assert await pairs(ward) == {ours, theirs}
        assert not (await ward.may_read(ours[1], theirs[0])).allowed
        assert (await ward.may_read(ours[1], ours[0])).allowed
        assert (await ward.take(*resources)).changed_nothing
        # The order of a later export changes nothing: the source knows whose records it names by their ids alone.
        assert (await ward.take(*reversed(resources))).changed_nothing

    on_ward(body)


def test_a_relative_reference_of_another_server_does_not_reach_ours(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        await ward.take(at(A, patient("p")), at(A, practitioner("d")), at(B, patient("q")))
        await ward.take(at(B, visit("e", "Practitioner/d", "Patient/q")))
        assert await ward.findings() == [(f"{B}/Encounter/e", "reference-dangling")]
        assert await pairs(ward) == set()
        await ward.take(at(B, visit("e", f"{A}/Practitioner/d", "Patient/q")))
        assert await ward.findings() == []
        assert await pairs(ward) == {(await ward.patient(f"{B}/Patient/q"), await ward.provider("Practitioner/d"))}

    on_ward(body)


@pytest.mark.parametrize("base", [A, B])
def test_an_absolute_reference_reaches_only_a_server_that_was_seen(on_ward: OnWard, base: str) -> None:
    async def body(ward: Ward) -> None:
        await ward.take(at(A, practitioner("d")), patient("p"))
        await ward.take(visit("e", f"{base}/Practitioner/d"))
        assert len(await pairs(ward)) == (base == A)
        assert await ward.findings() == ([] if base == A else [("Encounter/e", "reference-dangling")])

    on_ward(body)


def test_without_any_full_url_an_absolute_reference_reaches_nobody(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        await ward.take(
            practitioner("d"), patient("p"), visit("e", f"{A}/Practitioner/d"), visit("f", "Practitioner/d")
        )
        assert [row[0] for row in await ward.assignments()] == ["Encounter/f"]
        assert await ward.findings() == [("Encounter/e", "reference-dangling")]

    on_ward(body)


def test_a_full_url_that_is_not_of_its_resource_keeps_it_apart(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        await ward.take(practitioner("d"), {"fullUrl": f"{A}/documents", "resource": practitioner("d")})
        assert len(await ward.rows("select 1 from carecircle.providers")) == 2
        nameless = practitioner("x")
        del nameless["id"]
        await ward.take({"fullUrl": f"{A}/Practitioner/n", "resource": nameless})
        assert await ward.provider("Practitioner/n") != await ward.provider("Practitioner/d")

    on_ward(body)


def test_a_urn_that_stands_for_two_records_reaches_neither(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        urn = "urn:uuid:6f1c1f0e-8a55-4c57-9d0e-2f4ee4f1d001"
        first, second = ({"fullUrl": url, "resource": practitioner(name)} for url, name in ((urn, "d"), (urn, "c")))
        await ward.take(first, second | {"fullUrl": urn.upper()}, patient("p"), visit("e", urn))
        assert await ward.findings() == [("Encounter/e", "reference-dangling")]
        await ward.take(first, visit("e", urn))
        assert await ward.findings() == []
        assert len(await pairs(ward)) == 1

    on_ward(body)


def test_a_replaced_patient_is_found_by_a_url_met_later(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        gone = patient("old", link=[{"other": to(f"{A}/Patient/p"), "type": "replaced-by"}])
        await ward.take(gone, at(A, patient("p")), practitioner("d"), visit("e", "Practitioner/d", "Patient/old"))
        assert await pairs(ward) == {(await ward.patient("Patient/p"), await ward.provider("Practitioner/d"))}
        assert await ward.findings() == []

    on_ward(body)
