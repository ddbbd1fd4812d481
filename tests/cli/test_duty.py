"""duty and related: told, recorded, listed and taken back; gaps ahead are findings."""

from __future__ import annotations

import shlex
from typing import Any

from carecircle.cli.duty_words import WORDS
from carecircle.directory.duty_service import DUTIES
from carecircle.directory.relation_service import RELATIONS
from carecircle.identifiers import new_id, to_text
from tests.cli.conftest import Command, Ran
from tests.cli.test_changes import entries


def undone(carecircle: Command, own: str, ran: Ran) -> Ran:
    """Run what a change says takes it back."""
    [line] = [line for line in ran.err.splitlines() if line.startswith("Undo: carecircle ")]
    return carecircle(*shlex.split(line.removeprefix("Undo: carecircle ")), organization=own)


def listed(carecircle: Command, own: str, *words: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = carecircle("duty", "list", *words, "-o", "json", organization=own).json["duties"]
    return rows


def works(carecircle: Command, own: str, who: str, role: str, unit: str | None = None) -> None:
    """What an import brings: what somebody works as, and the unit where they do."""
    asked = f"""
      with unit as (insert into carecircle.units (organization_id, id, name, system, value)
          select i.organization_id, gen_random_uuid(), '{unit}', 'test', '{unit}' from carecircle.provider_identifiers i
          where i.value = '{who}' and '{unit}' <> 'None' returning id),
        role as (select gen_random_uuid() as id)
      insert into carecircle.provider_roles
        (organization_id, id, lineage_id, provider_id, role_code, unit_id, starts_at, entry_id)
      select i.organization_id, role.id, role.id, i.provider_id, '{role}', (select id from unit), now(), role.id
      from role, carecircle.provider_identifiers i where i.value = '{who}'"""
    ran = carecircle("db", "shell", "--role", "app", "--organization", own, "--", "-Xqc", asked)
    assert ran.code == 0, ran.err


def test_words_are_there_for_all_duties() -> None:
    assert set(WORDS) == set(DUTIES)
    assert set(RELATIONS) == {"self", "family", "household"}


def test_a_duty_is_added_listed_ended_and_brought_back(carecircle: Command, own: str) -> None:
    period = ("--from", "2031-01-31 20:00", "--until", "2031-02-01 08:00", "--time-zone", "Europe/Berlin")
    said = ("supervisor", "doctor", "--order", "2", "--contact", "ward7@hospital.example", *period)
    made = carecircle("duty", "add", *said, organization=own)
    assert made.code == 0, made.err
    assert (
        "is supervisor of all units, from Fri 31 Jan 2031 20:00 until Sat 1 Feb 2031 08:00 (Europe/Berlin)" in made.out
    )
    assert carecircle("duty", "add", *said, organization=own).code == 6
    assert entries(carecircle, own, "kind, code")[-1] == ["refusal", "overlapping-duty"]
    [row] = listed(carecircle, own)
    assert (row["duty"], row["unit"], row["order"], row["contact"]) == ("supervisor", None, 2, "ward7@hospital.example")
    assert (row["starts_at"], row["ends_at"]) == ("2031-01-31T19:00:00Z", "2031-02-01T07:00:00Z")
    table = carecircle("duty", "list", "--time-zone", "Europe/Berlin", organization=own)
    assert "Fri 31 Jan 2031 20:00" in table.out
    assert "by the clock of Europe/Berlin" in table.err.replace("Times by", "by")
    ended = undone(carecircle, own, made)
    assert "never begins" in ended.out
    assert listed(carecircle, own) == []
    assert undone(carecircle, own, ended).code == 0
    [again] = listed(carecircle, own)
    assert {**again, "id": None} == {**row, "id": None}
    assert listed(carecircle, own, "--as-of", "2031-01-01") == []
    assert [one["id"] for one in listed(carecircle, own, "--as-of", "2031-02-01")] == [again["id"]]


def test_who_is_given_a_duty_is_said_one_way(carecircle: Command, own: str) -> None:
    for words in (
        ("supervisor",), ("supervisor", "doctor", "--role", "physician"), ("supervisor", "doctor", "--contact", "ward seven"),
        ("supervisor", "--role", "physician", "--contact", "a@b"), ("chief", "doctor"), ("break_glass", "--role", "nobody"),
        ("supervisor", "doctor", "--from", "2031-01-31 08:00"), ("supervisor", "doctor", "--until", "2001-01-31"),
    ):  # fmt: skip
        assert carecircle("duty", "add", *words, organization=own).code == 7, words
    for words in (("add", "supervisor", "nobody"), ("add", "supervisor", "doctor", "--unit", "nowhere"),
                  ("end", to_text(new_id())), ("list", "--unit", "nowhere")):  # fmt: skip
        assert carecircle("duty", *words, organization=own).code == 5, words
    assert listed(carecircle, own) == []


def test_a_role_is_enrolled_with_one_command(carecircle: Command, own: str) -> None:
    for who in ("doctor", "other"):
        works(carecircle, own, who, "physician")
    assert carecircle("duty", "add", "break_glass", "other", organization=own).code == 0
    made = carecircle("duty", "add", "break_glass", "--role", "physician", organization=own)
    assert made.out == (
        "1 provider of the role physician: may break the glass, from now on; 1 provider had it already.\n"
    )
    again = carecircle("duty", "add", "break_glass", "--role", "physician", "-o", "json", organization=own)
    assert (again.json["added"], again.json["had_it"], again.json["undo"]) == (0, 2, [])
    assert len(listed(carecircle, own, "--duty", "break_glass")) == 2
    assert undone(carecircle, own, made).code == 0
    assert len(listed(carecircle, own)) == 1


def test_many_who_may_break_the_glass_do_not_hide_who_decides(carecircle: Command, own: str) -> None:
    for number in range(12):
        assert carecircle("provider", "add", "--identifier", f"staff-{number}", organization=own).code == 0
        works(carecircle, own, f"staff-{number}", "physician")
    made = carecircle("duty", "add", "break_glass", "--role", "physician", organization=own)
    assert ("Undo" in made.err, "End one of them with: carecircle duty end ID" in made.err) == (False, True)
    carecircle("duty", "add", "privacy_office", "doctor", organization=own)
    table = carecircle("duty", "list", organization=own)
    assert ("break_glass" in table.out, "privacy_office" in table.out) == (False, True)
    assert "12 providers may break the glass besides" in table.err
    assert len(carecircle("duty", "list", "--duty", "break_glass", organization=own).lines) == 13
    assert len(listed(carecircle, own)) == 13


def test_gaps_are_told_with_what_helps_until_there_are_none(carecircle: Command, own: str) -> None:
    before = carecircle("duty", "gaps", "-o", "json", organization=own)
    assert (before.code, before.json["days"]) == (11, 7)
    assert [one["duty"] for one in before.json["gaps"]] == ["break_glass", "duty_manager", "privacy_office"]
    table = carecircle("duty", "gaps", "--days", "1", organization=own)
    assert "Nobody is on the privacy office from " in table.out
    assert "  carecircle duty add duty_manager PROVIDER\n" in table.out
    for duty in ("break_glass", "duty_manager", "privacy_office"):
        assert carecircle("duty", "add", duty, "doctor", organization=own).code == 0
    assert carecircle("duty", "gaps", organization=own).code == 0
    works(carecircle, own, "other", "nurse", "Ward 7")
    table = carecircle("duty", "gaps", organization=own)
    assert (table.code, "Nobody is supervisor of Ward 7 from " in table.out) == (11, True)
    added = carecircle("duty", "add", "supervisor", "doctor", "--unit", "Ward 7", organization=own)
    assert "is supervisor of Ward 7, from now on." in added.out
    assert [one["unit_name"] for one in listed(carecircle, own, "--unit", "Ward 7", "--duty", "supervisor")] == [
        "Ward 7"
    ]
    assert carecircle("duty", "gaps", organization=own).code == 0
    assert carecircle("coverage", "away", "doctor", organization=own).code == 11
    assert carecircle("duty", "gaps", organization=own).code == 11


def test_reporting_lines_are_added_ended_and_never_a_circle(carecircle: Command, own: str) -> None:
    made = carecircle("duty", "line", "add", "doctor", "other", organization=own)
    assert made.code == 0, made.err
    refused = carecircle("duty", "line", "add", "other", "doctor", organization=own)
    assert (refused.code, "reporting-loop" in refused.err) == (7, True)
    [line] = carecircle("duty", "lines", "--provider", "other", "-o", "json", organization=own).json["lines"]
    assert line["ends_at"] is None
    assert carecircle("duty", "lines", organization=own).code == 0
    ended = undone(carecircle, own, made)
    assert carecircle("duty", "lines", "-o", "json", organization=own).json["lines"] == []
    assert undone(carecircle, own, ended).code == 0
    assert carecircle("duty", "line", "end", "other", "doctor", organization=own).code == 5


def test_relations_are_added_ended_and_reading_them_is_recorded(carecircle: Command, own: str) -> None:
    made = carecircle("related", "add", "doctor", "patient", "family", organization=own)
    assert made.code == 0, made.err
    assert "is of this patient's family, from now until this is ended." in made.out
    looked = carecircle("related", "list", "--patient", "patient", "-o", "json", organization=own)
    assert [one["relation"] for one in looked.json["relations"]] == ["family"]
    assert entries(carecircle, own, "kind, code")[-1] == ["reading", "relations-read"]
    ended = undone(carecircle, own, made)
    assert carecircle("related", "list", organization=own).err == "No relation is on record now or ahead.\n"
    assert undone(carecircle, own, ended).code == 0
    assert carecircle("related", "add", "other", "patient", "friend", organization=own).code == 7
    assert carecircle("related", "end", "other", "patient", organization=own).code == 5
