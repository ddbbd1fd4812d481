"""Who acts: the actor and the organization of a call, given once and read by whoever needs them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from uuid import UUID

from carecircle.errors import ActorRequired, OrganizationRequired
from carecircle.identifiers import OrganizationId, parse_id, to_text


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks or changes something, as the audit names them: `provider:…`, `service:…`, `operator:…`.

    `on_behalf_of` is whom a service acts for, `address` the network address a request came from; None where nobody said.
    """

    name: str
    on_behalf_of: str | None = None
    address: str | None = None

    @classmethod
    def provider(cls, provider_id: UUID) -> Actor:
        return cls(f"provider:{to_text(provider_id)}")

    @classmethod
    def service(cls, name: str) -> Actor:
        return cls(f"service:{name}")


_acting: ContextVar[tuple[OrganizationId | None, Actor | None]] = ContextVar("carecircle_acting", default=(None, None))


@contextmanager
def acting_as(*, organization: UUID | str | None = None, actor: Actor | str | None = None) -> Iterator[None]:
    """Give organization and actor to every call inside the block, in this task and those it starts."""
    outer_organization, outer_actor = _acting.get()
    chosen = outer_organization if organization is None else OrganizationId(parse_id(organization))
    who = outer_actor if actor is None else actor if isinstance(actor, Actor) else Actor(actor)
    token = _acting.set((chosen, who))
    try:
        yield
    finally:
        _acting.reset(token)


def organization_of(given: UUID | str | None = None) -> OrganizationId:
    """The organization of this call. Raises OrganizationRequired when neither the call nor the block names one."""
    if given is not None:
        return OrganizationId(parse_id(given))
    organization, _ = _acting.get()
    if organization is None:
        raise OrganizationRequired
    return organization


def actor_of(given: Actor | str | None = None) -> Actor:
    """The actor of this call. Raises ActorRequired when neither the call nor the block names one."""
    if given is not None:
        return given if isinstance(given, Actor) else Actor(given)
    _, actor = _acting.get()
    if actor is None:
        raise ActorRequired
    return actor
