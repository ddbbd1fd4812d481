"""The Python examples of the pages about emergencies run, and return what the pages say."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from carecircle import acting_as, to_text
from carecircle.database.reach import Reach
from carecircle.directory.duty_service import add_duty
from carecircle.emergency.reading_service import emergencies
from carecircle.errors import AccessUnavailable
from carecircle.identifiers import new_id
from carecircle.notices.webhook import Hook, body_of
from carecircle.notices.words import Notice
from carecircle.services import EmergencyAccessManager
from carecircle.settings import Settings
from tests.access.test_check import Run
from tests.conftest import Hospital
from tests.emergency.clinic import Clinic
from tests.notices.receivers import SECRET

HOW_TO = Path(__file__).resolve().parents[2] / "docs" / "how-to"


def defined_in(page: str, block: int = 0) -> dict[str, Any]:
    """The names that an example of a page defines."""
    blocks = re.findall(r"^```python\n(.*?)^```$", (HOW_TO / page).read_text(), re.DOTALL | re.MULTILINE)
    names: dict[str, Any] = {}
    exec(compile(blocks[block], page, "exec"), names)  # noqa: S102 - our own page
    return names


def promised(page: str) -> list[str]:
    [said] = re.findall(r"^It returns (.*)\.$", (HOW_TO / page).read_text(), re.MULTILINE)
    return re.findall(r"`([^`]+)`", said)


def people(c: Clinic) -> tuple[str, str, str]:
    return to_text(c.hospital.organization), to_text(c.doctor), to_text(c.patient)


async def denied_soon(c: Clinic) -> None:
    """A supervisor denies what the doctor opens, as soon as there is something."""
    async with asyncio.timeout(20):
        while True:
            async with c.hospital.change() as db:
                found = await emergencies(db, pending=True, organization=c.hospital.organization)
            if found:
                break
            await asyncio.sleep(0.05)
    manager = EmergencyAccessManager(c.hospital.circle, organization=c.hospital.organization, actor="service:test")
    await asyncio.sleep(0.5)
    await manager.deny_emergency_access(found[0].id, c.everywhere, "enough")


async def with_a_denial(c: Clinic, work: Coroutine[Any, Any, list[str]]) -> list[str]:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(denied_soon(c))
        seen = tasks.create_task(work)
    return seen.result()


def test_the_manager_of_the_page_about_breaking_the_glass(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        example = defined_in("break-glass.md")["an_emergency"]
        told = await example(hospital.circle, *people(c), to_text(c.everywhere))
        assert told == promised("break-glass.md")
        assert not await c.may()

    in_hospital(body)


def test_the_block_of_the_page_about_breaking_the_glass(in_hospital: Run, capsys: pytest.CaptureFixture[str]) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        example = defined_in("break-glass.md", 1)["at_the_bedside"]
        assert await with_a_denial(c, example(hospital.circle, *people(c))) == ["provisional", "denied"]
        assert not await c.may()

    in_hospital(body)
    assert re.fullmatch(r"BG-\w{6} is open until .*\n", capsys.readouterr().out)


def test_the_block_of_the_page_about_embedding(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        example = defined_in("embed-in-python.md", 1)["in_an_emergency"]
        with acting_as(organization=hospital.organization, actor="service:ward-app"):
            assert await example(hospital.circle, to_text(c.doctor), to_text(c.patient)) == "read"
            assert await example(hospital.circle, to_text(c.first), to_text(c.patient)) == "may-not-break-glass"
            async with hospital.change() as db:
                await add_duty(db, provider=c.first, duty="break_glass")
            assert await example(hospital.circle, to_text(c.first), to_text(c.patient)) == "read"
        assert not await c.may()

    in_hospital(body)


def test_the_hook_of_the_page_about_downtime(migrated: Reach, settings: Settings) -> None:
    names = defined_in("downtime.md")
    heard: list[str] = []
    names["ring"] = lambda error: heard.append(error.code)
    opened: list[Any] = []
    assemble = names["assemble"]

    def seen(*given: Any, **said: Any) -> Any:
        opened.append(assemble(*given, **said))
        return opened[-1]

    names["assemble"] = seen
    asyncio.run(names["start"](settings, migrated))
    assert len(opened) == 1

    async def ask() -> None:
        async with assemble(settings, migrated, on_unavailable=names["ring"]) as circle:
            await circle.access.close()  # it answers nobody any more
            with pytest.raises(AccessUnavailable):
                await circle.access.check(new_id(), "read", new_id(), organization=new_id(), actor="test")

    asyncio.run(ask())
    assert heard == ["access-unavailable"]


def test_a_receiver_knows_our_events(in_hospital: Run) -> None:
    is_ours = defined_in("who-decides.md")["is_ours"]
    hook = Hook.of(Settings(webhook_url="http://127.0.0.1:9000/hook", webhook_secret=SecretStr(SECRET)))
    assert hook is not None

    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        now = await c.instant()
        notice = Notice(new_id(), "emergency-opened", new_id(), now, "https://care.example/break-glass/1")
        told = body_of(notice)
        page = (HOW_TO / "who-decides.md").read_text()
        [shown] = re.findall(r"^```json\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
        assert list(json.loads(shown)) == list(json.loads(told))
        fresh = hook.headers(notice, told, now)
        stale = hook.headers(notice, told, now - timedelta(minutes=6))
        assert abs(time.time() - now.timestamp()) < 60
        assert is_ours(fresh, told, SECRET)
        assert not is_ours(stale, told, SECRET)
        assert not is_ours(fresh, told + b" ", SECRET)
        assert not is_ours(fresh, told, SECRET[:-4] + "AAA=")

    in_hospital(body)
