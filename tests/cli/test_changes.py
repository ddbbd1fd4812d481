"""Changes from the command line: made once, refused with a trace, audited as this operator's."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from pathlib import Path

import orjson

from tests.cli.conftest import Command


def entries(carecircle: Command, slug: str, columns: str) -> list[list[str]]:
    """The organization's audit trail, oldest first, read as the auditor."""
    asked = f"select {columns} from carecircle.audit_events order by recorded_at, id"
    ran = carecircle("db", "shell", "--role", "auditor", "--organization", slug, "--", "-XAtc", asked)
    assert ran.code == 0, ran.err
    return [line.split("|") for line in ran.lines]


def test_assigning_handing_over_and_ending(carecircle: Command, own: str) -> None:
    assert carecircle("assign", "primary", "patient", "doctor", organization=own).code == 0
    assert carecircle("check", "doctor", "share", "patient", organization=own).code == 0
    assert carecircle("assign", "primary", "patient", "other", "--previous", "end", organization=own).code == 0
    assert carecircle("check", "doctor", "read", "patient", organization=own).code == 10
    again = carecircle("assign", "primary", "patient", "other", "-o", "json", organization=own).json["assignments"]
    ended = carecircle("assign", "end", "patient", "other", organization=own)
    assert (ended.code, "no primary provider now" in ended.err) == (11, True)
    assert "Ended: This provider as primary, from " in ended.out
    assert carecircle("assign", "end", "patient", "other", organization=own).code == 5
    history = carecircle("assign", "history", "patient", "-o", "json", organization=own).json["assignments"]
    assert again[0]["id"] in {row["id"] for row in history}
    assert [row["type"] for row in history] == ["primary"] * 4
    assert sum(row["superseded_at"] is None for row in history) == 2


def taken_back(carecircle: Command, slug: str, undo: list[str]) -> None:
    """Run the commands that a change said would take it back."""
    assert undo
    for line in undo:
        ran = carecircle(*shlex.split(line)[1:], organization=slug)
        assert ran.code in (0, 11), ran.err


def held(carecircle: Command, slug: str) -> set[tuple[str, str, str | None]]:
    """Who is what for the patient, ahead too, and until when: what is believed and has not ended."""
    rows = carecircle("assign", "history", "patient", "-o", "json", organization=slug).json["assignments"]
    now = datetime.now(UTC).isoformat()
    believed = [row for row in rows if row["superseded_at"] is None and (row["ends_at"] or "9") > now]
    return {(row["type"], row["provider"], row["ends_at"]) for row in believed}


def test_a_handover_says_who_was_primary_and_is_taken_back(carecircle: Command, own: str) -> None:
    first = carecircle("assign", "primary", "patient", "doctor", "-o", "json", organization=own).json
    before = held(carecircle, own)
    told = carecircle("assign", "primary", "patient", "other", "-o", "json", organization=own).json
    assert told["previous"]["became"] == ["consulting"]
    taken_back(carecircle, own, told["undo"])
    assert held(carecircle, own) == before
    again = carecircle("assign", "primary", "patient", "doctor", organization=own)
    assert "is primary for this patient already" in again.out
    assert "Undo:" not in again.err
    said = carecircle("assign", "primary", "patient", "other", organization=own)
    assert said.lines[1] == "Another provider was primary and is consulting from now on."
    taken_back(carecircle, own, [line.split(": ", 1)[-1].removeprefix(" then ") for line in said.err.splitlines()])
    taken_back(carecircle, own, first["undo"])
    assert held(carecircle, own) == set()


def test_what_was_ended_is_given_again_as_it_was(carecircle: Command, own: str) -> None:
    for words in (("primary", "patient", "doctor"), ("add", "patient", "other", "--until", "2090-01-31")):
        assert carecircle("assign", *words, organization=own).code == 0
    ahead = ("--type", "attending", "--from", "2090-01-01", "--until", "2090-01-31")
    assert carecircle("assign", "add", "patient", "other", *ahead, organization=own).code == 0
    before = held(carecircle, own)
    told = carecircle("assign", "end", "patient", "other", "-o", "json", organization=own)
    assert (told.code, told.json["without_primary"]) == (0, False)
    ends = {row["type"]: (row["starts_at"], row["ends_at"]) for row in told.json["assignments"]}
    assert ends["attending"] == ("2090-01-01T00:00:00Z", "2090-01-01T00:00:00Z")
    assert ends["consulting"][1] < "2090"
    taken_back(carecircle, own, told.json["undo"])
    assert held(carecircle, own) == before


def test_a_team_seat_lets_in(carecircle: Command, own: str) -> None:
    team = carecircle("team", "create", "Ward 1", "-o", "json", organization=own).json["team"]
    assert carecircle("team", "add-patient", team, "patient", organization=own).code == 0
    assert carecircle("team", "add-member", team, "doctor", "--role", "nurse", organization=own).code == 0
    assert carecircle("team", "add-member", team, "doctor", organization=own).code == 6
    assert carecircle("check", "doctor", "write", "patient", organization=own).code == 0
    assert carecircle("check", "doctor", "order", "patient", organization=own).code == 10


def test_registering_twice_finds_the_same(carecircle: Command, own: str) -> None:
    first, second = (
        carecircle(
            "patient", "add", "--identifier", "urn:mrn|1", "--birth-date", "1990-02-03", "-o", "json", organization=own
        )
        for _ in range(2)
    )
    assert first.json["patient"] == second.json["patient"]
    assert (first.json["added"], second.json["added"]) == (True, False)
    by_id = ("provider", "add", "--id", first.json["patient"])
    assert [carecircle(*by_id, organization=own).err for _ in range(2)] == [
        "Added.\n", "Known already; nothing was added.\n",
    ]  # fmt: skip
    for kind in ("patient", "provider"):
        nobody = carecircle(kind, "add", "--name", "Ines", organization=own)
        assert (nobody.code, "--identifier" in nobody.err) == (7, True)
    assert carecircle("patient", "add", "--identifier", "x", "--birth-date", "3 May", organization=own).code == 7
    assert carecircle("organization", "add", own).code == 0


def test_a_refusal_is_recorded_though_nothing_was_changed(carecircle: Command, own: str) -> None:
    assert carecircle("assign", "primary", "patient", "doctor", organization=own).code == 0
    refused = carecircle("assign", "add", "patient", "other", "--type", "primary", organization=own)
    assert refused.code == 6
    assert entries(carecircle, own, "kind, code")[-1] == ["refusal", "primary-already-assigned"]
    assert len(carecircle("assign", "history", "patient", "-o", "json", organization=own).json["assignments"]) == 1


def test_the_audit_names_who_sat_at_the_terminal(carecircle: Command, own: str) -> None:
    carecircle("check", "doctor", "read", "patient", organization=own)
    carecircle("check", "doctor", "read", "patient", organization=own, CARECIRCLE_ACTOR="operator:night shift")
    actors = [actor for (actor,) in entries(carecircle, own, "actor")]
    assert actors[-2].startswith("operator:")
    assert actors[-1] == "operator:night shift"
    assert carecircle("panel", "doctor", organization=own, CARECIRCLE_ACTOR="a\nb").code == 7


def test_importing_and_importing_again(carecircle: Command, own: str, tmp_path: Path) -> None:
    practitioner = {"resourceType": "Practitioner", "id": "p1", "identifier": [{"system": "urn:npi", "value": "77"}]}
    patient = {
        "resourceType": "Patient", "id": "a", "identifier": [{"system": "urn:mrn", "value": "88"}],
        "generalPractitioner": [{"reference": "Practitioner/p1"}],
    }  # fmt: skip
    file = tmp_path / "export.ndjson"
    file.write_bytes(b"\n".join(orjson.dumps(one) for one in (practitioner, patient)) + b"\n")
    first = carecircle("import", "fhir", str(file), "--source", "test", "-o", "json", organization=own)
    assert first.code == 0, first.err
    assert (first.json["resources"], first.json["changed_nothing"]) == (2, False)
    again = carecircle("import", "fhir", str(file), "--source", "test", organization=own)
    assert (again.code, "Nothing changed" in again.err) == (0, True)
    assert carecircle("check", "urn:npi|77", "read", "urn:mrn|88", organization=own).code == 0
