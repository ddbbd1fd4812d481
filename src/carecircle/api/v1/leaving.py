"""How many patients a provider takes, and ending everything that a person holds, over HTTP."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from carecircle.api.v1.door import Changing, routes
from carecircle.api.v1.shapes import A_THIRD_ID, ANOTHER_ID, Answer, Body, Id, Instant, Reference, example
from carecircle.directory.account_reading_service import accounts
from carecircle.errors import PermissionRequired
from carecircle.identifiers import to_text
from carecircle.staffing import offboard_service, panel_service

router = routes("reassignments")


class NewCapacity(Body):
    """From `starts_at` on (now): patients as primary at most, null for no limit, and whether new ones are taken."""

    model_config = example(provider="npi|1234567893", capacity=1200, accepts_new=True)
    provider: Reference
    capacity: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    accepts_new: bool = True
    starts_at: Instant | None = None


class Panel(Answer):
    """How many patients the provider is primary for at that instant (`size`), and what was said of them."""

    model_config = example(provider_id=ANOTHER_ID, size=1180, capacity=1200, accepts_new=True)
    provider_id: Id
    size: int
    capacity: int | None
    accepts_new: bool


class Leaving(Body):
    """`person` is the provider whose every assignment, seat, cover, duty and emergency access ends."""

    model_config = example(person="npi|1234567893")
    person: Reference


class Offboarded(Answer):
    """How many facts of each kind ended, or (`preview`) would, and who has no primary provider then."""

    model_config = example(
        provider_id=ANOTHER_ID, preview=True, ended={"direct-assignment": 2}, without_primary=[A_THIRD_ID]
    )
    provider_id: Id
    preview: bool
    ended: dict[str, int]
    without_primary: list[Id]


@router.post("/panel-capacities", status_code=201)
async def set_panel_capacity(door: Changing, body: NewCapacity) -> Panel:
    """Plans keep to it. Replaces what was said about the time from then on."""
    async with door.change() as db:
        row = await panel_service.set_capacity(
            db, provider=body.provider, capacity=body.capacity, accepts_new=body.accepts_new, starts_at=body.starts_at
        )
        known = (await panel_service.panels(db, providers=[row.provider_id], as_of=row.starts_at))[row.provider_id]
    return Panel(
        provider_id=to_text(known.provider_id), size=known.size, capacity=known.capacity, accepts_new=known.accepts_new
    )


@router.post("/offboardings")
async def offboard_provider(door: Changing, body: Leaving, preview: bool = False) -> Offboarded:
    """End everything a person holds, in one act; with `preview`, only say what that would be. Patients' objections to them and
    the referrals they made stay. For somebody who may administer it takes who may administer."""
    async with door.change() as db:
        if "administer" not in door.may and any(
            "administer" in one.may for one in await accounts(db, provider=body.person)
        ):
            raise PermissionRequired("Whoever may administer is offboarded by somebody who may administer, too.")
        done = await offboard_service.offboard(db, person=body.person, dry_run=preview)
    return Offboarded(
        provider_id=to_text(done.provider_id), preview=preview, ended=done.ended,
        without_primary=[to_text(one) for one in done.without_primary],
    )  # fmt: skip
