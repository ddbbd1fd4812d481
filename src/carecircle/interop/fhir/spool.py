"""The records of one import between reading and taking: on disk, unlinked, encrypted with a key that only this run has.

Memory stays flat however much is imported. Of several copies of a record the newest is kept, of equally new ones the last.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any

import orjson
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from carecircle.interop.fhir.codes import PHASES
from carecircle.interop.fhir.names import id_of

_TABLES = """
    create table kept (
      record text not null primary key, phase integer not null, position integer not null, version text not null,
      version_at text not null, digest blob not null, body blob not null, times integer not null,
      verdict integer not null default 0
    );
    create index kept_in_order on kept (phase, position);
    create table alias (url text primary key, record text not null) without rowid;
    create table link (replaced text not null, survivor text not null, said_by text not null,
      primary key (replaced, survivor, said_by)) without rowid;
    create index link_said_by on link (said_by);
"""


class Verdict(IntEnum):
    """What to do with a record: compared with what was taken from it before."""

    NEW = 0
    CHANGED = 1
    RETRY = 2
    UNCHANGED = 3
    OLDER = 4


@dataclass(frozen=True, slots=True)
class Version:
    """Which state of a record this is, as far as it says: meta.versionId, and meta.lastUpdated in UTC."""

    id: str = ""
    at: datetime | None = None

    def is_older_than(self, other: Version) -> bool:
        """By date where both have one and they differ; else by number where both are numbers; else what comes later is newer."""
        if self.at is not None and other.at is not None and self.at != other.at:
            return self.at < other.at
        if _is_number(self.id) and _is_number(other.id):
            return int(self.id) < int(other.id)
        return False


@dataclass(frozen=True, slots=True)
class Kept:
    """One record: `record` is "Encounter/abc", `key` that name as facts and findings bear it (service.py).

    `body` is what is needed of the resource, `times` how often it was met.
    """

    record: str
    key: str
    version: Version
    digest: bytes
    body: dict[str, Any]
    times: int
    verdict: Verdict

    @property
    def local_id(self) -> str:
        return id_of(self.record)


class Spool:
    """A private temporary database; gone when closed.

    `base` is the URL of the server whose records go by kind and id alone; those of other servers go by their whole URL.
    """

    def __init__(self, key_of: Callable[[str], str], base: str = "") -> None:
        self._key_of = key_of
        self.base = base
        # An empty name is SQLite's own temporary file: made unreadable to others and unlinked at once.
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._db.executescript(
            "pragma journal_mode = off; pragma synchronous = off; pragma cache_size = -16000;" + _TABLES
        )
        self._db.execute("begin")
        self._key = AESGCM(os.urandom(32))
        self._position = 0

    def close(self) -> None:
        self._db.close()

    def keep(self, record: str, phase: int, version: Version, digest: bytes, body: dict[str, Any]) -> bool:
        """Keep a record, unless a newer copy of it is kept already; whether it was kept."""
        self._position += 1
        written = version.at.isoformat() if version.at else ""
        row = (version.id, written, digest, self._sealed(body), record)
        try:
            self._db.execute(
                "insert into kept (version, version_at, digest, body, record, phase, position, times)"
                " values (?, ?, ?, ?, ?, ?, ?, 1)",
                (*row, phase, self._position),
            )
        except sqlite3.IntegrityError:
            held = self._db.execute("select version, version_at from kept where record = ?", (record,)).fetchone()
            if version.is_older_than(_version(*held)):
                self._db.execute("update kept set times = times + 1 where record = ?", (record,))
                return False
            self._db.execute(
                "update kept set times = times + 1, version = ?, version_at = ?, digest = ?, body = ? where record = ?",
                row,
            )
        return True

    def name(self, url: str, record: str) -> None:
        """Remember that `url` stands for `record` in this import; a urn that stands for two stands for none."""
        self._db.execute(
            "insert into alias values (?, ?) on conflict (url) do update set record ="
            " case when record <> excluded.record and url like 'urn:%' then '' else excluded.record end",
            (url, record),
        )

    def holds(self, record: str) -> bool:
        """Whether a record is in this import."""
        return self._db.execute("select 1 from kept where record = ?", (record,)).fetchone() is not None

    def alias(self, url: str) -> str | None:
        """Which record a URL stands for; empty where it stands for more than one, None where nobody said."""
        row = self._db.execute("select record from alias where url = ?", (url,)).fetchone()
        return row[0] if row else None

    def link(self, said_by: str, pairs: Iterable[tuple[str, str]]) -> None:
        """Remember the pairs (replaced, survivor) that a record states, instead of those another copy stated."""
        self._db.execute("delete from link where said_by = ?", (said_by,))
        self._db.executemany(
            "insert or ignore into link values (?, ?, ?)",
            [(replaced, survivor, said_by) for replaced, survivor in pairs],
        )

    def links(self, said_by: str) -> list[tuple[str, str]]:
        """The pairs (replaced, survivor) that a record stated."""
        return self._db.execute(
            "select replaced, survivor from link where said_by = ? order by 1, 2", (said_by,)
        ).fetchall()

    def is_linked(self, record: str) -> bool:
        """Whether a link says of this record that it replaces another or is replaced."""
        row = self._db.execute(
            "select 1 from link where replaced = ? union all select 1 from link where said_by = ? limit 1",
            (record, record),
        )
        return row.fetchone() is not None

    def all_replaced(self) -> list[str]:
        """Every record that some link says is replaced."""
        return [row[0] for row in self._db.execute("select distinct replaced from link order by 1")]

    def survivors(self, record: str) -> list[str]:
        """The records that directly replace this one."""
        rows = self._db.execute("select distinct survivor from link where replaced = ? order by 1", (record,))
        return [row[0] for row in rows]

    def batches(self, phase: int, size: int, verdicts: Iterable[Verdict] = tuple(Verdict)) -> Iterator[list[Kept]]:
        """The records of one phase in the order in which they were met."""
        allowed = ", ".join(str(int(verdict)) for verdict in verdicts)
        last = 0
        while True:
            rows = self._db.execute(
                "select record, version, version_at, digest, body, times, verdict, position from kept"
                f" where phase = ? and position > ? and verdict in ({allowed}) order by position limit ?",
                (phase, last, size),
            ).fetchall()
            if not rows:
                return
            last = rows[-1][7]
            yield [
                Kept(
                    row[0],
                    self._key_of(row[0]),
                    _version(row[1], row[2]),
                    row[3],
                    self._opened(row[4]),
                    row[5],
                    Verdict(row[6]),
                )
                for row in rows
            ]

    def judge(self, verdicts: Sequence[tuple[str, Verdict]]) -> None:
        self._db.executemany(
            "update kept set verdict = ? where record = ?", [(int(verdict), record) for record, verdict in verdicts]
        )

    def take_again(self, records: Sequence[str]) -> int:
        """Take these records though they are what they were; how often those were met that this changes."""
        times = 0
        for record in records:
            met = self._db.execute(
                "update kept set verdict = ? where record = ? and verdict = ? returning times",
                (int(Verdict.CHANGED), record, int(Verdict.UNCHANGED)),
            ).fetchall()
            times += sum(row[0] for row in met)
        return times

    def count(self, verdicts: Iterable[Verdict]) -> int:
        """How many records have one of these verdicts."""
        allowed = ", ".join(str(int(verdict)) for verdict in verdicts)
        return int(self._db.execute(f"select count(*) from kept where verdict in ({allowed})").fetchone()[0])

    def _sealed(self, body: dict[str, Any]) -> bytes:
        nonce = os.urandom(12)
        return nonce + self._key.encrypt(nonce, orjson.dumps(body), None)

    def _opened(self, sealed: bytes) -> dict[str, Any]:
        body: dict[str, Any] = orjson.loads(self._key.decrypt(sealed[:12], sealed[12:], None))
        return body


def _version(version: str, written: str) -> Version:
    return Version(version, datetime.fromisoformat(written).astimezone(UTC) if written else None)


def _is_number(version: str) -> bool:
    return version.isdecimal() and len(version) <= 100


def phase_of(kind: str) -> int | None:
    """Where in the order of taking a kind of resource comes; None when it is not taken."""
    return _PHASE_OF.get(kind)


_PHASE_OF: dict[str, int] = {kind: position for position, kind in enumerate(PHASES)}
