"""Lists page by page: every row once while rows come and go, and cursors that are refused in one sentence."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from carecircle.api.v1.paging import Page, cursor_of, key_of
from carecircle.errors.service import InvalidCursor
from carecircle.identifiers import new_id
from tests.api.clinic import CARDIOLOGY, Clinic, open_clinic
from tests.conftest import Hospital

Run = Callable[[Callable[[Hospital], Any]], Any]


def test_a_cursor_is_the_key_it_was_made_of() -> None:
    for key in ((new_id(),), ("Ward 4 – Süd", new_id()), (datetime.now(UTC), 7, -(2**63)), ("",)):
        assert key_of(cursor_of(key)) == key
        assert cursor_of(key).isascii()
        assert cursor_of(key).replace("-", "").replace("_", "").isalnum()


@pytest.mark.parametrize(
    "content",
    [
        b"", b"[]", b"{}", b"null", b'"sx"', b"[null]", b"[true]", b"[1.5]", b'["x"]', b'["u1"]', b'["tomorrow"]',
        b'["t2026-01-31T08:00:00"]', b'["sa\\u0000b"]', b'["s\\ud800"]', b"[9223372036854775808]", b"[[1]]", b"\xff",
    ],
)  # fmt: skip
def test_what_is_no_cursor_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidCursor):
        key_of(base64.urlsafe_b64encode(content).decode().rstrip("="))


def test_a_list_that_was_read_whole_is_shown_page_by_page() -> None:
    rows = [(name, new_id()) for name in "cabba" for _ in range(3)]
    for descending in (False, True):
        seen: list[tuple[str, UUID]] = []
        page = Page(limit=4)
        while True:
            shown, onwards = page.pick(rows, lambda one: one, descending=descending)
            seen += shown
            if onwards is None:
                break
            page = Page(4, key_of(onwards))
        assert seen == sorted(rows, reverse=descending)
    for key in (("c",), (1, new_id()), ("c", "c")):
        with pytest.raises(InvalidCursor):
            Page(4, key).pick(rows, lambda one: one)


def test_every_row_is_shown_once_though_others_come_and_go(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_clinic(hospital) as clinic:
            for name in ("adams", "brown", "chen", "dana"):
                await _away(clinic, name, "2090-01-01T00:00:00Z")
            first = await clinic.json("GET", "/v1/absences?limit=2")
            gone = {one["id"] for one in first["absences"]}
            named = first["absences"][1]["provider_id"]
            await clinic.json("DELETE", f"/v1/absences?provider={named}&holding_at=2090-01-02T00:00:00Z")
            await _away(clinic, "adams", "2080-01-01T00:00:00Z")
            rest = await clinic.json("GET", f"/v1/absences?limit=2&after={first['next']}")
            assert rest["next"] is None
            assert len(rest["absences"]) == 2
            assert not gone & {one["id"] for one in rest["absences"]}
            teams = [(await clinic.json("POST", "/v1/care-teams", {"name": name}, 201))["id"] for name in "ba"]
            page = await clinic.json("GET", "/v1/care-teams?limit=1")
            after = await clinic.json("GET", f"/v1/care-teams?limit=1&after={page['next']}")
            assert [one["id"] for one in (*page["care_teams"], *after["care_teams"])] == teams[::-1]

    in_hospital(body)


def test_a_cursor_of_another_list_and_a_wrong_limit_are_refused(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_clinic(hospital) as clinic:
            teams = [(await clinic.json("POST", "/v1/care-teams", {"name": name}, 201))["id"] for name in "ba"]
            cursor = (await clinic.json("GET", "/v1/care-teams?limit=1"))["next"]
            for path in ("/v1/absences", f"/v1/care-teams/{teams[0]}/patients"):
                assert (await clinic.client.get(f"{path}?limit=1")).status_code == 200
                for wrong in (cursor, "x", "", "%00", "a" * 3000):
                    answer = await clinic.client.get(f"{path}?after={wrong}")
                    assert answer.status_code == 400, wrong
                assert (await clinic.client.get(f"{path}?after={cursor}")).json()["code"] == "invalid-cursor"
                for limit in ("0", "501", "-1", "x"):
                    assert (await clinic.client.get(f"{path}?limit={limit}")).status_code == 400

    in_hospital(body)


def test_lists_around_people_come_in_pages_too(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_clinic(hospital) as clinic:
            await clinic.json("PUT", "/v1/policy", {"document": {"referral_from_primary": False}})
            unit = await clinic.json("POST", "/v1/units", {"identifier": "urn:ward|7", "name": "Ward 7"}, 201)
            soon = (datetime.now(UTC) + timedelta(days=9)).isoformat()
            for name, patient in (("adams", "ines"), ("brown", "twin"), ("chen", "ines")):
                own, known = clinic.ids[name], clinic.ids[patient]
                for said in ({}, {"unit": unit["id"]}):
                    await clinic.json("POST", "/v1/duties", {"duty": "supervisor", "provider": own, **said}, 201)
                line = {"provider": own, "reports_to": clinic.ids["dana"]}
                await clinic.json("POST", "/v1/reporting-lines", line, 201)
                relation = {"provider": own, "patient": known, "relation": "family"}
                await clinic.json("POST", "/v1/personal-relations", relation, 201)
                credential = {"provider": own, "kind": "licence", "code": "L1", "ends_at": soon}
                await clinic.json("POST", "/v1/credentials", credential, 201)
                referral = {"patient": clinic.ids["ines"], "referring": own, "specialty_code": CARDIOLOGY}
                await clinic.json("POST", "/v1/referrals", referral, 201)
            for path, many in (
                ("duties?duty=supervisor", 6), ("reporting-lines?", 3), ("personal-relations?", 3),
                (f"referrals?patient={clinic.ids['ines']}", 3), ("credentials/lapsing?days=90", 3), ("suspended?", 0),
            ):  # fmt: skip
                whole = await clinic.json("GET", f"/v1/{path}&limit=500")
                [name] = set(whole) - {"next"}
                seen: list[Any] = []
                page = await clinic.json("GET", f"/v1/{path}&limit=1")
                while page["next"] is not None:
                    assert len(page[name]) == 1, path
                    seen += page[name]
                    page = await clinic.json("GET", f"/v1/{path}&limit=1&after={page['next']}")
                assert (seen + page[name], whole["next"], len(whole[name])) == (whole[name], None, many), path
            told = (await clinic.json("GET", "/v1/duties?duty=supervisor"))["duties"]
            assert [one["unit_id"] for one in told] == [unit["id"]] * 3 + [None] * 3

    in_hospital(body)


async def _away(clinic: Clinic, name: str, since: str) -> None:
    said = {"provider": f"staff|{name}", "starts_at": since, "ends_at": since.replace("-01-01", "-02-01")}
    await clinic.json("POST", "/v1/absences", said, 201)
