"""Where the root keys come from: the environment, a command such as a key service's client, or a file of this installation."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import secrets
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from carecircle.database.reach import files_of, write_privately
from carecircle.errors import InvalidSetting, KeyUnavailable

KEY_ID = 4
KEY = 32
GIVEN = "CARECIRCLE_KEYS"
COMMAND = "CARECIRCLE_KEYS_COMMAND"
FILE = "keys.json"
PATIENCE = 10.0
"""Seconds a command may take to print the keys."""


@dataclass(frozen=True, slots=True)
class Roots:
    """The root keys by their ids of 4 bytes, the oldest first; `newest` wraps what is wrapped from now on."""

    keys: Mapping[bytes, bytes] = field(repr=False)
    newest: bytes


def read_roots(home: Path) -> Roots:
    """The root keys: of CARECIRCLE_KEYS, else what CARECIRCLE_KEYS_COMMAND prints, else of keys.json, made on first use.

    Raises KeyUnavailable when they are somewhere and cannot be read; InvalidSetting or DatabaseUnavailable when the file
    cannot be made.
    """
    if given := os.environ.get(GIVEN):
        return _parsed(given.encode(), GIVEN)
    if command := os.environ.get(COMMAND):
        return _parsed(_printed_by(command), f"What {COMMAND} printed")
    file = home / FILE
    with files_of(home):
        if not file.exists():
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
            key_id = secrets.token_bytes(KEY_ID)
            write_privately(file, _text(Roots({key_id: secrets.token_bytes(KEY)}, key_id)))
    return _of_file(file)


def source_name() -> str:
    """Where `read_roots` looks: the variable's name or the file's."""
    return next((name for name in (GIVEN, COMMAND) if os.environ.get(name)), FILE)


def add_root(home: Path) -> Roots:
    """A new root key in keys.json, the newest from now on. Raises InvalidSetting where the keys come from elsewhere."""
    if source_name() != FILE:
        raise InvalidSetting(
            f"The root keys come from {source_name()}: put a new one there, under an id of 8 hexadecimal digits of its own and"
            " as 32 random bytes in base64, name it as newest, restart every process, and run this again."
        )
    read_roots(home)
    with files_of(home):
        folder = os.open(home, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            kept = _of_file(home / FILE)
            key_id = secrets.token_bytes(KEY_ID)
            while key_id in kept.keys:
                key_id = secrets.token_bytes(KEY_ID)
            roots = Roots({**kept.keys, key_id: secrets.token_bytes(KEY)}, key_id)
            write_privately(home / FILE, _text(roots), instead=True)
        finally:
            os.close(folder)
    return roots


def _of_file(file: Path) -> Roots:
    where = f"The key file {FILE} under CARECIRCLE_HOME"
    try:
        return _parsed(file.read_bytes(), where)
    except OSError:
        raise _unreadable(where) from None


def _printed_by(command: str) -> bytes:
    """What the command prints: keys, so neither it nor what it says on stderr is told to anybody."""
    try:
        done = subprocess.run(
            shlex.split(command), stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        raise KeyUnavailable(f"The command of {COMMAND} did not end within {PATIENCE:.0f} seconds.") from None
    except (OSError, ValueError, IndexError):
        raise KeyUnavailable(f"The command of {COMMAND} cannot be run; is it installed, and quoted right?") from None
    if done.returncode != 0:
        raise KeyUnavailable(
            f"The command of {COMMAND} failed with exit code {done.returncode}; run it by hand to see why."
        )
    return done.stdout


def _parsed(text: bytes, where: str) -> Roots:
    try:
        kept = json.loads(text)
        keys = {bytes.fromhex(key_id): base64.b64decode(root) for key_id, root in kept["keys"].items()}
        newest = bytes.fromhex(kept["newest"])
        usable = newest in keys and all(len(k) == KEY_ID and len(v) == KEY for k, v in keys.items())
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        usable = False
    if not usable:
        raise _unreadable(where)
    return Roots(keys, newest)


def _unreadable(where: str) -> KeyUnavailable:
    return KeyUnavailable(f"{where} cannot be read as carecircle keys; restore it from its backup.")


def _text(roots: Roots) -> bytes:
    keys = {key_id.hex(): base64.b64encode(root).decode() for key_id, root in roots.keys.items()}
    return json.dumps({"newest": roots.newest.hex(), "keys": keys}).encode()
