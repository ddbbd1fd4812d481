"""Accounts and roles: who signs in, what they may, who may give it, and that ending a person ends all of it at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from carecircle.audit.facts_service import compare
from carecircle.directory import permissions
from carecircle.directory.account_reading_service import accounts, find_account
from carecircle.directory.account_role_service import Myself, give_role, roles_of, take_role
from carecircle.directory.account_service import add_account, change_account, end_account
from carecircle.directory.sign_in_service import sign_ins
from carecircle.errors import (
    CareCircleError,
    InvalidRequest,
    NotFound,
    PermissionRequired,
    ProviderNotRegistered,
)
from carecircle.errors.service import (
    AccountNotFound,
    AccountTaken,
    LastAdministrator,
    OwnAccount,
    PreconditionFailed,
    RoleAlreadyHeld,
)
from carecircle.identifiers import new_id, to_text
from carecircle.staffing.offboard_service import offboard
from tests.conftest import Hospital
from tests.directory.house import House
from tests.directory.signers import ISSUER, count, sign_in, standing
from tests.directory.test_duties import in_house

Run = Callable[[Callable[[Hospital], Any]], Any]


def test_an_account_is_added_found_changed_and_ended(in_hospital: Run) -> None:
    async def work(house: House) -> None:
        made = await house.do(
            add_account, issuer=ISSUER, subject="okafor", provider="staff|0", label=" Dr. Okafor ",
            roles=["care_coordinator", "clinician"],
        )  # fmt: skip
        assert (made.provider_id, made.label, made.roles) == (
            house.people[0], "Dr. Okafor", ("care_coordinator", "clinician"),
        )  # fmt: skip
        assert made.may == {"ask", "ask-for-others", "read", "change"}
        assert await house.do(find_account, issuer=ISSUER, subject="okafor") == made
        with pytest.raises(AccountTaken):
            await house.do(add_account, issuer=ISSUER, subject="okafor")
        other = await house.do(add_account, issuer="https://other.example", subject="okafor")
        assert [one.id for one in await house.do(accounts)] == [made.id, other.id]
        assert [one.id for one in await house.do(accounts, provider="staff|0")] == [made.id]
        assert [one.id for one in await house.do(accounts, role="clinician", limit=1)] == [made.id]
        assert [one.id for one in await house.do(accounts, after=(made.id,))] == [other.id]

        same = await house.do(change_account, account_id=made.id, label="Dr. Okafor", provider=house.people[0])
        assert same.row_id == made.row_id
        changed = await house.do(change_account, account_id=made.id, provider="staff|1", row_id=made.row_id)
        assert (changed.id, changed.provider_id, changed.roles) == (made.id, house.people[1], made.roles)
        assert changed.row_id != made.row_id
        with pytest.raises(PreconditionFailed):
            await house.do(change_account, account_id=made.id, label="late", row_id=made.row_id)
        nobody = await house.do(change_account, account_id=made.id, without_provider=True)
        assert (nobody.provider_id, nobody.label) == (None, "Dr. Okafor")

        await house.do(end_account, account_id=made.id)
        for gone in (made.id, new_id()):
            with pytest.raises(AccountNotFound):
                await house.do(end_account, account_id=gone)
            with pytest.raises(AccountNotFound):
                await house.do(find_account, account_id=gone)
        again = await house.do(add_account, issuer=ISSUER, subject="okafor")
        assert (again.id == made.id, again.roles) == (False, ())
        codes = ("account-added", "account-changed", "account-ended", "role-given")
        assert await house.entries(*codes) == [
            "account-added", "role-given", "role-given", "account-added", "account-changed", "account-changed",
            "account-ended", "account-added",
        ]  # fmt: skip
        assert (await compare(house.hospital.circle.auditor, organization=house.hospital.organization)).strays == ()

    in_house(in_hospital, work)


def test_what_no_account_can_be_is_refused_without_being_repeated(in_hospital: Run) -> None:
    async def work(house: House) -> None:
        sound: dict[str, Any] = {"issuer": ISSUER, "subject": "mallory"}
        for wrong, error in (
            ({"issuer": " "}, InvalidRequest), ({"subject": ""}, InvalidRequest), ({"subject": "s" * 256}, InvalidRequest),
            ({"subject": "mal\nlory"}, InvalidRequest), ({"label": "l" * 201}, InvalidRequest),
            ({"roles": ["king"]}, InvalidRequest), ({"provider": new_id()}, ProviderNotRegistered),
            ({"roles": ["super_admin"]}, PermissionRequired),
        ):  # fmt: skip
            with pytest.raises(error) as refused:
                await house.do(add_account, **(sound | wrong))
            assert "mal" not in refused.value.message
        assert await house.do(accounts) == []
        await house.do(add_account, **sound)

    in_house(in_hospital, work)


def test_a_role_is_given_and_taken_and_read_at_once(in_hospital: Run) -> None:
    async def work(house: House) -> None:
        signer = await house.do(add_account, issuer=ISSUER, subject="okafor")
        bearer = await sign_in(house.hospital, signer)
        assert (await standing(house.hospital, bearer))[:2] == (True, frozenset())
        await house.do(give_role, account_id=signer.id, role="supervisor")
        assert (await standing(house.hospital, bearer)).may == permissions.ROLES["supervisor"]
        with pytest.raises(RoleAlreadyHeld):
            await house.do(give_role, account_id=signer.id, role="supervisor")
        assert [one.role for one in await house.do(roles_of, account_id=signer.id)] == ["supervisor"]
        await house.do(take_role, account_id=signer.id, role="supervisor")
        assert (await standing(house.hospital, bearer)).may == frozenset()
        for role, error in (("supervisor", NotFound), ("king", InvalidRequest)):
            with pytest.raises(error):
                await house.do(take_role, account_id=signer.id, role=role)
        with pytest.raises(AccountNotFound):
            await house.do(give_role, account_id=new_id(), role="clinician")
        with pytest.raises(PermissionRequired):
            await house.do(give_role, account_id=signer.id, role="super_admin")
        await house.do(give_role, account_id=signer.id, role="super_admin", operator=True)
        assert await house.entries("role-given", "role-taken") == ["role-given", "role-taken", "role-given"]
        assert (await compare(house.hospital.circle.auditor, organization=house.hospital.organization)).strays == ()

    in_house(in_hospital, work)


def test_nobody_gives_themselves_a_role_or_another_person(in_hospital: Run) -> None:
    async def work(house: House) -> None:
        signer = await house.do(add_account, issuer=ISSUER, subject="okafor", provider="staff|0", roles=["org_admin"])
        myself = Myself(signer.id, ISSUER, "okafor")
        visiting = Myself(new_id(), ISSUER, "okafor")
        as_provider = f"provider:{to_text(house.people[0])}"
        for said in ({"myself": myself}, {"myself": visiting}, {"actor": as_provider}):
            with pytest.raises(OwnAccount):
                await house.do(give_role, account_id=signer.id, role="privacy_officer", **said)
            with pytest.raises(OwnAccount):
                await house.do(change_account, account_id=signer.id, provider="staff|1", **said)
        with pytest.raises(OwnAccount):
            await house.do(
                add_account, issuer="https://other.example", subject="x", provider="staff|0", actor=as_provider
            )
        with pytest.raises(OwnAccount):
            await house.do(
                change_account, account_id=signer.id, provider="staff|1", actor=f"provider:{to_text(house.people[1])}"
            )
        with pytest.raises(OwnAccount):
            await house.do(add_account, issuer=ISSUER, subject="visitor", myself=Myself(new_id(), ISSUER, "visitor"))
        assert (await house.do(find_account, account_id=signer.id)) == signer
        # What gives nothing is one's own business, and what others give is given.
        await house.do(change_account, account_id=signer.id, label="me", myself=myself)
        await house.do(give_role, account_id=signer.id, role="privacy_officer", myself=Myself(new_id(), ISSUER, "b"))

    in_house(in_hospital, work)


def test_ending_a_person_ends_account_roles_and_sign_ins_together(in_hospital: Run) -> None:
    async def work(house: House) -> None:
        hospital = house.hospital
        signer = await house.do(add_account, issuer=ISSUER, subject="okafor", roles=["clinician", "auditor"])
        other = await house.do(add_account, issuer=ISSUER, subject="brandt", roles=["clinician"])
        bearers = [await sign_in(hospital, signer), await sign_in(hospital, signer)]
        theirs = await sign_in(hospital, other)
        assert [(await standing(hospital, one)).live for one in (*bearers, theirs)] == [True] * 3
        await house.do(end_account, account_id=signer.id)
        assert [(await standing(hospital, one)).live for one in (*bearers, theirs)] == [False, False, True]
        assert [one.account_id for one in await house.do(sign_ins)] == [other.id]
        assert await count(hospital, "account_roles", "superseded_at = 'infinity' and ends_at = 'infinity'") == 1
        # Each of the three keeps them out by itself.
        again = await house.do(add_account, issuer=ISSUER, subject="okafor")
        assert not (
            await standing(hospital, bearers[0]._replace(account_id=again.id, account_row_id=again.row_id))
        ).live
        assert (await compare(hospital.circle.auditor, organization=hospital.organization)).strays == ()

    in_house(in_hospital, work)


def test_a_changed_account_is_read_again(in_hospital: Run) -> None:
    async def work(house: House) -> None:
        signer = await house.do(add_account, issuer=ISSUER, subject="okafor", provider="staff|0", roles=["clinician"])
        bearer = await sign_in(house.hospital, signer)
        assert (await standing(house.hospital, bearer)).provider_id == house.people[0]
        changed = await house.do(change_account, account_id=signer.id, provider="staff|1")
        assert not (await standing(house.hospital, bearer)).live
        now = await standing(house.hospital, bearer._replace(account_row_id=changed.row_id))
        assert (now.live, now.provider_id) == (True, house.people[1])
        assert now.roles == {"clinician"}

    in_house(in_hospital, work)


def test_the_last_administrator_stays(in_hospital: Run) -> None:
    async def work(house: House) -> None:
        first = await house.do(add_account, issuer=ISSUER, subject="a", roles=["org_admin", "clinician"])
        await house.do(add_account, issuer=ISSUER, subject="c", roles=["care_coordinator"])
        with pytest.raises(LastAdministrator):
            await house.do(take_role, account_id=first.id, role="org_admin")
        with pytest.raises(LastAdministrator):
            await house.do(end_account, account_id=first.id)
        await house.do(take_role, account_id=first.id, role="clinician")
        second = await house.do(add_account, issuer=ISSUER, subject="b", roles=["org_admin"])
        await house.do(end_account, account_id=first.id)
        with pytest.raises(LastAdministrator):
            await house.do(end_account, account_id=second.id)

    in_house(in_hospital, work)


def test_two_who_go_at_once_do_not_count_on_each_other(in_hospital: Run) -> None:
    async def work(house: House) -> None:
        async def ended(way: Any) -> str:
            try:
                await way
            except CareCircleError as error:
                return error.code
            return "done"

        for turn in range(4):
            pair = [
                await house.do(add_account, issuer=ISSUER, subject=f"{turn}-{one}", roles=["org_admin"]) for one in "ab"
            ]
            if turn:
                [left] = [one for one in await house.do(accounts, role="org_admin") if one not in pair]
                await house.do(end_account, account_id=left.id)
            came = await asyncio.gather(
                ended(house.do(take_role, account_id=pair[0].id, role="org_admin")),
                ended(house.do(end_account, account_id=pair[1].id)),
            )
            assert sorted(came) == ["done", "last-administrator"]
            assert len(await house.do(accounts, role="org_admin")) == 1

    in_house(in_hospital, work)


def test_whoever_is_offboarded_is_out_at_once(in_hospital: Run) -> None:
    async def work(house: House) -> None:
        hospital = house.hospital
        signer = await house.do(add_account, issuer=ISSUER, subject="okafor", provider="staff|0", roles=["org_admin"])
        other = await house.do(add_account, issuer=ISSUER, subject="brandt", provider="staff|1", roles=["clinician"])
        own_token = await sign_in(hospital, None, f"provider:{to_text(house.people[0])}")
        bearers = [await sign_in(hospital, signer), own_token, await sign_in(hospital, other)]
        seen = await house.do(offboard, person="staff|0", dry_run=True)
        assert seen.ended == {"account": 1}
        assert [(await standing(hospital, one)).live for one in bearers] == [True] * 3
        done = await house.do(offboard, person="staff|0")
        assert done.ended == {"account": 1}
        assert [(await standing(hospital, one)).live for one in bearers] == [False, False, True]
        assert [one.id for one in await house.do(accounts)] == [other.id]
        assert (await house.do(offboard, person="staff|0")).ended == {}
        assert (await compare(hospital.circle.auditor, organization=hospital.organization)).strays == ()

    in_house(in_hospital, work)
