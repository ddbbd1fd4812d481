"""keys list, status, rotate, reseal and shred, as an operator runs them."""

from __future__ import annotations

import asyncio
import json

import asyncpg

from carecircle.identifiers import new_id, to_text
from tests.cli.conftest import Command, Place


def clinic(carecircle: Command) -> str:
    """An organization with one patient who has a name and an identifier."""
    slug = "k" + to_text(new_id()).lower()
    assert carecircle("organization", "add", slug, organization=None).code == 0
    added = carecircle("patient", "add", "--identifier", "urn:mrn|4711", "--name", "Ada Canary", organization=slug)
    assert added.code == 0
    return slug


def test_keys_are_looked_at_and_rotated(carecircle: Command, place: Place) -> None:
    slug = clinic(carecircle)
    listed = carecircle("keys", "list", "-o", "json", organization=slug).json["keys"]
    assert [(key["purpose"], key["state"]) for key in listed] == [("field", "writes"), ("blind", "writes")]
    before = carecircle("keys", "status", "-o", "json", organization=slug)
    assert {(one["key"], one["state"], one["fields"]) for one in before.json["fields"]} == {
        (listed[0]["key"], "writes", 1)
    }
    assert before.json["roots"] == [{"root": listed[0]["root"], "keys": 2}]
    rotated = carecircle("keys", "rotate", "--margin", "5", "-o", "json", organization=slug)
    assert rotated.code == 0
    done = rotated.json["organizations"][0]
    assert (done["organization"], done["fields"], done["left"], done["unreadable"]) == (slug, 2, 0, 0)
    after = carecircle("keys", "status", "-o", "json", organization=slug).json["fields"]
    assert {(one["key"], one["state"]) for one in after} == {(done["key"], "writes")}
    again = carecircle("keys", "reseal", "-o", "json", organization=slug)
    assert (again.code, again.json["organizations"][0]["fields"]) == (0, 0)
    found = carecircle("patient", "add", "--identifier", "urn:mrn|4711", "-o", "json", organization=slug)
    assert (found.code, found.json["added"]) == (0, False)
    roots = json.loads((place.home / "keys.json").read_text())["keys"].values()
    told = [listed, before.out, before.err, rotated.out, rotated.err]
    assert not any(root in str(one) for root in roots for one in told)


def test_keys_are_destroyed_only_for_who_says_so_twice(carecircle: Command) -> None:
    slug = clinic(carecircle)
    for confirm in ((), ("--confirm", "another")):
        refused = carecircle("keys", "shred", *confirm, organization=slug)
        assert (refused.code, "for ever" in refused.err) == (7, True)
    assert carecircle("keys", "status", organization=slug).code == 0
    done = carecircle("keys", "shred", "--confirm", slug, "-o", "json", organization=slug)
    assert (done.code, done.json["keys_destroyed"], done.json["blind_key_derivable"]) == (0, 2, False)
    asked = carecircle("patient", "add", "--identifier", "urn:mrn|4711", organization=slug)
    assert (asked.code, "key-destroyed" in asked.err) == (3, True)
    assert "Ada" not in asked.err
    listed = carecircle("keys", "list", "-o", "json", organization=slug).json["keys"]
    assert {key["state"] for key in listed} == {"destroyed"}
    assert carecircle("keys", "rotate", organization=slug).code == 3
    assert carecircle("keys", "shred", "--confirm", slug, organization=slug).code == 3


def test_without_a_file_the_new_root_key_is_for_the_operator_to_put_there(carecircle: Command, place: Place) -> None:
    keys = (place.home / "keys.json").read_text()
    told = carecircle("keys", "rotate", "--root", organization=None, CARECIRCLE_KEYS=keys)
    assert (told.code, "CARECIRCLE_KEYS: put a new one there" in told.err) == (7, True)
    assert not any(root in told.err + told.out for root in json.loads(keys)["keys"].values())
    nothing = carecircle("keys", "list", organization=None, CARECIRCLE_KEYS_COMMAND="false")
    assert (nothing.code, "exit code 1" in nothing.err, "key-unavailable" in nothing.err) == (3, True, True)


def test_organizations_without_keys_are_named_with_a_command_each(carecircle: Command, place: Place) -> None:
    slugs = ["k" + to_text(new_id()).lower() for _ in range(2)]

    async def put() -> None:
        root = await asyncpg.connect(place.server.admin_url)
        try:
            for slug in slugs:
                await root.execute(
                    "insert into carecircle.organizations (id, slug, name) values ($1, $2, 'x')", new_id(), slug
                )
        finally:
            await root.close()

    asyncio.run(put())
    commands = [f"carecircle keys rotate --organization {slug}" for slug in slugs]
    refused = carecircle("keys", "rotate", "--root")
    assert refused.code == 6
    assert all(one in refused.err for one in commands)
    status = carecircle("keys", "status", organization=slugs[0])
    assert (status.code, commands[0] in status.err, "reseal" in status.err) == (0, True, False)
    for slug in slugs:
        assert carecircle("keys", "rotate", "--margin", "5", organization=slug).code == 0
        assert "no key of its own" not in carecircle("keys", "status", organization=slug).err
