"""Visits: only a super admin's, with a reason and an end, on record in both organizations, and over where anything failed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from carecircle import acting_as
from carecircle.access.decision import Bearer
from carecircle.audit.facts_service import compare
from carecircle.database.crypto import keyring
from carecircle.directory import visit_service
from carecircle.directory.account_reading_service import Signer
from carecircle.directory.account_role_service import take_role
from carecircle.directory.account_service import add_account, end_account
from carecircle.directory.permissions import ON_A_VISIT
from carecircle.directory.visit_service import Stay, begin_visit, end_visit, open_visit, visits
from carecircle.errors import InvalidRequest, OrganizationNotFound, PermissionRequired
from carecircle.errors.service import AlreadyVisiting, VisitNotFound
from carecircle.identifiers import new_id
from tests.conftest import Hospital, open_hospital
from tests.directory.house import House
from tests.directory.signers import ISSUER, count, sign_in, standing

Run = Callable[[Callable[[Hospital], Any]], Any]
REASON = "Restoring the ward list after the outage"
BOTH = ("visit-begun", "visit-begun-elsewhere", "visit-not-begun", "visit-ended", "visit-ended-elsewhere")


class Trip:
    """A home with a super admin, and an organization to visit."""

    def __init__(self, home: House, away: House, signer: Signer) -> None:
        self.home, self.away, self.signer = home, away, signer

    async def begin(self, **said: Any) -> Stay:
        given: dict[str, Any] = {
            "account_id": self.signer.id,
            "organization": self.away.hospital.slug,
            "reason": REASON,
        }
        with acting_as(organization=self.home.hospital.organization, actor="root"):
            return await begin_visit(self.home.hospital.circle.engine, **(given | said))

    async def end(self, visit_id: Any) -> Stay:
        with acting_as(organization=self.away.hospital.organization, actor="them"):
            return await end_visit(self.away.hospital.circle.engine, visit_id=visit_id)

    async def entries(self) -> tuple[list[str], list[str]]:
        return await self.home.entries(*BOTH), await self.away.entries(*BOTH)

    async def bearer(self, stay: Stay) -> Bearer:
        return (await sign_in(self.home.hospital, self.signer))._replace(visit_id=stay.row_id)

    async def live(self, bearer: Bearer) -> bool:
        return (await standing(self.home.hospital, bearer, self.away.hospital.organization)).live


@asynccontextmanager
async def open_trip(hospital: Hospital) -> AsyncIterator[Trip]:
    async with open_hospital(hospital.circle) as other:
        home, away = House(hospital, (), None), House(other, (), None)  # type: ignore[arg-type]
        yield Trip(
            home, away, await home.do(add_account, issuer=ISSUER, subject="root", roles=["super_admin"], operator=True)
        )


def on_trip(in_hospital: Run, work: Callable[[Trip], Any]) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_trip(hospital) as trip:
            await work(trip)

    in_hospital(body)


def test_a_visit_is_on_record_in_both_and_ends(in_hospital: Run) -> None:
    async def work(trip: Trip) -> None:
        stay = await trip.begin(minutes=30)
        assert stay.ends_at - stay.starts_at == timedelta(minutes=30)
        bearer = await trip.bearer(stay)
        there = await standing(trip.home.hospital, bearer, trip.away.hospital.organization)
        assert (there.live, there.may) == (True, ON_A_VISIT)
        assert not {"ask", "ask-for-others"} & there.may
        [seen] = await trip.away.do(visits)
        assert (seen.id, seen.reason, seen.home_id, seen.account_id, seen.is_open) == (
            stay.id, REASON, trip.home.hospital.organization, trip.signer.id, True,
        )  # fmt: skip
        assert await trip.home.do(visits) == []
        found = await trip.away.do(open_visit, home=trip.home.hospital.organization, account_id=trip.signer.id)
        assert found.row_id == stay.row_id
        assert await trip.away.do(open_visit, home=new_id(), account_id=trip.signer.id) is None
        with pytest.raises(AlreadyVisiting):
            await trip.begin()
        await trip.end(stay.id)
        assert not await trip.live(bearer)
        with pytest.raises(VisitNotFound):
            await trip.end(stay.id)
        with pytest.raises(VisitNotFound):
            await trip.end(new_id())
        [past] = await trip.away.do(visits)
        assert (past.id, past.reason, past.is_open) == (stay.id, REASON, False)
        assert await trip.away.do(visits, open_only=True) == []
        assert await trip.entries() == (
            ["visit-begun-elsewhere", "visit-begun-elsewhere", "visit-not-begun", "visit-ended-elsewhere"],
            ["visit-begun", "visit-ended"],
        )
        for house in (trip.home, trip.away):
            strays = await compare(house.hospital.circle.auditor, organization=house.hospital.organization)
            assert strays.strays == ()

    on_trip(in_hospital, work)


def test_the_reason_opens_with_the_visited_organizations_key_only(in_hospital: Run) -> None:
    async def work(trip: Trip) -> None:
        stay = await trip.begin()
        async with trip.away.hospital.change() as db:
            sealed = (await db.execute(text("select reason from carecircle.visits"))).scalar_one()
        assert REASON.encode() not in sealed
        at = trip.away.hospital.organization
        assert keyring().unseal(sealed, at, "visits", "reason", stay.id) == REASON.encode()

    on_trip(in_hospital, work)


def test_only_a_super_admin_of_now_visits_and_is_put_out_at_once(in_hospital: Run) -> None:
    async def work(trip: Trip) -> None:
        home = trip.home
        plain = await home.do(add_account, issuer=ISSUER, subject="admin", roles=["org_admin"])
        theirs = await trip.away.do(add_account, issuer=ISSUER, subject="root", roles=["super_admin"], operator=True)
        for account_id in (plain.id, theirs.id, new_id()):
            for slug in (trip.away.hospital.slug, "no-such-house"):
                with pytest.raises(PermissionRequired):
                    await trip.begin(account_id=account_id, organization=slug)
        for wrong in (
            {"reason": "too short"},
            {"reason": " " * 20},
            {"reason": "x" * 2001},
            {"reason": "\0" * 20},
            {"reason": "Restoring the\x1b[2J ward list"},
            {"minutes": 481},
            {"minutes": 0},
        ):
            with pytest.raises(InvalidRequest):
                await trip.begin(**wrong)
        with pytest.raises(InvalidRequest):
            await trip.begin(organization=home.hospital.slug)
        with pytest.raises(OrganizationNotFound):
            await trip.begin(organization="no-such-house")
        assert await trip.entries() == ([], [])
        bearer = await trip.bearer(await trip.begin(minutes=480))
        assert await trip.live(bearer)
        await home.do(take_role, account_id=trip.signer.id, role="super_admin")
        assert (await standing(home.hospital, bearer, trip.away.hospital.organization)).may == frozenset()
        await home.do(end_account, account_id=trip.signer.id)
        assert not await trip.live(bearer)

    on_trip(in_hospital, work)


def test_where_anything_fails_nobody_is_inside(in_hospital: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database fails where a process could die: at home's entry, at the visit, and after it."""

    async def work(trip: Trip) -> None:
        engine, entered = trip.home.hospital.circle.engine, visit_service._enter

        async def lost(*given: Any, **said: Any) -> Any:
            raise ConnectionResetError

        async def answer_lost(db: Any, *given: Any) -> Any:
            await entered(db, *given)
            await db.commit()
            raise ConnectionResetError

        for broken, left in ((lost, ([], [])), (answer_lost, (["visit-begun"], ["visit-ended"]))):
            with monkeypatch.context() as patched:
                patched.setattr(visit_service, "_enter", broken)
                with pytest.raises(Exception):  # noqa: B017 - whichever way it comes out
                    await trip.begin()
            assert await trip.away.do(visits, open_only=True) == []
            home, away = await trip.entries()
            assert home[-2:] == ["visit-begun-elsewhere", "visit-not-begun"]
            assert away == [*left[0], *left[1]]
        with monkeypatch.context() as patched:
            patched.setattr(visit_service, "append", lost)
            with pytest.raises(Exception):  # noqa: B017 - the same
                await trip.begin()
        assert await count(trip.away.hospital, "visits", "superseded_at = 'infinity' and ends_at > now()") == 0
        assert await trip.live(await trip.bearer(await trip.begin()))
        assert engine is trip.away.hospital.circle.engine

    on_trip(in_hospital, work)


def test_two_visits_that_begin_at_once_are_one(in_hospital: Run) -> None:
    async def work(trip: Trip) -> None:
        came = await asyncio.gather(*(trip.begin() for _ in range(3)), return_exceptions=True)
        assert sorted(type(one).__name__ for one in came) == ["AlreadyVisiting", "AlreadyVisiting", "Stay"]
        assert len(await trip.away.do(visits, open_only=True)) == 1

    on_trip(in_hospital, work)
