"""Verifying as people do it: the month of a file, a witness that went on, keys that were rotated, and numbers in words."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from carecircle.audit.verify import Checkpoint, format_body, leaf_hash, verify
from carecircle.audit.verify.__main__ import main
from tests.audit.exports import BEGAN, ORGANIZATION, Log, Signer, entry, export, leaf_line, log_of
from tests.audit.test_verify import at_checkpoint, at_leaf, codes, found, renumbered, retired

SEALED = "2026-11"


def cut_after(lines: list[bytes], size: int) -> list[bytes]:
    return renumbered([*lines[: at_checkpoint(lines, size) + 1], lines[-1]])


@pytest.mark.parametrize(
    "month", ["bogus", "", "2020-13", "2020-00", "2020-3", "2020-03-01", " 2020-03", "2020-03\n", "٢٠٢٠-03"]
)
def test_a_month_that_is_not_one_is_a_wrong_call(
    month: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log, file = log_of(3), tmp_path / "trail.ndjson"
    file.write_bytes(b"".join(export(log)))
    with pytest.raises(ValueError, match="YYYY-MM"):
        verify(export(log), [log.signer.key], month=month)
    with pytest.raises(SystemExit) as ended:
        main([str(file), "--key", log.signer.vkey, "--month", month])
    assert ended.value.code == 2
    assert "YYYY-MM" in capsys.readouterr().err
    assert main([str(file), "--key", log.signer.vkey, "--month", SEALED]) == 0
    assert "whether anything was cut off after it was not looked at" in capsys.readouterr().out


def test_another_month_does_not_disarm_the_check() -> None:
    log = log_of(23)
    cut = cut_after(export(log), 15)
    assert codes(found(cut, log, log.notes[23])) == ["cut-off"]
    verdict = verify(cut, [log.signer.key], [log.notes[23]], month="2020-03")
    assert codes(verdict) == ["export-incomplete"]
    assert "this is not the file of 2020-03" in verdict.findings[0].sentence
    own = verify(cut, [log.signer.key], [log.notes[23]], month=SEALED)
    assert own.ok
    assert any("whether anything was cut off" in note for note in own.notes)


def test_the_file_of_a_month_holds_entries_of_that_month_alone() -> None:
    log = Log()
    for number in range(6):
        log.add(entry(number, recorded_at=f"2020-0{2 + number // 3}-01T00:00:00+00:00"))
    log.checkpoint()
    lines = export(log)
    keys = [log.signer.key]
    whole = verify(lines, keys, month="2020-03")
    assert codes(whole) == ["export-incomplete"]
    assert "entries of other months (2020-02)" in whole.findings[0].sentence
    file = retired(lines, range(3), "2020-02")
    assert verify(file, keys, month="2020-03").ok
    none = verify(retired(lines, range(6), "2020-02"), keys, month="2020-03")
    assert codes(none) == ["export-incomplete"]
    assert "no entry in it is of that month" in none.findings[0].sentence
    gone = list(file)
    gone[at_leaf(gone, 4)] = leaf_line(4, log.leaves[4][0], b"null")
    assert codes(verify(gone, keys, month="2020-03")) == ["entry-missing"]
    waiting = export(log, unsealed=[entry(6)], exported_at=BEGAN + timedelta(seconds=8))
    assert "wait for their seal" in str(verify(retired(waiting, range(3), "2020-02"), keys, month="2020-03").findings)


def test_a_witness_that_merely_went_on_is_a_note() -> None:
    log = log_of(23)
    early = Log(log.signer, leaves=log.leaves[:15], notes={size: log.notes[size] for size in (5, 10, 15)})
    at = BEGAN + timedelta(seconds=16)
    witnessed = "".join(log.notes.values())
    verdict = found(export(early, exported_at=at), log, witnessed, now=at + timedelta(minutes=10))
    assert verdict.ok, verdict.findings
    [note] = verdict.notes
    # Who cuts an export can write any time into it: an old one is not excused.
    assert codes(found(export(early, exported_at=at), log, witnessed, now=at + timedelta(minutes=11))) == ["cut-off"]
    assert (BEGAN + timedelta(seconds=20)).isoformat() in note
    assert at.isoformat() in note
    assert "23 leaves of epoch 1, 8 more than are here" in note
    for seconds in (20, 22, 23, 60):
        late = found(export(early, exported_at=BEGAN + timedelta(seconds=seconds)), log, witnessed, now=at)
        assert codes(late) == ["cut-off"], seconds


def test_a_later_epoch_that_began_after_the_export_is_a_note() -> None:
    log = log_of(5)
    seen = Checkpoint.parse(log.notes[5])
    after = log.next_epoch((seen.size, seen.root))
    for number in range(9):
        after.add(entry(50 + number, 7, number + 1))
    after.checkpoint()
    verdict = found(export(log, exported_at=BEGAN + timedelta(seconds=8)), log, after.notes[9], now=BEGAN)
    assert verdict.ok, verdict.findings
    assert any("9 leaves of epoch 2" in note for note in verdict.notes)
    assert codes(found(export(log, exported_at=BEGAN + timedelta(seconds=9)), log, after.notes[9], now=BEGAN)) == [
        "cut-off"
    ]


def test_what_cannot_be_a_witness_that_went_on_stays_a_finding() -> None:
    log = log_of(5)
    lines = export(log, exported_at=BEGAN + timedelta(seconds=6))
    later = BEGAN + timedelta(seconds=30)
    one, two = (log.signer.note(format_body(ORGANIZATION, 1, 9, leaf_hash(root), later)) for root in (b"1", b"2"))
    assert found(lines, log, one, now=BEGAN).ok
    assert codes(found(lines, log, one, two, now=BEGAN)) == ["fork"]
    timeless = one.rpartition("\n\n")[0].partition("\ntime ")[0] + "\n"
    assert codes(found(lines, log, log.signer.note(timeless), now=BEGAN)) == ["cut-off"]
    # An epoch that another one here has ended does not go on.
    seen = Checkpoint.parse(log.notes[5])
    after = log.next_epoch((seen.size, seen.root))
    after.add(entry(50, 7, 1))
    after.checkpoint()
    both = export(log, after, exported_at=BEGAN + timedelta(seconds=6))
    assert found(both, log).ok
    assert codes(found(both, log, one, now=BEGAN)) == ["cut-off"]


def rotated() -> tuple[Log, Signer]:
    """A log of which another key signed from the checkpoint of 10 on."""
    log, new = log_of(15), Signer()
    for size in (10, 15):
        log.notes[size] = new.note(Checkpoint.parse(log.notes[size]).signed_text())
    return log, new


def test_keys_on_lines_of_their_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log, new = rotated()
    file = tmp_path / "trail.ndjson"
    file.write_bytes(b"".join(export(log)))
    for given in (
        f"{new.vkey}\n{log.signer.vkey}",
        f"{new.vkey}\r\n{log.signer.vkey}\n",
        f" {log.signer.vkey} {new.vkey}",
    ):
        assert main([str(file), "--key", given]) == 0
    assert main([str(file), "--key", new.vkey]) == 11
    capsys.readouterr()
    for wrong in ("", "\n", f"{new.vkey}\nnonsense"):
        with pytest.raises(SystemExit) as ended:
            main([str(file), "--key", wrong])
        assert ended.value.code == 2


def test_a_key_that_was_not_given_is_named() -> None:
    log, new = rotated()
    lines = export(log)
    for key, other in ((new, log.signer), (log.signer, new)):
        verdict = verify(lines, [key.key], [log.notes[5]] if key is log.signer else [])
        assert "checkpoint-unsigned" in codes(verdict)
        named = f"Signed by a key you did not give ({other.name}+{other.key.key_id.hex()})"
        assert any(named in note and "give the old one too" in note for note in verdict.notes)
    assert not any("did not give" in note for note in verify(lines, [new.key, log.signer.key]).notes)
    # Not where something else was found, and not where a key that was given signed wrongly.
    changed = [line.replace(b"treatment", b"operation") for line in lines]
    assert not any("did not give" in note for note in verify(changed, [new.key]).notes)
    forged = [line.replace(b"\\ntime 2026", b"\\ntime 2025") for line in lines]
    verdict = verify(forged, [new.key, log.signer.key])
    assert "checkpoint-unsigned" in codes(verdict)
    assert not any("did not give" in note for note in verdict.notes)


def test_one_is_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "trail.ndjson"
    for count, words in ((1, "1 entry, 1 checkpoint, 0 entries not"), (23, "23 entries, 5 checkpoints, 0 entries not")):
        log = log_of(count)
        file.write_bytes(b"".join(export(log)))
        assert main([str(file), "--key", log.signer.vkey]) == 0
        assert words in capsys.readouterr().out
    log = log_of(1)
    verdict = verify(export(log), [Signer().key])
    assert "The checkpoint of 1 leaf is not signed" in verdict.findings[0].sentence
    assert json.dumps(verdict.as_dict())
