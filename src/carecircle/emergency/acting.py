"""In whose name somebody acts: a person decides, ends and reviews as themselves; an operator or a service on behalf."""

from __future__ import annotations

from uuid import UUID

from carecircle.actor import Actor
from carecircle.errors import InvalidIdentifier
from carecircle.errors.emergency import NotThemselves
from carecircle.identifiers import parse_id


def require_self(actor: Actor, provider_id: UUID) -> None:
    """Raises NotThemselves when the actor is a provider (`provider:ID`) other than this one, or one that cannot be read."""
    kind, _, own = actor.name.partition(":")
    if kind.strip().casefold() != "provider":
        return
    try:
        themselves = parse_id(own) == provider_id
    except InvalidIdentifier:
        themselves = False
    if not themselves:
        raise NotThemselves
