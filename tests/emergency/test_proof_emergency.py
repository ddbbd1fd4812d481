"""The proof about emergency access in small: a few attempts, and what a judge of answers around an end makes of wrong ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from proofs.emergency_expiry import judged

END = datetime(2026, 3, 1, tzinfo=UTC)
MS = timedelta(milliseconds=1)


def test_answers_that_end_at_the_end_are_right() -> None:
    kept = [(END - MS, True), (END, False), (END + 50 * MS, False)]
    assert judged(END, kept, [True, False, False]) == ([], 0.0)


def test_answers_too_early_too_late_or_not_on_record_are_told() -> None:
    late = [(END - MS, True), (END, True), (END + 2 * MS, False)]
    early = [(END - 3 * MS, True), (END - MS, False)]
    slow = [(END - MS, True), (END + 1500 * MS, False)]
    never = [(END + MS, False)]
    for kept, word in ((late, "at or after"), (early, "before the end"), (slow, "1.5 seconds"), (never, "control")):
        wrong, _ = judged(END, kept, [allowed for _, allowed in kept])
        assert len(wrong) == 1, wrong
        assert word in wrong[0]
    assert judged(END, late[:1] + late[2:], [True, True])[0] != []
