"""The proof about the audit trail in small: a few tampers, what a judge makes of them, and a clean log."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from uuid import UUID

import pytest
from proofs.audit_flips import flipped
from proofs.audit_logs import clean
from proofs.audit_tampers import COLUMN_FLIPS, SEALED, WAITING
from proofs.audit_trial import Touched
from proofs.audit_trials import Tally, Trail, judge, make_trail, tampers

from carecircle import Settings
from carecircle.audit.canonical import COLUMNS
from carecircle.audit.facts_service import Compared
from carecircle.audit.online_service import Found
from carecircle.audit.verify import Finding, Verdict, Where
from carecircle.database.embedded import EmbeddedServer
from carecircle.database.reach import Reach
from carecircle.identifiers import to_text
from tests.audit.trail import database_apart

ONE = UUID(int=0x019A << 112 | 0x7 << 76 | 0x8 << 60)


def found(*findings: Finding) -> Found:
    verdict = Verdict("", "")
    for one in findings:
        verdict.add(one)
    return Found(verdict, Compared((), 0, 0))


def at(first: int, last: int, entry: UUID | None = None) -> Finding:
    return Finding("entry-altered", "", Where(1, first, last, to_text(entry) if entry else None))


@pytest.mark.parametrize(
    ("touched", "seen"),
    [
        (Touched(3, ONE), found(at(3, 3, ONE))),
        (Touched(3), found(at(3, 3))),
        (Touched(entry=ONE), found(at(9, 9, ONE))),
        (Touched(3, exact=False), found(at(0, 4))),
        (Touched(5, exact=False, gone=True), found(at(0, 4))),
        (Touched(), found(at(0, 4))),
    ],
)
def test_what_is_named_is_what_was_touched(touched: Touched, seen: Found) -> None:
    tally = Tally()
    judge("any", touched, seen, tally)
    assert tally.broken == []


@pytest.mark.parametrize(
    ("touched", "seen", "word"),
    [
        (Touched(3, ONE), found(), "not found"),
        (Touched(3), found(at(2, 2, ONE), at(3, 3)), "not named"),
        (Touched(3), found(at(0, 4)), "not named"),
        (Touched(5, exact=False), found(at(0, 4)), "not named"),
        (Touched(row=("duties", ONE)), found(at(0, 4)), "not named"),
    ],
)
def test_what_is_missed_or_misnamed_is_told(touched: Touched, seen: Found, word: str) -> None:
    tally = Tally()
    judge("any", touched, seen, tally)
    assert len(tally.broken) == 1
    assert tally.broken[0].startswith(word)


def test_every_column_has_its_flip_and_every_flip_another_value() -> None:
    assert [name.partition(": ")[2] for name in COLUMN_FLIPS] == list(COLUMNS)
    values = {
        "uuid": str(ONE), "text": "read", "boolean": "true", "bigint": "7", "xid8": "7", "pg_snapshot": "7:9:8",
        "bytea": "\\x00ff", "timestamp with time zone": "2026-01-31 08:00:00.999999+00",
    }  # fmt: skip
    chance = random.Random(1)
    for kind, text in values.items():
        assert all(flipped(kind, text, text, chance)[1] != text for _ in range(100))
        assert flipped(kind, None, None, chance)[1] is not None
        assert flipped(f"{kind}[]", [text], "", chance)[1] != [text]


def test_a_few_tampers_are_found(
    server: EmbeddedServer, home: Path, migrated: Reach, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    kinds = ["bit flip: code", "tail cut to a genuine checkpoint", "inserted without a mark"]
    assert set(kinds) <= {*COLUMN_FLIPS, *SEALED, *WAITING}
    with database_apart(server, home, migrated) as there:

        async def work() -> tuple[Trail, list[str]]:
            trail = await make_trail(settings, there, seed=1, rounds=2, steps=4)
            return trail, await tampers(
                settings, there, count=len(kinds), seed=1, trail=trail, kinds=kinds, processes=()
            )

        trail, broken = asyncio.run(work())
        assert broken == []
        assert len(trail.sealed) >= trail.sizes[-1] > trail.sizes[0]
    said = capsys.readouterr().out
    assert "3 of 3 kinds (1 columns), 3 found" in said
    assert "control: without the witness, 1 of 1 are missed: tail cut to a genuine checkpoint" in said


def test_a_clean_log_has_no_findings(
    server: EmbeddedServer, home: Path, migrated: Reach, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    with database_apart(server, home, migrated) as there:
        assert asyncio.run(clean(settings, there, logs=1, seed=1)) == []
    assert "\nclean: 1 logs, " in "\n" + capsys.readouterr().out
