"""The organization's own specialty codes: importing its taxonomy file, and knowing a code."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from uuid import UUID

from sqlalchemy import ARRAY, Text, any_, bindparam, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.actor import Actor, actor_of, organization_of
from carecircle.audit.entry import Entry, append
from carecircle.database.constraints import translated
from carecircle.database.keyset import Key, beyond
from carecircle.database.session import enter_tenant, one_change, take_turns
from carecircle.directory.tables import Specialty
from carecircle.errors import InvalidInput
from carecircle.identifiers import OrganizationId

NUCC = "http://nucc.org/provider-taxonomy"
# Who imports an organization's taxonomy queues here; its own id would cancel out into one queue of all organizations.
_TURN = UUID(int=0x5350454349414C)
_BATCH = 1000
_LONGEST_CODE = 64
_NO_CODE = f"a code has 1 to {_LONGEST_CODE} characters and no spaces"


@dataclass(frozen=True, slots=True)
class SpecialtiesImported:
    """How many codes of a file were new, were known by another name, and were known as they are."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0


async def import_specialties(
    db: AsyncSession,
    path: Path | str,
    *,
    system: str = NUCC,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> SpecialtiesImported:
    """Read the organization's own copy of a taxonomy: the NUCC's CSV as published, or any with columns code and display.

    All of the file or nothing of it. The same file again changes nothing; codes that a later file leaves out stay.
    Raises InvalidInput, naming file and line.
    """
    async with one_change(db):
        return await _take_in(db, read_specialties(Path(path)), system, organization, actor)


async def load_specialties(
    db: AsyncSession,
    codes: Mapping[str, str],
    *,
    system: str = NUCC,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> SpecialtiesImported:
    """Take in codes of the organization's taxonomy with the names people read: all of them or none; others stay.

    Raises InvalidInput for what is no code, or has no name.
    """
    async with one_change(db):
        return await _take_in(db, iter(_checked(codes)), system, organization, actor)


async def specialties(
    db: AsyncSession,
    *,
    system: str = NUCC,
    limit: int = 100,
    after: Sequence[Key] | None = None,
    organization: UUID | str | None = None,
) -> list[tuple[str, str]]:
    """The first `limit` codes of a system by code, beyond the key `after`, each with its name. Raises InvalidCursor."""
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        query = select(Specialty).where(Specialty.organization_id == tenant, Specialty.system == system)
        found = await db.scalars(beyond(query, Specialty.code, after=after, limit=limit))
        return [(row.code, row.display) for row in found]


async def _take_in(
    db: AsyncSession,
    lines: Iterator[tuple[str, str]],
    system: str,
    organization: UUID | str | None,
    actor: Actor | str | None,
) -> SpecialtiesImported:
    who = actor_of(actor)
    added = changed = unchanged = 0
    tenant = await enter_tenant(db, organization_of(organization))
    await take_turns(db, tenant, _TURN)
    while batch := dict(islice(lines, _BATCH)):
        known = await _known(db, tenant, system, list(batch))
        fresh = {code: display for code, display in batch.items() if known.get(code) != display}
        renamed = sum(code in known for code in fresh)
        added, changed = added + len(fresh) - renamed, changed + renamed
        unchanged += len(batch) - len(fresh)
        if fresh:
            await _write(db, tenant, system, fresh)
    if added or changed:
        told = {"added": added, "changed": changed}
        await append(db, Entry(tenant, "import", who, "specialties-imported", detail=told))
    return SpecialtiesImported(added, changed, unchanged)


async def specialty_known(db: AsyncSession, tenant: OrganizationId, code: str) -> bool | None:
    """Whether the organization's taxonomy has this code; None when it has loaded none."""
    found = await db.scalar(
        select(Specialty.code).where(Specialty.organization_id == tenant, Specialty.code == code).limit(1)
    )
    if found is not None:
        return True
    loaded = await db.scalar(select(Specialty.code).where(Specialty.organization_id == tenant).limit(1))
    return None if loaded is None else False


def read_specialties(path: Path) -> Iterator[tuple[str, str]]:
    """The codes of a file and how people read them. Raises InvalidInput, naming file and line."""
    try:
        with path.open(encoding=_encoding(path), newline="") as file:
            rows = csv.reader(file, strict=True)
            try:
                yield from _read(rows)
            except (csv.Error, _BadLine) as error:
                raise InvalidInput(f"{path.name}, line {rows.line_num}: {error}.") from None
    except OSError as error:
        raise InvalidInput(f"{path.name} cannot be read: {error.strerror}.") from None


def _encoding(path: Path) -> str:
    """Taxonomy files come in UTF-8, with or without a mark, and as Windows writes them."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            while file.read(1 << 16):
                pass
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8-sig"


class _BadLine(Exception):
    """What is wrong with the line that was read last."""


def _read(rows: Iterator[list[str]]) -> Iterator[tuple[str, str]]:
    header = [column.strip().lower() for column in next(rows, [])]
    code_at = _column(header, "code")
    display_at = _column(header, "display name", "display")
    parts_at = _column(header, "classification"), _column(header, "specialization")
    if code_at is None or (display_at is None and parts_at[0] is None):
        raise _BadLine("a taxonomy has a header with the columns Code and Display Name, or code and display")
    seen: set[str] = set()
    for row in rows:
        if not any(cell.strip() for cell in row):
            continue
        code = _cell(row, code_at)
        # The NUCC's older files have no names ready: a name there is the classification and what it is narrowed to.
        display = _cell(row, display_at) or ", ".join(part for at in parts_at if (part := _cell(row, at)))
        if not _is_code(code):
            raise _BadLine(_NO_CODE)
        if not display:
            raise _BadLine(f"the code {code} has no name")
        if code in seen:
            raise _BadLine(f"the code {code} stands here a second time")
        seen.add(code)
        yield code, display


def _checked(codes: Mapping[str, str]) -> list[tuple[str, str]]:
    for code, display in codes.items():
        if not _is_code(code):
            raise InvalidInput(f"One of these is no code: {_NO_CODE}.")
        if not display.strip() or not display.isprintable():
            raise InvalidInput(f"The code {code} has no name that can be printed.")
    return [(code, display.strip()) for code, display in codes.items()]


def _is_code(code: str) -> bool:
    return 0 < len(code) <= _LONGEST_CODE and code.isprintable() and " " not in code


def _column(header: list[str], *names: str) -> int | None:
    return next((header.index(name) for name in names if name in header), None)


def _cell(row: list[str], at: int | None) -> str:
    return row[at].strip() if at is not None and at < len(row) else ""


async def _known(db: AsyncSession, tenant: OrganizationId, system: str, codes: list[str]) -> dict[str, str]:
    wanted = any_(bindparam("wanted", codes, ARRAY(Text)))
    query = select(Specialty.code, Specialty.display).where(
        Specialty.organization_id == tenant, Specialty.system == system, Specialty.code == wanted
    )
    return {row.code: row.display for row in await db.execute(query)}


async def _write(db: AsyncSession, tenant: OrganizationId, system: str, fresh: dict[str, str]) -> None:
    adding = insert(Specialty)
    await db.execute(
        adding.on_conflict_do_update(
            index_elements=["organization_id", "system", "code"], set_={"display": adding.excluded.display}
        ),
        [
            {"organization_id": tenant, "system": system, "code": code, "display": display}
            for code, display in fresh.items()
        ],
    )
