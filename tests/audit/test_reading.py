"""Searching and following the audit trail: every filter, pages without gaps, and the entry that says who looked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import asyncpg
import pytest

from carecircle import acting_as
from carecircle.actor import Actor
from carecircle.assignments.service import add_assignment, assign_primary
from carecircle.audit import reading_service
from carecircle.audit.entry import Entry, append
from carecircle.audit.reading_service import Page
from carecircle.audit.search import LARGEST_LIMIT, Cursor, Filter
from carecircle.database.reach import dsn
from carecircle.database.session import instant
from carecircle.errors import InvalidRequest
from carecircle.errors.audit import EntryNotFound
from carecircle.identifiers import new_id, to_text
from carecircle.period import parse_instant
from tests.conftest import Hospital

Run = Callable[[Callable[[Hospital], Any]], Any]


async def look(hospital: Hospital, wanted: Filter = Filter(), **how: Any) -> Page:  # noqa: B008 - frozen
    with acting_as(organization=hospital.organization, actor="test"):
        async with hospital.change() as db:
            return await reading_service.search(db, wanted, auditor=hospital.circle.auditor, **how)


def test_every_filter_takes_what_fits_and_leaves_the_rest(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        doctor, other = await hospital.provider("staff|doctor"), await hospital.provider("staff|other")
        patient, stranger = await hospital.patient("mrn|one"), await hospital.patient("mrn|two")
        emergency = new_id()
        who = Actor("service:ehr", address="10.0.0.7")
        async with hospital.change() as db:
            early = await instant(db)
        with acting_as(organization=hospital.organization, actor=who):
            async with hospital.change() as db:
                await assign_primary(db, patient=patient, provider=doctor)
                await add_assignment(db, patient=stranger, provider=other)
                about = {"emergency": to_text(emergency)}
                await append(db, Entry(hospital.organization, "change", who, "emergency-asked", detail=about))
            async with hospital.change() as db:
                late = await instant(db)
            await hospital.circle.access.check(doctor, "read", patient, request_id="r-1")
            await hospital.circle.access.check(other, "read", patient, request_id="r-2")
        said: dict[str, Any] = {
            "since": late, "until": early, "provider_id": doctor, "patient_ids": (patient,), "actor": "service:ehr",
            "kind": "decision", "code": "primary-assigned", "allowed": True, "basis": "primary", "emergency": emergency,
            "request_id": "r-1", "address": "10.0.0.7",
        }  # fmt: skip
        assert said.keys() == {one.name for one in fields(Filter)}
        whole = (await look(hospital, limit=LARGEST_LIMIT)).entries
        for name, value in said.items():
            wanted = Filter(**{name: value})
            found = (await look(hospital, wanted, limit=LARGEST_LIMIT)).entries
            assert 0 < len(found) < len(whole), name
            assert all(_fits(one, name, value) for one in found), name
        nothing = Filter(kind="decision", code="primary-assigned")
        assert (await look(hospital, nothing)).entries == ()

    in_hospital(body)


def _fits(entry: dict[str, Any], name: str, value: Any) -> bool:
    at = parse_instant(entry["recorded_at"])
    tests: dict[str, bool] = {
        "since": name == "since" and at >= value,
        "until": name == "until" and at < value,
        "patient_ids": name == "patient_ids" and entry["patient_id"] == str(value[0]),
        "basis": value in (entry["basis_kinds"] or ()),
        "emergency": name == "emergency" and to_text(value) in (entry["detail"] or ""),
    }
    return tests[name] if name in tests else entry[name] in (value, str(value))


def test_pages_hold_every_entry_once_the_newest_first(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        for number in range(11):
            await hospital.patient(f"mrn|{number}")
        wanted = Filter(kind="change")
        whole = (await look(hospital, wanted)).entries
        assert [one["recorded_at"] for one in whole] == sorted((one["recorded_at"] for one in whole), reverse=True)
        paged: list[Any] = []
        place: Cursor | None = None
        while True:
            page = await look(hospital, wanted, limit=3, after=place)
            assert len(page.entries) <= 3
            paged += page.entries
            if page.following is None:
                break
            place = Cursor.read(page.following.text())
        assert paged == list(whole)
        assert len(whole) >= 11
        for limit in (0, LARGEST_LIMIT + 1):
            with pytest.raises(InvalidRequest):
                await look(hospital, limit=limit)

    in_hospital(body)


@pytest.mark.parametrize("text", ["", "x", "äöü", "AAAA", "2026-01-31", Cursor.__name__ * 40])
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        Cursor.read(text)


def test_whoever_looks_leaves_an_entry_that_names_filters_and_no_values(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        patient = await hospital.patient("mrn|one")
        page = await look(hospital, Filter(patient_ids=(patient,), request_id="secret-7", actor="nobody"))
        assert page.entries == ()
        [mine] = (await look(hospital, Filter(code="audit-searched"))).entries
        assert (mine["kind"], mine["actor"], mine["patient_id"]) == ("reading", "test", str(patient))
        assert json.loads(mine["detail"]) == {"count": 0, "filters": "patient actor request_id"}
        assert "secret-7" not in str(mine)

    in_hospital(body)


def test_one_entry_is_told_byte_for_byte_and_that_it_was_is_recorded(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        await hospital.patient("mrn|one")
        [entry] = (await look(hospital, Filter(code="patient-registered"))).entries
        with acting_as(organization=hospital.organization, actor="test"):
            async with hospital.change() as db:
                line, place = await reading_service.one(db, _uuid(entry["id"]), auditor=hospital.circle.auditor)
            with pytest.raises(EntryNotFound):
                async with hospital.change() as db:
                    await reading_service.one(db, new_id(), auditor=hospital.circle.auditor)
        assert place is None
        assert json.dumps(entry, ensure_ascii=False, separators=(",", ":")) == line
        assert len((await look(hospital, Filter(code="audit-entry-read"))).entries) == 1

    in_hospital(body)


def test_another_organizations_entries_are_nobodys(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        await hospital.patient("mrn|one")
        with acting_as(organization=new_id(), actor="test"):
            seen = await reading_service.seen_now(hospital.circle.auditor)
            found, _ = await reading_service.since(seen, Filter(), auditor=hospital.circle.auditor)
        assert found == ()
        assert all(one["organization_id"] == str(hospital.organization) for one in (await look(hospital)).entries)

    in_hospital(body)


def test_who_follows_sees_each_entry_once_in_whatever_order_it_was_committed(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async def waits(began: asyncio.Event, goes: asyncio.Event, code: str) -> None:
            async with hospital.change() as db:
                await append(db, Entry(hospital.organization, "change", Actor("test"), code))
                began.set()
                await goes.wait()

        seen = await reading_service.seen_now(hospital.circle.auditor, organization=hospital.organization)
        began, goes = asyncio.Event(), asyncio.Event()
        early = asyncio.create_task(waits(began, goes, "began-first"))
        await began.wait()
        async with hospital.change() as db:
            await append(db, Entry(hospital.organization, "change", Actor("test"), "committed-first"))
        codes: list[list[str]] = []
        for _ in range(2):
            new, seen = await reading_service.since(
                seen, Filter(), auditor=hospital.circle.auditor, organization=hospital.organization
            )
            codes.append([one["code"] for one in new])
        goes.set()
        await early
        for _ in range(2):
            new, seen = await reading_service.since(
                seen, Filter(), auditor=hospital.circle.auditor, organization=hospital.organization
            )
            codes.append([one["code"] for one in new])
        assert codes == [["committed-first"], [], ["began-first"], []]

    in_hospital(body)


def test_entries_of_a_cluster_that_had_come_further_are_not_new_for_ever(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        root = await asyncpg.connect(dsn(hospital.circle.reach.admin))
        try:
            await root.execute(
                "insert into carecircle.audit_events (organization_id, id, kind, actor, code, writer_id, writer_turn, xid)"
                " values ($1, $2, 'change', 'test', 'restored', gen_random_uuid(), 1,"
                " (pg_current_xact_id()::text::bigint + 1000000)::text::xid8)",
                hospital.organization,
                new_id(),
            )
        finally:
            await root.close()
        seen = await reading_service.seen_now(hospital.circle.auditor, organization=hospital.organization)
        codes: list[list[str]] = []
        for _ in range(3):
            new, seen = await reading_service.since(
                seen, Filter(), auditor=hospital.circle.auditor, organization=hospital.organization
            )
            codes.append([one["code"] for one in new])
            await hospital.patient(f"mrn|{len(codes)}")
        assert codes == [[], ["patient-registered"], ["patient-registered"]]
        assert len((await look(hospital, Filter(code="restored"))).entries) == 1

    in_hospital(body)


def _uuid(text: str) -> Any:
    from uuid import UUID

    return UUID(text)
