"""One process of the load while keys are rotated: it registers, edits, reads and looks up patients until its stdin ends.

Its first line on stdin says where and how, as JSON; its last on stdout what came of it. It works on patients of its own, so
what it last committed is what must be read at the end.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections import Counter
from typing import Any
from uuid import UUID

import uvloop
from sqlalchemy import text
from sqlalchemy.engine import make_url

from carecircle import CareCircle, Settings, assemble, directory
from carecircle.database.reach import Reach, role_passwords
from carecircle.database.session import transaction
from carecircle.errors import CareCircleError
from carecircle.identifiers import OrganizationId, new_id

SYSTEM = "urn:load"
READ = text("select demographics from carecircle.patients where organization_id = :organization and id = :id")
EDIT = text("update carecircle.patients set demographics = :sealed where organization_id = :organization and id = :id")


class Load:
    """What one process does and has done: how often each, what failed, and what each of its patients must read."""

    def __init__(self, circle: CareCircle, organization: UUID, margin: float) -> None:
        self.circle, self.organization, self.margin = circle, organization, margin
        self.written: dict[UUID, int] = {}
        self.identifiers: dict[UUID, str] = {}
        self.done: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.stopping = asyncio.Event()
        self.editing = asyncio.Lock()

    async def register(self) -> None:
        identifier = f"{SYSTEM}|{new_id().hex}"
        async with transaction(self.circle.engine, self.organization) as db:
            patient = await directory.register_patient(
                db, identifiers=[identifier], name="0", organization_id=self.organization, actor="load"
            )
        self.identifiers[patient], self.written[patient] = identifier, 0
        self.done["registered"] += 1

    async def edit(self) -> None:
        async with self.editing:
            patient, ring = self._any(), self.circle.keyring
            number = self.written[patient] + 1
            async with transaction(self.circle.engine, self.organization) as db:
                plain = json.dumps({"name": str(number)}).encode()
                sealed = ring.seal(plain, self.organization, "patients", "demographics", patient)
                await db.execute(EDIT, {"organization": self.organization, "id": patient, "sealed": sealed})
            self.written[patient] = number
        self.done["edited"] += 1

    async def read(self, *, after: float = 0.0) -> None:
        """Read one, `after` so many seconds in the transaction: another process may have written in the meantime."""
        async with transaction(self.circle.engine, self.organization) as db:
            await asyncio.sleep(after)
            patient = self._any()
            # What is read is at least as new as what was committed before.
            least = self.written[patient]
            envelope = await db.scalar(READ, {"organization": self.organization, "id": patient})
            plain = self.circle.keyring.unseal(envelope, self.organization, "patients", "demographics", patient)
        self._note("read late" if after else "read", int(json.loads(plain)["name"]) >= least)

    async def look_up(self) -> None:
        patient = self._any()
        identifier = self.identifiers[patient]
        async with transaction(self.circle.engine, self.organization) as db:
            own = await directory.resolve_patient(db, OrganizationId(self.organization), identifier)
        asked = await self.circle.access.resolve_patient(self.organization, identifier)
        self._note("looked up", own == asked == patient)

    async def keep_on(self, lane: int) -> None:
        works = (self.read, self.read, self.edit, self.look_up, self.register)
        while not self.stopping.is_set():
            await self._one(works[random.randrange(len(works))] if lane else self.read)
            await asyncio.sleep(0.005)

    async def linger(self) -> None:
        """Transactions that outlive the margin: their tenant was entered before the new key was there."""
        while not self.stopping.is_set():
            await self._one(lambda: self.read(after=self.margin * 1.5))

    async def _one(self, work: Any) -> None:
        try:
            await work()
        except CareCircleError as error:
            self.failed[error.code] += 1

    def _any(self) -> UUID:
        return random.choice(list(self.written))

    def _note(self, what: str, right: bool) -> None:
        self.done[what] += 1
        if not right:
            self.failed[f"{what}: wrong"] += 1


async def whole(said: dict[str, Any]) -> None:
    settings = Settings.read()
    at = Reach(make_url(said["address"]), role_passwords(settings.home))
    async with assemble(settings, at) as circle:
        if said["careless"]:
            circle.keyring.fresh_for, circle.keyring.reload = 600.0, None
        load = Load(circle, UUID(said["organization"]), said["margin"])
        for _ in range(said["patients"]):
            await load.register()
        print("ready", flush=True)
        async with asyncio.TaskGroup() as lanes:
            for lane in range(3):
                lanes.create_task(load.keep_on(lane))
            lanes.create_task(load.linger())
            await asyncio.to_thread(sys.stdin.read)
            load.stopping.set()
    told = {
        "done": load.done, "failed": load.failed,
        "written": {str(patient): number for patient, number in load.written.items()},
    }  # fmt: skip
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    uvloop.run(whole(json.loads(sys.stdin.readline())))
