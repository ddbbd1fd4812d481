"""The organization's policy over HTTP: the one that holds at an instant, setting a new one, and all versions."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from carecircle.api.v1.door import Asking, Changing, routes
from carecircle.api.v1.shapes import UNUSABLE, Answer, Body, Instant, Moment, end_of, example
from carecircle.database.session import instant
from carecircle.directory import policy_service
from carecircle.directory.tables import PolicyVersion as Row
from carecircle.period import show

router = routes("policy")

DOCUMENT = policy_service.document_of(policy_service.parse_policy({"actions": ["discharge"], "largest_team": 40}))
VERSION = {"version": 3, "document": DOCUMENT, "starts_at": "2026-01-31T08:00:00Z", "ends_at": None}


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
    model_config = example(versions=[VERSION])
    versions: list[PolicyVersion]


@router.get("/policy")
async def read_policy(door: Asking, as_of: Instant | None = None) -> Policy:
    async with door.read() as db:
        held = await policy_service.policy_at(db, door.caller.organization_id, as_of or await instant(db))
    return Policy(version=held.version, document=policy_service.document_of(held))


@router.put("/policy")
async def set_policy(door: Changing, body: NewPolicy) -> PolicyVersion:
    async with door.change() as db:
        return _version(await policy_service.set_policy(db, document=body.document, starts_at=body.starts_at))


@router.get("/policy/versions")
async def list_policy_versions(door: Asking) -> PolicyVersions:
    async with door.read() as db:
        return PolicyVersions(versions=[_version(one) for one in await policy_service.policy_versions(db)])


def _version(row: Row) -> PolicyVersion:
    return PolicyVersion(
        version=row.version, document=row.document, starts_at=show(row.starts_at), ends_at=end_of(row.ends_at)
    )
