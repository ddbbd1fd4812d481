"""What a person can hold: how any room describes it for staffing, and what the directory itself has."""

from __future__ import annotations

from dataclasses import dataclass

from carecircle.database.facts import Fact
from carecircle.directory.account_tables import Account
from carecircle.directory.tables import (
    Duty,
    PersonalRelation,
    ProviderAbsence,
    ProviderCredential,
    ProviderRole,
    ReportingLine,
)


@dataclass(frozen=True, slots=True)
class Holding:
    """A fact table whose rows name a provider, and what becomes of a row when that provider leaves.

    Ending closes a row and keeps what it was until then; handing over also gives the rest of its period to another
    provider. `passed_on` says which of the two; rows whose `named` column holds one of `personal` are ended regardless.
    A holding that `serves_the_panel` ends where the panel is handed over; any other stays until the person is offboarded.
    What is only `about` a provider is not theirs: it outlives them.

    `once` names the columns within which one provider needs it only once at a time; with `exclusive`, a constraint
    allows no second one either, however short the overlap. `also_ends` names columns that end no later than `ends_at`
    does. With `keeps_lineage`, what is handed over stays the same thing, because others refer to it by lineage.
    `covered` names the column of the provider for whom this one stands in. With `only`, a row is held while its `named`
    column has one of these values.
    """

    kind: str
    table: type[Fact]
    named: str | None = None
    provider: str = "provider_id"
    patient: str | None = None
    care_team: str | None = None
    covered: str | None = None
    passed_on: bool = False
    serves_the_panel: bool = False
    about: bool = False
    personal: frozenset[str] = frozenset()
    once: tuple[str, ...] = ()
    exclusive: bool = False
    also_ends: tuple[str, ...] = ()
    keeps_lineage: bool = False
    only: tuple[str, ...] = ()

    @property
    def follows_patient(self) -> bool:
        """Whether it goes where its patient goes."""
        return self.passed_on and self.patient is not None and self.covered is None


PROVIDER_ROLES = Holding("provider-role", ProviderRole, named="role_code")
CREDENTIALS = Holding("provider-credential", ProviderCredential, named="code")
ABSENCES = Holding("provider-absence", ProviderAbsence)
DUTIES = Holding("duty", Duty, named="duty")
REPORTING = Holding("reporting-line", ReportingLine)
SUPERIORS = Holding("superior", ReportingLine, provider="reports_to_id")
# Ended with its roles and open sign-ins (account_service); one that came meanwhile is closed as any other row.
ACCOUNTS = Holding("account", Account)
RELATIONS = Holding("personal-relation", PersonalRelation, named="relation", patient="patient_id", about=True)
