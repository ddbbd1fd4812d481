"""The audit commands as people run them: searching, following, exporting, verifying, proving."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from carecircle import Settings
from carecircle.audit.sealing import seal_once
from carecircle.audit.search import BASES, KINDS
from carecircle.database.reach import reach
from tests.cli.conftest import Command, Place


@pytest.fixture
def seal(place: Place, carecircle: Command) -> None:
    """Whatever there is has its leaf. The command's environment is this process's while a test runs."""
    settings = Settings.read()
    with reach(settings) as at:
        asyncio.run(seal_once(settings, at))


def test_search_in_every_format_and_page_by_page(carecircle: Command, own: str) -> None:
    table = carecircle("audit", "search", "--kind", "change", organization=own)
    assert table.code == 0
    assert "change patient-registered" in table.out
    whole = carecircle("audit", "search", "--kind", "change", "-o", "json", organization=own).json
    assert whole["schema_version"] == 1
    assert whole["next"] is None
    assert all(len(one["id"]) == 26 for one in whole["entries"])
    first = carecircle("audit", "search", "--kind", "change", "--limit", "1", "-o", "json", organization=own).json
    more = carecircle("audit", "search", "--kind", "change", "--after", first["next"], "-o", "json", organization=own)
    assert [*first["entries"], *more.json["entries"]] == whole["entries"]
    lines = carecircle("audit", "search", "--kind", "change", "-o", "ndjson", organization=own).lines
    assert [json.loads(line)["id"] for line in lines] == [one["id"] for one in whole["entries"]]
    rows = csv.DictReader(io.StringIO(carecircle("audit", "search", "-o", "csv", organization=own).out))
    assert [row["code"] for row in rows][:2] == ["audit-searched", "audit-searched"]
    assert "There are more" in carecircle("audit", "search", "--limit", "1", organization=own).err


def test_search_finds_by_any_reference_and_says_what_is_wrong(carecircle: Command, own: str) -> None:
    found = carecircle("audit", "search", "--patient", "patient", "-o", "json", organization=own).json["entries"]
    assert [one["code"] for one in found] == ["patient-registered"]
    for words, code in (
        (("--patient", "nobody"), 5),
        (("--provider", "nobody"), 5),
        (("--after", "x"), 7),
        (("--from", "yesterday"), 7),
        (("--from", "2026-02-01", "--to", "2026-01-01"), 7),
        (("--limit", "0"), 2),
        (("--kind", "decisions"), 7),
        (("--basis", "nobody"), 7),
    ):
        assert carecircle("audit", "search", *words, organization=own).code == code, words
    nothing = carecircle("audit", "search", "--actor", "operator:nobody", organization=own)
    assert (nothing.code, nothing.err.strip()) == (0, "No entry fits.")
    assert "written with what it is" in carecircle("audit", "search", "--actor", "okafor", organization=own).err


def test_kinds_and_bases_are_those_there_are(carecircle: Command, tmp_path: Path) -> None:
    assert "sign-in" in carecircle("audit", "search", "--kind", "x").err
    assert "emergency_access" in carecircle("audit", "tail", "--basis", "x").err
    unwritten = tmp_path / "x"
    assert carecircle("audit", "export", "--to", str(unwritten), "--format", "csv", "--kind", "x").code == 7
    assert not unwritten.exists()
    for option, known in (("--kind", KINDS), ("--basis", BASES)):
        for one in known:
            assert carecircle("audit", "search", option, one, "--limit", "1").code == 0, one
    entries = carecircle("audit", "search", "--limit", "10000", "-o", "json").json["entries"]
    assert {one["kind"] for one in entries} <= set(KINDS)
    bases = {basis for one in entries for basis in one["basis_kinds"] or ()}
    assert {"primary", "care_team"} <= bases <= set(BASES)


def test_who_only_reads_is_not_told_to_register_anybody(carecircle: Command, own: str) -> None:
    for words in (("search", "--patient", "nobody"), ("patient-report", "nobody"), ("disclosures", "nobody")):
        ran = carecircle("audit", *words, organization=own)
        assert (ran.code, "check the number and the organization" in ran.err) == (5, True), words
        assert "patient-not-registered" in ran.err
        assert "patient add" not in ran.err


def test_entries_of_records_that_were_merged_are_one_patients(carecircle: Command, own: str) -> None:
    assert carecircle("patient", "add", "--identifier", "twin", organization=own).code == 0
    merged = carecircle("patient", "merge", "twin", "--into", "patient", "--yes", organization=own)
    assert merged.code == 0, merged.err
    for reference in ("patient", "twin"):
        words = ("audit", "search", "--patient", reference, "--code", "patient-registered", "-o", "json")
        assert len(carecircle(*words, organization=own).json["entries"]) == 2


def test_a_value_like_a_formula_is_written_as_text(carecircle: Command, own: str) -> None:
    assert carecircle("audit", "search", organization=own, CARECIRCLE_ACTOR="=1+1").code == 0
    [row] = csv.DictReader(
        io.StringIO(carecircle("audit", "search", "--actor", "=1+1", "-o", "csv", organization=own).out)
    )
    assert row["actor"] == "'=1+1"


def test_tail_ends_by_itself_and_follows_until_it_is_stopped(carecircle: Command, place: Place, own: str) -> None:
    assert len(carecircle("audit", "tail", "-n", "2", organization=own).lines) == 2
    assert carecircle("audit", "tail", "-o", "json", organization=own).code == 7
    environment = {**os.environ, **place.environment, "CARECIRCLE_ORGANIZATION": own}
    command = [
        sys.executable,
        "-c",
        "from carecircle.cli.main import run; run()",
        "audit",
        "tail",
        "-f",
        "-n",
        "1",
        "-o",
        "ndjson",
    ]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert carecircle("patient", "add", "--identifier", "late", organization=own).code == 0
        told = json.loads(process.stdout.readline())
        time.sleep(2.5)
        process.send_signal(signal.SIGINT)
        rest, err = process.communicate(timeout=20)
    assert told["code"] == "patient-registered"
    # Its own entries are not news to it: it says nothing more, and leaves no further ones.
    assert (rest, process.returncode) == ("", 130), err
    followed = carecircle("audit", "search", "--code", "audit-followed", "-o", "json", organization=own).json["entries"]
    assert [json.loads(one["detail"]) for one in followed] == [{"count": 1}]


@pytest.mark.usefixtures("seal")
def test_export_and_verify_with_nothing_but_the_file(carecircle: Command, tmp_path: Path) -> None:
    file = tmp_path / "trail"
    assert carecircle("audit", "export", "--to", str(file)).code == 0
    assert carecircle("audit", "export", "--to", str(file)).code == 7
    assert carecircle("audit", "export", "--to", str(file), "--overwrite").code == 0
    assert carecircle("audit", "export", "--to", str(tmp_path / "x"), "--kind", "change").code == 7
    key = carecircle("audit", "key").out
    good = carecircle("audit", "verify", "--export", str(file), "--key", key, "-o", "json", organization=None)
    assert (good.code, good.json["ok"], good.json["findings"]) == (0, True, [])
    spoilt = file.read_bytes().replace(b'"code":"organization-registered"', b'"code":"organization-registerer"', 1)
    assert spoilt != file.read_bytes()
    file.write_bytes(spoilt)
    bad = carecircle("audit", "verify", "--export", str(file), "--key", key)
    assert bad.code == 11
    assert "entry-altered" in bad.out
    assert "First bad entry: index " in bad.out
    file.write_bytes(b"{}\n")
    assert carecircle("audit", "verify", "--export", str(file), "--key", key).code == 7
    assert carecircle("audit", "verify", "--export", str(tmp_path / "none"), "--key", key).code == 7
    assert carecircle("audit", "verify", "--export", str(file), "--key", "x").code == 7
    elsewhere = carecircle("audit", "verify", "--export", str(file), CARECIRCLE_HOME=str(tmp_path / "empty"))
    assert (elsewhere.code, (tmp_path / "empty").exists()) == (7, False)


@pytest.mark.parametrize("format_", ["verifiable", "ndjson"])
def test_an_export_that_is_cut_off_has_left_its_entry(
    carecircle: Command, own: str, tmp_path: Path, format_: str
) -> None:
    def told() -> list[tuple[str, str]]:
        found = carecircle("audit", "search", "--kind", "reading", "-o", "json", organization=own).json["entries"]
        return [(one["code"], json.loads(one["detail"])["format"]) for one in found if "audit-export" in one["code"]]

    words = ("audit", "export", "--format", format_, "--to")
    assert carecircle(*words, str(tmp_path / "no" / "where"), organization=own).code == 7
    assert told() == [("audit-export-begun", format_)]
    whole = tmp_path / "whole"
    assert carecircle(*words, str(whole), organization=own).code == 0
    assert told() == [("audit-exported", format_), ("audit-export-begun", format_), ("audit-export-begun", format_)]
    # It is there before the first byte of what it is about.
    assert whole.read_text().count('"audit-export-begun"') == 2
    assert '"audit-exported"' not in whole.read_text()


@pytest.mark.parametrize("format_", ["ndjson", "csv", "fhir"])
def test_exports_of_entries_alone(
    carecircle: Command, own: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format_: str
) -> None:
    file = tmp_path / "entries"
    words = ("audit", "export", "--to", str(file), "--format", format_, "--kind", "change", "-o", "json")
    ran = carecircle(*words, organization=own)
    assert ran.code == 0, ran.err
    assert ran.json["entries"] == len(file.read_text().splitlines()) - (format_ == "csv")
    assert ran.json["entries"] >= 4
    assert ran.json["file"] == str(file)
    monkeypatch.chdir(tmp_path)
    assert str(tmp_path / "beside") in carecircle("audit", "export", "--to", "beside", organization=own).out
    if format_ == "fhir":
        assert all(json.loads(line)["resourceType"] == "AuditEvent" for line in file.read_text().splitlines())


@pytest.mark.usefixtures("seal")
def test_verify_where_the_trail_lies(carecircle: Command) -> None:
    ran = carecircle("audit", "verify", "--every-organization", "-o", "json", organization=None)
    assert ran.code in (0, 11)  # other tests leave organizations behind in which something was done on purpose
    assert "north-hospital" in [one["organization"] for one in ran.json["organizations"]]
    whole = carecircle("audit", "verify")
    assert whole.code == 0, whole.out
    assert "Everything is as it was sealed." in whole.err
    assert "this installation's own keys" in whole.err
    assert carecircle("audit", "verify", "--witness", "/nowhere/at/all").code == 7
    entries = carecircle("audit", "search", "--code", "audit-verified", "-o", "json").json["entries"]
    assert len(entries) >= 2


@pytest.mark.usefixtures("seal")
def test_an_entry_is_proved_to_who_has_only_the_key(carecircle: Command, tmp_path: Path) -> None:
    entry = carecircle("audit", "search", "--code", "organization-registered", "--limit", "1", "-o", "json").json[
        "entries"
    ][0]["id"]
    file, line = tmp_path / "x.tlog-proof", tmp_path / "line"
    file.write_text(carecircle("audit", "proof", entry).out)
    key = carecircle("audit", "key").out.split()[0]
    good = carecircle("audit", "check-proof", str(file), "--key", key, organization=None)
    assert (good.code, good.out.startswith("In the log: ")) == (0, True)
    told = carecircle("audit", "proof", entry, "--bare", "-o", "json").json
    file.write_text(told["proof"])
    line.write_text(told["line"] + "\n")
    assert carecircle("audit", "check-proof", str(file), "--key", key).code == 11
    assert carecircle("audit", "check-proof", str(file), "--key", key, "--entry", str(line)).code == 0
    line.write_text(told["line"].replace("organization-registered", "organization-registerer"))
    assert carecircle("audit", "check-proof", str(file), "--key", key, "--entry", str(line)).code == 11
    assert carecircle("audit", "check-proof", str(line), "--key", key).code == 7
    assert carecircle("audit", "proof", "01K5V0000000000000000000AB").code == 5


@pytest.mark.usefixtures("seal")
def test_keys_and_checkpoints(carecircle: Command, own: str) -> None:
    note = carecircle("audit", "checkpoint")
    assert note.out.startswith("carecircle/")
    assert carecircle("audit", "checkpoint", organization=own).code in (0, 6)
    before = carecircle("audit", "key").lines
    refused = carecircle("audit", "key", "--rotate")
    assert (refused.code, "add --yes." in refused.err, "--dry-run" in refused.err) == (7, True, False)  # nobody to ask
    rotated = carecircle("audit", "key", "--rotate", "--yes")
    after = rotated.lines
    assert (after[1:], rotated.code, "Give the new key to every witness" in rotated.err) == (before, 0, True)
    assert "no entry says so" not in rotated.err
    for house in (own, "north-hospital"):
        words = ("audit", "search", "--code", "sealing-key-rotated", "--limit", "1", "-o", "json")
        [entry] = carecircle(*words, organization=house).json["entries"]
        assert entry["kind"] == "change"
        assert json.loads(entry["detail"]) == {"replaces": before[0].split("+")[1], "key": after[0].split("+")[1]}
    assert carecircle("audit", "key", "-o", "json").json["keys"] == after
    assert carecircle("audit", "verify").code == 0


def test_without_a_database_the_signing_key_is_rotated_and_it_is_said_that_no_entry_tells(
    carecircle: Command, tmp_path: Path
) -> None:
    nowhere = {"CARECIRCLE_HOME": str(tmp_path), "CARECIRCLE_DATABASE_URL": "postgresql://x@127.0.0.1:1/x"}
    before = carecircle("audit", "key", organization=None, **nowhere).lines
    ran = carecircle("audit", "key", "--rotate", "--yes", organization=None, **nowhere)
    assert (ran.code, ran.lines[1:], "no entry says so" in ran.err) == (0, before, True)
