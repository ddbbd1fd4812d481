"""The how-to pages about restrictions, policies, credentials and merges: every command is run, every line they show is seen.

A ```sh block holds commands, `exit=` their exit code; the ```text block after it shows lines of what they print, `…`
standing for anything. `01KC…` and REFERRAL stand for the id that the last `Undo:` named.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.cli.conftest import Command

HOW_TO = Path(__file__).resolve().parents[2] / "docs" / "how-to"
FENCE = re.compile(r"^```(sh|text)(?: exit=(\d+))?\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PAGES = ("restrict-access", "set-policy", "credentials-and-referrals", "merge-patients")
PEOPLE = {
    "okafor": "Dr. Adaeze Okafor", "rossi": "Dr. Chiara Rossi", "petrov": "Dr. Ilya Petrov", "yilmaz": "Dr. Deniz Yilmaz",
    "novak": "Dr. Petr Novak", "haddad": "Dr. Rima Haddad", "mensah": "Dr. Kofi Mensah",
}  # fmt: skip
PRIMARIES = {"N-0001": "okafor", "N-0002": "petrov", "N-0003": "haddad", "N-0004": "mensah"}


def people(carecircle: Command, slug: str) -> None:
    """Those of the demo of whom the pages speak."""
    for short, name in PEOPLE.items():
        assert carecircle("provider", "add", "--identifier", short, "--name", name, organization=slug).code == 0
    for patient, primary in PRIMARIES.items():
        assert carecircle("patient", "add", "--identifier", patient, organization=slug).code == 0
        assert carecircle("assign", "primary", patient, primary, organization=slug).code == 0
    for kind in ("attending", "consulting"):
        assert carecircle("assign", "add", "N-0002", "rossi", "--type", kind, organization=slug).code == 0


@pytest.mark.parametrize("page", PAGES)
def test_a_page_does_what_it_says(
    carecircle: Command, own: str, page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people(carecircle, own)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nucc_taxonomy.csv").write_text("Code,Display Name\n207RC0000X,Cardiovascular Disease Physician\n")
    undo, printed = "", ""
    for language, code, text in FENCE.findall((HOW_TO / f"{page}.md").read_text()):
        if language == "text":
            for line in text.splitlines():
                wanted = r"\s+".join(map(re.escape, line.split())).replace("…", ".*")
                assert re.search(wanted, printed), f"{page}: {line}\nwas: {printed}"
            continue
        printed = ""
        for line in text.splitlines():
            name, *words = shlex.split(line)
            assert name == "carecircle", line
            words, into = (words[:-2], words[-1]) if ">" in words else (words, None)
            words = [undo if word in ("01KC…", "REFERRAL") else word for word in words]
            ran = carecircle(*words, organization=own)
            assert ran.code == int(code or 0), f"{line}: {ran.err}"
            if into:
                Path(into).write_text(ran.out)
            printed += ran.out + ran.err
            if found := re.search(
                r"^Undo: .* (?:lift|referral end|referral redirect|prolong) (\w{26})", ran.err, re.MULTILINE
            ):
                undo = found[1]
