"""audit disclosures, audit patient-report: in words without the patient's name, as a page that is the owner's alone, as JSON."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from tests.cli.conftest import Command
from tests.cli.test_changes import entries
from tests.cli.test_howto_around_the_patient import FENCE, HOW_TO, people
from tests.reports.pages import must_be_plain


def looked_at(carecircle: Command, own: str) -> None:
    assert carecircle("assign", "primary", "patient", "doctor", organization=own).code == 0
    assert carecircle("check", "doctor", "read", "patient", organization=own).code == 0
    assert carecircle("check", "other", "read", "patient", organization=own).code == 10


def test_a_patient_is_told_who_looked(carecircle: Command, own: str, tmp_path: Path) -> None:
    looked_at(carecircle, own)
    told = carecircle("audit", "patient-report", "patient", "--time-zone", "Europe/Berlin", organization=own)
    assert told.code == 0, told.err
    assert "1 person was let in on 1 day" in told.lines[0]
    assert "They were your main doctor or provider." in told.out
    assert told.lines[-1] == "1 time somebody was kept out; 0 emergencies"
    assert entries(carecircle, own, "kind, code")[-1] == ["reading", "access-reported"]
    again = carecircle("audit", "patient-report", "patient", organization=own)
    assert again.lines[0].startswith("1 person was let in")
    apart = again.lines.index("Who worked with the log, or asked who may see the patient")
    assert again.lines[apart + 2].endswith("(administration): Running the system, answering questions")
    third = carecircle("audit", "patient-report", "patient", organization=own)
    assert re.search(r"\d\d:\d\d(–\d\d:\d\d)?, 2 times  .*Running the system", third.out)
    data = carecircle("audit", "patient-report", "patient", "-o", "json", organization=own).json
    assert data["altered"] is False
    assert (data["time_zone"], len(data["days"]), data["attempts"][0]["times"]) == ("UTC", 1, 1)
    page = tmp_path / "report.html"
    made = carecircle("audit", "patient-report", "patient", "--html", str(page), organization=own)
    assert (made.code, made.out) == (0, f"Written to {page}; only you can read it.\n")
    assert page.stat().st_mode & 0o777 == 0o600
    assert "Who looked at your record" in must_be_plain(page.read_text()).text
    assert carecircle("audit", "patient-report", "patient", "--html", str(page), organization=own).code == 7
    kept = carecircle(
        "audit", "patient-report", "patient", "--html", str(tmp_path), "-o", "json", organization=own
    ).json
    assert kept["file"] == str(tmp_path / f"patient-report-{kept['patient']}.html")


def test_disclosures_are_accounted_for(carecircle: Command, own: str, tmp_path: Path) -> None:
    looked_at(carecircle, own)
    nothing = carecircle("audit", "disclosures", "patient", organization=own)
    assert nothing.code == 0, nothing.err
    assert nothing.lines[0].startswith("0 recipients and purposes from ")
    assert carecircle("check", "doctor", "share", "patient", organization=own).code in (0, 10)
    data = json.loads(carecircle("audit", "disclosures", "patient", "-o", "ndjson", organization=own).out)
    assert (data["organization"], data["untraced_lists"]) == ("Test", 0)
    page = tmp_path / "disclosures.html"
    assert carecircle("audit", "disclosures", "patient", "--html", str(page), organization=own).code == 0
    assert "Accounting of disclosures" in must_be_plain(page.read_text()).text
    assert entries(carecircle, own, "kind, code")[-1] == ["reading", "disclosures-accounted"]


def test_what_cannot_be_asked_is_refused(carecircle: Command, own: str) -> None:
    for command in ("disclosures", "patient-report"):
        assert carecircle("audit", command, "patient", "-o", "csv", organization=own).code == 7
        assert carecircle("audit", command, "nobody", organization=own).code == 5
        assert carecircle("audit", command, "patient", "--time-zone", "Mars/Olympus", organization=own).code == 7
    early = carecircle("audit", "disclosures", "patient", "--from", "2001-01-01", organization=own)
    assert (early.code, "6 years at most" in early.err) == (7, True)


def test_the_page_does_what_it_says(
    carecircle: Command, own: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people(carecircle, own)
    monkeypatch.chdir(tmp_path)
    printed = ""
    for language, _, text in FENCE.findall((HOW_TO / "tell-a-patient-who-looked.md").read_text()):
        if language == "sh":
            ran = [carecircle(*shlex.split(line)[1:], organization=own) for line in text.splitlines()]
            assert [one.code for one in ran] == [0] * len(ran), ran
            printed = "".join(one.out + one.err for one in ran)
        else:
            for line in text.splitlines():
                wanted = r"\s+".join(map(re.escape, line.split())).replace("…", ".*")
                assert re.search(wanted, printed), f"{line}\nwas: {printed}"
    assert {path.name for path in tmp_path.iterdir()} == {"report.html", "disclosures.html"}
