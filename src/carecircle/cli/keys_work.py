"""What the commands about keys do: in which organizations, waiting until a new key writes, and sealing anew under it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from carecircle.actor import Actor
from carecircle.cli.circle import database, operator, read_settings
from carecircle.cli.output import console, say
from carecircle.errors import Conflict, KeyDestroyed, KeyUnavailable

if TYPE_CHECKING:
    from carecircle.bootstrap import CareCircle
    from carecircle.database.reach import Reach
    from carecircle.directory.keys_service import KeyState

T = TypeVar("T")


@dataclass(frozen=True)
class House:
    """An organization whose keys a command looks at."""

    organization: UUID
    slug: str


@dataclass(frozen=True)
class Safe:
    """What a command about keys works with: the circle, its database, the organizations, and who sits here."""

    circle: CareCircle
    at: Reach
    houses: Sequence[House]
    actor: Actor

    async def in_each(self, work: Callable[[House, Any], Awaitable[T]]) -> list[tuple[House, T]]:
        """The same in every organization, in a transaction each."""
        from carecircle.database.session import transaction

        done = []
        for house in self.houses:
            async with transaction(self.circle.engine, house.organization) as db:
                done.append((house, await work(house, db)))
        return done


def at_safe(slug: str | None, work: Callable[[Safe], Awaitable[T]], *, every: bool = False) -> T:
    """Connect and do the work, with the organization of that slug or, without one, with `every` one."""
    from carecircle.bootstrap import assemble
    from carecircle.database.data_keys import organizations
    from carecircle.database.roles import open_connection
    from carecircle.database.session import transaction
    from carecircle.directory import find_organization
    from carecircle.directory.keys_service import slug_of

    settings, actor = read_settings(), operator()
    wanted = None if every else slug or settings.organization

    async def whole(at: Reach) -> T:
        async with assemble(settings, at) as circle:
            if wanted:
                async with transaction(circle.engine) as db:
                    houses = [House(await find_organization(db, wanted), wanted)]
            else:
                connection = await open_connection(at.dsn("sealer"))
                try:
                    every = await organizations(connection)
                finally:
                    await connection.close()
                houses = []
                for one in every:
                    async with transaction(circle.engine, one) as db:
                        houses.append(House(one, await slug_of(db, one)))
            return await work(Safe(circle, at, houses, actor))

    with database(settings) as at:
        return asyncio.run(whole(at))


async def keys_in(safe: Safe) -> list[tuple[House, list[KeyState]]]:
    from carecircle.directory.keys_service import keys_of

    return await safe.in_each(lambda house, db: keys_of(db, organization=house.organization))


async def status_in(safe: Safe) -> tuple[list[dict[str, Any]], list[dict[str, Any]], str, list[str]]:
    """Fields under each key, keys under each root key, the newest root key, and organizations that have no key of their own."""
    from carecircle.directory.keys_service import fields_under_keys

    ring = safe.circle.keyring
    rows: list[dict[str, Any]] = []
    wrapped = dict.fromkeys((root.hex() for root in ring.roots), 0)
    states: dict[str, dict[bytes, str]] = {}
    for house, keys in await keys_in(safe):
        states[house.slug] = {key.key_id: key.state for key in keys}
        for key in keys:
            if key.state != "destroyed":
                wrapped[key.root_key_id.hex()] = wrapped.get(key.root_key_id.hex(), 0) + 1
    for house, found in await safe.in_each(lambda house, db: fields_under_keys(db, organization=house.organization)):
        for one in found:
            state = states[house.slug].get(one.key_id, "root" if one.key_id in ring.roots else "unknown")
            rows.append(
                {"organization": house.slug, "key": one.key_id.hex(), "state": state,
                 "field": f"{one.table}.{one.column}", "fields": one.fields}
            )  # fmt: skip
    return (
        rows,
        [{"root": root, "keys": keys} for root, keys in wrapped.items()],
        ring.newest_root.hex(),
        [slug for slug, known in states.items() if not known],
    )


async def new_keys(safe: Safe, margin: float) -> datetime | None:
    """A new key for each organization that still has any; from when the last of them writes."""
    from carecircle.database.session import transaction
    from carecircle.directory import keys_service

    until = None
    for house in safe.houses:
        try:
            async with transaction(safe.circle.engine, house.organization) as db:
                made = await keys_service.rotate(db, margin=margin, organization=house.organization, actor=safe.actor)
        except (KeyDestroyed, Conflict) as error:
            if len(safe.houses) == 1:
                raise
            say(f"{house.slug}: {error.message}")
            continue
        until = made.writes_from if until is None else max(until, made.writes_from)
    return until


async def wait(safe: Safe, until: datetime) -> None:
    """Until the database's clock passes this, and a moment more."""
    from carecircle.database.session import instant, transaction

    async with transaction(safe.circle.engine) as db:
        left = (until - await instant(db)).total_seconds() + 1
    say(
        f"The new key is read everywhere before it writes, in {max(0, round(left))} s. If this is stopped: carecircle keys reseal"
    )
    with bar("waiting", left) as tell:
        waited = 0.0
        while waited < left:
            await asyncio.sleep(min(0.25, left - waited))
            waited += 0.25
            tell(waited)


async def seal_all(safe: Safe) -> list[dict[str, Any]]:
    from carecircle.database.session import open_engine
    from carecircle.directory import keys_service

    keeper = open_engine(safe.at, role="keeper", connections=1)
    rows = []
    try:
        for house in safe.houses:
            with bar(f"sealing {house.slug}", None) as tell:

                def told(fields: Mapping[str, int], tell: Callable[[float], None] = tell) -> None:
                    tell(sum(fields.values()))

                try:
                    done = await keys_service.seal_anew(
                        safe.circle.engine, keeper, organization=house.organization, actor=safe.actor, progress=told
                    )
                except KeyUnavailable as error:
                    if len(safe.houses) == 1:
                        raise
                    say(f"{house.slug}: {error.message}")
                    continue
            rows.append(
                {"organization": house.slug, "key": done.key_id.hex(), "fields": sum(done.fields.values()),
                 "unreadable": done.unreadable, "left": done.left}
            )  # fmt: skip
    finally:
        await keeper.dispose()
    return rows


@contextmanager
def bar(what: str, total: float | None) -> Iterator[Callable[[float], None]]:
    """A bar on stderr; silent where nobody watches."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:,.0f}"), TimeElapsedColumn())
    with Progress(*columns, console=console(err=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(what, total=total)
        yield lambda completed: bar.update(task, completed=completed)
