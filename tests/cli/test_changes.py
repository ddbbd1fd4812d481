"""Changes from the command line: made once, refused with a trace, audited as this operator's."""

from __future__ import annotations

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
    assert carecircle("assign", "end", "patient", "other", organization=own).code == 0
    assert carecircle("assign", "end", "patient", "other", organization=own).code == 5
    history = carecircle("assign", "history", "patient", "-o", "json", organization=own).json["assignments"]
    assert again[0]["id"] in {row["id"] for row in history}
    assert [row["type"] for row in history] == ["primary"] * 4
    assert sum(row["superseded_at"] is None for row in history) == 2


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
