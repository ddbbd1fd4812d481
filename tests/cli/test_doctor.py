"""doctor: a line per check, each finding with what to do, and an exit code that a script can read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.cli.conftest import Command, Ran
from tests.cli.test_duty import works

ELSE = {"CARECIRCLE_VOLUME_ENCRYPTED": "yes"}
WAYS = {
    **ELSE,
    "CARECIRCLE_SMTP_URL": "smtp://127.0.0.1:2525",
    "CARECIRCLE_MAIL_FROM": "carecircle@hospital.example",
}


def checks(ran: Ran) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for line in ran.json["checks"]:
        assert (line["state"] == "ok") == (line["helps"] == ""), line
        found.setdefault(line["check"], []).append(line)
    return found


def states(ran: Ran) -> dict[str, set[str]]:
    return {check: {line["state"] for line in lines} for check, lines in checks(ran).items()}


def seal(carecircle: Command) -> None:
    assert carecircle("worker", "--once", "--only", "sealing", organization=None).code == 0


def test_findings_say_what_to_do_until_all_is_well(carecircle: Command, own: str) -> None:
    seal(carecircle)
    before = carecircle("doctor", "-o", "json", organization=own, **ELSE)
    assert before.code == 11
    assert states(before) == {
        "database": {"ok"}, "roles": {"ok"}, "break glass": {"fail"}, "duties": {"fail"}, "outbox": {"ok"},
        "reviews": {"ok"}, "mail": {"warn"}, "webhook": {"warn"}, "months": {"ok"}, "holds": {"ok"}, "keys": {"ok"},
        "sealing": {"ok"}, "tls": {"ok"},
        "volume": {"ok"}, "witness": {"ok"},
    }  # fmt: skip
    [nobody] = checks(before)["break glass"]
    assert nobody["helps"] == "carecircle duty add break_glass --role ROLE"
    works(carecircle, own, "other", "physician", "Ward 7")
    for duty in ("duty_manager", "privacy_office", "supervisor"):
        carecircle("duty", "add", duty, "doctor", organization=own)
    carecircle("duty", "add", "break_glass", "--role", "physician", organization=own)
    seal(carecircle)
    well = carecircle("doctor", "-o", "json", organization=own, **WAYS)
    assert {one for found in states(well).values() for one in found} == {"ok"}, well.out
    assert well.code == 0
    table = carecircle("doctor", organization=own, **WAYS)
    assert (table.code, table.err) == (0, "All is well.\n")
    assert "ok    break glass   1 provider may break the glass now." in table.lines


def test_a_gap_ahead_warns_and_one_now_fails(carecircle: Command, own: str) -> None:
    for duty in ("duty_manager", "privacy_office", "break_glass"):
        carecircle("duty", "add", duty, "doctor", organization=own)
    carecircle("coverage", "away", "doctor", "--from", "2090-01-01", organization=own)
    seal(carecircle)
    assert carecircle("doctor", organization=own, **WAYS).code == 0
    assert carecircle("coverage", "back", "doctor", "--at", "2090-01-01", organization=own).code == 0
    made = carecircle("duty", "list", "--duty", "duty_manager", "-o", "json", organization=own).json["duties"][0]["id"]
    told = "select to_char((now() + interval '2 days') at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
    soon = carecircle("db", "shell", "--organization", own, "--", "-XAtc", told).out.strip()
    assert carecircle("duty", "end", made, "--at", soon, organization=own).code == 0
    found = carecircle("doctor", "-o", "json", organization=own, **WAYS)
    assert (found.code, states(found)["duties"]) == (11, {"warn"})
    seal(carecircle)
    assert carecircle("doctor", "--days", "1", organization=own, **WAYS).code == 0
    assert carecircle("coverage", "away", "doctor", organization=own).code == 11
    found = carecircle("doctor", "-o", "json", organization=own, **WAYS)
    assert (found.code, states(found)["duties"]) == (11, {"fail"})


def test_what_waits_too_long_in_the_outbox_is_found(carecircle: Command, own: str) -> None:
    def put(id_: int, due: str) -> None:
        asked = (
            "insert into carecircle.outbox (organization_id, id, kind, subject_id, due_at, entry_id) select organization_id,"
            f" '00000000-0000-0000-0000-{id_:012}', 'review-due', id, now() + interval '{due}', id from carecircle.providers"
            " limit 1"
        )
        ran = carecircle("db", "shell", "--role", "app", "--organization", own, "--", "-Xqc", asked)
        assert ran.code == 0, ran.err

    def outbox() -> tuple[str, str]:
        [line] = checks(carecircle("doctor", "-o", "json", organization=own))["outbox"]
        return line["state"], line["finding"]

    put(1, "72 hours")  # ahead: nobody is late
    put(2, "-10 seconds")
    assert outbox()[0] == "ok"
    put(3, "-3 minutes")
    assert outbox() == ("warn", "2 notices and steps due, the oldest for 3 minutes.")
    put(4, "-5 hours")
    assert outbox() == ("fail", "3 notices and steps due, the oldest for 5 hours.")


def test_a_review_that_is_overdue_is_found_without_naming_anybody(carecircle: Command, own: str) -> None:
    def opened(review_due: str) -> None:
        """Emergency access that expired yesterday."""
        asked = f"""
          with fresh as (select gen_random_uuid() as id)
          insert into carecircle.emergency_access (organization_id, id, lineage_id, provider_id, patient_id, state, mode, scope,
            reason_code, wanted_scope, wanted_until, asked_at, opened_at, review_due_at, starts_at, ends_at, entry_id)
          select p.organization_id, fresh.id, fresh.id, p.id, q.id, 'provisional', 'provisional', '{{read}}', 'life-threat',
            '{{read}}', now(), now() - interval '1 day', now() - interval '1 day', now() + interval '{review_due}',
            now() - interval '1 day', now() - interval '23 hours', fresh.id
          from fresh, carecircle.providers p, carecircle.patients q limit 1"""
        ran = carecircle("db", "shell", "--role", "app", "--organization", own, "--", "-Xqc", asked)
        assert ran.code == 0, ran.err

    opened("5 hours")
    [line] = checks(carecircle("doctor", "-o", "json", organization=own))["reviews"]
    assert (line["state"], line["finding"]) == ("ok", "1 review waiting, none overdue.")
    opened("-3 hours")
    [line] = checks(carecircle("doctor", "-o", "json", organization=own))["reviews"]
    assert (line["state"], line["finding"]) == ("fail", "1 review overdue, the longest by 3 hours.")
    assert line["helps"] == "carecircle break-glass list --to-review"


def test_settings_that_cannot_be_used_are_found_without_being_told(carecircle: Command, own: str) -> None:
    wrong = {"CARECIRCLE_SMTP_URL": "smtp://user:secret-word@mail.example", "CARECIRCLE_MAIL_FROM": "nobody"}
    found = carecircle("doctor", "-o", "json", organization=own, **wrong)
    assert (found.code, states(found)["mail"]) == (11, {"fail"})
    assert "secret-word" not in found.out + found.err


def test_without_an_organization_or_a_database_it_says_so(carecircle: Command, tmp_path: Path) -> None:
    found = carecircle("doctor", "-o", "json", organization=None)
    assert (found.code, states(found)["organization"], "duties" in states(found)) == (11, {"warn"}, False)
    nowhere = {"CARECIRCLE_DATABASE_URL": "postgresql://nobody:secret-word@127.0.0.1:1/none"}
    found = carecircle("doctor", "-o", "json", **nowhere)
    assert (found.code, states(found)["database"]) == (11, {"fail"})
    assert "secret-word" not in found.out + found.err
    unmade = {"CARECIRCLE_DATABASE_URL": "", "CARECIRCLE_HOME": str(tmp_path)}
    found = carecircle("doctor", "-o", "json", **unmade)
    assert (found.code, states(found)["database"]) == (11, {"fail"})
