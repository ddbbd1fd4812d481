"""The key that signs checkpoints: made once, kept privately, replaced while somebody signs with it, and remembered."""

from __future__ import annotations

import base64
import json
import stat
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from carecircle.audit.sealing_key import FILE, CurrentKey, SealingKey, rotate_sealing_key
from carecircle.audit.verify import EMPTY_ROOT, Checkpoint, VerifyKey, format_body
from carecircle.errors import InvalidSetting, KeyUnavailable

SEED = bytes(range(32))
BODY = format_body(UUID(int=7), 1, 0, EMPTY_ROOT, datetime(2026, 1, 31, tzinfo=UTC))


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CARECIRCLE_SEALING_KEY", "CARECIRCLE_SEALING_NAME"):
        monkeypatch.delenv(name, raising=False)


def test_a_key_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    made = SealingKey.open(tmp_path)
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    assert SealingKey.open(tmp_path).vkeys() == made.vkeys()
    assert len(made.vkeys()) == 1
    assert base64.b64encode(SEED).decode() not in repr(made)


def test_what_it_signs_is_a_checkpoint_that_its_verification_key_believes(tmp_path: Path) -> None:
    key = SealingKey.open(tmp_path)
    note = key.sign(BODY)
    checkpoint = Checkpoint.parse(note)
    assert VerifyKey.parse(key.vkeys()[0]).verifies(checkpoint)
    assert key.signed(checkpoint)
    other = SealingKey("carecircle", Ed25519PrivateKey.generate())
    assert not other.signed(checkpoint)
    assert not key.signed(Checkpoint.parse(note.replace("\n0\n", "\n1\n", 1)))


def test_the_environment_gives_key_and_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARECIRCLE_SEALING_KEY", base64.b64encode(SEED).decode())
    monkeypatch.setenv("CARECIRCLE_SEALING_NAME", "hospital")
    key = SealingKey.open(tmp_path)
    assert key.public == Ed25519PrivateKey.from_private_bytes(SEED).public_key().public_bytes_raw()
    assert key.vkeys()[0].startswith("hospital+")
    assert not (tmp_path / FILE).exists()
    with pytest.raises(InvalidSetting, match="CARECIRCLE_SEALING_KEY"):
        rotate_sealing_key(tmp_path)


def test_a_key_given_instead_of_the_file_keeps_what_the_file_signed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Checkpoint.parse(SealingKey.open(tmp_path).sign(BODY))
    monkeypatch.setenv("CARECIRCLE_SEALING_KEY", base64.b64encode(SEED).decode())
    assert SealingKey.open(tmp_path).signed(before)


@pytest.mark.parametrize(
    ("name", "value"),
    [("CARECIRCLE_SEALING_KEY", "c2hvcnQ="), ("CARECIRCLE_SEALING_KEY", "%"), ("CARECIRCLE_SEALING_NAME", "a+b")],
)
def test_a_setting_that_is_none_is_refused_without_being_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises((KeyUnavailable, InvalidSetting), match=name) as refused:
        SealingKey.open(tmp_path)
    assert value not in refused.value.message


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"name": "a", "seed": "c2hvcnQ=", "older": []}'])
def test_a_broken_file_is_told_and_kept(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_text(content)
    with pytest.raises(KeyUnavailable, match=FILE):
        SealingKey.open(tmp_path)
    assert (tmp_path / FILE).read_text() == content


def test_a_replaced_key_is_noticed_and_the_one_before_is_remembered(tmp_path: Path) -> None:
    current = CurrentKey(tmp_path)
    first = current.get()
    signed = Checkpoint.parse(first.sign(BODY))
    second = rotate_sealing_key(tmp_path)
    third = rotate_sealing_key(tmp_path)
    assert current.get().vkeys() == third.vkeys()
    assert third.vkeys()[1:] == [second.vkeys()[0], first.vkeys()[0]]
    assert third.signed(signed)
    assert not VerifyKey.parse(third.vkeys()[0]).verifies(signed)
    kept = json.loads((tmp_path / FILE).read_text())
    assert [datetime.fromisoformat(one["replaced_at"]).utcoffset() is not None for one in kept["older"]] == [True, True]
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
