"""The offline verifier: every finding with a planted fault, beside a clean log of the same shape that it leaves alone."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from carecircle.audit import verify as module
from carecircle.audit.verify import (
    ALTERED,
    UNMARKED,
    Checkpoint,
    Finding,
    Unreadable,
    Verdict,
    VerifyKey,
    format_body,
    leaf_hash,
    split_notes,
    verify,
)
from carecircle.identifiers import to_text
from tests.audit.exports import (
    BEGAN,
    ORGANIZATION,
    Log,
    Signer,
    checkpoint_line,
    entry,
    entry_id,
    export,
    leaf_line,
    log_of,
    retirement,
)

FULL = 23


def found(lines: Iterable[bytes], log: Log, *witnessed: str, now: datetime | None = None) -> Verdict:
    return verify(lines, [log.signer.key], witnessed, now=now)


def codes(verdict: Verdict) -> list[str]:
    return [one.code for one in verdict.findings]


def first(verdict: Verdict) -> tuple[int | None, int | None]:
    assert verdict.first_bad is not None
    return verdict.first_bad.where.first, verdict.first_bad.where.last


def renumbered(lines: list[bytes]) -> list[bytes]:
    """The lines with leaves counted anew and the end's counts set right, as a careful forger would."""
    index, done = 0, []
    for line in lines[:-1]:
        if line.startswith(b'{"leaf":'):
            done.append(b'{"leaf":%d,' % index + line.split(b",", 1)[1])
            index += 1
        else:
            done.append(line)
    checkpoints = sum(line.startswith(b'{"checkpoint"') for line in lines)
    unsealed = sum(line.startswith(b'{"unsealed"') for line in lines)
    return [*done, b'{"end":{"leaves":%d,"checkpoints":%d,"unsealed":%d}}\n' % (index, checkpoints, unsealed)]


def at_leaf(lines: list[bytes], index: int) -> int:
    return next(at for at, line in enumerate(lines) if line.startswith(b'{"leaf":%d,' % index))


def at_checkpoint(lines: list[bytes], size: int) -> int:
    wanted = f"\\n{size}\\n".encode()
    return next(at for at, line in enumerate(lines) if line.startswith(b'{"checkpoint"') and wanted in line)


@pytest.mark.parametrize("count", [0, 1, 2, 5, FULL, 300])
def test_a_clean_log(count: int) -> None:
    log = log_of(count)
    verdict = found(export(log), log, "".join(log.notes.values()))
    assert verdict.ok, verdict.findings
    assert (verdict.entries, verdict.checkpoints, verdict.epochs) == (count, len(log.notes), 1)
    assert verdict.first_bad is None
    assert [note for note in verdict.notes if "Without a witness" not in note or count] == []


def test_a_changed_entry_is_named() -> None:
    log = log_of(FULL)
    lines = export(log)
    at = at_leaf(lines, 12)
    lines[at] = lines[at].replace(b'"allowed":true', b'"allowed":null')
    verdict = found(lines, log)
    assert codes(verdict) == ["entry-altered"]
    assert first(verdict) == (12, 12)
    assert "index 12, " in str(verdict.first_bad)


def test_the_entry_is_named_as_people_see_it() -> None:
    log = log_of(3)
    lines = export(log)
    lines[2] = lines[2].replace(b"treatment", b"treatmunt")
    verdict = found(lines, log)
    assert verdict.first_bad is not None
    assert verdict.first_bad.where.entry == to_text(entry_id(1))


def test_every_changed_bit_of_an_entry_is_found() -> None:
    log = log_of(7, every=3)
    clean = export(log)
    at = at_leaf(clean, 4)
    dice = random.Random(8)
    for bit in dice.sample(range(8 * len(clean[at])), 400):
        lines = list(clean)
        changed = bytearray(lines[at])
        changed[bit // 8] ^= 1 << bit % 8
        lines[at : at + 1] = bytes(changed).splitlines(keepends=True) if 10 in changed[:-1] else [bytes(changed)]
        verdict = found(lines, log)
        assert not verdict.ok, bit
        place = first(verdict)
        assert place[0] is not None
        assert place[1] is not None
        assert place[0] <= 4 <= place[1], (bit, verdict.findings)


def test_a_changed_leaf_hash_is_told_from_a_changed_entry() -> None:
    log = log_of(FULL)
    lines = export(log)
    lines[at_leaf(lines, 7)] = leaf_line(7, leaf_hash(b"other"), log.leaves[7][1])
    verdict = found(lines, log)
    assert codes(verdict) == ["leaf-altered"]
    assert first(verdict) == (7, 7)


def test_an_entry_replaced_with_its_hash_lies_between_two_checkpoints() -> None:
    log = log_of(FULL)
    lines = export(log)
    other = entry(12, 1, 5, code="emergency")
    lines[at_leaf(lines, 12)] = leaf_line(12, leaf_hash(other), other)
    verdict = found(lines, log)
    assert codes(verdict) == ["checkpoint-wrong-root"]
    assert first(verdict) == (10, 14)
    assert "between index 10 and 14" in str(verdict.first_bad)


def test_a_deleted_leaf() -> None:
    log = log_of(FULL)
    lines = export(log)
    del lines[at_leaf(lines, 12)]
    verdict = found(lines, log)
    assert "entry-missing" in codes(verdict)
    assert first(verdict) == (12, 12)


def test_a_deleted_leaf_with_the_others_counted_anew() -> None:
    log = log_of(FULL)
    lines = export(log)
    del lines[at_leaf(lines, 12)]
    verdict = found(renumbered(lines), log)
    assert {"entry-missing", "turn-missing"} <= set(codes(verdict))
    place = first(verdict)
    assert place[0] is not None
    assert place[0] <= 12


def test_an_entry_deleted_while_its_leaf_stands() -> None:
    log = log_of(FULL)
    lines = export(log)
    lines[at_leaf(lines, 12)] = leaf_line(12, log.leaves[12][0], b"null")
    verdict = found(lines, log)
    assert codes(verdict) == ["entry-missing"]
    assert first(verdict) == (12, 12)


@pytest.mark.parametrize("counted_anew", [False, True])
def test_an_inserted_leaf(counted_anew: bool) -> None:
    log = log_of(FULL)
    lines = export(log)
    strange = entry(99, 9, 1)
    lines.insert(at_leaf(lines, 12), leaf_line(11, leaf_hash(strange), strange))
    verdict = found(renumbered(lines) if counted_anew else lines, log)
    assert "entry-added" in codes(verdict)
    low, high = first(verdict)
    assert low is not None
    assert high is not None
    assert low <= 12 <= high


@pytest.mark.parametrize("counted_anew", [False, True])
def test_swapped_leaves(counted_anew: bool) -> None:
    log = log_of(FULL)
    lines = export(log)
    one, two = at_leaf(lines, 11), at_leaf(lines, 13)
    lines[one], lines[two] = lines[two], lines[one]
    verdict = found(renumbered(lines) if counted_anew else lines, log)
    assert not verdict.ok
    low, high = first(verdict)
    assert low is not None
    assert high is not None
    assert low <= 11 <= high


def test_entries_that_were_sealed_as_not_ours() -> None:
    log = Log()
    log.add(entry(0))
    log.add(entry(1), UNMARKED)
    log.add(entry(2), ALTERED)
    log.checkpoint()
    verdict = found(export(log), log)
    assert [(one.code, one.where.first) for one in verdict.findings] == [("unmarked", 1), ("altered-before-sealing", 2)]


def test_entries_older_than_writers_and_marks() -> None:
    log = Log()
    log.add(entry(0, None, xid=999))
    log.checkpoint()
    assert found(export(log), log).ok
    log.add(entry(1, None, xid=1000))
    log.checkpoint()
    verdict = found(export(log), log)
    assert [(one.code, one.where.first) for one in verdict.findings] == [("unmarked", 1)]


def turns(*taken: tuple[int, int]) -> Log:
    """A log of one writer's entries: (turn, xid)."""
    log = Log()
    for number, (turn, xid) in enumerate(taken):
        log.add(entry(number, 1, turn, xid))
    log.checkpoint()
    return log


def test_turns_within_a_transaction_come_in_any_order() -> None:
    log = turns((1, 1001), (4, 1002), (2, 1002), (3, 1002), (5, 1003))
    assert found(export(log), log).ok


def test_a_missing_turn() -> None:
    log = turns((1, 1001), (2, 1002), (4, 1004), (5, 1005))
    verdict = found(export(log), log)
    assert codes(verdict) == ["turn-missing"]
    assert first(verdict) == (1, 2)
    assert "Turn 3" in verdict.findings[0].sentence
    last = turns((1, 1001), (2, 1002), (4, 1004))
    assert codes(found(export(last), last)) == ["turn-missing"]
    begin = turns((2, 1001), (3, 1002))
    assert codes(found(export(begin), begin)) == ["turn-missing"]


def test_a_turn_missing_at_the_end_of_its_transaction_is_looked_for_up_to_its_last_leaf() -> None:
    log = turns((1, 1001), (4, 1002), (2, 1002))
    verdict = found(export(log), log)
    assert codes(verdict) == ["turn-missing"]
    assert first(verdict) == (1, 2)


def test_a_turn_taken_twice() -> None:
    log = turns((1, 1001), (2, 1002), (2, 1003), (3, 1004))
    verdict = found(export(log), log)
    assert codes(verdict) == ["turn-twice"]
    assert first(verdict) == (2, 2)


def test_turns_go_on_in_entries_that_are_not_sealed() -> None:
    log = turns((1, 1001), (3, 1002))
    unsealed = [entry(7, 1, 2, 1002), entry(8, 1, 4, 1003)]
    late = BEGAN + timedelta(seconds=10)
    verdict = found(export(log, unsealed=unsealed, exported_at=late), log)
    assert verdict.ok, verdict.findings
    assert verdict.unsealed == 2
    assert codes(found(export(log, unsealed=unsealed[1:], exported_at=late), log)) == ["turn-missing"]


def retired(lines: list[bytes], indexes: Iterable[int], month: str = "2019-03") -> list[bytes]:
    lines = list(lines)
    for index in indexes:
        at = at_leaf(lines, index)
        lines[at] = lines[at].split(b'"entry"')[0] + b'"retired":"%s"}\n' % month.encode()
    return lines


def with_records(log: Log, *entries: bytes) -> Log:
    """The log with these entries at its end, and a checkpoint over them."""
    for one in entries:
        log.add(one)
    log.checkpoint()
    return log


def test_retired_entries_leave_their_hashes() -> None:
    log = with_records(log_of(FULL), retirement(FULL, 9))
    verdict = found(retired(export(log), range(9)), log)
    assert verdict.ok, verdict.findings
    assert verdict.retired == 9
    assert any("only the hash" in note for note in verdict.notes)


def test_no_more_leaves_are_retired_than_a_sealed_entry_says() -> None:
    log = with_records(log_of(FULL), retirement(FULL, 9), retirement(FULL + 1, 2, "2018-01"))
    lines = retired(retired(export(log), range(2, 11)), range(2), "2018-01")
    verdict = found(lines, log)
    assert verdict.ok, verdict.findings
    for hidden in (retired(lines, [12]), retired(lines, [13], "2018-01"), retired(lines, [12], "2017-05")):
        verdict = found(hidden, log)
        assert set(codes(verdict)) == {"entry-missing"}
    assert "1 is called retired with 2017-05, and no sealed entry" in verdict.findings[0].sentence
    assert first(verdict) == (12, 12)
    [fewer] = found(retired(export(log), range(2, 10)), log).findings
    assert "8 are called retired with 2019-03, and the sealed entry of that says 9" in fewer.sentence
    assert (fewer.where.first, fewer.where.last) == (2, 9)


@pytest.mark.parametrize(
    "record",
    [
        retirement(FULL, 9, kind="refusal"),
        retirement(FULL, 9, code="month-kept"),
        retirement(FULL, 9, detail='{"month":"2019-03","entries":"9"}'),
        retirement(FULL, 9, detail="[" * 100_000),
        retirement(FULL, 9, detail=None),
        retirement(FULL, 8),
        retirement(FULL, 9, "2019-04"),
    ],
)
def test_what_is_no_record_of_a_retirement(record: bytes) -> None:
    log = with_records(log_of(FULL), record)
    assert codes(found(retired(export(log), range(9)), log)) == ["entry-missing"]


def test_a_retirement_recorded_by_nobody_who_holds_the_keys() -> None:
    log = log_of(FULL)
    log.add(retirement(FULL, 9), UNMARKED)
    log.checkpoint()
    assert sorted(codes(found(retired(export(log), range(9)), log))) == ["entry-missing", "unmarked"]


def test_a_retirement_whose_record_waits_for_its_seal() -> None:
    log = log_of(FULL)
    late = BEGAN + timedelta(seconds=FULL + 10)
    verdict = found(retired(export(log, unsealed=[retirement(FULL, 9)], exported_at=late), range(9)), log)
    assert verdict.ok, verdict.findings
    assert any("waits for its seal" in note for note in verdict.notes)
    for other in (retirement(FULL, 8), entry(FULL, 99, 1)):
        verdict = found(retired(export(log, unsealed=[other], exported_at=late), range(9)), log)
        assert codes(verdict) == ["entry-missing"]


def test_an_entry_put_back_makes_no_room_for_another() -> None:
    log = Log()
    for number in range(5):
        log.add(entry(number, recorded_at=f"2019-03-0{number + 1}T00:00:00+00:00" if number < 3 else "2026-11-20"))
    with_records(log, retirement(5, 3))
    assert found(retired(export(log), range(3)), log).ok
    verdict = found(retired(export(log), [0, 1, 3]), log)
    assert codes(verdict) == ["entry-missing"]
    assert "some are here" in verdict.findings[0].sentence


def test_a_record_of_a_retirement_is_retired_in_its_turn() -> None:
    log = with_records(log_of(FULL), retirement(FULL, 5, "2019-03"))
    lines = retired(retired(export(log), range(3), "2012-03"), range(3, 8))
    verdict = found(lines, log)
    assert verdict.ok, verdict.findings
    assert any("maybe in one retired with 2019-03" in note for note in verdict.notes)
    # Not one that stands behind those that hold its record, nor of a month too near to them.
    behind = retired(retired(export(log), range(5)), range(5, 8), "2012-03")
    assert codes(found(behind, log)) == ["entry-missing"]
    near = retired(retired(export(log), range(3), "2013-04"), range(3, 8))
    assert codes(found(near, log)) == ["entry-missing"]


def test_more_turns_are_missing_than_leaves_are_retired() -> None:
    log = Log()
    for number, (writer, turn) in enumerate([(1, 1), (2, 1), (1, 4), (1, 5)]):
        log.add(entry(number, writer, turn))
    with_records(log, retirement(9, 1))
    verdict = found(retired(export(log), [0]), log)
    assert codes(verdict) == ["turn-missing"]
    log = with_records(turns((1, 1001), (2, 1002), (3, 1003)), retirement(9, 2))
    assert found(retired(export(log), [0, 1]), log).ok


@pytest.mark.parametrize(("prefix", "code"), [(UNMARKED, "unmarked"), (ALTERED, "altered-before-sealing")])
def test_a_missing_turn_is_not_excused_by_another_s_entry(prefix: bytes, code: str) -> None:
    for beside in (entry(1, 2, 1, mark=None), entry(1, None)):
        for gap, expected in ((1, [code]), (2, [code, "turn-missing"])):
            log = Log()
            log.add(entry(0, 1, 1))
            log.add(beside, prefix)
            log.add(entry(2, 1, 1 + gap))
            log.checkpoint()
            assert sorted(codes(found(export(log), log))) == sorted(expected)
    # Its own turn it takes, for the writer's other turns have no gap then.
    log = Log()
    for number in range(3):
        log.add(entry(number), prefix if number == 1 else b"")
    log.checkpoint()
    assert codes(found(export(log), log)) == [code]


def test_a_missing_turn_is_not_excused_by_entries_older_than_turns() -> None:
    for turn, expected in ((1, []), (2, ["turn-missing"])):
        log = Log()
        log.add(entry(0, None, xid=999))
        log.add(entry(1, 1, turn))
        log.checkpoint()
        assert codes(found(export(log), log)) == expected


def test_an_entry_is_not_hidden_by_calling_it_retired() -> None:
    log = log_of(FULL)
    verdict = found(retired(export(log), [12], "2026-11"), log)
    assert codes(verdict) == ["entry-missing"]
    assert first(verdict) == (12, 12)


def test_the_file_of_one_month() -> None:
    log = log_of(FULL)
    lines = retired(export(log), [*range(10), *range(15, FULL)], "2026-10")
    assert verify(lines, [log.signer.key], month="2026-11").ok
    assert not verify(lines, [log.signer.key]).ok
    hidden = retired(lines, [12], "2026-11")
    assert codes(verify(hidden, [log.signer.key], month="2026-11")) == ["entry-missing"]


def test_a_checkpoint_signed_by_somebody_else() -> None:
    log, stranger = log_of(FULL), Signer()
    lines = export(log)
    body = Checkpoint.parse(log.notes[15]).signed_text()
    lines[at_checkpoint(lines, 15)] = checkpoint_line(stranger.note(body))
    assert codes(found(lines, log)) == ["checkpoint-unsigned"]
    both = verify(lines, [log.signer.key, stranger.key])
    assert both.ok


def test_a_checkpoint_with_a_stranger_s_signature_besides() -> None:
    log, stranger = log_of(FULL), Signer("witness.example")
    lines = export(log)
    added = stranger.note(Checkpoint.parse(log.notes[15]).signed_text()).rpartition("\n\n")[2]
    lines[at_checkpoint(lines, 15)] = checkpoint_line(log.notes[15] + added)
    assert found(lines, log).ok
    # A known key's signature that does not fit spoils the whole note.
    wrong = stranger.note(Checkpoint.parse(log.notes[10]).signed_text()).rpartition("\n\n")[2]
    lines[at_checkpoint(lines, 15)] = checkpoint_line(log.notes[15] + wrong)
    assert codes(verify(lines, [log.signer.key, stranger.key])) == ["checkpoint-unsigned"]


def test_a_checkpoint_of_another_log() -> None:
    log = log_of(FULL)
    lines = export(log)
    at = at_checkpoint(lines, 15)
    lines[at] = checkpoint_line(log.signer.note(Checkpoint.parse(log.notes[15]).signed_text().replace("aa/1", "ab/1")))
    assert codes(found(lines, log)) == ["checkpoint-unsigned"]


def test_leaves_that_no_checkpoint_covers() -> None:
    log = log_of(FULL)
    lines = export(log)
    del lines[at_checkpoint(lines, FULL)]
    verdict = found(renumbered(lines), log)
    assert codes(verdict) == ["checkpoint-missing"]
    assert first(verdict) == (20, 22)


def test_two_roots_for_one_size() -> None:
    log = log_of(FULL)
    lines = export(log)
    forged = log.signer.note(format_body(ORGANIZATION, 1, 15, leaf_hash(b"fork"), BEGAN))
    lines.insert(at_checkpoint(lines, 15) + 1, checkpoint_line(forged))
    assert codes(found(renumbered(lines), log)) == ["fork"]


def rewritten(log: Log, changed: int, every: int = 5) -> Log:
    """The whole log again, with one entry changed and every checkpoint signed anew: only a witness can tell."""
    again = Log(log.signer)
    for index, (_, before) in enumerate(log.leaves):
        again.add(before.replace(b"treatment", b"operation") if index == changed else before)
        if (index + 1) % every == 0 or index + 1 == len(log.leaves):
            again.checkpoint()
    return again


def test_a_rewritten_log_differs_from_what_the_witness_saw() -> None:
    log = log_of(FULL)
    forged = rewritten(log, 12)
    assert found(export(forged), log).ok
    verdict = found(export(forged), log, "".join(log.notes.values()))
    assert set(codes(verdict)) == {"fork"}
    assert first(verdict) == (10, 14)
    other_sizes = rewritten(log, 12, every=4)
    assert "fork" in codes(found(export(other_sizes), log, log.notes[15]))


def test_a_checkpoint_that_only_the_witness_has() -> None:
    log = log_of(FULL)
    lines = export(log)
    del lines[at_checkpoint(lines, 15)]
    lines = renumbered(lines)
    assert found(lines, log).ok
    verdict = found(lines, log, "".join(log.notes.values()))
    assert codes(verdict) == ["checkpoint-missing"]
    assert first(verdict) == (14, 14)


def test_a_checkpoint_that_the_next_one_names() -> None:
    log = log_of(FULL, chained=True)
    assert "\nprevious 10\n" in log.notes[15]
    assert [Checkpoint.parse(note).previous for note in log.notes.values()] == [0, 5, 10, 15, 20]
    lines = export(log)
    assert found(lines, log, "".join(log.notes.values())).ok
    del lines[at_checkpoint(lines, 15)]
    lines = renumbered(lines)
    for witnessed in ("", "".join(log.notes.values())):
        verdict = found(lines, log, witnessed)
        assert codes(verdict) == ["checkpoint-missing"]
        assert first(verdict) == (14, 14)
    begin = [line for line in export(log) if b"\\n5\\n" not in line]
    assert codes(found(renumbered(begin), log)) == ["checkpoint-missing"]
    # One that is here though nobody can believe it is not missing besides.
    lines = export(log)
    lines[at_checkpoint(lines, 15)] = checkpoint_line(Signer().note(Checkpoint.parse(log.notes[15]).signed_text()))
    assert codes(found(lines, log)) == ["checkpoint-unsigned"]
    assert verify(renumbered(begin), [log.signer.key], month="2026-11").ok


def test_only_some_checkpoints_name_the_one_before() -> None:
    log = log_of(10)
    log.chained = True
    for number in range(2):
        log.add(entry(10 + number, 7, number + 1))
        log.checkpoint()
    lines = export(log)
    assert found(lines, log).ok
    for size in (10, 11):
        some = list(lines)
        del some[at_checkpoint(some, size)]
        assert codes(found(renumbered(some), log)) == ["checkpoint-missing"]


def test_a_witness_that_has_seen_nothing_is_none() -> None:
    log, stranger = log_of(FULL), Signer()
    lines = export(log)
    cut = renumbered([*lines[: at_checkpoint(lines, 15) + 1], lines[-1]])
    foreign = log.signer.note(Checkpoint.parse(log.notes[FULL]).signed_text().replace("aa/1", "ab/1"))
    unsigned = stranger.note(Checkpoint.parse(log.notes[15]).signed_text())
    for nothing in ("", "\n", "torn", foreign, unsigned):
        verdict = found(cut, log, nothing)
        assert verdict.ok
        assert any("Without a witness" in note for note in verdict.notes), nothing
    for held in (log.notes[FULL], "\ufeff" + log.notes[FULL], foreign + "\ufeff" + log.notes[FULL]):
        verdict = found(cut, log, held)
        assert codes(verdict) == ["cut-off"]
        assert not any("Without a witness" in note for note in verdict.notes)


def test_a_cut_tail_is_seen_by_a_witness_only() -> None:
    log = log_of(FULL)
    lines = export(log)
    cut = renumbered([*lines[: at_checkpoint(lines, 15) + 1], lines[-1]])
    alone = found(cut, log)
    assert alone.ok
    assert any("Without a witness" in note for note in alone.notes)
    verdict = found(cut, log, log.notes[10], log.notes[FULL])
    assert codes(verdict) == ["cut-off"]
    assert first(verdict) == (15, 22)
    assert "8 more" in verdict.findings[0].sentence
    assert found(lines, log, log.notes[10], log.notes[FULL]).ok


def test_a_witness_s_own_text_is_not_believed_unsigned() -> None:
    log, stranger = log_of(FULL), Signer()
    body = format_body(ORGANIZATION, 1, 99, leaf_hash(b"no"), BEGAN)
    assert codes(found(export(log), log, stranger.note(body))) == ["checkpoint-unsigned"]
    other = log.signer.note(body.replace("aa/1", "ab/1"))
    assert found(export(log), log, other).ok
    torn = "".join(log.notes.values()) + log.notes[5][:70]
    verdict = found(export(log), log, torn)
    assert verdict.ok
    assert any("no checkpoint" in note for note in verdict.notes)


def test_an_epoch_after_a_loss() -> None:
    log = log_of(FULL)
    seen = Checkpoint.parse(log.notes[FULL])
    kept = Log(log.signer, leaves=log.leaves[:15], notes={size: note for size, note in log.notes.items() if size <= 15})
    after = log.next_epoch((seen.size, seen.root))
    after.add(entry(50, 7, 1))
    after.checkpoint()
    lines = export(kept, after)
    for witnessed in ([], list(log.notes.values())):
        verdict = found(lines, log, *witnessed)
        assert codes(verdict) == ["epoch-began"]
        assert "8 sealed entries" in verdict.findings[0].sentence
        assert first(verdict) == (15, 22)
    # What a witness saw beyond that is cut off all the same, and another root for the same size is a fork.
    longer = log_of(30, signer=log.signer)
    assert "cut-off" in codes(found(lines, log, longer.notes[30]))
    forged = rewritten(log, 20)
    assert "fork" in codes(found(lines, log, forged.notes[FULL]))


def test_an_epoch_without_a_loss() -> None:
    log = log_of(FULL)
    seen = Checkpoint.parse(log.notes[20])
    after = log.next_epoch((seen.size, seen.root))
    after.add(entry(50, 7, 1))
    after.checkpoint()
    verdict = found(export(log, after), log, *log.notes.values(), *after.notes.values())
    assert verdict.ok, verdict.findings
    assert verdict.epochs == 2
    assert any("Epoch 2" in note for note in verdict.notes)
    assert "cut-off" in codes(found(export(log), log, after.notes[1]))
    wrong = log.next_epoch((seen.size, leaf_hash(b"wrong")))
    wrong.add(entry(50, 7, 1))
    wrong.checkpoint()
    assert codes(found(export(log, wrong), log)) == ["fork"]
    silent = log.next_epoch(None)
    silent.add(entry(50, 7, 1))
    silent.checkpoint()
    assert codes(found(export(log, silent), log)) == ["epoch-began"]
    assert "export-incomplete" in codes(found(export(after), log))


def test_an_entry_that_waits_too_long_for_its_seal() -> None:
    log = turns((1, 1001))
    soon = BEGAN + timedelta(seconds=60)
    verdict = found(export(log, unsealed=[entry(1, 1, 2, 1002)], exported_at=soon), log)
    assert verdict.ok
    late = found(export(log, unsealed=[entry(1, 1, 2, 1002)], exported_at=soon + timedelta(seconds=2)), log)
    assert codes(late) == ["sealed-late"]
    assert codes(found(export(log, unsealed=[entry(1, None)], exported_at=soon), log)) == ["unmarked"]
    foreign = entry(1, 1, 2, 1002, organization_id="019a0000-0000-7000-8000-0000000000ab")
    assert codes(found(export(log, unsealed=[foreign], exported_at=soon), log)) == ["entry-added"]


def test_a_file_that_was_cut_off() -> None:
    log = log_of(FULL)
    lines = export(log)
    assert codes(found(lines[:-1], log)) == ["export-incomplete"]
    assert codes(found([*lines, lines[1]], log)) == ["export-incomplete"]
    assert codes(found([*lines[:5], b"\n", *lines[5:]], log)) == ["export-incomplete"]
    wrong = [*lines[:-1], lines[-1].replace(b'"leaves":23', b'"leaves":24')]
    assert codes(found(wrong, log)) == ["export-incomplete"]


@pytest.mark.parametrize(
    "forged",
    [
        b'%(head)s"entry":%(evil)s,"entry":%(good)s}\n',
        b'%(head)s"entry":%(good)s,"entry":%(evil)s}\n',
        b'%(head)s"entry":%(good)s,"purpose":"x"}\n',
        b'%(head)s"entry":%(good)s} \n',
        b'%(head)s"entry": %(good)s}\n',
        b'{"entry":%(evil)s,%(tail)s"entry":%(good)s}\n',
    ],
)
def test_nothing_stands_beside_an_entry_unseen(forged: bytes) -> None:
    log = log_of(3)
    lines = export(log)
    head, good = lines[2].split(b'"entry":', 1)
    parts = {b"head": head, b"tail": head[1:], b"good": good[:-2], b"evil": entry(1, code="emergency")}
    lines[2] = forged % parts
    assert not found(lines, log).ok
    lines[2] = b'%(head)s"entry":%(good)s}\n' % parts
    assert found(lines, log).ok


def test_an_entry_of_another_organization() -> None:
    log = log_of(3)
    log.add(entry(3, 1, 2, organization_id="019a0000-0000-7000-8000-0000000000ab"))
    log.checkpoint()
    assert codes(found(export(log), log)) == ["entry-added"]


def test_what_is_no_export() -> None:
    log = log_of(3)
    lines = export(log)
    for header in (b"", b"{}\n", b"\xff\n", lines[1], lines[0].replace(b'audit":1', b'audit":2'), b"[" * 100_000):
        with pytest.raises(Unreadable):
            found([header, *lines[1:]], log)


def test_an_export_whose_line_ends_were_changed() -> None:
    log = log_of(3)
    with pytest.raises(Unreadable, match="carriage returns"):
        found([line.replace(b"\n", b"\r\n") for line in export(log)], log)
    with pytest.raises(Unreadable):
        found([b"\xef\xbb\xbf" + export(log)[0], *export(log)[1:]], log)


@pytest.mark.parametrize("name", ["carecircle_audit", "organization", "epoch", "opening_xid", "exported_at"])
def test_a_header_of_other_types(name: str) -> None:
    log = log_of(3)
    header, *lines = export(log)
    told = json.loads(header)
    assert found([json.dumps(told).encode() + b"\n", *lines], log).ok
    values: list[bytes] = [
        b"1e999",
        b"-1",
        b"NaN",
        b"true",
        b"null",
        b"[]",
        b"{}",
        b'"\\ud800"',
        b'""',
        b"9" * 4300,
        b"9" * 5000,
    ]
    values += [b'"' + b"9" * 30 + b'"', b'"2026-11-22\\ud80018:00:00+00:00"', b'"2026-11-22T18:00:00"', b"1.0"]
    values += [b'"-1"', '"٣"'.encode(), b'"0001-99-99T00:00:00Z"']
    for value in values:
        forged = json.dumps(told | {name: "@"}).encode().replace(b'"@"', value) + b"\n"
        with pytest.raises(Unreadable):
            found([forged, *lines], log)


UNSEALED = json.loads(entry(7, 9, 1))
NO_IDS: list[object] = [float("inf"), True, [], {}, "\ud800", -1, 10**30, "9" * 30]


@pytest.mark.parametrize(
    "line",
    [
        *(
            json.dumps({"unsealed": UNSEALED | {name: value}}).replace("Infinity", "1e999").encode()
            for name in ("id", "organization_id", "recorded_at", "writer_id", "writer_turn", "xid")
            for value in NO_IDS
        ),
        b'{"epoch":1e999}',
        b'{"epoch":2.0}',
        b'{"epoch":[]}',
        b'{"end":{"leaves":1e999,"checkpoints":1,"unsealed":0}}',
        b'{"end":{"leaves":NaN,"checkpoints":1,"unsealed":0}}',
        b'{"end":{"leaves":3,"checkpoints":true,"unsealed":0}}',
        b'{"end":[]}',
        b'{"checkpoint":1e999}',
        b'{"checkpoint":["x"]}',
        b'{"checkpoint":"carecircle\\ud800/1\\n1\\nAAAA"}',
        b'{"leaf":999999999999999999,"hash":"%s","entry":null}' % (b"0" * 64),
        b'{"unsealed":' + b"[" * 200_000,
    ],
)
def test_a_line_of_other_types(line: bytes) -> None:
    log = log_of(3)
    soon = export(log, unsealed=[entry(7, 9, 1)], exported_at=BEGAN + timedelta(seconds=20))
    assert found(soon, log).ok
    verdict = found([*soon[:-2], line + b"\n", *([] if b'{"end"' in line else [soon[-1]])], log)
    assert not verdict.ok
    assert "\\ud800" not in json.dumps(verdict.as_dict())


def test_an_unmarked_entry_of_other_types() -> None:
    for name in ("writer_id", "writer_turn", "xid", "mark"):
        for value in ("1e999", "[]", '"\\ud800"', "-1", "9" * 4300):
            for prefix in (b"", UNMARKED, ALTERED):
                log = log_of(2)
                told = json.dumps(json.loads(entry(7, None)) | {name: "@"}, separators=(",", ":"))
                log.add(told.replace('"@"', value).encode(), prefix)
                log.checkpoint()
                assert not found(export(log), log).ok


def test_a_signature_s_name_that_cannot_be_shown() -> None:
    log = log_of(3)
    lines = export(log)
    note = log.notes[3]
    added = "— other " + note.rpartition(" ")[2]
    lines[-2] = checkpoint_line(note + added)
    assert found(lines, log).ok
    lines[-2] = json.dumps({"checkpoint": note + added.replace("other", "\ud800")}).encode() + b"\n"
    assert "checkpoint-unsigned" in codes(found(lines, log))


def test_many_findings_are_counted_and_a_thousand_kept() -> None:
    log = log_of(1200, every=600)
    lines = [line.replace(b"treatment", b"operation") for line in export(log)]
    verdict = found(lines, log)
    assert (verdict.total, len(verdict.findings)) == (1200, 1000)
    assert first(verdict) == (0, 0)


def test_notes_have_one_spelling() -> None:
    log = log_of(3)
    note = log.notes[3]
    assert Checkpoint.parse(note).text() == note
    assert Checkpoint.parse(note).log == (ORGANIZATION, 1)
    assert Checkpoint.parse(note).signed_at == (BEGAN + timedelta(seconds=3)).isoformat()
    wrong = [note[:-1], note + "\n", note.replace("\n3\n", "\n03\n"), note.replace("\n3\n", "\n٣\n"), "", "\n\n"]
    wrong += [note.replace("— ", "- "), note.replace("time", "\ntime"), note.replace("=\n", "\n", 1)]
    for text in wrong:
        with pytest.raises(ValueError):
            Checkpoint.parse(text)
    assert list(split_notes("".join(log_of(9).notes.values()) + "torn\n"))[-1] == "torn"


def test_the_published_key_and_note() -> None:
    key = VerifyKey.parse("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k")
    assert key.key_id.hex() == "530d903a"
    for wrong in ("example.com/foo+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", "x", "", "a+b+c"):
        with pytest.raises(ValueError):
            VerifyKey.parse(wrong)


def test_the_folder_alone_in_an_empty_directory(tmp_path: Path) -> None:
    shutil.copytree(Path(module.__file__).parent, tmp_path / "verify", ignore=shutil.ignore_patterns("__pycache__"))
    # The interpreter of the tests has carecircle installed: here it is in the way, so that the folder cannot lean on it.
    (tmp_path / "carecircle.py").write_text('raise ImportError("carecircle is not here")\n')
    log = log_of(FULL)
    lines = export(log)
    (tmp_path / "good.ndjson").write_bytes(b"".join(lines))
    (tmp_path / "bad.ndjson").write_bytes(b"".join(lines).replace(b"treatment", b"operation", 1))
    (tmp_path / "witness").write_text("".join(log.notes.values()))

    def run(*arguments: str, name: str = "verify") -> subprocess.CompletedProcess[str]:
        # As -I, but for the folder it is run from, where `-m` finds it.
        command = [sys.executable, "-E", "-s", "-W", "error", "-m", name, *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert "carecircle is not here" in run(name="carecircle.audit.verify").stderr
    key = ("--key", log.signer.vkey)
    good = run("good.ndjson", *key, "--witness", "witness")
    assert (good.returncode, good.stderr) == (0, "")
    assert "All is as it was sealed." in good.stdout
    bad = run("bad.ndjson", *key, "--json")
    assert bad.returncode == 11
    told = json.loads(bad.stdout)
    assert (told["ok"], told["first_bad"]["code"], told["first_bad"]["where"]["first"]) == (False, "entry-altered", 0)
    assert run("bad.ndjson", *key).stdout.count("entry-altered") == 1
    called_wrongly = run("good.ndjson")
    assert called_wrongly.returncode == 2
    assert called_wrongly.stderr.startswith("usage: python -m verify ")
    assert run("good.ndjson", "--key", "nonsense").returncode == 2
    assert run("absent.ndjson", *key).returncode == 7
    assert run("witness", *key).returncode == 7


def test_the_folder_where_carecircle_is_installed(tmp_path: Path) -> None:
    log = log_of(FULL)
    lines = b"".join(export(log))

    def run(given: bytes) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-I", "-W", "error", "-m", "carecircle.audit.verify", "-", "--key", log.signer.vkey]
        return subprocess.run(command, cwd=tmp_path, input=given, capture_output=True, check=False)

    good = run(lines)
    assert (good.returncode, good.stderr) == (0, b"")
    assert run(lines.replace(b"treatment", b"operation", 1)).returncode == 11


def test_a_finding_reads_as_a_sentence() -> None:
    found_one = Finding("fork", "Two.", module.Where(2, 3, 5, "01X", 9))
    assert str(found_one) == "fork (epoch 2, between index 3 and 5, 01X): Two."
