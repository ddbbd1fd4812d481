"""What a person can hold: how any room describes it for staffing, and what the directory itself has."""

from __future__ import annotations

from dataclasses import dataclass

from carecircle.database.facts import Fact
from carecircle.directory.tables import ProviderRole


@dataclass(frozen=True, slots=True)
class Holding:
    """A fact table whose rows belong to a provider, and what becomes of a row when that provider leaves.

    Ending closes a row and keeps what it was until then; handing over also gives the rest of its period to another
    provider. `passed_on` says which of the two; rows whose `named` column holds one of `personal` are ended regardless.
    `once` names the columns within which one provider needs it only once at a time; with `exclusive`, a constraint
    allows no second one either, however short the overlap.
    """

    kind: str
    table: type[Fact]
    named: str
    provider: str = "provider_id"
    patient: str | None = None
    care_team: str | None = None
    passed_on: bool = False
    personal: frozenset[str] = frozenset()
    once: tuple[str, ...] = ()
    exclusive: bool = False


PROVIDER_ROLES = Holding("provider-role", ProviderRole, named="role_code")
