"""API keys: their text, what they may, how long; rotated with an overlap, revoked at once, never kept."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from carecircle.access.decision import Bearer
from carecircle.audit.facts_service import compare
from carecircle.directory.api_key import KeyText, hash_of, is_secret_of, new_secret, parse, written
from carecircle.directory.api_key_service import api_keys, make_key, makers, revoke_key, rotate_key
from carecircle.directory.gate_service import last_key
from carecircle.errors import InvalidRequest, PermissionRequired
from carecircle.errors.service import ApiKeyNotFound
from carecircle.identifiers import OrganizationId, new_id
from tests.conftest import Hospital
from tests.directory.house import House
from tests.directory.signers import count, standing
from tests.directory.test_duties import in_house

Run = Callable[[Callable[[Hospital], Any]], Any]
DAY = timedelta(days=1)


def test_a_keys_text_says_whose_it_is_and_nothing_else_is_one() -> None:
    organization, key, secret = new_id(), new_id(), new_secret()
    whole = written(organization, key, secret)
    told = parse(whole)
    assert told == (organization, key, secret)
    assert len(whole) == 4 + 26 + 1 + 26 + 1 + 43
    assert secret not in repr(told)
    for wrong in (
        "", "cck_", whole[:-1], whole + "a", whole[:-1] + "=", whole.lower(), " " + whole, whole + "\n",
        whole.replace("cck_", "ccx_"), whole[:4] + "8" + whole[5:], whole[:4] + "U" * 26 + whole[30:], whole[:-1] + "é",
    ):  # fmt: skip
        assert parse(wrong) is None, wrong
    assert len(hash_of(secret)) == 32
    assert is_secret_of(secret, hash_of(secret))
    assert not is_secret_of(new_secret(), hash_of(secret))
    assert not is_secret_of(secret, None)


async def held(house: House, told: KeyText) -> bool:
    """Whether the key of this text is live, its secret the right one."""
    async with house.hospital.change() as db:
        row = await last_key(db, OrganizationId(told.organization_id), told.key_id)
    known = is_secret_of(told.secret, None if row is None else row.secret_hash)
    return known and (await standing(house.hospital, Bearer(told.organization_id, told.key_id))).live


def test_a_key_is_made_found_listed_and_revoked(in_hospital: Run) -> None:
    async def work(house: House) -> None:
        made = await house.do(make_key, name=" ward ", may=["ask-for-others", "ask"], actions=["write", "read"], days=3)
        told = parse(made.text)
        assert told is not None
        assert (told.organization_id, told.key_id) == (house.hospital.organization, made.key.lineage_id)
        assert told.secret not in repr(made)
        assert await held(house, told)
        assert not await held(house, told._replace(secret=new_secret()))
        assert not await held(house, told._replace(key_id=new_id()))
        assert not await held(house, told._replace(organization_id=new_id()))
        at = await standing(house.hospital, Bearer(told.organization_id, told.key_id))
        assert at.may == {"ask", "ask-for-others"}
        assert at.actions == frozenset({"read", "write"})
        # The secret is nowhere in the database.
        async with house.hospital.change() as db:
            kept = str((await db.execute(text("select k::text from carecircle.api_keys k"))).scalars().all())
        assert told.secret not in kept
        assert hash_of(told.secret).hex() in kept

        [listed] = await house.do(api_keys)
        assert (listed.id, listed.name, listed.may, listed.actions) == (
            told.key_id, "ward", ("ask", "ask-for-others"), ("read", "write"),
        )  # fmt: skip
        assert listed.ends_at - listed.made_at == 3 * DAY
        named = await makers(house.hospital.circle.auditor, [listed.made_by], organization=house.hospital.organization)
        assert named == {listed.made_by: "test"}
        assert await house.do(api_keys, ends_within=2 * DAY) == []
        assert await house.do(api_keys, ends_within=4 * DAY) == [listed]

        await house.do(revoke_key, key_id=told.key_id)
        assert not await held(house, told)
        assert await house.do(api_keys) == []
        for change in (revoke_key, rotate_key):
            for gone in (told.key_id, new_id()):
                with pytest.raises(ApiKeyNotFound):
                    await house.do(change, key_id=gone)
        assert await house.entries("api-key-made", "api-key-revoked") == ["api-key-made", "api-key-revoked"]
        assert (await compare(house.hospital.circle.auditor, organization=house.hospital.organization)).strays == ()

    in_house(in_hospital, work)


def test_a_rotated_key_lives_for_its_overlap_and_no_longer_than_it_would(in_hospital: Run) -> None:
    async def work(house: House) -> None:
        first = await house.do(make_key, name="gateway", may=["ask"], days=90)
        second = await house.do(rotate_key, key_id=first.key.lineage_id)
        assert (second.key.may, second.key.name, second.key.actions) == (["ask"], "gateway", None)
        ends = {one.id: one.ends_at - one.made_at for one in await house.do(api_keys)}
        assert DAY <= ends[first.key.lineage_id] < DAY + timedelta(minutes=5)
        assert ends[second.key.lineage_id] == 90 * DAY
        [old, new] = [parse(one.text) for one in (first, second)]
        assert old is not None
        assert new is not None
        assert await held(house, old)
        assert await held(house, new)
        # Whoever made it is told still, though the row is another one.
        named = await makers(
            house.hospital.circle.auditor, [one.made_by for one in await house.do(api_keys)],
            organization=house.hospital.organization,
        )  # fmt: skip
        assert list(named.values()) == ["test", "test"]
        # A longer overlap makes nothing longer, and none ends it at once.
        before = {one.id: one.ends_at for one in await house.do(api_keys)}
        await house.do(rotate_key, key_id=first.key.lineage_id, overlap=10 * DAY)
        assert {one.id: one.ends_at for one in await house.do(api_keys)}.items() >= before.items()
        await house.do(rotate_key, key_id=second.key.lineage_id, overlap=timedelta(0))
        assert not await held(house, new)
        assert await held(house, old)
        assert await house.entries("api-key-made", "api-key-rotated") == ["api-key-made"] + 3 * [
            "api-key-rotated", "api-key-made",
        ]  # fmt: skip
        assert (await compare(house.hospital.circle.auditor, organization=house.hospital.organization)).strays == ()

    in_house(in_hospital, work)


def test_what_is_no_key_and_what_is_more_than_its_maker_is_refused(in_hospital: Run) -> None:
    async def work(house: House) -> None:
        sound: dict[str, Any] = {"name": "gateway", "may": ["read"]}
        refused: tuple[dict[str, Any], ...] = (
            {"name": " "}, {"name": "n" * 201}, {"may": []}, {"may": ["fly"]}, {"may": ["all-organizations"]},
            {"actions": []}, {"actions": ["no action"]}, {"days": 0}, {"days": 401},
        )  # fmt: skip
        for wrong in refused:
            with pytest.raises(InvalidRequest):
                await house.do(make_key, **(sound | wrong))
        administrator = {"read", "change", "administer"}
        with pytest.raises(PermissionRequired, match="ask, audit"):
            await house.do(make_key, name="k", may=["read", "audit", "ask"], no_more_than=administrator)
        assert await count(house.hospital, "api_keys") == 0
        made = await house.do(make_key, **sound, no_more_than=administrator, days=400)
        more = await house.do(make_key, name="k", may=["ask"])
        with pytest.raises(PermissionRequired):
            await house.do(rotate_key, key_id=more.key.lineage_id, no_more_than=administrator)
        unfit: list[dict[str, Any]] = [{"overlap": timedelta(days=-1)}, {"overlap": timedelta(days=31)}, {"days": 401}]
        for never in unfit:
            with pytest.raises(InvalidRequest):
                await house.do(rotate_key, key_id=made.key.lineage_id, **never)
        assert await count(house.hospital, "api_keys") == 2
        await house.do(rotate_key, key_id=made.key.lineage_id, no_more_than=administrator)

    in_house(in_hospital, work)
