"""Commands that list patients, or what is kept about one, leave an entry that somebody looked."""

from __future__ import annotations

from tests.cli.conftest import Command
from tests.cli.test_changes import entries

CARDIOLOGY = "207RC0000X"


def test_looking_at_patients_is_on_record(carecircle: Command, own: str) -> None:
    def ran(*words: str, code: int = 0) -> list[str]:
        """The codes of the readings that a command leaves."""
        before = len(readings())
        done = carecircle(*words, organization=own)
        assert done.code == code, (words, done.err)
        return readings()[before:]

    def readings() -> list[str]:
        return [code for kind, code in entries(carecircle, own, "kind, code") if kind == "reading"]

    ran("assign", "primary", "patient", "doctor")
    ran("team", "create", "Ward")
    ran("team", "give", "Ward", "patient")
    assert ran("team", "show", "Ward") == []
    assert ran("team", "show", "Ward", "--patients") == ["team-patients-read"]
    assert ran("restrict", "list", "--patient", "patient") == ["restrictions-read"]
    assert ran("restrict", "list") == ["restrictions-read"]
    ran("referral", "add", "patient", "--from-provider", "doctor", "--specialty", CARDIOLOGY)
    assert ran("referral", "list", "patient") == ["referrals-read"]
    assert ran("coverage", "list") == []
    ran("coverage", "add", "doctor", "other", "--patient", "patient", "--until", "2040-01-01")
    assert ran("coverage", "list", "--provider", "doctor") == ["coverage-read"]
    assert ran("credential", "suspended") == []
    ran("credential", "add", "other", "specialty", CARDIOLOGY)
    ran("assign", "specialist", "patient", "other", "--specialty", CARDIOLOGY)
    assert ran("credential", "end", "other", "specialty", CARDIOLOGY) == []
    assert ran("credential", "suspended", code=11) == ["suspended-read"]
