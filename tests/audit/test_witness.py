"""Witnesses: a file that only grows and a receiver of signed POSTs; each gets the newest checkpoint, at least once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from carecircle import Settings
from carecircle.audit.sealing_key import SealingKey
from carecircle.audit.sealing_service import Head
from carecircle.audit.verify import format_body, split_notes
from carecircle.audit.witness import PUBLISHED, Known, Witnesses, WitnessFile
from carecircle.errors import InvalidSetting
from tests.notices.receivers import HERE, SECRET, HookReceiver, free_port


@pytest.fixture
def hook() -> Iterator[HookReceiver]:
    receiver = HookReceiver()
    receiver.start()
    yield receiver
    receiver.stop()


def head(home: Path, organization: UUID, size: int, epoch: int = 1) -> Head:
    root = bytes([size % 256]) * 32
    note = SealingKey.open(home).sign(format_body(organization, epoch, size, root, datetime.now(UTC)))
    return Head(organization, epoch, size, root, 1, UUID(int=0), 1, note)


def witnesses(home: Path, **more: object) -> Witnesses:
    return Witnesses.of(Settings.model_validate({"home": home, **more}))


def test_the_file_grows_by_whole_notes_and_is_read_back(tmp_path: Path) -> None:
    one, two = uuid4(), uuid4()
    kept = witnesses(tmp_path)
    heads = [head(tmp_path, one, 3), head(tmp_path, two, 5)]
    asyncio.run(kept.publish(heads))
    grown = [head(tmp_path, one, 9)]
    asyncio.run(kept.publish([*grown, heads[1]]))
    written = (tmp_path / "witness.log").read_text()
    assert list(split_notes(written)) == [each.note for each in (*heads, *grown)]
    (tmp_path / PUBLISHED).unlink()
    again = witnesses(tmp_path)
    again.refresh()
    assert again.known == {one: Known(1, 9, grown[0].root), two: Known(1, 5, heads[1].root)}
    assert again.unpublished([*grown, heads[1]]) == 0
    assert again.unpublished([head(tmp_path, one, 10)]) == 1


def test_what_others_write_meanwhile_is_learned(tmp_path: Path) -> None:
    organization = uuid4()
    first, second = witnesses(tmp_path), witnesses(tmp_path)
    for size in range(1, 40):
        asyncio.run(first.publish([head(tmp_path, organization, size)]))
        second.refresh()
        assert second.known[organization].size == size


def test_a_file_that_was_moved_away_is_begun_anew_and_what_it_held_is_still_known(tmp_path: Path) -> None:
    organization = uuid4()
    kept = witnesses(tmp_path)
    asyncio.run(kept.publish([head(tmp_path, organization, 7)]))
    (tmp_path / "witness.log").rename(tmp_path / "witness-2026.log")
    kept.refresh()
    asyncio.run(kept.publish([head(tmp_path, organization, 8)]))
    assert len(list(split_notes((tmp_path / "witness.log").read_text()))) == 1
    (tmp_path / "witness.log").unlink()
    assert witnesses(tmp_path).known[organization].size == 8


def test_a_note_that_was_cut_off_spoils_no_other(tmp_path: Path) -> None:
    organization = uuid4()
    file = WitnessFile(tmp_path / "log", SealingKey.open(tmp_path).signed)
    notes = [head(tmp_path, organization, size).note for size in (1, 2)]
    file.append(notes[:1])
    (tmp_path / "log").write_text((tmp_path / "log").read_text() + notes[1][:40])
    file.append(notes[1:])
    assert [known.size for _, known in file.seen()] == [2]
    assert notes[1] in list(split_notes((tmp_path / "log").read_text()))


def test_only_what_a_known_key_signed_is_believed(tmp_path: Path) -> None:
    organization, home = uuid4(), tmp_path / "home"
    home.mkdir()
    log = home / "witness.log"
    good = head(home, organization, 5).note
    stranger = head(tmp_path / "elsewhere", organization, 9).note
    planted = {
        "unsigned": f"carecircle/{organization}/1\n99\n{'A' * 43}=\ntime 2026-01-01T00:00:00+00:00\n\n— x AAAA\n",
        "another key": stranger,
        "changed": good.replace("\n5\n", "\n6\n"),
        "no organization": good.replace(str(organization), "-" * 36),
        "half an organization": good.replace(str(organization), "0-" * 18),
        "last epoch": head(home, organization, 5, 10**9 - 1).note,
        "too large": head(home, organization, 2**53 + 1).note,
    }
    for what, note in planted.items():
        log.write_text(f"{good}\n{note}\n")
        kept = witnesses(home)
        kept.refresh()
        assert kept.known == {organization: Known(1, 5, bytes([5]) * 32)}, what
    log.write_bytes(
        b"\xff\xfe\n" + f"{good}\n".encode() + b"\xff\n\n" + f"{head(home, organization, 7).note}\n".encode()
    )
    kept = witnesses(home)
    kept.refresh()
    assert kept.known[organization].size == 7


def test_a_file_that_cannot_be_written_is_tried_again(tmp_path: Path) -> None:
    place = tmp_path / "away" / "log"
    kept = witnesses(tmp_path, witness_file=str(place))
    one = head(tmp_path, uuid4(), 1)
    asyncio.run(kept.publish([one]))
    assert kept.unpublished([one]) == 1
    place.parent.mkdir()
    asyncio.run(kept.publish([one]))
    assert kept.unpublished([one]) == 0
    assert one.note in place.read_text()


def test_without_any_witness_nothing_is_written_or_waited_for(tmp_path: Path) -> None:
    kept = witnesses(tmp_path, witness_file="off")
    one = head(tmp_path, uuid4(), 1)
    asyncio.run(kept.publish([one]))
    assert kept.unpublished([one]) == 0
    assert not (tmp_path / "witness.log").exists()


def test_the_receiver_gets_signed_checkpoints_until_it_takes_them(tmp_path: Path, hook: HookReceiver) -> None:
    def opened() -> Witnesses:
        return witnesses(tmp_path, witness_file="off", witness_url=hook.url, witness_secret=SECRET)

    one, two = head(tmp_path, uuid4(), 1), head(tmp_path, uuid4(), 2)
    kept = opened()
    hook.answers = 500
    asyncio.run(kept.publish([one, two]))
    assert hook.seen
    assert kept.unpublished([one, two]) == 2
    hook.answers = 204
    asyncio.run(kept.publish([one, two]))
    assert [told["checkpoints"] for _, told in hook.taken] == [[one.note, two.note]]
    again = opened()  # it is remembered what was taken
    asyncio.run(again.publish([one, two]))
    assert len(hook.taken) == 1
    assert again.known[two.organization] == Known(1, 2, two.root)
    assert json.loads(hook.raw[0])["type"] == "audit.checkpoints"


def test_a_receiver_that_is_away_or_does_not_believe_us_keeps_nobody_waiting(
    tmp_path: Path, hook: HookReceiver
) -> None:
    one = head(tmp_path, uuid4(), 1)
    gone = f"http://{HERE}:{free_port()}/"
    other = "whsec_" + "A" * 40
    for url, secret in ((gone, SECRET), (hook.url, other)):
        kept = witnesses(tmp_path, witness_file="off", witness_url=url, webhook_secret=secret)
        asyncio.run(kept.publish([one]))
        assert kept.unpublished([one]) == 1
    assert hook.taken == []


@pytest.mark.parametrize(
    ("url", "secret", "named"),
    [
        ("ftp://example.org/", SECRET, "CARECIRCLE_WITNESS_URL"),
        ("http://example.org/", SECRET, "CARECIRCLE_WITNESS_URL"),
        ("https://user:canary@example.org/", SECRET, "CARECIRCLE_WITNESS_URL"),
        ("https://example.org/", "canary", "CARECIRCLE_WITNESS_SECRET"),
        ("https://example.org/", None, "CARECIRCLE_WITNESS_SECRET"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(tmp_path: Path, url: str, secret: str | None, named: str) -> None:
    with pytest.raises(InvalidSetting, match=named) as refused:
        witnesses(tmp_path, witness_url=url, witness_secret=secret)
    assert "canary" not in refused.value.message
