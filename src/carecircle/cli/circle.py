"""Runs a command's work: settings, database, organization and actor once, for whatever the command does with them."""

from __future__ import annotations

import asyncio
import getpass
import os
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

from carecircle.actor import Actor, acting_as
from carecircle.cli.output import say
from carecircle.errors import CareCircleError, DatabaseNotMigrated, InvalidSetting, OrganizationRequired
from carecircle.period import show

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from carecircle.bootstrap import CareCircle
    from carecircle.database.reach import Reach
    from carecircle.settings import Settings

T = TypeVar("T")
LONGEST_ACTOR = 200


@dataclass(frozen=True)
class Desk:
    """What a command works with: the circle, one organization, and who sits here."""

    circle: CareCircle
    organization: UUID
    slug: str
    actor: Actor

    async def read(self, work: Callable[[AsyncSession], Awaitable[T]]) -> T:
        """One transaction of this organization."""
        from carecircle.database.session import transaction

        async with transaction(self.circle.engine, self.organization) as session:
            return await work(session)

    async def change(self, work: Callable[[AsyncSession], Awaitable[T]]) -> T:
        """The same for a change: when it is refused, that is recorded too, in a transaction of its own."""
        from carecircle.audit.refusal import is_refusal, record_refusal

        try:
            return await self.read(work)
        except CareCircleError as error:
            if is_refusal(error):
                known = {key: error.facts.get(key) for key in ("patient_id", "provider_id")}
                await record_refusal(self.circle.engine, self.organization, self.actor, error, **known)
            raise

    async def names(self, providers: Iterable[UUID]) -> dict[UUID, str]:
        """The names of those providers who have one."""
        from carecircle.directory.service import names_of

        wanted = set(providers)
        return await self.read(lambda session: names_of(session, self.organization, wanted))


def read_settings() -> Settings:
    """What the environment says. Loaded on use: pydantic takes longer to come than most commands take. Raises InvalidSetting."""
    from carecircle.settings import Settings

    return Settings.read()


def at_desk(slug: str | None, work: Callable[[Desk], Awaitable[T]]) -> T:
    """Connect, find the organization, and do the work as this operator.

    Raises OrganizationRequired and OrganizationNotFound, DatabaseUnavailable and its kinds, and what the work raises.
    """
    from carecircle.bootstrap import assemble
    from carecircle.database.session import transaction
    from carecircle.directory import find_organization

    settings = read_settings()
    wanted = slug or settings.organization
    if not wanted:
        raise OrganizationRequired("Say which organization: --organization SLUG, or set CARECIRCLE_ORGANIZATION.")
    actor = operator()

    async def whole(at: Reach) -> T:
        async with assemble(settings, at) as circle:
            async with transaction(circle.engine) as session:
                organization = await find_organization(session, wanted)
            with acting_as(organization=organization, actor=actor):
                done = await work(Desk(circle, organization, wanted, actor))
            if at.replica is not None:
                await _tell_age(circle)
            return done

    with database(settings) as at:
        return asyncio.run(whole(at))


async def _tell_age(circle: CareCircle) -> None:
    """Say as of when the replica was read, where a command read it."""
    from carecircle.database.replica import read_as_of, was_read

    if not was_read(circle.auditor):
        return
    as_of = await read_as_of(circle.auditor)
    if as_of is not None:
        say(f"The trail was read on a replica, as of {show(as_of)}.")


@contextmanager
def database(settings: Settings, *, make: bool = False) -> Iterator[Reach]:
    """The database of these settings. Only with `make` is an embedded one made that is not there yet.

    Raises DatabaseNotMigrated where it is not, and DatabaseUnavailable when it cannot be started.
    """
    from carecircle.database.reach import reach

    if not make and settings.database_url is None and not any(settings.home.glob("postgres-*/password")):
        raise DatabaseNotMigrated(
            "There is no database yet; make one with: carecircle db upgrade (or look around with: carecircle demo)."
        )
    with reach(settings) as at:
        yield at


def operator() -> Actor:
    """Who sits at this terminal, as the audit names them. Raises InvalidSetting for an unusable CARECIRCLE_ACTOR."""
    given = os.environ.get("CARECIRCLE_ACTOR")
    if given:
        if len(given) > LONGEST_ACTOR or not given.isprintable():
            raise InvalidSetting(f"CARECIRCLE_ACTOR: write at most {LONGEST_ACTOR} printable characters.")
        return Actor(given)
    try:
        return Actor(f"operator:{getpass.getuser()}")
    except (KeyError, OSError):
        return Actor(f"operator:uid-{os.getuid()}")
