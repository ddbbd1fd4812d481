"""What each role sees of every table: of nobody's tenant, its own, and become the role that serves every tenant."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg

from carecircle.database.reach import ROLES, Reach, Role
from carecircle.database.roles import EVERYWHERE
from proofs.tenancy_rewrites import session
from proofs.tenancy_tenants import Tenants

EVERY_ORGANIZATION = "set carecircle.every_organization = 'on'"
BECOME = f"set role {EVERYWHERE}"
# How to become the role that serves every tenant, or keep what it has, without being allowed to.
BECOMING = (
    BECOME,
    f"begin; set local role {EVERYWHERE}",
    f"set session authorization {EVERYWHERE}",
    f"grant {EVERYWHERE} to current_user",
    f"select set_config('role', '{EVERYWHERE}', false)",
)
# What the decider must not do with what it may become, before or after.
PASSING_ON = (
    f"grant {EVERYWHERE} to carecircle_app",
    "grant carecircle_decider to carecircle_app with admin option",
    "alter role carecircle_decider inherit",
    f"alter role {EVERYWHERE} bypassrls",
    f"alter role {EVERYWHERE} login",
    "create function carecircle.all_rows() returns bigint language sql security definer as 'select 1::bigint'",
    "create view carecircle.all_rows as select 1",
    "create function public.all_rows() returns bigint language sql security definer as 'select 1::bigint'",
)
NOT_DECIDED_ON = (
    "table carecircle.organizations", "table carecircle.audit_events", "table carecircle.care_teams",
    "table carecircle.findings", "table carecircle.provider_roles", "table carecircle.panel_capacities",
    "table carecircle.provider_absences", "table carecircle.care_team_closures", "table carecircle.specialties",
    "table carecircle.reassignment_items", "table carecircle.reporting_lines", "table carecircle.personal_relations",
    "table carecircle.emergency_approvers", "table carecircle.emergency_notes", "table carecircle.outbox",
    "select name from carecircle.providers",
    "select demographics from carecircle.patients", "select identifier from carecircle.patient_identifiers",
)  # fmt: skip


@dataclass
class Seen:
    """How many looks there were, what they showed that was not due, and what had to be seen and was not."""

    tried: int = 0
    leaked: list[str] = field(default_factory=list)
    blind: list[str] = field(default_factory=list)

    def refused(self, how: str, refused: bool) -> None:
        self.tried += 1
        if not refused:
            self.leaked.append(f"{how}: not refused")


async def looks_of_roles(at: Reach, tenants: Tenants, names: list[str]) -> Seen:
    """Every table as every role, in every kind of session. Where a role sees no table of its own tenant, it is blind."""
    seen = Seen()
    own, other = tenants.own, UUID(tenants.real["other"])
    await _notify_everybody(at, seen, {own, other}, names)
    for role in [one for one in ROLES if one != "notifier"]:
        for named, due in ((None, set[UUID]()), (own, {own}), (other, {other})):
            for setting in ("", EVERY_ORGANIZATION):
                async with session(at, role, named) as connection:
                    if setting:
                        await connection.execute(setting)
                    # The setting is for the sealer, on a connection that names no tenant.
                    if role == "sealer" and setting and named is None:
                        continue
                    shown = await _shown(connection, seen, names)
                    if surplus := shown - due:
                        seen.leaked.append(f"{role}, {setting or 'plainly'}: saw {len(surplus)} tenants not its own")
                    if role != "owner" and due - shown:
                        seen.blind.append(f"{role} sees nothing of the tenant it names")
        if role != "decider":
            for how in BECOMING:
                seen.refused(f"{role}: {how}", await _refused(at, how, role))
    await _become_everywhere(at, tenants, seen, names)
    return seen


async def _notify_everybody(at: Reach, seen: Seen, both: set[UUID], names: list[str]) -> None:
    """The notifier sees for whom something is due, whichever tenant it names, and no row of another table."""
    for named in (None, *both):
        for setting in ("", EVERY_ORGANIZATION):
            async with session(at, "notifier", named) as connection:
                if setting:
                    await connection.execute(setting)
                if not await _shown(connection, seen, ["outbox"]) >= both:
                    seen.blind.append("notifier does not see both tenants' outbox")
                if await _shown(connection, seen, [name for name in names if name != "outbox"]):
                    seen.leaked.append(f"notifier, {setting or 'plainly'}: saw rows beside the outbox")
    for how in BECOMING:
        seen.refused(f"notifier: {how}", await _refused(at, how, "notifier"))


async def _become_everywhere(at: Reach, tenants: Tenants, seen: Seen, names: list[str]) -> None:
    """The decider becomes it and sees both; before, after and elsewhere it does not, and it passes nothing on."""
    both = {tenants.own, UUID(tenants.real["other"])}
    async with session(at, "decider") as connection:
        async with connection.transaction():
            await connection.execute(f"set local role {EVERYWHERE}")
            if not await _shown(connection, seen, names) >= both:
                seen.blind.append(f"{EVERYWHERE} does not see both tenants")
        if await _shown(connection, seen, names):
            seen.leaked.append("decider: sees tenants after a transaction in which it served all")
        await connection.execute(BECOME)
        await connection.execute("reset role")
        if await _shown(connection, seen, names):
            seen.leaked.append("decider: sees tenants after it stopped serving all")
    for before in ("", BECOME):
        for how in PASSING_ON:
            seen.refused(f"decider, {before or 'plainly'}: {how}", await _refused(at, how, "decider", before))
    for how in NOT_DECIDED_ON:
        seen.refused(f"{EVERYWHERE}: {how}", await _refused(at, how, "decider", BECOME))


async def _shown(connection: asyncpg.Connection, seen: Seen, names: list[str]) -> set[UUID]:
    """Whose rows a session is shown, in any table."""
    shown: set[UUID] = set()
    for name in names:
        key = "id" if name == "organizations" else "organization_id"
        seen.tried += 1
        # A savepoint, where a transaction is open: a refusal must not end it.
        with suppress(asyncpg.InsufficientPrivilegeError):
            async with connection.transaction():
                shown |= {row[0] for row in await connection.fetch(f"select distinct {key} from carecircle.{name}")}
    return shown


async def _refused(at: Reach, sql: str, role: Role, before: str = "") -> bool:
    connection = await asyncpg.connect(at.dsn(role))
    try:
        if before:
            await connection.execute(before)
        await connection.execute(sql)
    except asyncpg.InsufficientPrivilegeError:
        return True
    finally:
        await connection.close()
    return False
