"""What this installation itself has to verify with: its keys' public halves, and the notes that its witness file kept."""

from __future__ import annotations

import mmap
import os
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from uuid import UUID

from carecircle.audit.sealing_key import FILE as KEY_FILE
from carecircle.audit.sealing_key import SealingKey
from carecircle.audit.verify import VerifyKey
from carecircle.audit.witness import FILE, NOTE
from carecircle.errors import InvalidRequest, InvalidSetting
from carecircle.settings import Settings

MOST_NOTES = 20_000
"""How many notes of one organization are taken, the newest of them: what is cut off, or forked, is off from some note on."""


def read_keys(given: Iterable[str]) -> tuple[VerifyKey, ...]:
    """Keys as people write them. Raises InvalidRequest for what is none."""
    try:
        return tuple(map(VerifyKey.parse, given))
    except ValueError:
        raise InvalidRequest("A key is written name+id+key, as `carecircle audit key` shows it.") from None


def own_keys(settings: Settings) -> list[str]:
    """The keys that verify what this installation signs, the one that signs now first; none where nothing was signed yet.

    Raises KeyUnavailable where they cannot be read.
    """
    if "CARECIRCLE_SEALING_KEY" not in os.environ and not (settings.home / KEY_FILE).exists():
        return []
    return SealingKey.open(settings.home).vkeys()


def witness_file(settings: Settings) -> Path | None:
    """The file to which checkpoints are added, where there is one."""
    if settings.witness_file == "off":
        return None
    file = Path(settings.witness_file) if settings.witness_file else settings.home / FILE
    return file if file.exists() else None


def notes_of(file: Path, organization: UUID) -> str:
    """The newest notes of one organization in a witness file, the oldest of them first; of others' there may be many.

    Raises InvalidSetting where it cannot be read.
    """
    found: deque[bytes] = deque(maxlen=MOST_NOTES)
    begins = str(organization).encode()
    try:
        with file.open("rb") as notes:
            if os.fstat(notes.fileno()).st_size:
                with mmap.mmap(notes.fileno(), 0, access=mmap.ACCESS_READ) as content:
                    found.extend(one[0] for one in NOTE.finditer(content) if one[1] == begins)
    except OSError as error:
        raise InvalidSetting(f"The witness file of the settings cannot be read ({error.strerror}).") from None
    return "\n".join(one.decode() for one in found)
