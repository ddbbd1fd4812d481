"""Witnesses: where checkpoints are kept outside the database, so that nobody who owns it can cut the trail's end off.

A file that only grows (`witness.log` in CARECIRCLE_HOME, or CARECIRCLE_WITNESS_FILE; `off` for none), one note after the
other with an empty line between; it is best kept on another machine's disk. And a receiver of signed POSTs
(CARECIRCLE_WITNESS_URL). Both get the newest checkpoint of every organization, at least once, and only what is committed
for good. What was published is also what a database is measured by that comes back from a backup.
"""

from __future__ import annotations

import asyncio
import base64
import fcntl
import json
import mmap
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import structlog

from carecircle.audit.sealing_key import CurrentKey
from carecircle.audit.sealing_service import Head
from carecircle.audit.verify import Checkpoint
from carecircle.audit.witness_hook import WitnessHook
from carecircle.database.reach import files_of, write_privately
from carecircle.errors import CareCircleError, InvalidSetting
from carecircle.settings import Settings

PUBLISHED = "witness-published.json"
FILE = "witness.log"
NOTE = re.compile(
    rb"^carecircle/([0-9a-f-]{36})/([1-9][0-9]{0,8})\n(0|[1-9][0-9]{0,15})\n[A-Za-z0-9+/]{43}=\n"
    rb"(?:[^\n]{1,300}\n){0,8}\n(?:\xe2\x80\x94 [^\n]{1,300}\n){1,4}",
    re.MULTILINE,
)
LAST_EPOCH, LARGEST = 10**9 - 2, 2**53
"""After a later epoch none could begin, and no tree can be larger: such a note is believed by nobody, whoever signed it."""
_LONGEST_NOTE = 4096

log = structlog.get_logger("carecircle.witness")


@dataclass(frozen=True, slots=True, order=True)
class Known:
    """A checkpoint that was published; later ones are greater."""

    epoch: int
    size: int
    root: bytes

    @classmethod
    def of(cls, head: Head) -> Known:
        return cls(head.epoch, head.size, head.root)


class WitnessFile:
    """A file of notes that is only ever written at its end."""

    def __init__(self, path: Path, believed: Callable[[Checkpoint], bool]) -> None:
        """`believed`: whether a key known here signed a checkpoint; others in the file are passed over."""
        self.path = path
        self._believed = believed
        self._read_until = 0
        self._inode = 0

    def append(self, notes: Iterable[str]) -> None:
        """Add notes, and return when the disk has them. Raises OSError."""
        content = "".join(note + "\n" for note in notes).encode()
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            size = os.fstat(descriptor).st_size
            try:
                # A note that was cut off by a kill is ended: the next must begin a line.
                written = memoryview(content if self._ends_well(size) else b"\n\n" + content)
                while written:
                    written = written[os.write(descriptor, written) :]
                os.fsync(descriptor)
            except OSError:
                with suppress(OSError):  # half a note, on a full disk; of a file that may only grow it stays
                    os.ftruncate(descriptor, size)
                raise
        finally:
            os.close(descriptor)

    def _ends_well(self, size: int) -> bool:
        with self.path.open("rb") as file:
            file.seek(max(0, size - 2))
            return file.read() in (b"", b"\n\n")

    def seen(self) -> list[tuple[UUID, Known]]:
        """The newest checkpoint of each organization that was written here since this was last asked; at first of all.

        Raises OSError.
        """
        if not self.path.exists():
            return []
        with self.path.open("rb") as file:
            state = os.fstat(file.fileno())
            if (state.st_ino, state.st_size >= self._read_until) != (self._inode, True):
                self._inode, self._read_until = state.st_ino, 0
            if state.st_size == self._read_until:
                return []
            start = max(0, self._read_until - _LONGEST_NOTE)
            with mmap.mmap(file.fileno(), state.st_size, access=mmap.ACCESS_READ) as content:
                self._read_until = state.st_size
                return list(self._newest(content, start))

    def _newest(self, content: mmap.mmap, start: int) -> Iterator[tuple[UUID, Known]]:
        """Signatures are looked at from the newest on, until one is good: a file may hold millions."""
        notes: dict[bytes, list[tuple[int, int, int, int]]] = {}
        for found in NOTE.finditer(content, start):
            notes.setdefault(found[1], []).append((int(found[2]), int(found[3]), *found.span()))
        for some in notes.values():
            passed = 0
            for _, _, begins, ends in sorted(some, reverse=True):
                if (known := self._read(content[begins:ends])) is not None:
                    yield known
                    break
                passed += 1
            if passed:
                log.warning("the witness file holds checkpoints that no key known here signed", checkpoints=passed)

    def _read(self, note: bytes) -> tuple[UUID, Known] | None:
        try:
            one = Checkpoint.parse(note.decode())
            organization, epoch = UUID(one.log[0]), one.log[1]
        except ValueError:
            return None
        usable = epoch <= LAST_EPOCH and one.size <= LARGEST and str(organization) == one.log[0]
        return (organization, Known(epoch, one.size, one.root)) if usable and self._believed(one) else None


class Witnesses:
    """The witnesses of an installation, and the newest checkpoint that each organization has published."""

    def __init__(self, home: Path, file: WitnessFile | None, hook: WitnessHook | None) -> None:
        self.known: dict[UUID, Known] = {}
        self._home = home
        self._file = file
        self._hook = hook
        self._in_file: dict[UUID, Known] = {}
        self._posted: dict[UUID, Known] = {}
        self._kept = b""
        self._restore()

    @classmethod
    def of(cls, settings: Settings) -> Witnesses:
        """As configured. Raises InvalidSetting, and KeyUnavailable where the key that signs cannot be read."""
        where = settings.witness_file
        file = None
        if where != "off":
            key = CurrentKey(settings.home)
            path = Path(where) if where else settings.home / FILE
            file = WitnessFile(path, lambda one: key.get().signed(one))
        return cls(settings.home, file, WitnessHook.of(settings))

    def refresh(self) -> None:
        """Learn what others, or this before it was killed, wrote to the file. Raises InvalidSetting when it cannot be read."""
        if self._file is None:
            return
        try:
            seen = self._file.seen()
        except OSError as error:
            raise InvalidSetting(
                f"CARECIRCLE_WITNESS_FILE: {self._file.path} cannot be read ({error.strerror}); checkpoints are kept there."
            ) from None
        for organization, known in seen:
            self._note(self._in_file, organization, known)

    def unpublished(self, heads: Iterable[Head]) -> int:
        """How many of these a witness has not taken yet."""
        return sum(any(_lacks(taken, head) for taken in self._taken()) for head in heads)

    async def publish(self, heads: Sequence[Head]) -> None:
        """Give every witness those of these checkpoints that it has not taken. What fails is left for the next time."""
        if self._file is not None and (due := [head for head in heads if _lacks(self._in_file, head)]):
            try:
                await asyncio.to_thread(self._file.append, [head.note for head in due])
            except OSError as error:
                log.warning("the witness file cannot be written", error=error.strerror)
            else:
                for head in due:
                    self._note(self._in_file, head.organization, Known.of(head))
        if self._hook is not None and (due := [head for head in heads if _lacks(self._posted, head)]):
            outcome = await self._hook.post([head.note for head in due])
            if outcome == "sent":
                for head in due:
                    self._note(self._posted, head.organization, Known.of(head))
            else:
                log.warning("the witness did not take checkpoints", outcome=outcome, checkpoints=len(due))
        await self._keep()

    def _taken(self) -> list[dict[UUID, Known]]:
        configured = ((self._file, self._in_file), (self._hook, self._posted))
        return [taken for witness, taken in configured if witness is not None]

    def _note(self, taken: dict[UUID, Known], organization: UUID, known: Known) -> None:
        for one in (taken, self.known):
            one[organization] = max(known, one.get(organization, known))

    def _restore(self) -> None:
        """What was published, of which the file may have been moved away and the receiver tells nothing."""
        try:
            kept = json.loads((self._home / PUBLISHED).read_bytes())
            for into, name in ((self.known, "known"), (self._posted, "posted")):
                for organization, (epoch, size, root) in kept[name].items():
                    if 0 < int(epoch) <= LAST_EPOCH and 0 <= int(size) <= LARGEST:
                        self._note(into, UUID(organization), Known(int(epoch), int(size), base64.b64decode(root)))
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError):
            log.warning("what was published cannot be read; it is published again", file=PUBLISHED)

    async def _keep(self) -> None:
        told = {
            name: {
                str(organization): (known.epoch, known.size, base64.b64encode(known.root).decode())
                for organization, known in sorted(taken.items())
            }
            for name, taken in (("known", self.known), ("posted", self._posted))
        }
        content = json.dumps(told).encode()
        if content == self._kept or not self._taken():
            return
        try:
            await asyncio.to_thread(self._write, content)
        except CareCircleError as error:
            log.warning("what was published cannot be kept", code=error.code)
        else:
            self._kept = content

    def _write(self, content: bytes) -> None:
        with files_of(self._home):
            write_privately(self._home / PUBLISHED, content, instead=True)


def _lacks(taken: dict[UUID, Known], head: Head) -> bool:
    known = taken.get(head.organization)
    return known is None or (known.epoch, known.size) < (head.epoch, head.size)
