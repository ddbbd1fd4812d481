"""A bearer is read by the deciding statement: what was ended before an answer does not let in, whoever remembers it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.access.decision import AccessDecision, Bearer, Question
from carecircle.actor import Actor
from carecircle.assignments.service import assign_primary
from carecircle.audit.entry import Entry, append
from carecircle.database.facts import Fact, supersede
from carecircle.database.session import instant
from carecircle.directory.account_tables import Account, AccountRole, ApiKey, SignIn, Visit
from carecircle.identifiers import new_id
from tests.conftest import Hospital

Run = Callable[[Callable[[Hospital], Any]], Any]


class Desk:
    """A hospital with one provider who is a patient's primary, and bearers made and ended as facts."""

    def __init__(self, hospital: Hospital) -> None:
        self.hospital = hospital

    async def fill(self) -> Desk:
        self.provider = await self.hospital.provider("npi|1234567893")
        self.patient = await self.hospital.patient("mrn|1")
        async with self.hospital.change() as db:
            await assign_primary(
                db, patient=self.patient, provider=self.provider, organization=self.hospital.organization, actor="test"
            )
        return self

    async def record(self, table: type[Fact], **said: Any) -> UUID:
        """The lineage of a new fact, which is its row's id too."""
        own = new_id()
        async with self.hospital.change() as db:
            now = await instant(db)
            entry = await self._entry(db)
            said = {"starts_at": now, **said}
            db.add(table(organization_id=self.hospital.organization, id=own, lineage_id=own, recorded_at=now,
                         entry_id=entry, **said))  # fmt: skip
        return own

    async def end(self, table: type[Fact], own: UUID) -> None:
        async with self.hospital.change() as db:
            row = await db.get_one(table, (self.hospital.organization, own))
            await supersede(db, row, await self._entry(db), await instant(db))

    async def key(self, may: list[str], **said: Any) -> UUID:
        async with self.hospital.change() as db:
            end = await instant(db) + timedelta(days=1)
        said = {"ends_at": end, "actions": None, **said}
        return await self.record(ApiKey, name="ehr", secret_hash=bytes(32), may=may, **said)

    async def ask(self, bearer: Bearer | None, permission: str = "ask", action: str = "read") -> AccessDecision:
        return await self.hospital.circle.access.ask(
            Question(
                self.hospital.organization, self.provider, self.patient, action, "service:test", bearer=bearer,
                permission=permission,
            )
        )  # fmt: skip

    async def _entry(self, db: AsyncSession) -> UUID:
        entry = Entry(self.hospital.organization, "change", Actor("test"), "test")
        await append(db, entry)
        return entry.id


async def lets_in_until(desk: Desk, bearer: Bearer, end: Any, permission: str = "ask") -> None:
    """Live, it lets in; ended, it does not, and both are on record."""
    assert (await desk.ask(bearer, permission)).allowed
    await end
    refused = await desk.ask(bearer, permission)
    assert (refused.allowed, refused.code, refused.bases) == (False, "not-admitted", ())


def test_a_key_lets_in_until_it_is_ended(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        desk = await Desk(hospital).fill()
        key = await desk.key(["ask"])
        await lets_in_until(desk, Bearer(hospital.organization, key_id=key), desk.end(ApiKey, key))

    in_hospital(body)


def test_a_key_asks_within_its_permissions_and_actions(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        desk = await Desk(hospital).fill()
        key = Bearer(hospital.organization, key_id=await desk.key(["ask"], actions=["read"]))
        assert (await desk.ask(key)).allowed
        assert (await desk.ask(key, action="write")).code == "outside-scope"
        assert (await desk.ask(key, "ask-for-others")).code == "not-admitted"
        assert (await desk.ask(None, action="write")).allowed  # the control: without a key, the circle grants it
        other = Bearer(hospital.organization, key_id=await desk.key(["audit"]))
        assert (await desk.ask(other)).code == "not-admitted"

    in_hospital(body)


@pytest.mark.parametrize("ended", ["sign-in", "account", "role"])
def test_a_person_lets_in_while_sign_in_account_and_role_hold(in_hospital: Run, ended: str) -> None:
    async def body(hospital: Hospital) -> None:
        desk = await Desk(hospital).fill()
        account = await desk.record(Account, issuer="https://idp.example", subject="s1", provider_id=desk.provider)
        role = await desk.record(AccountRole, account_id=account, role="clinician")
        sign_in = await desk.record(SignIn, actor="provider:x", token_id="t", account_id=account)
        bearer = Bearer(hospital.organization, None, sign_in, account, account)
        assert (await desk.ask(bearer, "ask-for-others")).code == "not-admitted"  # a clinician asks about themselves
        tables: dict[str, tuple[type[Fact], UUID]] = {
            "sign-in": (SignIn, sign_in), "account": (Account, account), "role": (AccountRole, role),
        }  # fmt: skip
        await lets_in_until(desk, bearer, desk.end(*tables[ended]))

    in_hospital(body)


def test_nothing_of_another_organization_is_a_bearer_here(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        desk = await Desk(hospital).fill()
        key = await desk.key(["ask"])
        assert (await desk.ask(Bearer(hospital.organization, key_id=key))).allowed
        assert (await desk.ask(Bearer(new_id(), key_id=key))).code == "not-admitted"

    in_hospital(body)


def test_a_visitor_may_work_and_never_asks_about_a_patient(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        desk = await Desk(hospital).fill()
        account = await desk.record(Account, issuer="https://idp.example", subject="root")
        await desk.record(AccountRole, account_id=account, role="super_admin")
        async with hospital.change() as db:
            end = await instant(db) + timedelta(hours=1)
        visit = await desk.record(Visit, home_id=new_id(), account_id=account, reason=b"sealed", ends_at=end)
        bearer = Bearer(hospital.organization, None, None, account, account, visit)
        standing = await hospital.circle.access.standing(hospital.organization, bearer)
        assert standing.live
        assert "administer" in standing.may
        assert "ask" not in standing.may
        assert (await desk.ask(bearer)).code == "not-admitted"
        await desk.end(Visit, visit)
        assert not (await hospital.circle.access.standing(hospital.organization, bearer)).live

    in_hospital(body)


def test_one_batch_holds_bearers_of_every_kind(in_hospital: Run) -> None:
    """Answers in their order, each by its own bearer."""
    import asyncio

    async def body(hospital: Hospital) -> None:
        desk = await Desk(hospital).fill()
        good, bad = await desk.key(["ask"]), await desk.key(["ask"])
        await desk.end(ApiKey, bad)
        asked = [None, Bearer(hospital.organization, key_id=good), Bearer(hospital.organization, key_id=bad)] * 20
        answers = await asyncio.gather(*(desk.ask(bearer) for bearer in asked))
        assert [one.code for one in answers] == ["allowed", "allowed", "not-admitted"] * 20

    in_hospital(body)
