"""Settings that cannot be used: one sentence that names the setting, its exit code, and never a password."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

import pytest

from carecircle.database.reach import configured
from carecircle.errors import InvalidSetting
from tests.cli.conftest import Command, Place, Ran, embedded

ADDRESSES = {
    "a port in letters": "postgresql://admin:sesame@127.0.0.1:abc/carecircle",
    "an unclosed bracket": "postgresql://admin:sesame@[::1/carecircle",
    "two hosts with ports": "postgresql://admin:sesame@one:5432,two:5432/carecircle",
    "two hosts": "postgresql://admin:sesame@one,two/carecircle",
    "two hosts asked for": "postgresql://admin:sesame@/carecircle?host=one&host=two",
    "a port beyond all": "postgresql://admin:sesame@127.0.0.1:99999/carecircle",
    "a port beyond all asked for": "postgresql://admin:sesame@/carecircle?host=/tmp&port=99999",
    "port nought": "postgresql://admin:sesame@127.0.0.1:0/carecircle",
    "no database": "postgresql://admin:sesame@127.0.0.1",
    "not an address": "sesame",
}


def is_one_sentence(ran: Ran, code: int, kind: str) -> None:
    assert ran.code == code, ran.err
    assert ran.out == ""
    assert len(ran.err.splitlines()) == 1
    assert ran.err.endswith(f"[{kind}]\n")
    assert "sesame" not in ran.err


@pytest.mark.parametrize("address", ADDRESSES.values(), ids=ADDRESSES)
def test_an_unusable_address(carecircle: Command, address: str) -> None:
    for command in (("check", "okafor", "read", "N-0001"), ("db", "upgrade"), ("demo", "--once", "--yes")):
        ran = carecircle(*command, CARECIRCLE_DATABASE_URL=address)
        is_one_sentence(ran, 7, "invalid-setting")
        assert "CARECIRCLE_DATABASE_URL" in ran.err


def test_a_server_that_cannot_serve_does_not_say_that_it_does(carecircle: Command) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    unread = carecircle("serve", "--port", str(port), CARECIRCLE_OIDC='[{"issuer": "login.example"}]')
    is_one_sentence(unread, 7, "invalid-setting")
    assert "CARECIRCLE_OIDC" in unread.err
    nowhere = "postgresql://admin:sesame@127.0.0.1:1/carecircle"
    is_one_sentence(
        carecircle("serve", "--port", str(port), CARECIRCLE_DATABASE_URL=nowhere), 3, "database-unavailable"
    )


def test_usable_addresses() -> None:
    for address in (
        "postgresql://a:b@[::1]:5432/c",
        "postgresql+asyncpg://a:b@host/c",
        "postgres://a:b@host:65535/c",
        "postgresql://a:b@/c?host=/run/postgresql&port=5432",
    ):
        assert configured(address).database == "c"
    with pytest.raises(InvalidSetting):
        configured("mysql://a:b@host/c")


def test_a_host_no_name_server_knows_is_unreachable(carecircle: Command) -> None:
    for host in ("no-such-host.invalid", "x" * 64):
        ran = carecircle("db", "status", CARECIRCLE_DATABASE_URL=f"postgresql://admin:sesame@{host}:5432/carecircle")
        is_one_sentence(ran, 3, "database-unavailable")


@pytest.mark.parametrize("home", ["under a file", "in /proc", "closed"])
def test_an_unusable_home(carecircle: Command, tmp_path: Path, home: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "closed").mkdir(mode=0o500)
    if home == "closed" and os.access(tmp_path / "closed", os.W_OK):
        pytest.skip("root may write everywhere")
    if home == "in /proc" and not Path("/proc/self").exists():
        pytest.skip("there is no /proc here")
    where = {"under a file": tmp_path / "file" / "home", "in /proc": Path("/proc/home"), "closed": tmp_path / "closed"}
    for command in (("db", "upgrade"), ("demo", "--once")):
        ran = carecircle(*command, **embedded(where[home]))
        is_one_sentence(ran, 7, "invalid-setting")
        assert f"CARECIRCLE_HOME: {where[home]} cannot be used" in ran.err


def test_a_home_whose_keys_cannot_be_made(carecircle: Command, place: Place, tmp_path: Path) -> None:
    (tmp_path / "database-roles.json").write_bytes((place.home / "database-roles.json").read_bytes())
    (tmp_path / "keys.json").symlink_to(tmp_path / "nowhere" / "keys.json")
    ran = carecircle("check", "okafor", "read", "N-0001", CARECIRCLE_HOME=str(tmp_path))
    assert (ran.code, ran.out) == (3, "")
    assert "key-unavailable" in ran.err


def test_a_full_disk_leaves_nothing_behind(
    carecircle: Command, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", full)
    is_one_sentence(carecircle("db", "status", CARECIRCLE_HOME=str(tmp_path)), 3, "database-unavailable")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "database-roles.json").write_bytes((place.home / "database-roles.json").read_bytes())
    ran = carecircle("check", "okafor", "read", "N-0001", CARECIRCLE_HOME=str(tmp_path))
    is_one_sentence(ran, 3, "database-unavailable")
    assert [file.name for file in tmp_path.iterdir()] == ["database-roles.json"]


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"app": 7}', "[" * 100_000, "\udcff"])
def test_broken_role_passwords(carecircle: Command, tmp_path: Path, content: str) -> None:
    (tmp_path / "database-roles.json").write_bytes(content.encode(errors="surrogateescape"))
    ran = carecircle("db", "status", CARECIRCLE_HOME=str(tmp_path))
    is_one_sentence(ran, 7, "invalid-setting")
    assert "database-roles.json" in ran.err
