"""The roles' passwords on disk: whole at any instant, the same for everybody, and added to when a version knows more roles."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy.engine import make_url
from tests.storage.conftest import run_sql

from carecircle.database import migrate
from carecircle.database.embedded import temporary_server
from carecircle.database.reach import PASSWORDS, ROLES, Reach, role_passwords
from carecircle.database.revision import head
from carecircle.errors import CareCircleError, DatabaseUnavailable

BEFORE = "20260215_around_the_patient"
OLD = {role: f"password of {role}" for role in ROLES if role != "notifier"}


@pytest.fixture
def old_home(tmp_path: Path) -> Path:
    """A home of a version that knew no notifier."""
    (tmp_path / PASSWORDS).write_text(json.dumps(OLD))
    return tmp_path


def on_disk(home: Path) -> dict[str, str]:
    kept: dict[str, str] = json.loads((home / PASSWORDS).read_bytes())
    return kept


def test_a_role_that_a_version_before_did_not_know_gets_a_password(old_home: Path) -> None:
    now = role_passwords(old_home)
    assert {role: now[role] for role in OLD} == OLD
    assert len(now["notifier"]) >= 32
    assert role_passwords(old_home) == now == on_disk(old_home)
    assert stat.S_IMODE((old_home / PASSWORDS).stat().st_mode) == 0o600
    assert [file.name for file in old_home.iterdir()] == [PASSWORDS]


def test_one_that_is_given_needs_no_file_to_be_written(old_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARECIRCLE_NOTIFIER_PASSWORD", "given")
    assert role_passwords(old_home) == OLD | {"notifier": "given"}
    assert on_disk(old_home) == OLD


@pytest.mark.parametrize("step", ["os.fsync", "pathlib.Path.replace"])
def test_who_is_stopped_halfway_leaves_the_old_passwords(
    old_home: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def stopped(*_: object) -> None:
        # At every instant somebody else may read: what they find is never less than it was.
        assert on_disk(old_home) == OLD
        raise OSError(28, os.strerror(28))

    with monkeypatch.context() as stopping:
        stopping.setattr(step, stopped)
        with pytest.raises(DatabaseUnavailable):
            role_passwords(old_home)
    assert on_disk(old_home) == OLD
    assert [file.name for file in old_home.iterdir()] == [PASSWORDS]
    assert role_passwords(old_home) == on_disk(old_home) != OLD


def test_all_who_come_at_once_are_told_the_same(old_home: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    for home in (old_home, tmp_path_factory.mktemp("empty")):
        with ThreadPoolExecutor(16) as together:
            told = list(together.map(lambda _, home=home: role_passwords(home), range(48)))
        assert all(one == told[0] for one in told)
        assert on_disk(home) == told[0]


def test_a_broken_file_is_not_written_over(old_home: Path) -> None:
    (old_home / PASSWORDS).write_text('{"app": "x", ')
    with pytest.raises(CareCircleError, match="restore it from its backup"):
        role_passwords(old_home)
    assert (old_home / PASSWORDS).read_text() == '{"app": "x", '


def test_an_old_database_of_an_old_home_gets_its_notifier(monkeypatch: pytest.MonkeyPatch) -> None:
    with temporary_server() as (home, server):
        monkeypatch.setenv("CARECIRCLE_HOME", str(home))

        def at() -> Reach:
            return Reach(make_url(server.admin_url), role_passwords(home), server.bin_dir)

        migrate.upgrade(at(), BEFORE)
        for statement in ("drop owned by carecircle_notifier", "drop role carecircle_notifier"):
            run_sql(at(), statement)
        old = {role: password for role, password in on_disk(home).items() if role != "notifier"}
        (home / PASSWORDS).write_text(json.dumps(old))
        migrate.upgrade(at())
        assert asyncio.run(migrate.current_revision(at())) == head()
        assert {role: on_disk(home)[role] for role in old} == old
        assert asyncio.run(_read_as_notifier(at())) == []


async def _read_as_notifier(at: Reach) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(at.dsn("notifier"))
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("select kind from carecircle.outbox")
        return list(await connection.fetch("select organization_id, due_at, settled_at from carecircle.outbox"))
    finally:
        await connection.close()
