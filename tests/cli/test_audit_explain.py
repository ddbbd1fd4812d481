"""audit explain: a past answer in words and as data, given again; what differs exits 11; that it was read is an entry."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
from sqlalchemy.engine import make_url

from carecircle.database.reach import dsn
from carecircle.identifiers import new_id, parse_id, to_text
from tests.cli.conftest import Command, Place


def as_administrator(place: Place, sql: str, *given: Any) -> list[asyncpg.Record]:
    """A statement past every wall, as somebody at the database would say it."""

    async def said() -> list[asyncpg.Record]:
        connection = await asyncpg.connect(dsn(make_url(place.server.admin_url)))
        try:
            found: list[asyncpg.Record] = await connection.fetch(sql, *given)
            return found
        finally:
            await connection.close()

    return asyncio.run(said())


def test_a_past_answer_is_given_again_and_told(carecircle: Command, own: str) -> None:
    assert carecircle("assign", "primary", "patient", "doctor", organization=own).code == 0
    asked = carecircle("check", "doctor", "read", "patient", "-o", "json", organization=own).json
    assert carecircle("assign", "primary", "patient", "other", "--previous", "end", organization=own).code == 0
    assert carecircle("check", "doctor", "read", "patient", organization=own).code == 10
    ran = carecircle("audit", "explain", asked["entry"], organization=own)
    assert ran.code == 0, ran.err
    assert ran.lines[0] == "same answer, asked again with what was known then"
    text = " ".join(ran.lines)
    assert asked["entry"] in text
    assert "ALLOWED" in text
    assert "primary provider, open-ended" in text
    assert f"row {asked['bases'][0]['id']}, recorded" in text
    assert "(primary-assigned, by operator:" in text
    assert "since superseded" in text
    assert "by the entry's own snapshot" in text
    told = carecircle("audit", "explain", asked["entry"], "-o", "json", organization=own).json
    assert told["entry"]["id"] == asked["entry"]
    assert told["replay"]["same"] is True
    assert told["replay"]["by"] == "snapshot"
    assert told["replay"]["differences"] == []
    [proof] = told["proof"]
    assert proof["id"] == asked["bases"][0]["id"]
    assert proof["row"]["table"] == "patient_assignments"
    assert len(proof["row"]["entry"]) == len(proof["row"]["superseded_entry"]) == 26
    csv = carecircle("audit", "explain", asked["entry"], "-o", "csv", organization=own)
    assert len(csv.lines) == 2


def test_denials_lists_and_questions_about_other_instants(carecircle: Command, own: str) -> None:
    denied = carecircle("check", "doctor", "read", "patient", "-o", "json", organization=own).json
    listed = carecircle("panel", "doctor", "-o", "json", organization=own).json
    circle = carecircle("who-can", "patient", "-o", "json", organization=own).json
    then = carecircle(
        "check", "doctor", "read", "patient", "--as-of", "2026-01-01", "--believed-at", "2026-01-02", "-o", "json",
        organization=own,
    ).json  # fmt: skip
    assert carecircle("assign", "primary", "patient", "doctor", organization=own).code == 0
    for entry, says in (
        (denied["entry"], "[no-relationship]"),
        (listed["entry"], "0 listed [listed]"),
        (circle["entry"], "who may do this (read) to patient"),
        (then["entry"], "2026-01-01T00:00:00Z, going by what was known at 2026-01-02T00:00:00Z"),
    ):
        ran = carecircle("audit", "explain", entry, organization=own)
        assert ran.code == 0, ran.out
        assert says in ran.out


def test_what_was_altered_exits_11_and_says_what_differs(carecircle: Command, own: str, place: Place) -> None:
    assert carecircle("assign", "primary", "patient", "doctor", organization=own).code == 0
    asked = carecircle("check", "doctor", "read", "patient", "-o", "json", organization=own).json
    row = parse_id(asked["bases"][0]["id"])
    as_administrator(
        place, "update carecircle.patient_assignments set scope = '{order}' where id = $1 returning id", row
    )
    ran = carecircle("audit", "explain", asked["entry"], organization=own)
    assert ran.code == 11
    assert ran.lines[0].startswith("DIFFERENT ANSWER")
    assert "code: the entry says allowed; asked again, action-not-granted" in ran.out
    told = carecircle("audit", "explain", asked["entry"], "-o", "json", organization=own)
    assert told.code == 11
    assert [one["what"] for one in told.json["replay"]["differences"]] == ["allowed", "code", "basis"]


def test_other_entries_are_shown_and_the_reading_is_recorded(carecircle: Command, own: str, place: Place) -> None:
    [entry] = as_administrator(
        place,
        "select e.id, e.organization_id from carecircle.audit_events e join carecircle.organizations o"
        " on o.id = e.organization_id where o.slug = $1 and e.code = 'patient-registered'",
        own,
    )
    ran = carecircle("audit", "explain", to_text(entry["id"]), organization=own)
    assert ran.code == 0
    assert ran.lines[0] == "A change: patient-registered; nothing to replay"
    assert carecircle("audit", "explain", to_text(entry["id"]), "-o", "json", organization=own).json["replay"] is None
    readings = as_administrator(
        place,
        "select kind, actor, detail from carecircle.audit_events where organization_id = $1 and code = 'decision-explained'",
        entry["organization_id"],
    )
    assert len(readings) == 2
    assert {one["kind"] for one in readings} == {"reading"}
    assert all(to_text(entry["id"]) in one["detail"] for one in readings)


def test_what_is_not_there_exits_5_and_what_is_no_id_7(carecircle: Command, own: str) -> None:
    assert carecircle("audit", "explain", to_text(new_id()), organization=own).code == 5
    assert carecircle("audit", "explain", "mrn|1", organization=own).code == 7
    # Another organization's entry is not there either.
    elsewhere = carecircle("check", "okafor", "read", "N-0001", "--exit-zero", "-o", "json").json["entry"]
    assert carecircle("audit", "explain", elsewhere, organization=own).code == 5
    assert carecircle("audit", "explain", elsewhere).code == 0
