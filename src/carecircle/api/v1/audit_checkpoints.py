"""What an outsider keeps of the audit trail, over HTTP: signed checkpoints, and the keys that verify them."""

from __future__ import annotations

from carecircle.api.v1.door import Auditing, routes
from carecircle.api.v1.paging import Next, Paging
from carecircle.api.v1.shapes import Answer, Moment, example
from carecircle.audit import reading_service
from carecircle.audit.trusted import own_keys
from carecircle.errors.audit import NotSealedYet
from carecircle.period import show

router = routes("audit")

NOTE = "carecircle/01234567-89ab-cdef-0123-456789abcdef/1\n42\n…"
CHECKPOINT = {
    "epoch": 1, "tree_size": 42, "root_hash": "9f" * 32, "signed_at": "2026-01-31T08:00:01Z", "note": NOTE,
}  # fmt: skip
KEYS = ["carecircle+2d1f0c7a+AS9hcmUgY2lyY2xlIGlzIHNlYWxlZCBieSBhIGtleQ=="]


class Checkpoint(Answer):
    """A signed checkpoint; `note` is all of it, and what an outsider keeps."""

    model_config = example(**CHECKPOINT)
    epoch: int
    tree_size: int
    root_hash: str
    signed_at: Moment
    note: str


class Checkpoints(Answer):
    """The newest first."""

    model_config = example(checkpoints=[CHECKPOINT], next=None)
    checkpoints: list[Checkpoint]
    next: Next


class Keys(Answer):
    """The one that signs now first, then those before it."""

    model_config = example(keys=KEYS)
    keys: list[str]


@router.get("/audit/checkpoint")
async def newest_audit_checkpoint(door: Auditing) -> Checkpoint:
    """The newest checkpoint. It tells of no entry, so that reading it leaves none."""
    found = await reading_service.newest_checkpoint(door.circle.auditor, organization=door.caller.organization_id)
    if found is None:
        raise NotSealedYet("Nothing was sealed yet; is a worker running?")
    return _shown(found)


@router.get("/audit/checkpoints")
async def list_audit_checkpoints(door: Auditing, page: Paging) -> Checkpoints:
    """All of them, for a witness that reads on until it meets one it has. They tell of no entry, so that reading leaves none."""
    found = await reading_service.checkpoints(
        door.circle.auditor, organization=door.caller.organization_id, after=page.after, limit=page.limit + 1
    )
    shown, onwards = page.cut(found, lambda one: (one.epoch, one.tree_size))
    return Checkpoints(checkpoints=[_shown(one) for one in shown], next=onwards)


@router.get("/audit/keys")
async def list_audit_keys(door: Auditing) -> Keys:
    """The keys that verify checkpoints. Note them down elsewhere: who may change the database may be able to change these."""
    keys = own_keys(door.circle.settings)
    if not keys:
        raise NotSealedYet("Nothing was signed yet; is a worker running?")
    return Keys(keys=keys)


def _shown(found: reading_service.Checkpoint) -> Checkpoint:
    return Checkpoint(
        epoch=found.epoch, tree_size=found.tree_size, root_hash=found.root_hash.hex(), signed_at=show(found.signed_at),
        note=found.note,
    )  # fmt: skip
