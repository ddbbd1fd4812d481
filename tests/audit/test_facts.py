"""Facts written behind the application's back are named, one by one; those written through it are not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
from proofs.audit_behind import KINDS, behind

from carecircle.actor import Actor
from carecircle.audit import facts_service
from carecircle.audit.entry import Entry, append
from carecircle.audit.holds_service import place_hold
from carecircle.audit.sealing import seal_once
from carecircle.database.migrations.versions import __path__ as versions
from carecircle.database.reach import dsn
from carecircle.directory.duty_service import add_duty
from carecircle.restrictions.service import object_to
from tests.conftest import Hospital

Run = Callable[[Callable[[Hospital], Any]], Any]


def test_the_compared_tables_are_those_the_auditor_may_read() -> None:
    [migration] = (file for place in versions for file in Path(place).glob("*_proof.py"))
    text = migration.read_text()
    [later] = (file.read_text() for place in versions for file in Path(place).glob("*_service.py"))
    for table in facts_service.FACTS:
        assert f'"{table}"' in text + later
    made = text[text.index("MADE_ONCE = (") :].partition(")")[0]
    told = {*facts_service.MADE_ONCE, *facts_service.EDITED} - {"audit_retirements"}
    assert told == {word for word in made.split('"') if word.replace("_", "").isalpha() and word != "MADE_ONCE"}


def test_rows_behind_the_applications_back_are_all_named_and_nothing_else(in_hospital: Run, home: Path) -> None:
    async def body(hospital: Hospital) -> None:
        outcome = await behind(hospital.circle, home, rows=2 * len(KINDS))
        assert len(outcome.written) == 2 * len(KINDS)
        assert set(Counter(outcome.written.values()).values()) == {2}
        assert outcome.broken() == []
        assert outcome.before.ok
        # The control: facts were there to be compared, and none of them was named.
        assert outcome.before.facts.rows > 4 * len(KINDS)
        told = {stray.code for stray in outcome.after.facts.strays}
        assert told == {"fact-without-entry", "closing-without-entry"}
        assert {one.code for one in outcome.after.verdict.findings} == {"unmarked"}

    in_hospital(body)


def test_a_row_of_before_its_entry_is_sealed_is_compared_too(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        provider = await hospital.provider("staff|one")
        async with hospital.change() as db:
            duty = await add_duty(
                db, provider=provider, duty="supervisor", organization=hospital.organization, actor="test"
            )
        compared = await facts_service.compare(hospital.circle.auditor, organization=hospital.organization)
        assert (compared.strays, compared.moved) == ((), 0)
        assert compared.rows >= 1
        assert await _named(hospital, doubted={duty.entry_id}) == [
            ("fact-without-entry", "names an entry that carecircle did not write as it is")
        ]
        root = await asyncpg.connect(dsn(hospital.circle.reach.admin))
        try:
            await root.execute("update carecircle.duties set entry_id = gen_random_uuid() where id = $1", duty.id)
        finally:
            await root.close()
        assert await _named(hospital) == [("fact-without-entry", "names an entry that is not there")]

    in_hospital(body)


async def _named(hospital: Hospital, doubted: set[UUID] | None = None) -> list[tuple[str, str]]:
    compared = await facts_service.compare(
        hospital.circle.auditor, doubted=doubted or (), organization=hospital.organization
    )
    return [(one.code, one.sentence) for one in compared.strays]


def test_what_the_keeper_sealed_anew_is_not_named_and_what_others_rewrote_is(in_hospital: Run, home: Path) -> None:
    async def body(hospital: Hospital) -> None:
        patient = await hospital.patient("mrn|one")
        said: dict[str, Any] = {"organization": hospital.organization, "actor": "test"}
        async with hospital.change() as db:
            held = (await place_hold(db, patient_id=patient, reason="A court asks.", **said)).id
        await seal_once(hospital.circle.settings, hospital.circle.reach)
        anew = "update carecircle.legal_holds set reason = reason || '' where id = $1"

        async def rewritten() -> None:
            root = await asyncpg.connect(dsn(hospital.circle.reach.admin))
            try:
                assert await root.execute(anew, held) == "UPDATE 1"
            finally:
                await root.close()

        async def tell(code: str) -> None:
            async with hospital.change() as db:
                await append(db, Entry(hospital.organization, "change", Actor("test"), code))

        assert await _named(hospital) == []
        await rewritten()
        late = [("fact-without-entry", "was written later than the entry it names was sealed")]
        assert await _named(hospital) == late
        await tell("fields-resealing")
        await rewritten()
        await tell("fields-resealed")
        assert await _named(hospital) == []
        await rewritten()
        assert await _named(hospital) == late

    in_hospital(body)


async def _as_administrator(hospital: Hospital, *statements: str) -> None:
    root = await asyncpg.connect(dsn(hospital.circle.reach.admin))
    try:
        for statement in statements:
            assert not (await root.execute(statement.format(own=hospital.organization))).endswith(" 0")
    finally:
        await root.close()


async def _sealed(hospital: Hospital) -> None:
    await seal_once(hospital.circle.settings, hospital.circle.reach)


def test_a_forged_resealing_opens_no_window(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with hospital.change() as db:
            await place_hold(db, reason="A court asks.", organization=hospital.organization, actor="test")
        await _sealed(hospital)
        forged = (
            "insert into carecircle.audit_events (organization_id, id, kind, actor, code, mark, writer_id, writer_turn)"
            " values ('{own}', gen_random_uuid(), 'change', 'test', 'fields-resealing', '\\x0123456789abcdef',"
            " gen_random_uuid(), 1)"
        )
        anew = "update carecircle.legal_holds set reason = reason || '' where organization_id = '{own}'"
        await _as_administrator(hospital, forged, anew)
        late = [("fact-without-entry", "was written later than the entry it names was sealed")]
        assert await _named(hospital) == late
        await _sealed(hospital)
        assert await _named(hospital) == late
        # The control: one of ours does, as long as its writer writes nothing else.
        async with hospital.change() as db:
            await append(db, Entry(hospital.organization, "change", Actor("test"), "fields-resealing"))
        await _as_administrator(hospital, anew)
        assert await _named(hospital) == []
        async with hospital.change() as db:
            await append(db, Entry(hospital.organization, "change", Actor("test"), "another"))
        await _as_administrator(hospital, anew)
        assert await _named(hospital) == late

    in_hospital(body)


def test_a_fact_that_was_taken_away_is_missed(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        said: dict[str, Any] = {"organization": hospital.organization, "actor": "test"}
        patient, provider = await hospital.patient("mrn|one"), await hospital.provider("staff|one")
        async with hospital.change() as db:
            objection = await object_to(db, patient=patient, provider=provider, **said)
            await add_duty(db, provider=provider, duty="supervisor", **said)
        await _sealed(hospital)
        # The control: both have their rows, and an entry that nobody who holds the keys wrote is missed none.
        await _as_administrator(
            hospital,
            "insert into carecircle.audit_events (organization_id, id, kind, actor, code, mark, writer_id, writer_turn)"
            " values ('{own}', gen_random_uuid(), 'change', 'test', 'duty-added', '\\x0123456789abcdef', gen_random_uuid(), 1)",
        )
        await _sealed(hospital)
        assert await _named(hospital) == []
        await _as_administrator(
            hospital,
            "set session_replication_role = replica",
            "delete from carecircle.access_restrictions where organization_id = '{own}'",
        )
        gone = "is gone: its entry (objection-recorded) is there, and no row names it"
        assert await _named(hospital) == [("fact-missing", gone)]
        assert await _named(hospital, doubted={objection.entry_id}) == []

    in_hospital(body)


def test_what_cannot_be_told_is_said(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async def placed() -> None:
            async with hospital.change() as db, db.begin_nested():
                await place_hold(db, reason="A court asks.", organization=hospital.organization, actor="test")

        await placed()
        await _sealed(hospital)
        await hospital.patient("mrn|one")
        await _sealed(hospital)
        assert await _named(hospital) == []
        told = (
            "update carecircle.audit_checkpoints set note = replace(note, E'\\ntime ', E'\\nprevious ' || (select min(tree_size)"
            " from carecircle.audit_checkpoints where organization_id = '{own}') || E'\\ntime ') where organization_id = '{own}'"
            " and note !~ E'\\nprevious ' and tree_size > (select min(tree_size) from carecircle.audit_checkpoints"
            " where organization_id = '{own}')"
        )
        root = await asyncpg.connect(dsn(hospital.circle.reach.admin))
        try:
            await root.execute(told.format(own=hospital.organization))
        finally:
            await root.close()
        assert await _named(hospital) == []
        await _as_administrator(
            hospital,
            "set session_replication_role = replica",
            "delete from carecircle.audit_checkpoints c where organization_id = '{own}' and tree_size < (select"
            " max(tree_size) from carecircle.audit_checkpoints where organization_id = c.organization_id)",
        )
        assert [code for code, _ in await _named(hospital)] == ["fact-unbounded"]

    in_hospital(body)


def test_after_a_restore_elsewhere_what_cannot_be_compared_is_counted(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async def placed() -> None:
            async with hospital.change() as db:
                await place_hold(db, reason="A court asks.", organization=hospital.organization, actor="test")

        await placed()
        await _sealed(hospital)
        anew = "update carecircle.legal_holds set reason = reason || '' where organization_id = '{own}'"
        await _as_administrator(hospital, anew)
        assert len(await _named(hospital)) == 1
        await _as_administrator(
            hospital,
            "set session_replication_role = replica",
            "update carecircle.audit_checkpoints set system_id = 0 where organization_id = '{own}'",
        )
        compared = await facts_service.compare(hospital.circle.auditor, organization=hospital.organization)
        assert (compared.strays, compared.moved) == ((), 1)
        # What the other cluster had come to lies ahead of this one, and is not sealed again yet.
        ahead = "(({0}::text::bigint + 1000000)::text)::xid8"
        await placed()
        await _as_administrator(
            hospital,
            "set session_replication_role = replica",
            f"update carecircle.audit_events e set xid = {ahead.format('xid')} where organization_id = '{{own}}'"
            " and code = 'hold-placed' and not exists (select from carecircle.audit_leaves l where l.entry_id = e.id)",
            f"update carecircle.legal_holds h set recorded_xid = {ahead.format('recorded_xid')} where organization_id = '{{own}}'"
            " and not exists (select from carecircle.audit_leaves l where l.entry_id = h.entry_id)",
        )
        compared = await facts_service.compare(hospital.circle.auditor, organization=hospital.organization)
        assert (compared.strays, compared.moved) == ((), 2)

    in_hospital(body)
