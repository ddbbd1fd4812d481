"""What doctor says of proof and protection: TLS to the database, what is not encrypted, sealing, months made ahead, holds, keys."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from carecircle.cli.careful import command, counted
from carecircle.cli.circle import Desk
from carecircle.cli.doctor_line import Line, State

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from carecircle.database.reach import Reach
    from carecircle.settings import Settings

# A sealer that runs seals within a second or two; a long transaction may hold it up for a little.
LATE = timedelta(seconds=5)
TOO_LATE = timedelta(seconds=60)
FEWEST_MONTHS = 2
LONG_KEPT = timedelta(days=400)
"""How old a key may be that is rotated every year."""
NOT_ENCRYPTED = "Ids, codes and times of assignments and entries are not encrypted field by field"


async def connection_line(at: Reach) -> Line:
    """Whether what goes to the database is protected on its way."""
    from carecircle.database.roles import open_connection
    from carecircle.database.tls import UNVERIFIED, is_here, mode_of, version_of

    if is_here(at.admin):
        return Line("tls", "ok", "The database is on this machine; what goes to it stays here.")
    connection = await open_connection(at.dsn("app"))
    try:
        version = await version_of(connection)
    finally:
        await connection.close()
    mend = "Set sslmode=verify-full in CARECIRCLE_DATABASE_URL, and do not set CARECIRCLE_DATABASE_TLS."
    if version is None:
        return Line("tls", "fail", "What goes to the database can be read on its way: the connection has no TLS.", mend)
    mode = mode_of(at.admin)
    if mode is None or mode in UNVERIFIED:
        return Line("tls", "warn", f"{version}, but anybody could pose as the database: it is not verified.", mend)
    if mode == "verify-ca":
        return Line(
            "tls", "warn", f"{version}, but the certificate may be another host's: only its issuer is verified.", mend
        )
    return Line("tls", "ok", f"{version}, and the database has proved who it is.")


def volume_line(settings: Settings, data: Path | None) -> Line:
    """Whether the volume under the database is encrypted, where this system tells, or an operator has said so.

    `data` is the embedded database's directory, None for a database elsewhere.
    """
    known = None if data is None else on_dm_crypt(data)
    if known:
        return Line("volume", "ok", "The database's volume is encrypted (dm-crypt).")
    if settings.volume_encrypted:
        return Line("volume", "ok", "An operator has said that the database's volume is encrypted.")
    why = (
        "nobody here can tell whether the database's volume is"
        if known is None
        else "the volume is not either, as far as can be told"
    )
    finding = f"{NOT_ENCRYPTED}, and {why}."
    return Line("volume", "warn", finding, "Encrypt the volume, then say so: CARECIRCLE_VOLUME_ENCRYPTED=yes.")


def on_dm_crypt(path: Path, *, system: Path = Path("/")) -> bool | None:
    """Whether the file system that holds `path` lies on dm-crypt; None where the system does not tell.

    Looks at the devices below too: a logical volume on an encrypted disk is encrypted.
    """
    try:
        device = _device_of(path, (system / "proc/self/mountinfo").read_text("utf-8", "replace"))
        if device is None:
            return None
        block = (system / "sys/dev/block" / device).resolve(strict=True)
    except OSError:
        return None
    return _encrypted(block, depth=8)


def _device_of(path: Path, mounts: str) -> str | None:
    """The major:minor of the mount that holds `path`; None for one without a disk of its own."""
    longest, device = -1, None
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 6:
            continue
        point = Path(re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[4]))
        if (path == point or path.is_relative_to(point)) and len(point.parts) >= longest:
            longest, device = len(point.parts), fields[2]
    return None if device is None or device.startswith("0:") else device


def _encrypted(block: Path, *, depth: int) -> bool:
    try:
        if (block / "dm/uuid").read_text("utf-8", "replace").startswith("CRYPT"):
            return True
    except OSError:
        pass
    below = list((block / "slaves").glob("*")) if depth else []
    if not below and (block / "partition").exists() and depth:
        return _encrypted(block.parent, depth=depth - 1)
    return bool(below) and all(_encrypted(one.resolve(), depth=depth - 1) for one in below)


async def trail_lines(desk: Desk) -> list[Line]:
    """Sealing of this organization's entries, room for those to come, what holds them, and the keys of what is encrypted."""
    return [await _sealing(desk), await _months(desk), await _holds(desk), await _keys(desk)]


async def _holds(desk: Desk) -> Line:
    from carecircle.audit.holds_service import holds

    found = await desk.read(lambda db: holds(db))
    if not found:
        return Line("holds", "ok", "No legal hold is in force or ahead.")
    whole = sum(one.patient_id is None for one in found)
    about = f", {whole:,} of them on every entry" if whole else ""
    return Line(
        "holds",
        "ok",
        f"{counted(len(found), 'legal hold')}{about}, the oldest since {found[0].period.starts_at:%Y-%m-%d}.",
    )


async def _keys(desk: Desk) -> Line:
    """When the organization's field key was made last; a blind key is kept for good."""
    from carecircle.database.session import instant
    from carecircle.directory.keys_service import KeyState, keys_of

    async def look(db: AsyncSession) -> tuple[list[KeyState], datetime]:
        return [one for one in await keys_of(db) if one.purpose == "field"], await instant(db)

    found, now = await desk.read(look)
    mend = f"{command(None, 'keys', 'rotate')} --organization {desk.slug}"
    if any(one.state == "destroyed" for one in found):
        return Line("keys", "warn", "The keys of this organization were destroyed: what they protected is unreadable.")
    if not found:
        return Line(
            "keys", "warn", "This organization has no key of its own yet; a root key protects its fields.", mend
        )
    if ahead := [one for one in found if one.state == "ahead"]:
        wait = f"A new key begins to write at {ahead[-1].writes_from:%Y-%m-%d %H:%M:%S} UTC."
        return Line("keys", "ok", wait)
    age = now - max(one.recorded_at for one in found)
    told = f"The key of names and words was made {counted(age.days, 'day')} ago."
    return Line("keys", "ok", told) if age <= LONG_KEPT else Line("keys", "warn", told, mend)


async def _sealing(desk: Desk) -> Line:
    from carecircle.audit.health_service import sealing
    from carecircle.database.session import transaction

    async with transaction(desk.circle.auditor, desk.organization) as db:
        found = await sealing(db)
    mend = f"{command(None, 'worker')} (is one running that seals?)"
    if found.oldest > LATE:
        state: State = "warn" if found.oldest <= TOO_LATE else "fail"
        waiting = counted(found.waiting, "entry", "entries")
        return Line("sealing", state, f"{waiting} not sealed yet, the oldest for {_seconds(found.oldest)}.", mend)
    if found.checkpoint_age is None:
        return Line("sealing", "ok", "Nothing has waited long to be sealed; there is no checkpoint yet.")
    size = counted(found.tree_size or 0, "entry", "entries")
    return Line("sealing", "ok", f"{size} sealed, the newest checkpoint {_seconds(found.checkpoint_age)} ago.")


async def _months(desk: Desk) -> Line:
    from carecircle.audit.health_service import months_ahead
    from carecircle.database.session import transaction

    async with transaction(desk.circle.auditor, desk.organization) as db:
        ahead = await months_ahead(db)
    told = f"There is room for the entries of {counted(ahead, 'month')} ahead."
    if ahead >= FEWEST_MONTHS:
        return Line("months", "ok", told)
    return Line("months", "warn", told, command(None, "db", "upgrade"))


def witness_line(settings: Settings) -> Line:
    """Whether checkpoints are also written outside the database: without it a cut tail goes unseen."""
    if settings.witness_url:
        return Line("witness", "ok", "Checkpoints are also posted to a witness elsewhere.")
    if settings.witness_file != "off":
        where = (
            "the file that CARECIRCLE_WITNESS_FILE names" if settings.witness_file else "witness.log in CARECIRCLE_HOME"
        )
        return Line(
            "witness",
            "ok",
            f"Checkpoints are also appended to {where}; who may change both could still cut off the tail.",
        )
    finding = (
        "Checkpoints are kept in the database only: whoever administers it could cut off the newest entries unseen."
    )
    return Line("witness", "warn", finding, "Set CARECIRCLE_WITNESS_URL, or do not set CARECIRCLE_WITNESS_FILE=off.")


def _seconds(length: timedelta) -> str:
    seconds = round(length.total_seconds())
    if seconds < 120:
        return counted(seconds, "second")
    return counted(seconds // 60, "minute") if seconds < 7200 else counted(seconds // 3600, "hour")
