"""What something rests on, and which of those credentials a provider lacks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class HeldCredential:
    """A credential of one provider, from `starts_at`, included, until `ends_at`, excluded; both aware datetimes."""

    kind: str
    code: str
    starts_at: datetime
    ends_at: datetime

    def answers(self, name: str, at: datetime) -> bool:
        """Whether this is the credential that `name`, a kind or a code, asks for, and holds at that instant."""
        return name in (self.kind, self.code) and self.starts_at <= at < self.ends_at


def resting_on(asked: Sequence[str], wanted: Sequence[str] | None) -> list[str]:
    """What something rests on: all that a policy asks, and then what somebody wants beyond that; each name once.

    Whoever wants nothing, or only something else, is spared nothing that the policy asks.
    """
    return list(dict.fromkeys((*asked, *(wanted or ()))))


def lacking(needs: Sequence[str], held: Sequence[HeldCredential], at: datetime) -> list[str]:
    """The names among `needs`, each a kind or a code, for which no credential holds at that instant; each once, in order."""
    return [name for name in dict.fromkeys(needs) if not any(one.answers(name, at) for one in held)]


def licence_lapsed(held: Sequence[HeldCredential], at: datetime) -> bool:
    """Whether a provider has licences on record and none of them holds at that instant."""
    licences = [one for one in held if one.kind == "licence"]
    return bool(licences) and not any(one.answers("licence", at) for one in licences)
