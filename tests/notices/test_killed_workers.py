"""Workers as processes: killed at any moment they lose nothing, and side by side they share the work."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from carecircle.database.reach import Reach, dsn
from carecircle.identifiers import to_text
from carecircle.notices.service import wake
from tests.conftest import Hospital
from tests.notices.conftest import FROM
from tests.notices.receivers import HERE, SECRET, HookReceiver, MailServer
from tests.notices.test_worker import InHospital, outcome, put_down, soon

ROWS = 40
Started = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def started(home: Path, migrated: Reach, tmp_path: Path, mail: MailServer, hook: HookReceiver) -> Iterator[Started]:
    """Starts `carecircle worker` as a process of its own, with its log in the named file."""
    processes: list[subprocess.Popen[bytes]] = []

    def start(log: str = "log", *arguments: str, **more: str) -> subprocess.Popen[bytes]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("CARECIRCLE_")}
        environment = inherited | {
            "CARECIRCLE_HOME": str(home),
            "CARECIRCLE_DATABASE_URL": dsn(migrated.admin),
            "CARECIRCLE_SMTP_URL": f"smtp://{HERE}:{mail.port}",
            "CARECIRCLE_MAIL_FROM": FROM,
            "CARECIRCLE_WEBHOOK_URL": hook.url,
            "CARECIRCLE_WEBHOOK_SECRET": SECRET,
        }
        command = [sys.executable, "-c", "from carecircle.cli.main import run; run()", "worker", *arguments]
        with (tmp_path / log).open("ab") as out:
            processes.append(subprocess.Popen(command, env=environment | more, stdout=out, stderr=out))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.wait()


def lines(log: Path) -> list[dict[str, Any]]:
    """The log's lines; each is JSON. The last one of a process that was killed may be cut off."""
    whole = log.read_text().splitlines()
    return [json.loads(line) for line in whole]


async def filled(hospital: Hospital) -> tuple[set[str], str]:
    """An outbox with mail and events in it, told once: the ids of the events, and the address of the mail."""
    address = f"{hospital.slug}@hospital.example"
    events = {to_text(await put_down(hospital, "webhook:emergency-opened", told=False)) for _ in range(ROWS)}
    for _ in range(ROWS):
        await put_down(hospital, "email:emergency-opened", address, told=False)
    async with hospital.change() as db:
        await wake(db, hospital.organization)
    return events, address


def came(hook: HookReceiver, events: set[str], wanted: int) -> bool:
    return len(events & set(hook.ids())) >= wanted


def says(log: Path, words: str) -> bool:
    return words in log.read_text()


def known(mail: MailServer, address: str) -> Counter[str]:
    return Counter(str(message["Message-ID"]) for message in mail.to(address))


def test_a_worker_killed_again_and_again_loses_nothing(
    in_hospital: InHospital, started: Started, mail: MailServer, hook: HookReceiver
) -> None:
    kills = 3

    async def body(hospital: Hospital) -> None:
        hook.slow = mail.slow = 0.05
        worker = started()
        events, address = await filled(hospital)
        for number in range(kills):
            wanted = (number + 1) * ROWS // (kills + 1)
            await soon(partial(came, hook, events, wanted), 60)
            worker.send_signal(signal.SIGKILL)
            worker.wait()
            assert len(events & set(hook.ids())) < ROWS  # it had not finished
            worker = started()
        await soon(lambda: events <= set(hook.ids()) and len(known(mail, address)) == ROWS, 60)
        await asyncio.sleep(0.5)
        left = [one for one in await left_over(hospital) if one != "sent"]
        assert left == []
        delivered = Counter(hook.ids())
        # What was on its way at a kill comes twice, and is known again by its id; nothing else does.
        assert sum(delivered[one] - 1 for one in events) <= 3 * kills
        assert sum(known(mail, address).values()) - ROWS <= 3 * kills

    in_hospital(body)


async def left_over(hospital: Hospital) -> list[str]:
    async with hospital.change() as db:
        found = await db.execute(
            text("select case when settled_at is null then 'unsettled' else outcome end from carecircle.outbox")
        )
        return [row[0] for row in found]


def test_two_workers_side_by_side_share_the_work(
    in_hospital: InHospital, started: Started, mail: MailServer, hook: HookReceiver, tmp_path: Path
) -> None:
    async def body(hospital: Hospital) -> None:
        hook.slow = mail.slow = 0.02
        both = [started("one"), started("two")]
        for log in ("one", "two"):
            await soon(partial(says, tmp_path / log, "watching"), 60)
        events, address = await filled(hospital)
        await soon(lambda: events <= set(hook.ids()) and len(known(mail, address)) == ROWS, 60)
        for worker in both:
            worker.send_signal(signal.SIGTERM)
        assert [worker.wait(60) for worker in both] == [0, 0]
        assert set(await left_over(hospital)) == {"sent"}
        delivered = Counter(hook.ids())
        assert {delivered[one] for one in events} == {1}
        assert set(known(mail, address).values()) == {1}
        done = [
            {line["outbox_id"] for line in lines(tmp_path / log) if line["event"] == "done"} for log in ("one", "two")
        ]
        assert not done[0] & done[1]
        assert min(len(events & one) for one in done) > 0

    in_hospital(body)


def test_the_command_ends_when_told_and_does_what_is_due_once(
    in_hospital: InHospital, started: Started, hook: HookReceiver, tmp_path: Path
) -> None:
    async def body(hospital: Hospital) -> None:
        first = await put_down(hospital, "webhook")
        assert started("once", "--once").wait(60) == 0
        assert await outcome(hospital, first) == ("sent", 1, True)
        assert (tmp_path / "once").read_text().splitlines()[-1].startswith("Done: ")
        running = started("text", CARECIRCLE_LOG_FORMAT="text")
        await soon(lambda: "event='watching'" in (tmp_path / "text").read_text(), 60)
        began = time.monotonic()
        running.send_signal(signal.SIGINT)
        assert running.wait(60) == 0
        assert time.monotonic() - began < 20

    in_hospital(body)


def test_a_setting_that_cannot_be_used_stops_it_at_once(started: Started, tmp_path: Path) -> None:
    assert started("log", CARECIRCLE_WEBHOOK_SECRET="sesame").wait(60) == 7
    said = (tmp_path / "log").read_text()
    assert said.startswith("error: CARECIRCLE_WEBHOOK_SECRET: ")
    assert said.endswith("[invalid-setting]\n")
    assert "sesame" not in said
