"""Root keys from a file, the environment or a command, and what is told when they cannot be had: never a key."""

from __future__ import annotations

import asyncio
import base64
import json
import shlex
import sys
from pathlib import Path

import pytest
from tests.conftest import open_hospital
from tests.storage.test_keys import name_of

from carecircle import Settings, assemble
from carecircle.database import keys_source
from carecircle.database.crypto import Keyring, keyring
from carecircle.database.keys_source import add_root, read_roots
from carecircle.database.reach import Reach
from carecircle.directory import keys_service
from carecircle.errors import InvalidSetting, KeyUnavailable

SECRET = base64.b64encode(b"canary-canary-canary-canary-3200").decode()
TEXT = json.dumps({"newest": "0a0b0c0d", "keys": {"0a0b0c0d": SECRET}})


def command(program: str) -> str:
    return shlex.join([sys.executable, "-c", program])


def test_the_environment_comes_before_the_command_and_the_command_before_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_file = read_roots(tmp_path)
    assert read_roots(tmp_path) == of_file
    assert (tmp_path / "keys.json").stat().st_mode & 0o777 == 0o600
    monkeypatch.setenv("CARECIRCLE_KEYS_COMMAND", command(f"print({TEXT!r})"))
    of_command = read_roots(tmp_path)
    assert of_command.newest == bytes.fromhex("0a0b0c0d")
    assert SECRET not in repr(of_command)
    monkeypatch.setenv("CARECIRCLE_KEYS", (tmp_path / "keys.json").read_text())
    assert read_roots(tmp_path) == of_file


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("import sys; print({0!r}); sys.exit({0!r})", "exit code 1"),
        ("import sys; print({0!r}, file=sys.stderr); sys.exit(3)", "exit code 3"),
        ("print({0!r})", "cannot be read as carecircle keys"),
        ("import time; print({0!r}, flush=True); time.sleep(60)", "did not end within"),
    ],
)
def test_a_command_that_fails_is_told_of_and_its_output_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, given: str, why: str
) -> None:
    monkeypatch.setattr(keys_source, "PATIENCE", 1.0)
    monkeypatch.setenv("CARECIRCLE_KEYS_COMMAND", command(given.format(SECRET)))
    with pytest.raises(KeyUnavailable, match=why) as failed:
        Keyring.open(tmp_path)
    told = f"{failed.value!r} {failed.value.facts} {failed.value.__context__!r} {caplog.text}"
    assert failed.value.__suppress_context__ or failed.value.__context__ is None
    assert SECRET not in str(failed.value)
    assert "canary" not in caplog.text
    assert "CARECIRCLE_KEYS_COMMAND" in told
    assert not (tmp_path / "keys.json").exists()


def test_no_shell_reads_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARECIRCLE_KEYS_COMMAND", f"nosuchprogram; touch {tmp_path}/made")
    with pytest.raises(KeyUnavailable, match="cannot be run"):
        read_roots(tmp_path)
    assert not (tmp_path / "made").exists()
    monkeypatch.setenv("CARECIRCLE_KEYS_COMMAND", "'unbalanced")
    with pytest.raises(KeyUnavailable, match="cannot be run"):
        read_roots(tmp_path)


def test_a_root_key_is_added_to_the_file_and_said_where_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = read_roots(tmp_path)
    after = add_root(tmp_path)
    assert list(after.keys) == [*before.keys, after.newest]
    assert read_roots(tmp_path) == after
    assert (tmp_path / "keys.json").stat().st_mode & 0o777 == 0o600
    monkeypatch.setenv("CARECIRCLE_KEYS", TEXT)
    with pytest.raises(InvalidSetting, match="CARECIRCLE_KEYS: put a new one there"):
        add_root(tmp_path)


def test_keys_are_wrapped_anew_under_another_root_and_the_old_one_may_go(
    tmp_path: Path, migrated: Reach, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CARECIRCLE_HOME", str(tmp_path))

    async def body() -> None:
        async with assemble(Settings(home=tmp_path), migrated) as circle, open_hospital(circle) as hospital:
            patient = await hospital.patient("urn:mrn|1", name="Ada")
            old = keyring().newest_root
            add_root(tmp_path)
            async with hospital.change() as db:
                done = await keys_service.wrap_under_newest_root(db, organization=hospital.organization, actor="test")
            assert done == 2
            async with hospital.change() as db:
                kept = await keys_service.keys_of(db, organization=hospital.organization)
            assert {key.root_key_id for key in kept} == {keyring().newest_root} != {old}
            # Another process, which began before and holds only the old root key, takes the new one when it meets it.
            assert b"Ada" in await name_of(hospital, patient)
            text = json.loads((tmp_path / "keys.json").read_text())
            del text["keys"][old.hex()]
            (tmp_path / "keys.json").write_text(json.dumps(text))
            fresh = Keyring.open(tmp_path)
            assert old not in fresh.roots
            fresh.reload = keyring().reload
            keyring().forget(hospital.organization)
            keyring().read_roots_again()
            assert b"Ada" in await name_of(hospital, patient)

    asyncio.run(body())
