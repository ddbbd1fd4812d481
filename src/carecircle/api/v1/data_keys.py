"""The keys that protect an organization's names, identifiers and words, over HTTP: listed, rotated, and everything resealed.

Destroying them stays on the command line: nothing takes it back, and a request that a stolen credential can send twice is no
second person. So do root keys and the key that signs, which are files of the installation.
"""

from __future__ import annotations

import asyncio
from typing import Annotated

from pydantic import Field

from carecircle.actor import acting_as
from carecircle.api.v1.door import Administering, Door, routes
from carecircle.api.v1.shapes import Answer, Body, Moment, example
from carecircle.database.session import open_engine
from carecircle.directory import keys_service
from carecircle.directory.keys_service import KeyState
from carecircle.errors import Conflict
from carecircle.period import show

router = routes("data-keys")

KEY = {
    "key_id": "8f2a11c0", "purpose": "field", "state": "writes", "root_key_id": "1b0c77e4",
    "writes_from": "2026-01-31T08:00:30Z", "recorded_at": "2026-01-31T08:00:00Z", "destroyed_at": None,
}  # fmt: skip
FIELD = {"key_id": "8f2a11c0", "state": "writes", "field": "patients.demographics", "fields": 42}


class Key(Answer):
    """`purpose`: `field` or `blind`. `state`: `ahead` (everybody reads it already), `writes`, `reads` or `destroyed`."""

    model_config = example(**KEY)
    key_id: str
    purpose: str
    state: str
    root_key_id: str
    writes_from: Moment
    recorded_at: Moment
    destroyed_at: Moment | None


class Keys(Answer):
    """Those for fields, the oldest first, then the one for blind indexes. Never a key itself."""

    model_config = example(data_keys=[KEY])
    data_keys: list[Key]


class Rotation(Body):
    """`margin`: seconds for which the new key is only read, so that every process knows it before anybody writes with it."""

    model_config = example(margin=30)
    margin: Annotated[float, Field(ge=5, le=3600, allow_inf_nan=False)] = keys_service.MARGIN


class FieldsUnderKey(Answer):
    """`state` as of a key; `root`: derived from a root key, `unknown`: known to nobody here."""

    model_config = example(**FIELD)
    key_id: str
    state: str
    field: str
    fields: int


class Progress(Answer):
    """How many protected fields stand under which key; `behind`: those that are not under the one that writes."""

    model_config = example(fields=[FIELD], behind=0)
    fields: list[FieldsUnderKey]
    behind: int


class Resealing(Body):
    """`seconds` after which this request ends, done or not."""

    model_config = example(seconds=20)
    seconds: Annotated[int, Field(ge=1, le=60)] = 20


class Resealed(Answer):
    """`done`: everything that opens is under the key that writes; otherwise repeat it."""

    model_config = example(done=True, behind=0)
    done: bool
    behind: int


@router.get("/data-keys")
async def list_data_keys(door: Administering) -> Keys:
    async with door.read() as db:
        return Keys(data_keys=[_shown(one) for one in await keys_service.keys_of(db)])


@router.post("/data-keys", status_code=201)
async def rotate_data_key(door: Administering, body: Rotation) -> Key:
    """Make a new key, which writes from `writes_from` on; then repeat POST data-keys/resealing until it says done. Everybody
    works on meanwhile."""
    async with door.change() as db:
        return _shown(await keys_service.rotate(db, margin=body.margin))


@router.get("/data-keys/progress")
async def data_keys_progress(door: Administering) -> Progress:
    """How far everything is under the key that writes. It counts every protected field."""
    return await _progress(door)


@router.post("/data-keys/resealing")
async def reseal_fields(door: Administering, body: Resealing) -> Resealed:
    """Seal anew what is under an older key, for some seconds, beside all other work. What is done stays done; 409 while the new
    key does not write yet."""
    async with door.read() as db:
        ahead = [one.writes_from for one in await keys_service.keys_of(db) if one.state == "ahead"]
    if ahead:
        raise Conflict(f"The new key begins to write at {show(max(ahead))}; repeat this then.")
    circle, own, actor = door.circle, door.caller.organization_id, door.caller.actor
    keeper = open_engine(circle.reach, role="keeper", connections=1)
    unreadable: int | None = None
    try:
        with acting_as(organization=own, actor=actor):
            async with asyncio.timeout(body.seconds):
                unreadable = (await keys_service.seal_anew(circle.engine, keeper)).unreadable
    except TimeoutError:
        pass  # told as not done
    finally:
        await keeper.dispose()
    behind = (await _progress(door)).behind
    return Resealed(done=unreadable is not None and behind <= unreadable, behind=behind)


async def _progress(door: Door) -> Progress:
    async with door.read() as db:
        states = {one.key_id: one.state for one in await keys_service.keys_of(db)}
        found = await keys_service.fields_under_keys(db)
    roots = door.circle.keyring.roots
    shown = [
        FieldsUnderKey(
            key_id=one.key_id.hex(), state=states.get(one.key_id, "root" if one.key_id in roots else "unknown"),
            field=f"{one.table}.{one.column}", fields=one.fields,
        )
        for one in found
    ]  # fmt: skip
    return Progress(fields=shown, behind=sum(one.fields for one in shown if one.state != "writes"))


def _shown(one: KeyState) -> Key:
    return Key(
        key_id=one.key_id.hex(), purpose=one.purpose, state=one.state, root_key_id=one.root_key_id.hex(),
        writes_from=show(one.writes_from), recorded_at=show(one.recorded_at),
        destroyed_at=None if one.destroyed_at is None else show(one.destroyed_at),
    )  # fmt: skip
