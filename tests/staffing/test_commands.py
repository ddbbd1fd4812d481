"""The commands of a provider who leaves, as a person types them."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from carecircle.cli import reassign_output
from carecircle.cli.main import run
from carecircle.database.embedded import EmbeddedServer
from carecircle.database.reach import Reach
from carecircle.identifiers import new_id, to_text
from carecircle.staffing.apply_service import LEFT_ALONE


@dataclass(frozen=True)
class Typed:
    """Commands typed in an organization of this test's own: `rossi` leaves, `okafor` and `lind` stay; 5 patients."""

    capfd: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str, code: int = 0) -> str:
        self.capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            run(arguments)
        out, err = self.capfd.readouterr()
        assert ended.value.code == code, err
        return out

    def json(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self(*arguments, "-o", "json", code=code))
        return told


@pytest.fixture
def typed(
    migrated: Reach,
    server: EmbeddedServer,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Typed:
    slug = "h" + to_text(new_id()).lower()
    monkeypatch.setenv("CARECIRCLE_HOME", str(home))
    monkeypatch.setenv("CARECIRCLE_DATABASE_URL", server.admin_url)
    monkeypatch.setenv("CARECIRCLE_ORGANIZATION", slug)
    here = Typed(capfd)
    here("organization", "add", slug, "--name", "Test")
    for name in ("rossi", "okafor", "lind"):
        here("provider", "add", "--identifier", name)
    for number in range(5):
        here("patient", "add", "--identifier", f"N-{number}")
        here("assign", "primary", f"N-{number}", "rossi")
    return here


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines()))


def test_from_plan_to_revert(typed: Typed, tmp_path: Path) -> None:
    typed("reassign", "capacity", "lind", "--capacity", "3", "--open")
    wishes, never = tmp_path / "wishes.csv", tmp_path / "never.csv"
    wishes.write_text("patient,provider\nN-4,okafor\n")
    never.write_text("patient,provider\nN-0,okafor\nN-0,lind\n")
    planned = typed.json(
        "reassign",
        "plan",
        "rossi",
        "--to",
        "lind=2",
        "--to",
        "okafor",
        "--preferences",
        str(wishes),
        "--never",
        str(never),
    )
    plan = str(planned["reassignment"])
    assert planned["counts"] == [
        {"kind": "direct-assignment", "planned": "exception", "reason": "restricted", "count": 1},
        {"kind": "direct-assignment", "planned": "hand-over", "reason": "capacity", "count": 2},
        {"kind": "direct-assignment", "planned": "hand-over", "reason": "even-spread", "count": 1},
        {"kind": "direct-assignment", "planned": "hand-over", "reason": "patient-preference", "count": 1},
    ]
    assert sorted((row["before"], row["after"]) for row in rows(typed("reassign", "preview", plan, "-o", "csv"))) == [
        ("0", "2"), ("0", "2"),
    ]  # fmt: skip
    assert "exceptions: 1" in typed("reassign", "preview", plan)
    letters = rows(typed("reassign", "preview", plan, "--part", "letters", "-o", "csv"))
    assert len(letters) == 4
    assert all(set(row) == {"patient", "provider", "effective_at"} and len(row["patient"]) == 26 for row in letters)
    typed("reassign", "apply", plan, code=7)
    applied = typed.json("reassign", "apply", plan, "--yes", "--batch", "2", code=11)
    assert applied["state"] == "applied"
    assert applied["done_now"] == {"handed-over": 4}
    certificate = applied["certificate"]
    assert (certificate["patients"], [one["reason"] for one in certificate["without"]]) == (5, ["still-with-leaver"])
    assert typed.json("reassign", "resume", plan, code=11)["done_now"] == {}
    status = rows(typed("reassign", "status", "-o", "csv"))
    assert [(row["state"], row["outcomes"]) for row in status] == [("applied", "4 apply handed-over")]
    typed("reassign", "revert", plan, code=7)
    assert "reverted" in typed("reassign", "revert", plan, "--yes", "--batch", "3")
    assert len(typed("panel", "rossi", "-o", "csv").splitlines()) == 6
    typed("reassign", "apply", plan, "--yes", code=6)


def test_what_is_left_alone_is_told_by_resume_too(typed: Typed) -> None:
    typed("assign", "add", "N-0", "okafor")
    plan = str(typed.json("reassign", "plan", "okafor", "--to", "lind")["reassignment"])
    typed("restrict", "suspend", "lind", "--yes")
    applied = typed.json("reassign", "apply", plan, "--yes", code=11)
    assert applied["done_now"] == {"destination-suspended": 1}
    assert applied["certificate"]["without"] == [], (
        "nobody lost their primary: what was left alone is a finding all the same"
    )
    with pytest.raises(SystemExit) as ended:
        run(("reassign", "resume", plan))
    assert ended.value.code == 11
    assert "1 left with the leaver: who should take them is suspended." in typed.capfd.readouterr().err
    assert set(reassign_output.LEFT_ALONE) == set(LEFT_ALONE), "every such outcome has its sentence"


def test_offboarding_and_gaps(typed: Typed) -> None:
    assert "0 patients" in typed("quality", "gaps", "--days", "30")
    typed("offboard", "rossi", code=7)
    seen = typed.json("offboard", "rossi", "--dry-run", code=11)
    done = typed.json("offboard", "rossi", "--yes", code=11)
    assert (seen["ended"], seen["dry_run"]) == (done["ended"], True)
    assert done["ended"] == {"direct-assignment": 5}
    assert done["patients_without_primary"] == 5
    found = typed.json("quality", "gaps", code=11)
    assert (found["now"], found["ahead"]) == (5, 0)
    assert typed("offboard", "rossi", "--yes")
    assert "0 patients" not in typed("quality", "gaps", code=11)


def test_a_dated_handover_leaves_no_gap(typed: Typed) -> None:
    plan = str(typed.json("reassign", "plan", "rossi", "--to", "lind", "--effective", "2199-01-31")["reassignment"])
    applied = typed("reassign", "apply", plan, "--yes")
    assert "Certificate: all 5 patients of the panel have another primary provider." in applied
    assert "0 patients have no primary provider now; 0 more" in typed("quality", "gaps", "--days", "3650")


def test_wrong_words_are_refused(typed: Typed, tmp_path: Path) -> None:
    wishes = tmp_path / "wishes.csv"
    wishes.write_text("who,whom\na,b\n")
    typed("reassign", "plan", "rossi", "--to", "lind", "--preferences", str(wishes), code=7)
    wishes.write_text("patient,provider\nN-0,\n")
    typed("reassign", "plan", "rossi", "--to", "lind", "--preferences", str(wishes), code=7)
    typed("reassign", "plan", "rossi", "--to", "rossi", code=7)
    typed("reassign", "plan", "rossi", "--to", "nobody", code=5)
    typed("reassign", "apply", to_text(new_id()), "--yes", code=5)
    typed("reassign", "preview", "not an id", code=7)
    typed("quality", "resolve", to_text(new_id()), "--keep", "none", code=5)


def test_a_conflict_is_resolved_by_choosing(typed: Typed, tmp_path: Path) -> None:
    file = tmp_path / "export.ndjson"
    file.write_text(
        '{"resourceType":"Practitioner","id":"p","identifier":[{"system":"urn:npi","value":"7"}]}\n'
        '{"resourceType":"Practitioner","id":"q","identifier":[{"system":"urn:npi","value":"8"}]}\n'
        '{"resourceType":"Patient","id":"a","identifier":[{"system":"urn:mrn","value":"9"}],'
        '"generalPractitioner":[{"reference":"Practitioner/p"},{"reference":"Practitioner/q"}]}\n'
    )
    typed("import", "fhir", str(file), "--source", "test")
    found = typed.json("quality", "findings", code=11)["findings"]
    finding = str(found[0]["id"])
    typed("quality", "resolve", finding, "--keep", "proposed", "--provider", "urn:npi|8", "--previous", "end")
    typed("quality", "findings")
    typed("check", "urn:npi|8", "share", "urn:mrn|9")
    typed("check", "urn:npi|7", "read", "urn:mrn|9", code=10)
