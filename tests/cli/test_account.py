"""account, role, api-key, sign-in and visit: told in words and as JSON, asked about before something stops, taken back."""

from __future__ import annotations

from carecircle.directory.api_key import parse
from carecircle.directory.permissions import PERMISSIONS, ROLES
from carecircle.identifiers import new_id, to_text
from tests.cli.conftest import Command
from tests.cli.test_changes import entries
from tests.cli.test_duty import undone

ISSUER = "https://login.hospital.example"
OKAFOR = f"{ISSUER}|okafor"


def test_an_account_and_its_roles(carecircle: Command, own: str) -> None:
    added = carecircle(
        "account", "add", ISSUER, "okafor", "--provider", "doctor", "--label", "Dr. Okafor", "--role", "clinician",
        organization=own,
    )  # fmt: skip
    assert added.code == 0, added.err
    assert added.out == "Dr. Okafor may sign in as clinician.\n"
    [one] = carecircle("account", "list", "-o", "json", organization=own).json["accounts"]
    assert (one["subject"], one["roles"], one["may"]) == ("okafor", ["clinician"], ["ask"])
    assert "1 account." in carecircle("account", "list", "--role", "clinician", organization=own).err

    given = carecircle("role", "give", OKAFOR, "org_admin", organization=own)
    assert given.out == "Role org_admin given to Dr. Okafor.\n"
    held = carecircle("role", "list", one["id"], "-o", "json", organization=own).json["roles"]
    assert [role["role"] for role in held] == ["clinician", "org_admin"]
    last = undone(carecircle, own, given)
    assert (last.code, "[last-administrator]" in last.err) == (4, True)
    assert carecircle("role", "give", OKAFOR, "super_admin", organization=own).code == 0

    changed = carecircle("account", "change", OKAFOR, "--no-provider", "--label", "Okafor", organization=own)
    assert changed.out == "Okafor was changed.\n"
    back = undone(carecircle, own, changed)
    assert (back.code, back.out) == (0, "Dr. Okafor was changed.\n")

    carecircle("account", "add", ISSUER, "other", "--role", "org_admin", organization=own)
    unasked = carecircle("account", "end", OKAFOR, organization=own)
    assert (unasked.code, "Add --yes" in unasked.err) == (7, True)
    ended = carecircle("account", "end", OKAFOR, "--yes", organization=own)
    assert ended.out == "Dr. Okafor has ended, with its roles and sign-ins.\n"
    assert undone(carecircle, own, ended).code == 0
    found = carecircle("account", "list", "-o", "json", organization=own).json["accounts"]
    assert [(row["subject"], row["provider"], len(row["roles"])) for row in found] == [
        ("other", None, 1), ("okafor", one["provider"], 3),
    ]  # fmt: skip
    left = entries(carecircle, own, "code, detail")
    codes = [row[0] for row in left]
    assert codes.count("account-ended") == 1
    assert codes.count("last-administrator") == 1
    assert ISSUER not in str(left)


def test_the_table_of_roles(carecircle: Command) -> None:
    told = carecircle("role", "show", "-o", "json", organization=None).json
    assert told["permissions"] == list(PERMISSIONS)
    assert {row["role"]: set(row["may"]) for row in told["roles"]} == {role: set(may) for role, may in ROLES.items()}
    shown = carecircle("role", "show", organization=None)
    head, *rows = shown.lines
    assert head.split() == ["role", *PERMISSIONS]
    assert len(rows) == len(ROLES)
    at = head.index("administer")
    assert [row.split()[0] for row in rows if row[at] == "x"] == ["org_admin"]


def test_a_key_is_told_once(carecircle: Command, own: str) -> None:
    made = carecircle(
        "api-key", "make", "ward screens", "--may", "ask", "--action", "read", "--days", "5", organization=own
    )
    assert made.code == 0, made.err
    told = parse(made.out.strip())
    assert told is not None
    assert "'ward screens' may ask until " in made.err
    assert "it needs --may ask-for-others" in made.err
    key = to_text(told.key_id)
    rotated = carecircle("api-key", "rotate", key, "-o", "json", organization=own).json
    assert parse(rotated["key"]) is not None
    listed = carecircle("api-key", "list", "-o", "json", organization=own)
    assert [(row["id"], row["made_by"].partition(":")[0]) for row in listed.json["api_keys"]] == [
        (key, "operator"), (rotated["id"], "operator"),
    ]  # fmt: skip
    assert rotated["key"] not in listed.out
    asked = carecircle("api-key", "rotate", key, "--overlap", "0", organization=own)
    assert (asked.code, "'ward screens' stops working now" in asked.err) == (7, True)
    assert carecircle("api-key", "revoke", key, "--yes", organization=own).out == "The key 'ward screens' has ended.\n"
    assert carecircle("api-key", "revoke", key, "--yes", organization=own).code == 5
    assert told.secret not in str(entries(carecircle, own, "detail"))


def test_sign_ins(carecircle: Command, own: str) -> None:
    opened = f"""
      with e as (select gen_random_uuid() as id, set_config('carecircle.organization_id', o.id::text, true), o.id as tenant
        from carecircle.organizations o where o.slug = '{own}')
      insert into carecircle.sign_ins
        (organization_id, id, lineage_id, actor, token_id, starts_at, ends_at, entry_id)
      select tenant, id, id, 'service:gateway', 'x', now(), now() + interval '1 hour', id from e"""
    made = carecircle("db", "shell", "--role", "app", "--organization", own, "--", "-Xqc", opened)
    assert made.code == 0, made.err
    [one] = carecircle("sign-in", "list", "-o", "json", organization=own).json["sign_ins"]
    assert one["actor"] == "service:gateway"
    asked = carecircle("sign-in", "end", "--actor", "service:gateway", organization=own)
    assert (asked.code, "1 open sign-in end" in asked.err) == (7, True)
    assert carecircle("sign-in", "end", one["id"], "--yes", organization=own).out == "1 sign-in ended.\n"
    assert carecircle("sign-in", "end", one["id"], "--yes", organization=own).code == 5


def test_a_visit(carecircle: Command, own: str) -> None:
    away = "h" + to_text(new_id()).lower()
    assert carecircle("organization", "add", away, "--name", "Away").code == 0
    carecircle("account", "add", ISSUER, "okafor", "--label", "Root", organization=own)
    begin = ("visit", "begin", away, "--account", OKAFOR, "--reason", "Restore the ward list", "--minutes", "30")
    refused = carecircle(*begin, organization=own)
    assert (refused.code, "[permission-required]" in refused.err) == (4, True)
    carecircle("role", "give", OKAFOR, "super_admin", organization=own)
    begun = carecircle(*begin, organization=own)
    assert begun.code == 0, begun.err
    assert begun.out.startswith(f"The visit to {away} has begun and ends ")
    [one] = carecircle("visit", "list", "-o", "json", organization=away).json["visits"]
    assert (one["reason"], one["open"]) == ("Restore the ward list", True)
    assert undone(carecircle, away, begun).out == "The visit has ended.\n"
    assert "1 visit, 0 open." in carecircle("visit", "list", organization=away).err
    at_home = [row[0] for row in entries(carecircle, own, "code")]
    assert [code for code in at_home if code.startswith("visit")] == [
        "visit-begun-elsewhere", "visit-ended-elsewhere",
    ]  # fmt: skip
    assert "Restore" not in str(entries(carecircle, away, "detail"))
