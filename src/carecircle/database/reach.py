"""Where the database is and how each role reaches it: the configured one, or the embedded one."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from carecircle.database.embedded import EmbeddedServer
from carecircle.database.tls import protected
from carecircle.errors import DatabaseNotMigrated, DatabaseUnavailable, InvalidSetting
from carecircle.settings import Settings

Role = Literal["owner", "app", "decider", "sealer", "auditor", "notifier", "keeper"]
ROLES: tuple[Role, ...] = ("owner", "app", "decider", "sealer", "auditor", "notifier", "keeper")
PASSWORDS = "database-roles.json"
HIGHEST_PORT = 65535
NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class Reach:
    """One database: an administrator's address (used to make roles, nothing else) and a password per role.

    `replica` is a physical replica of it, where the audit trail is read and reports are made.
    """

    admin: URL
    passwords: Mapping[str, str] = field(repr=False)
    bin_dir: Path | None = None
    data_dir: Path | None = None
    replica: URL | None = None

    def as_role(self, role: Role) -> URL:
        """The address for one role. Raises DatabaseNotMigrated when the role was never made."""
        password = self.passwords.get(role)
        if password is None:
            raise DatabaseNotMigrated(
                "This database has no carecircle roles yet, or their passwords are not here; run: carecircle db upgrade."
            )
        return self.admin.set(username=f"carecircle_{role}", password=password)

    def to_read_old_news(self) -> Reach:
        """Where what may be a little old is read: the replica, or, without one, here."""
        return self if self.replica is None else replace(self, admin=self.replica, replica=None)

    def dsn(self, role: Role) -> str:
        """The same as text, for asyncpg."""
        return dsn(self.as_role(role))


def dsn(url: URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


@contextmanager
def reach(settings: Settings) -> Iterator[Reach]:
    """The database of these settings; an embedded one is running for as long as the block.

    Raises InvalidSetting for an address that is none, DatabaseUnavailable when the embedded one cannot start.
    """
    passwords = role_passwords(settings.home)
    if settings.database_url is not None:
        main, replica = settings.database_url.get_secret_value(), None
        if settings.replica_url is not None:
            address = settings.replica_url.get_secret_value()
            replica = configured(address, settings.database_tls, setting="CARECIRCLE_REPLICA_URL")
        yield Reach(configured(main, settings.database_tls), passwords, replica=replica)
        return
    with EmbeddedServer.start(settings.home) as server:
        yield Reach(over_socket(make_url(server.admin_url), server), passwords, server.bin_dir, server.data_dir)


def over_socket(address: URL, server: EmbeddedServer) -> URL:
    """The embedded server's address through its private socket where it has one: quicker than loopback."""
    if server.socket_dir is None:
        return address
    return address.set(host=None, port=None).update_query_dict(
        {"host": str(server.socket_dir), "port": str(server.port)}
    )


def configured(
    address: str, database_tls: Literal["verify", "off"] | None = None, *, setting: str = "CARECIRCLE_DATABASE_URL"
) -> URL:
    """Read an address; to another machine it says verify-full, unless it says something else or `database_tls` is off.

    Without `database_tls` the setting is read. Raises InvalidSetting without repeating the address: it holds a password.
    """
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):
        raise InvalidSetting(
            f"{setting}: write postgresql://user:password@host:port/database, with one host and a port in digits."
        ) from None
    if not url.drivername.startswith("postgres") or not url.database:
        raise InvalidSetting(f"{setting}: write postgresql://user:password@host:port/database.")
    for name, given in (("host", url.host), ("port", url.port)):
        asked = url.query.get(name, "" if given is None else str(given))
        if not isinstance(asked, str) or "," in asked:
            raise InvalidSetting(f"{setting}: name one {name}; several are not supported.")
        if name == "port" and asked and not (asked.isdecimal() and 0 < int(asked[:9]) <= HIGHEST_PORT):
            raise InvalidSetting(f"{setting}: a port is a number from 1 to {HIGHEST_PORT}.")
    return protected(url.set(drivername="postgresql"), database_tls or Settings.read().database_tls)


@contextmanager
def files_of(home: Path) -> Iterator[None]:
    """Around work on the files of CARECIRCLE_HOME: says plainly what is wrong with it.

    Raises DatabaseUnavailable when its disk is full, else InvalidSetting.
    """
    try:
        yield
    except OSError as error:
        if error.errno in NO_SPACE:
            raise DatabaseUnavailable(f"The disk of CARECIRCLE_HOME ({home}) is full: free some space.") from None
        raise InvalidSetting(
            f"CARECIRCLE_HOME: {home} cannot be used ({error.strerror}); name a directory this user may read and write."
        ) from None


def role_passwords(home: Path) -> dict[str, str]:
    """The roles' passwords, made on first use and kept in a file only its owner reads.

    Raises InvalidSetting when the file is broken or cannot be read or made, DatabaseUnavailable when the disk is full.
    """
    file = home / PASSWORDS
    given = {role: os.environ[name] for role in ROLES if (name := f"CARECIRCLE_{role.upper()}_PASSWORD") in os.environ}
    with files_of(home):
        if not file.exists():
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_privately(file, json.dumps({role: secrets.token_urlsafe(24) for role in ROLES}).encode())
        kept = _kept(file)
        if not kept.keys() >= set(ROLES) - given.keys():
            kept = _with_those_missing(file)
    return kept | given


def _with_those_missing(file: Path) -> dict[str, str]:
    """Give a password to every role that a version before did not know. One at a time, so that all are told the same."""
    home = os.open(file.parent, os.O_RDONLY)
    try:
        fcntl.flock(home, fcntl.LOCK_EX)
        kept = _kept(file)
        if missing := [role for role in ROLES if role not in kept]:
            kept |= {role: secrets.token_urlsafe(24) for role in missing}
            write_privately(file, json.dumps(kept).encode(), instead=True)
        return kept
    finally:
        os.close(home)


def _kept(file: Path) -> dict[str, str]:
    try:
        kept = json.loads(file.read_bytes())
    except (ValueError, RecursionError):
        kept = None
    if not isinstance(kept, dict) or not kept or not all(isinstance(password, str) for password in kept.values()):
        raise InvalidSetting(
            f"The file {PASSWORDS} under CARECIRCLE_HOME cannot be read as the roles' passwords; restore it from its"
            " backup, or remove it and run: carecircle db upgrade (which gives the roles new ones)."
        )
    return kept


def write_privately(file: Path, content: bytes, *, instead: bool = False) -> None:
    """Write a file nobody else can read, whole or not at all. Raises OSError.

    The first of two writers wins; `instead` of what is there, the last one does.
    """
    draft = file.with_name(f".{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        if instead:
            draft.replace(file)
            return
        with suppress(FileExistsError):
            os.link(draft, file)
    finally:
        draft.unlink(missing_ok=True)
