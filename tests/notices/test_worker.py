"""The worker on a real database: notices within a second, no row lost, no row that stops another."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from structlog.testing import capture_logs

from carecircle import Settings
from carecircle.audit.metrics import REGISTRY
from carecircle.database.crypto import keyring
from carecircle.database.reach import Reach, dsn
from carecircle.database.session import instant
from carecircle.identifiers import new_id, to_text
from carecircle.notices.service import put, wake
from carecircle.notices.words import reference
from carecircle.worker import run_worker, work_once
from tests.conftest import Hospital
from tests.emergency.clinic import Clinic
from tests.notices.conftest import PUBLIC, configured
from tests.notices.receivers import HookReceiver, MailServer

InHospital = Callable[[Callable[[Hospital], Any]], Any]
CANARY = "zyxwinterbourne"


@asynccontextmanager
async def working(settings: Settings, at: Reach) -> AsyncIterator[None]:
    """A worker for as long as the block, in this process."""
    stop = asyncio.Event()
    task = asyncio.create_task(run_worker(settings, at, stop=stop))
    try:
        yield
    finally:
        stop.set()
        await task


async def soon(condition: Callable[[], Any], seconds: float = 30) -> float:
    """Wait until the condition holds; how many seconds that took."""
    began = time.perf_counter()
    while not condition():
        assert time.perf_counter() - began < seconds, "it did not come true"
        await asyncio.sleep(0.01)
    return time.perf_counter() - began


async def outcome(hospital: Hospital, due_id: UUID) -> tuple[str, int, bool]:
    """A row's outcome, how often it was tried, and whether it is settled."""
    async with admin(hospital.circle.reach) as connection:
        row = await connection.fetchrow(
            "select outcome, attempts, settled_at is not null from carecircle.outbox where organization_id = $1 and id = $2",
            hospital.organization,
            due_id,
        )
        return row[0], row[1], row[2]


@asynccontextmanager
async def admin(at: Reach) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(dsn(at.admin))
    try:
        yield connection
    finally:
        await connection.close()


async def put_down(
    hospital: Hospital, kind: str, address: str = "", after: timedelta = timedelta(0), *, told: bool = True
) -> UUID:
    """One row of the outbox, due after a while; its id."""
    async with hospital.change() as db:
        now = await instant(db)
        due = await put(
            db, hospital.organization, kind, subject_id=new_id(), due_at=now + after, entry_id=new_id(), address=address
        )
        if told:
            await wake(db, hospital.organization)
    return due.id


async def sees(at: Reach, query: str) -> bool:
    """Whether the notifier's role may ask this."""
    connection = await asyncpg.connect(at.dsn("notifier"))
    try:
        await connection.fetch(query)
    except asyncpg.InsufficientPrivilegeError:
        return False
    else:
        return True
    finally:
        await connection.close()


async def arrived(hook: HookReceiver, due_id: UUID) -> float:
    """Wait until this event has come; how many seconds that took."""
    return await soon(lambda: to_text(due_id) in hook.ids())


def test_supervisors_are_told_and_no_notice_names_anybody(
    in_hospital: InHospital, home: Path, mail: MailServer, hook: HookReceiver
) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital)
        clinic.patient = await hospital.patient(f"mrn|{CANARY}", name=CANARY, birth_date=date(1961, 7, 4))
        clinic.doctor = await clinic.breaker(f"staff|{CANARY}")
        async with working(configured(home, mail, hook), hospital.circle.reach):
            row = await clinic.request(reason_code="other", words=f"{CANARY} is unresponsive")
            ours = to_text(row.lineage_id)
            await soon(lambda: mail.about(ours) and hook.types(ours))
        [event] = [told for _, told in hook.taken if told["emergency_id"] == ours]
        assert (event["type"], event["link"]) == ("emergency-opened", f"{PUBLIC}/break-glass/{ours}")
        [message] = mail.about(ours)
        assert message["To"] == "first@hospital.example"
        assert reference(row.lineage_id) in message["Subject"]
        said = b"".join(mail.raw) + b"".join(hook.raw)
        assert reference(row.lineage_id).encode() in said
        assert CANARY.encode() not in said.lower()
        assert row.reason is not None
        kept = keyring().unseal(row.reason, hospital.organization, "emergency_access", "reason", row.lineage_id)
        assert CANARY.encode() in kept  # it was there to be told

    in_hospital(body)


def test_a_mail_server_that_is_away_delays_nothing_else_and_mail_arrives_once_it_is_back(
    in_hospital: InHospital, home: Path, mail: MailServer, hook: HookReceiver
) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital)
        settings = configured(home, mail, hook)
        mail.stop()
        async with working(settings, hospital.circle.reach):
            row = await clinic.request()
            await clinic.earlier(row, timedelta(minutes=5, seconds=1))
            async with hospital.change() as db:
                await wake(db, hospital.organization)
            ours = to_text(row.lineage_id)
            escalated = {"emergency-opened", "emergency-escalated", "emergency-undecided"}
            await soon(lambda: escalated <= set(hook.types(ours)))
            assert not mail.raw
            mail.start()
            wanted = {f"{who}@hospital.example" for who in ("first", "second", "manager", "office")}
            await soon(lambda: wanted <= {message["To"] for message in mail.about(ours)}, 30)

    in_hospital(body)


def test_a_poisoned_row_is_put_off_and_the_log_says_no_more_than_its_kind(
    in_hospital: InHospital, home: Path, hook: HookReceiver
) -> None:
    async def body(hospital: Hospital) -> None:
        poisoned = await put_down(hospital, "relationship", address=CANARY)  # about nothing that exists
        unknown = await put_down(hospital, "from-a-later-version")
        behind = await put_down(hospital, "webhook:emergency-opened")
        with capture_logs() as lines:
            await work_once(configured(home, hook=hook), hospital.circle.reach)
        assert await outcome(hospital, poisoned) == ("failed", 1, False)
        assert await outcome(hospital, unknown) == ("unknown-kind", 1, False)
        assert await outcome(hospital, behind) == ("sent", 1, True)
        assert to_text(behind) in hook.ids()
        [line] = [one for one in lines if one.get("outbox_id") == to_text(poisoned) and one["event"] == "put off"]
        assert line["kind"] == "relationship"
        assert line["error"] == "emergency-access-not-found"
        assert {key for one in lines for key in one} <= {
            "event", "log_level", "kind", "outbox_id", "error", "outcome", "channel", "lane",
        }  # fmt: skip
        assert CANARY not in str(lines)

    in_hospital(body)


def test_what_is_not_configured_waits_and_goes_out_once_it_is(
    in_hospital: InHospital, home: Path, mail: MailServer, hook: HookReceiver
) -> None:
    async def body(hospital: Hospital) -> None:
        at = hospital.circle.reach
        address = f"{hospital.slug}@hospital.example"
        mailed, posted = await put_down(hospital, "email", address), await put_down(hospital, "webhook")
        stale, unusable = await put_down(hospital, "email", address), await put_down(hospital, "email", "pager 4711")
        async with admin(at) as connection:
            await connection.execute(
                "update carecircle.outbox set recorded_at = recorded_at - interval '73 hours' where id = $1", stale
            )
        before = REGISTRY.get_sample_value(
            "carecircle_notices_total", {"channel": "email", "outcome": "not-configured"}
        )
        await work_once(configured(home), at)
        after = REGISTRY.get_sample_value("carecircle_notices_total", {"channel": "email", "outcome": "not-configured"})
        assert (after or 0) - (before or 0) >= 2
        assert await outcome(hospital, mailed) == await outcome(hospital, posted) == ("not-configured", 1, False)
        assert await outcome(hospital, stale) == ("not-configured", 1, True)
        await asyncio.sleep(1.1)
        await work_once(configured(home, mail, hook), at)
        assert await outcome(hospital, mailed) == await outcome(hospital, posted) == ("sent", 2, True)
        assert await outcome(hospital, unusable) == ("unusable-address", 2, True)
        assert len(mail.to(address)) == 1

    in_hospital(body)


def test_a_row_goes_out_when_it_is_due_though_nobody_says_so(
    in_hospital: InHospital, home: Path, hook: HookReceiver
) -> None:
    async def body(hospital: Hospital) -> None:
        async with working(configured(home, hook=hook), hospital.circle.reach):
            first = await put_down(hospital, "webhook")
            await arrived(hook, first)
            later = await put_down(hospital, "webhook", after=timedelta(seconds=1.5))  # told, but not due yet
            assert 1.3 < await arrived(hook, later) < 4
            silent = await put_down(hospital, "webhook", told=False)
            assert await arrived(hook, silent) < 9

    in_hospital(body)


def test_a_database_that_hangs_up_is_found_again(in_hospital: InHospital, home: Path, hook: HookReceiver) -> None:
    async def body(hospital: Hospital) -> None:
        async with working(configured(home, hook=hook), hospital.circle.reach):
            for _ in range(2):
                known = await put_down(hospital, "webhook")
                await arrived(hook, known)
                async with admin(hospital.circle.reach) as connection:
                    cut = await connection.fetchval(
                        "select count(pg_terminate_backend(pid)) from pg_stat_activity"
                        " where usename in ('carecircle_notifier', 'carecircle_app')"
                    )
                assert cut >= 2
            last = await put_down(hospital, "webhook")
            assert await arrived(hook, last) < 9

    in_hospital(body)


def test_the_notifier_sees_when_and_for_whom_and_nothing_else(migrated: Reach) -> None:
    async def body() -> None:
        assert await sees(migrated, "select organization_id, due_at, settled_at from carecircle.outbox")
        for column in ("id", "kind", "subject_id", "recipient_id", "address", "entry_id", "outcome", "*"):
            assert not await sees(migrated, f"select {column} from carecircle.outbox")
        for table in ("emergency_access", "patients", "providers", "organizations", "audit_events", "duties"):
            assert not await sees(migrated, f"select * from carecircle.{table}")
        assert not await sees(migrated, "update carecircle.outbox set settled_at = now()")

    asyncio.run(body())


@pytest.mark.parametrize("lane", ["email", "webhook"])
def test_one_lane_that_hangs_holds_up_no_other(
    in_hospital: InHospital, home: Path, mail: MailServer, hook: HookReceiver, lane: str
) -> None:
    async def body(hospital: Hospital) -> None:
        settings = configured(home, mail, hook)
        hook.slow, mail.slow = (5.0, 0.0) if lane == "webhook" else (0.0, 5.0)
        address = f"{hospital.slug}@hospital.example"
        async with working(settings, hospital.circle.reach):
            for _ in range(4):
                await put_down(hospital, lane, address)
            other = await put_down(hospital, "email" if lane == "webhook" else "webhook", address)
            assert await (soon(lambda: mail.to(address)) if lane == "webhook" else arrived(hook, other)) < 4.5

    in_hospital(body)
