"""Sign-ins: listed while they are open, ended one by one or together, and never alive again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from carecircle.audit.facts_service import compare
from carecircle.directory.account_service import add_account
from carecircle.directory.account_tables import SignIn
from carecircle.directory.sign_in_service import end_sign_in, end_sign_ins, sign_ins
from carecircle.directory.signing_in_service import open_sign_in
from carecircle.errors import InvalidRequest
from carecircle.errors.service import SignInNotFound
from carecircle.identifiers import new_id
from tests.conftest import Hospital
from tests.directory.house import House
from tests.directory.signers import ISSUER, sign_in, standing
from tests.directory.test_duties import in_house

Run = Callable[[Callable[[Hospital], Any]], Any]


async def ids(house: House, **said: Any) -> list[Any]:
    return [one.id for one in await house.do(sign_ins, **said)]


def test_one_is_ended_and_never_lives_again(in_hospital: Run) -> None:
    async def work(house: House) -> None:
        hospital = house.hospital
        signer = await house.do(add_account, issuer=ISSUER, subject="okafor", roles=["clinician"])
        first, second = await sign_in(hospital, signer), await sign_in(hospital, signer)
        assert await ids(house) == [second.sign_in_id, first.sign_in_id]
        [newest] = await house.do(sign_ins, limit=1)
        assert await ids(house, after=(newest.starts_at, newest.id)) == [first.sign_in_id]
        ended = await house.do(end_sign_in, sign_in_id=first.sign_in_id)
        assert isinstance(ended, SignIn)
        assert [(await standing(hospital, one)).live for one in (first, second)] == [False, True]
        assert await ids(house) == [second.sign_in_id]
        for gone in (first.sign_in_id, new_id()):
            with pytest.raises(SignInNotFound):
                await house.do(end_sign_in, sign_in_id=gone)
        async with hospital.change() as db:  # the same session comes again
            await open_sign_in(
                db, organization_id=hospital.organization, sign_in_id=ended.id, account_id=signer.id, actor="x",
                token_id="x", ends_at=time.time() + 60, entry_id=new_id(),
            )  # fmt: skip
        assert not (await standing(hospital, first)).live
        assert await house.entries("sign-in-ended") == ["sign-in-ended"]
        assert (await compare(hospital.circle.auditor, organization=hospital.organization)).strays == ()

    in_house(in_hospital, work)


def test_all_of_an_account_or_of_an_actor_end_together(in_hospital: Run) -> None:
    async def work(house: House) -> None:
        hospital = house.hospital
        signer = await house.do(add_account, issuer=ISSUER, subject="okafor", roles=["clinician"])
        other = await house.do(add_account, issuer=ISSUER, subject="brandt", roles=["clinician"])
        theirs = [await sign_in(hospital, signer) for _ in range(3)]
        another = await sign_in(hospital, other)
        service = await sign_in(hospital, None, "service:gateway")
        assert len(await ids(house, account_id=signer.id)) == 3
        assert await ids(house, actor_name="service:gateway") == [service.sign_in_id]
        with pytest.raises(InvalidRequest):
            await house.do(end_sign_ins)
        assert await house.do(end_sign_ins, account_id=signer.id) == 3
        assert await house.do(end_sign_ins, account_id=signer.id) == 0
        live = [(await standing(hospital, one)).live for one in (*theirs, another, service)]
        assert live == [False] * 3 + [True] * 2
        assert await house.do(end_sign_ins, actor_name="service:gateway") == 1
        assert await ids(house) == [another.sign_in_id]
        assert await house.entries("sign-in-ended") == ["sign-in-ended"] * 2
        # The account stands: who signs in anew is in.
        assert (await standing(hospital, await sign_in(hospital, signer))).live
        assert (await compare(hospital.circle.auditor, organization=hospital.organization)).strays == ()

    in_house(in_hospital, work)
