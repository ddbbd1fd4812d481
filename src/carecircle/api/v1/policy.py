"""The organization's policy over HTTP: the one that holds at an instant, setting a new one, and all versions."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path, Response
from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from carecircle.api.v1.door import Administering, Reading, routes
from carecircle.api.v1.etag import IfMatch, tag, tagged
from carecircle.api.v1.paging import Next, Paging
from carecircle.api.v1.shapes import UNUSABLE, Answer, Body, Instant, Moment, end_of, example
from carecircle.database.session import instant
from carecircle.directory import policy_service
from carecircle.directory.tables import PolicyVersion as Row
from carecircle.errors import InvalidPolicy, NotFound
from carecircle.period import show

router = routes("policy")

DOCUMENT = policy_service.document_of(policy_service.parse_policy({"actions": ["discharge"], "largest_team": 40}))
VERSION = {"version": 3, "document": DOCUMENT, "starts_at": "2026-01-31T08:00:00Z", "ends_at": None}
DIFFERENCE = {"key": "largest_team", "before": 100, "after": 40}

DEEPEST = 8


def _plain(document: dict[str, Any]) -> dict[str, Any]:
    """The document itself, if it is as flat as policies are and its texts can be printed, and so kept."""
    level: list[Any] = [document]
    for _ in range(DEEPEST):
        objects = [one for one in level if isinstance(one, dict)]
        below = [key for one in objects for key in one] + [value for one in objects for value in one.values()]
        below += [value for one in level if isinstance(one, list) for value in one]
        if not all(one.isprintable() for one in below if isinstance(one, str)):
            raise PydanticCustomError(UNUSABLE, "Write printable text.")
        level = below
    if level:
        raise PydanticCustomError(UNUSABLE, "A policy is not as deep as this.")
    return document


class NewPolicy(Body):
    """The whole policy: what the document leaves out is as by default."""

    model_config = example(document={"actions": ["discharge"], "largest_team": 40}, starts_at="2026-01-31T08:00:00Z")
    document: Annotated[dict[str, Any], AfterValidator(_plain)]
    starts_at: Instant | None = None


class Policy(Answer):
    """What holds; version 0 is what holds where nobody has set a policy."""

    model_config = example(version=3, document=DOCUMENT)
    version: int
    document: dict[str, Any]


class PolicyVersion(Answer):
    model_config = example(**VERSION)
    version: int
    document: dict[str, Any]
    starts_at: Moment
    ends_at: Moment | None


class PolicyVersions(Answer):
    model_config = example(versions=[VERSION], next=None)
    versions: list[PolicyVersion]
    next: Next


class Draft(Body):
    """A policy that is only looked at."""

    model_config = example(document={"actions": ["discharge"], "largest_team": 40}, at="2026-01-31T08:00:00Z")
    document: Annotated[dict[str, Any], AfterValidator(_plain)]
    at: Instant | None = None


class Difference(Answer):
    model_config = example(**DIFFERENCE)
    key: str
    before: Any
    after: Any


class Validated(Answer):
    """`document` is the whole policy, every default shown, and `changes` what would differ from the one that holds; where
    the draft is not valid, `problem` names everything that is wrong with it."""

    model_config = example(valid=True, problem=None, document=DOCUMENT, changes=[DIFFERENCE])
    valid: bool
    problem: str | None
    document: dict[str, Any] | None
    changes: list[Difference]


@router.get("/policy")
async def read_policy(door: Reading, response: Response, as_of: Instant | None = None) -> Policy:
    """The policy that holds now, or at `as_of`."""
    async with door.read() as db:
        row = await policy_service.version_at(db, door.caller.organization_id, as_of or await instant(db))
    tagged(response, tag(row.id if row else None))
    held = policy_service.policy_of(row) if row else policy_service.parse_policy({})
    return Policy(version=held.version, document=policy_service.document_of(held))


@router.put("/policy")
async def set_policy(door: Administering, response: Response, match: IfMatch, body: NewPolicy) -> PolicyVersion:
    """Set the whole policy from now or a later instant on. With If-Match, only if the policy that holds now is that one."""
    tenant = door.caller.organization_id
    async with door.change() as db:
        now = await policy_service.policy_turn(db, tenant)
        held = await policy_service.version_at(db, tenant, now)
        match.require(tag(held.id if held else None))
        row = await policy_service.set_policy(db, document=body.document, starts_at=body.starts_at)
    tagged(response, tag(row.id))
    return _version(row)


@router.post("/policy/validation")
async def validate_policy(door: Reading, body: Draft) -> Validated:
    """Whether a document could be set, and what would differ from the policy that holds now, or at `at`. Nothing is
    recorded. An empty document shows the defaults."""
    try:
        draft = policy_service.parse_policy(body.document)
    except InvalidPolicy as error:
        return Validated(valid=False, problem=error.message, document=None, changes=[])
    async with door.read() as db:
        held = await policy_service.policy_at(db, door.caller.organization_id, body.at or await instant(db))
    return Validated(
        valid=True,
        problem=None,
        document=policy_service.document_of(draft),
        changes=[
            Difference(key=key, before=before, after=after)
            for key, before, after in policy_service.difference(held, draft)
        ],
    )


@router.get("/policy/versions")
async def list_policy_versions(door: Reading, page: Paging) -> PolicyVersions:
    """The versions that held, hold or are to hold, oldest first."""
    async with door.read() as db:
        found = await policy_service.policy_versions(db)
    shown, onwards = page.pick(found, lambda one: (one.version,))
    return PolicyVersions(versions=[_version(one) for one in shown], next=onwards)


@router.get("/policy/versions/{version}")
async def read_policy_version(
    door: Reading, response: Response, version: Annotated[int, Path(ge=1, le=2**31 - 1)]
) -> PolicyVersion:
    async with door.read() as db:
        for row in await policy_service.policy_versions(db):
            if row.version == version:
                tagged(response, tag(row.id))
                return _version(row)
    raise NotFound("There is no such version of the policy.")


def _version(row: Row) -> PolicyVersion:
    return PolicyVersion(
        version=row.version, document=row.document, starts_at=show(row.starts_at), ends_at=end_of(row.ends_at)
    )
