"""The real service for a whole file of tests: on an event loop of its own in a thread, so that tests may block."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from carecircle import Actor, CareTeamService, Settings, assemble, to_text
from carecircle.api.tokens import Permission, mint
from carecircle.database.reach import Reach
from tests.api.test_service import serving
from tests.conftest import Hospital, open_hospital

T = TypeVar("T")


@dataclass(frozen=True)
class Ward:
    """A running service: Okafor is primary for both `patients`, and Brandt takes part in nobody's care."""

    hospital: Hospital
    loop: asyncio.AbstractEventLoop
    address: str
    asker: str
    changer: str
    okafor: str
    brandt: str
    patients: tuple[str, str]

    def run(self, body: Coroutine[Any, Any, T]) -> T:
        """Something on the service's own loop, where its hospital is."""
        return asyncio.run_coroutine_threadsafe(body, self.loop).result(60)

    def somebody(self) -> tuple[str, str]:
        """A new provider and a new patient, for a test that changes something."""

        async def registered() -> tuple[str, str]:
            return to_text(await self.hospital.provider()), to_text(await self.hospital.patient())

        return self.run(registered())


@contextmanager
def running_ward(settings: Settings, at: Reach) -> Iterator[Ward]:
    opened: list[Ward] = []
    failed: list[BaseException] = []
    ready, done = threading.Event(), asyncio.Event()

    async def whole() -> None:
        async with assemble(settings, at) as circle, open_hospital(circle) as hospital:
            okafor, brandt = await hospital.provider("urn:staff|okafor"), await hospital.provider("urn:staff|brandt")
            patients = [await hospital.patient(f"urn:mrn|{number}") for number in range(2)]
            async with hospital.change() as db:
                for patient in patients:
                    await CareTeamService.assign_primary_provider(
                        db, hospital.organization, patient_id=patient, provider_id=okafor, actor="test"
                    )
            changing: Permission = "change"
            async with serving(hospital, may=changing) as http:
                asker = mint(
                    circle.keyring, organization_id=hospital.organization, actor=Actor.service("test"), hours=1
                )
                changer = http.headers["Authorization"].removeprefix("Bearer ")
                opened.append(
                    Ward(
                        hospital, asyncio.get_running_loop(), str(http.base_url), asker, changer, to_text(okafor),
                        to_text(brandt), (to_text(patients[0]), to_text(patients[1])),
                    )
                )  # fmt: skip
                ready.set()
                await done.wait()

    def run() -> None:
        try:
            asyncio.run(whole())
        except BaseException as error:  # noqa: BLE001 - told to the test that waits for it
            failed.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=run, name="ward")
    thread.start()
    ready.wait(60)
    try:
        if failed:
            raise failed[0]
        yield opened[0]
    finally:
        if opened:
            opened[0].loop.call_soon_threadsafe(done.set)
        thread.join(60)
    if failed:
        raise failed[0]
