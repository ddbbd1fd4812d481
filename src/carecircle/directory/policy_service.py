"""The organization's policy: which version holds at an instant, setting a new one, and what changed between two."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.actor import Actor, actor_of, organization_of
from carecircle.audit.entry import Entry, append
from carecircle.database.constraints import translated
from carecircle.database.facts import supersede
from carecircle.database.session import enter_tenant, instant, one_change, take_turns
from carecircle.directory.name_index_service import turn_off, turn_on
from carecircle.directory.tables import PolicyVersion
from carecircle.errors import InvalidPeriod, InvalidPolicy, InvalidRequest
from carecircle.identifiers import OrganizationId, new_id
from carecircle.period import FOREVER, Period
from carecircle.policy import ACTIONS, Policy, problems_of

_POLICY = TypeAdapter(Policy)
# Who sets an organization's policy queues here; its own id would cancel out into one queue of all organizations.
_TURN = UUID(int=0x504F4C494359)
_KEYS = tuple(field.name for field in fields(Policy) if field.name != "version")


async def policy_at(db: AsyncSession, tenant: OrganizationId, at: datetime) -> Policy:
    """The policy that holds at an instant, as we believe now; `Policy()` where the organization has set none."""
    row = await version_at(db, tenant, at)
    return Policy() if row is None else policy_of(row)


async def version_at(db: AsyncSession, tenant: OrganizationId, at: datetime) -> PolicyVersion | None:
    """The same as it is recorded; None where the organization has set none."""
    found = await db.scalars(_believed(tenant).where(PolicyVersion.starts_at <= at, PolicyVersion.ends_at > at))
    return found.one_or_none()


def policy_of(row: PolicyVersion) -> Policy:
    """A recorded version as a value."""
    known = {key: value for key, value in row.document.items() if key in _KEYS}
    return replace(_POLICY.validate_python(known), version=row.version)


def require_known_actions(policy: Policy, scope: Sequence[str]) -> None:
    """Raises InvalidRequest, naming the known ones, when an action of a scope is neither everybody's nor the policy's own."""
    known = (*ACTIONS, *policy.actions)
    # Only how many there are is said: what stands where an action should may be anything, an MRN too.
    if unknown := sum(action not in known for action in dict.fromkeys(scope)):
        raise InvalidRequest(f"{unknown} of these actions are unknown; known are {', '.join(known)}.")


async def policy_turn(db: AsyncSession, tenant: OrganizationId) -> datetime:
    """Queue behind whoever sets the organization's policy now, until the transaction ends; then say what time it is."""
    return await take_turns(db, tenant, _TURN)


async def set_policy(
    db: AsyncSession,
    *,
    document: Mapping[str, Any],
    starts_at: datetime | None = None,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> PolicyVersion:
    """Let `document` be the whole policy from `starts_at` on (now, by default); what it leaves out is as by default.

    The version before it ends there; versions that were to begin later are taken back. Numbers are given here, one
    after the other. Raises InvalidPolicy, naming everything that is wrong with the document, and InvalidPeriod for a
    start in the past.
    """
    policy = parse_policy(document)
    who = actor_of(actor)
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        await take_turns(db, tenant, _TURN)
        now = await instant(db)
        starts = Period(starts_at or now).starts_at
        if starts < now:
            raise InvalidPeriod(
                "A policy starts now or later: what was decided before rests on the one that held then."
            )
        ruled = (await policy_at(db, tenant, now)).family_rule
        if policy.family_rule != ruled and starts > now:
            raise InvalidPeriod(
                "family_rule is turned on or off now, not later: surnames are indexed, or the indexes taken away, with it."
            )
        last = await db.scalar(select(func.max(PolicyVersion.version)).where(PolicyVersion.organization_id == tenant))
        policy = replace(policy, version=(last or 0) + 1)
        entry = Entry(tenant, "change", who, "policy-set", detail={"version": policy.version})
        await append(db, entry)
        for row in list(await db.scalars(_believed(tenant).where(PolicyVersion.ends_at > starts))):
            await supersede(db, row, entry.id, now)
            if row.starts_at < starts:
                former = _row(tenant, policy_of(row), Period(row.starts_at, starts), now, entry)
                former.lineage_id = row.lineage_id
                db.add(former)
        await db.flush()
        fresh = _row(tenant, policy, Period(starts), now, entry)
        db.add(fresh)
        await db.flush()
        if policy.family_rule != ruled:
            await (turn_on if policy.family_rule else turn_off)(db, tenant)
        return fresh


async def policy_versions(db: AsyncSession, *, organization: UUID | str | None = None) -> list[PolicyVersion]:
    """The versions that held, hold or are to hold, oldest first; a version that was taken back before it began is not one."""
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        return list(await db.scalars(_believed(tenant).order_by(PolicyVersion.starts_at)))


def parse_policy(document: Mapping[str, Any]) -> Policy:
    """A document as a policy; its version is 0. Raises InvalidPolicy, whose sentences name everything that is wrong with it."""
    problems = [
        f"There is no {key!r} in a policy; known are {', '.join(_KEYS)}." for key in document if key not in _KEYS
    ]
    known = {key: value for key, value in document.items() if key in _KEYS}
    policy, wrong = _read(known)
    if wrong:  # what has the wrong shape is left out, so that the rest is looked at too
        problems += wrong.values()
        policy, _ = _read({key: value for key, value in known.items() if key not in wrong})
    problems += problems_of(policy)
    if problems:
        raise InvalidPolicy(" ".join(problems))
    return policy


def document_of(policy: Policy) -> dict[str, Any]:
    """A policy as JSON has it, every default shown; the version stands beside a document, not in it."""
    plain: dict[str, Any] = json.loads(json.dumps(asdict(policy)))
    del plain["version"]
    return plain


def difference(old: Policy, new: Policy) -> list[tuple[str, Any, Any]]:
    """What changed from one policy to another: key, value before, value after, as in their documents."""
    before, after = document_of(old), document_of(new)
    return [(key, before[key], after[key]) for key in _KEYS if before[key] != after[key]]


def _read(document: Mapping[str, Any]) -> tuple[Policy, dict[str, str]]:
    """The policy, or the default one and a sentence for each key whose value has the wrong shape."""
    try:
        # As JSON and strictly: a list is a tuple there, and "30" is no number.
        return _POLICY.validate_json(json.dumps(dict(document)), strict=True), {}
    except (TypeError, ValueError, RecursionError) as error:
        if not isinstance(error, ValidationError):
            raise InvalidPolicy(
                "A policy holds only what JSON can say: texts, numbers, true, false, lists and objects."
            ) from None
        wrong: dict[str, str] = {}
        for one in error.errors(include_url=False, include_input=False, include_context=False):
            if not one["loc"]:  # the document as a whole: nested too deeply, or no text
                raise InvalidPolicy("This policy cannot be read as JSON.") from None
            where = ".".join(str(step) for step in one["loc"])
            wrong.setdefault(str(one["loc"][0]), f"{where}: {one['msg']}.")
        return Policy(), wrong


def _believed(tenant: OrganizationId) -> Select[PolicyVersion]:
    return select(PolicyVersion).where(PolicyVersion.organization_id == tenant, PolicyVersion.superseded_at == FOREVER)


def _row(tenant: OrganizationId, policy: Policy, period: Period, now: datetime, entry: Entry) -> PolicyVersion:
    row_id = new_id()
    return PolicyVersion(
        organization_id=tenant,
        id=row_id,
        lineage_id=row_id,
        version=policy.version,
        document=document_of(policy),
        actions=list(policy.actions),
        starts_at=period.starts_at,
        ends_at=period.ends_at,
        recorded_at=now,
        entry_id=entry.id,
    )
