"""Tampers with an audit trail, as somebody does who owns the database: one function each, drawn at random within its kind.

Each is done by SQL as a superuser to a copy of a database, and says what it touched: the entry that verifying must name, or
a range of leaves. Those of `WAITING` are done before the next pass of the sealer, the others to what is sealed.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from carecircle.audit.canonical import COLUMNS
from carecircle.audit.verify import Checkpoint
from proofs import audit_behind
from proofs.audit_flips import flipped
from proofs.audit_trial import C, E, L, Touched, Trial

Tamper = Callable[[Trial], Awaitable[Touched]]


async def column_flipped(t: Trial, column: str) -> Touched:
    one = t.place()
    row = await t.root.fetchrow(
        f"select {column} as native, {column}::text as text, pg_typeof({column})::text as type from {E}"
        " where organization_id = $1 and id = $2",
        t.organization, one.id,
    )  # fmt: skip
    assert row is not None
    value, given = flipped(row["type"], row["native"], row["text"], t.chance)
    await t.run(f"update {E} set {column} = {value} where organization_id = $1 and id = $2", one.id, given)
    return Touched(one.index, one.id)


async def entry_deleted(t: Trial) -> Touched:
    one = t.place()
    await t.run(f"delete from {E} where organization_id = $1 and id = $2", one.id)
    return Touched(one.index, one.id)


async def entries_swapped(t: Trial) -> Touched:
    """Their ids, their instants, or all that they say."""
    one, other = sorted(t.chance.sample(t.sealed, 2), key=lambda place: place.index)
    said = [name for name in COLUMNS if name not in ("organization_id", "id", "recorded_at")]
    which = t.chance.choice((["id"], ["recorded_at"], said))
    names = ", ".join(which)
    await t.run(
        f"update {E} e set ({names}) = (select {names} from {E} o where o.organization_id = $1"
        " and o.id = case e.id when $2 then $3 else $2 end) where organization_id = $1 and id in ($2, $3)",
        one.id, other.id,
    )  # fmt: skip
    return Touched(one.index, one.id if which != ["id"] else None)


async def recorded_in_another_month(t: Trial) -> Touched:
    one, months = t.place(), t.chance.choice((-80, -7, -1, 1, 2))
    also = t.chance.random() < 0.5
    for table, own in [(E, "id"), (L, "entry_id")][: 1 + also]:
        await t.run(
            f"update {table} set recorded_at = recorded_at + $3::int * interval '1 month'"
            f" where organization_id = $1 and {own} = $2",
            one.id, months,
        )  # fmt: skip
    return Touched(one.index, one.id)


async def mark_copied_over(t: Trial) -> Touched:
    one, other = t.chance.sample(t.sealed, 2)
    await t.run(
        f"update {E} set mark = (select mark from {E} where organization_id = $1 and id = $3)"
        " where organization_id = $1 and id = $2",
        one.id, other.id,
    )  # fmt: skip
    return Touched(one.index, one.id)


async def turns_renumbered(t: Trial) -> Touched:
    """All turns of a writer from one on, as if one before it had never been."""
    one = t.place()
    await t.run(
        f"update {E} set writer_turn = writer_turn + 1 where organization_id = $1 and writer_id = $2 and writer_turn >= $3",
        one.writer, one.turn,
    )  # fmt: skip
    first = min(place.index for place in t.sealed if place.writer == one.writer and place.turn >= one.turn)
    return Touched(first)


async def called_retired(t: Trial) -> Touched:
    """An entry deleted, and its month said to be exported and dropped."""
    one = t.place()
    await t.run(
        "insert into carecircle.audit_retirements (organization_id, id, month, entries, export_sha256, entry_id)"
        " select $1, gen_random_uuid(), date_trunc('month', $3::timestamptz at time zone 'UTC')::date, 1, sha256('x'), $2",
        one.id, one.recorded_at,
    )  # fmt: skip
    await t.run(f"delete from {E} where organization_id = $1 and id = $2", one.id)
    return Touched(one.index)


async def row_duplicated(t: Trial) -> Touched:
    one = t.place()
    at = await t.root.fetchval("select ($1::timestamptz + interval '1 second')::text", one.recorded_at)
    xid = {"xid": str(xid)} if (xid := await t.xid(one)) and t.chance.random() < 0.5 else {}
    await t.put(one, id=one.id, writer_id=one.writer, writer_turn=one.turn, recorded_at=at, **xid)
    return Touched(entry=one.id)


async def leaf_hash_flipped(t: Trial) -> Touched:
    one = t.place()
    await t.run(
        f"update {L} set leaf_hash = set_bit(leaf_hash, $3, 1 - get_bit(leaf_hash, $3))"
        " where organization_id = $1 and entry_id = $2",
        one.id, t.chance.randrange(256),
    )  # fmt: skip
    return Touched(one.index, one.id)


async def leaf_deleted(t: Trial) -> Touched:
    one = t.place()
    await t.run(f"delete from {L} where organization_id = $1 and entry_id = $2", one.id)
    return Touched(one.index)


async def leaf_of_another(t: Trial) -> Touched:
    """A leaf that names an entry which is not there."""
    one = t.place()
    await t.run(f"update {L} set entry_id = gen_random_uuid() where organization_id = $1 and entry_id = $2", one.id)
    return Touched(one.index)


async def leaves_swapped(t: Trial) -> Touched:
    """With their entries, so that every leaf fits; or their hashes alone."""
    one, other = sorted(t.chance.sample(t.sealed, 2), key=lambda place: place.index)
    if whole := t.chance.random() < 0.5:
        rows = [(place.id, index) for place, index in ((one, -1), (other, one.index), (one, other.index))]
        for own, index in rows:
            await t.run(f"update {L} set leaf_index = abs($3 + 1) - 1 + case when $3 < 0 then 1000000 else 0 end"
                        " where organization_id = $1 and entry_id = $2", own, index)  # fmt: skip
    else:
        await t.run(
            f"update {L} l set leaf_hash = (select leaf_hash from {L} o where o.organization_id = $1"
            " and o.entry_id = case l.entry_id when $2 then $3 else $2 end)"
            " where organization_id = $1 and entry_id in ($2, $3)",
            one.id, other.id,
        )  # fmt: skip
    return Touched(one.index, None if whole else one.id, exact=not whole, gone=whole)


async def replaced_consistently(t: Trial) -> Touched:
    """An entry and its leaf, and the subtrees above it."""
    one = t.place()
    await t.rewrite(one)
    await t.rebuilt()
    return Touched(one.index, exact=False)


async def fork(t: Trial) -> Touched:
    """An entry, its leaf, the tree and every checkpoint over it, signed with the true key."""
    one = t.chance.choice([place for place in t.sealed if place.kind in ("decision", "listing", "reading", "refusal")])
    await t.rewrite(one)
    roots = await t.rebuilt()
    for size in t.sizes:
        if size > one.index:
            await t.sign(t.key, size, roots[size])
    return Touched(one.index, exact=False, quiet=True)


async def slipped_in_with_its_leaf(t: Trial) -> Touched:
    """An entry and a leaf in the middle, and all later leaves one further."""
    one = t.place()
    new = await t.put(t.place())
    await t.run(f"update {L} set leaf_index = leaf_index + 1000001 where organization_id = $1 and leaf_index >= $2",
                one.index)  # fmt: skip
    await t.run(
        f"update {L} set leaf_index = leaf_index - 1000000 where organization_id = $1 and leaf_index >= $2", 1000000
    )
    await t.leaf(one.index, new)
    await t.rebuilt()
    return Touched(one.index, exact=False)


async def appended_with_its_leaf(t: Trial) -> Touched:
    new = await t.put(t.place())
    await t.leaf(len(t.sealed), new)
    return Touched(len(t.sealed))


async def tail_cut(t: Trial) -> Touched:
    """Down to an earlier checkpoint that is genuine."""
    size = t.chance.choice(t.sizes[:-1])
    await t.cut(size)
    await t.run(f"delete from {C} where organization_id = $1 and tree_size > $2", size)
    return Touched(size, exact=False, gone=True, quiet=size >= t.closed_until)


async def tail_cut_and_signed_by_another(t: Trial) -> Touched:
    """To anywhere, under a root that is right and signed with a key of one's own."""
    size = t.chance.choice([size for size in range(1, len(t.sealed)) if size not in t.sizes])
    await t.cut(size)
    roots = await t.rebuilt()
    await t.root.execute(
        f"delete from {C} where organization_id = $1 and tree_size > $2 and tree_size < $3",
        t.organization, size, len(t.sealed),
    )  # fmt: skip
    await t.sign(t.stranger(), size, roots[size], stored=len(t.sealed))
    # Nobody signed for what lies after the last checkpoint that is left.
    return Touched(max((one for one in t.sizes if one < size), default=0), exact=False, gone=True, until=size)


async def tail_cut_below_the_checkpoint(t: Trial) -> Touched:
    size = t.chance.randrange(t.sizes[-2], len(t.sealed))
    await t.cut(size)
    return Touched(size, exact=False, gone=True)


async def everything_cut(t: Trial) -> Touched:
    await t.cut(0)
    await t.run(f"delete from {C} where organization_id = $1")
    return Touched(0, exact=False, gone=True)


async def checkpoint_signed_by_another(t: Trial) -> Touched:
    size = t.chance.choice(t.sizes)
    root = await t.root.fetchval(
        f"select root_hash from {C} where organization_id = $1 and tree_size = $2", t.organization, size
    )
    await t.sign(t.stranger(), size, root)
    return Touched()


async def checkpoint_deleted(t: Trial) -> Touched:
    await t.run(f"delete from {C} where organization_id = $1 and tree_size = $2", t.chance.choice(t.sizes))
    return Touched()


async def checkpoint_says_another(t: Trial, what: str) -> Touched:
    """Its note tells another size or root under the old signature, or its row (`column`) other than its note."""
    size = t.chance.choice(t.sizes)
    note = Checkpoint.parse(
        await t.root.fetchval(
            f"select note from {C} where organization_id = $1 and tree_size = $2", t.organization, size
        )
    )
    if what in ("size", "root"):
        other = note._replace(size=size + 1) if what == "size" else note._replace(root=t.chance.randbytes(32))
        await t.run(f"update {C} set note = $3, root_hash = $4 where organization_id = $1 and tree_size = $2",
                    size, other.text(), other.root)  # fmt: skip
    else:
        await t.run(f"update {C} set {what} where organization_id = $1 and tree_size = $2", size)
    return Touched()


async def waiting_edited(t: Trial, *kinds: str) -> Touched:
    one = t.waits(*kinds)
    said = t.chance.choice(("code = code || '!'", "actor = 'somebody'", "patient_id = gen_random_uuid()"))
    await t.run(f"update {E} set {said} where organization_id = $1 and id = $2", one.id)
    return Touched(one.index, one.id)


async def waiting_deleted(t: Trial) -> Touched:
    one = t.waits(followed=True)
    await t.run(f"delete from {E} where organization_id = $1 and id = $2", one.id)
    return Touched(one.index, exact=False, gone=True)


async def waiting_rewritten(t: Trial) -> Touched:
    """A decision written anew in a transaction that it names: its mark, which knows no content, and its xmin fit."""
    one = t.waits("decision", "listing", followed=True)
    async with t.root.transaction():
        own = await t.root.fetchval("select pg_current_xact_id()::text")
        said = {"xid": own, "allowed": True, "code": "assigned"}
        await t.run(
            f"with gone as (delete from {E} where organization_id = $1 and id = $2 returning *)"
            f" insert into {E} select (jsonb_populate_record(e, $3::jsonb)).* from (select * from gone) g,"
            f" lateral jsonb_populate_record(null::{E}, to_jsonb(g)) e",
            one.id, json.dumps(said),
        )  # fmt: skip
    return Touched(one.index, one.id, exact=False, gone=True)


async def waiting_renumbered(t: Trial) -> Touched:
    one, step = t.waits(followed=True), t.chance.choice((-1, 1, 7))
    await t.run(f"update {E} set writer_turn = writer_turn + $3 where organization_id = $1 and id = $2", one.id, step)
    same = (other.id for other in t.waiting if (other.writer, other.turn) == (one.writer, one.turn + step))
    return Touched(one.index, one.id, exact=False, gone=True, twin=next(same, None))


async def inserted(t: Trial, kind: str, mark: str) -> Touched:
    """An entry of somebody else's making, with no mark, a drawn one or another's; by a new writer or in the next turn of one."""
    like = t.waits(*(("decision", "listing") if kind == "decision" else ("change", "reading", "refusal")))
    said: dict[str, Any] = {}
    if mark != "another's":
        said["mark"] = None if mark == "none" else "\\x" + t.chance.randbytes(8).hex()
    if t.chance.random() < 0.5:
        last = max(one.turn for one in (*t.sealed, *t.waiting) if one.writer == like.writer)
        said |= {"writer_id": like.writer, "writer_turn": last + 1}
    return Touched(entry=await t.put(like, **said))


async def put_behind_the_cursor(t: Trial, at: str) -> Touched:
    """An entry of a transaction whose entries are sealed already, so that it never is; recorded long ago, or yet to come."""
    one = t.place()
    said = {"xid": await t.xid(one), "recorded_at": await t.root.fetchval(f"select ({at})::text")}
    return Touched(entry=await t.put(one, **said, mark="\\x" + t.chance.randbytes(8).hex()))


async def fact_forged(t: Trial, forge: audit_behind.Forge) -> Touched:
    return Touched(row=await forge(audit_behind.Session(t.app, t.root, t.organization, t.chance)))


async def fact_forged_in_a_wider_window(t: Trial, what: str) -> Touched:
    """A fact in the name of an entry; and the rows of checkpoints, which say when that was sealed, rewritten to fit."""
    await fact_forged(t, audit_behind.forged_transaction)
    await t.run(f"update {C} set {what} where organization_id = $1")
    return Touched()


COLUMN_FLIPS: dict[str, Tamper] = {f"bit flip: {name}": partial(column_flipped, column=name) for name in COLUMNS}
OPEN_WINDOW = "snapshot_xmax = (snapshot_xmax::text::bigint + 1000000000)::text::xid8"
SEALED: dict[str, Tamper] = {
    "entry deleted": entry_deleted,
    "two entries swapped": entries_swapped,
    "moved to another month": recorded_in_another_month,
    "mark copied over a sealed entry's": mark_copied_over,
    "sealed turns renumbered": turns_renumbered,
    "deleted and called retired": called_retired,
    "leaf hash changed": leaf_hash_flipped,
    "leaf deleted": leaf_deleted,
    "leaf names another entry": leaf_of_another,
    "two leaves swapped": leaves_swapped,
    "entry and leaf replaced, with nodes": replaced_consistently,
    "fork, signed with the true key": fork,
    "entry slipped in with its leaf": slipped_in_with_its_leaf,
    "entry appended with its leaf": appended_with_its_leaf,
    "tail cut to a genuine checkpoint": tail_cut,
    "tail cut, root signed by another key": tail_cut_and_signed_by_another,
    "tail cut below its checkpoint": tail_cut_below_the_checkpoint,
    "everything cut": everything_cut,
    "checkpoint signed by another key": checkpoint_signed_by_another,
    "checkpoint deleted": checkpoint_deleted,
    "checkpoint's size changed": partial(checkpoint_says_another, what="size"),
    "checkpoint's root changed": partial(checkpoint_says_another, what="root"),
    "checkpoint's row: size": partial(checkpoint_says_another, what="tree_size = tree_size - 1"),
    "checkpoint's row: root": partial(checkpoint_says_another, what="root_hash = sha256(root_hash)"),
    "fact in another's transaction": partial(fact_forged, forge=audit_behind.forged_transaction),
    "closing in another's transaction": partial(fact_forged, forge=audit_behind.forged_closing),
    "the same, sealed-until moved": partial(fact_forged_in_a_wider_window, what=OPEN_WINDOW),
    "the same, as if restored": partial(fact_forged_in_a_wider_window, what="system_id = system_id + 1"),
}
WAITING: dict[str, Tamper] = {
    "unsealed decision edited": lambda t: waiting_edited(t, "decision", "listing"),
    "unsealed other entry edited": lambda t: waiting_edited(t, "change", "refusal", "reading"),
    "unsealed entry deleted": waiting_deleted,
    "unsealed decision written anew": waiting_rewritten,
    "unsealed turn renumbered": waiting_renumbered,
    "inserted without a mark": partial(inserted, kind="change", mark="none"),
    "inserted with a made-up mark": partial(inserted, kind="change", mark="made up"),
    "inserted with another's mark": partial(inserted, kind="change", mark="another's"),
    "decision inserted, another's mark": partial(inserted, kind="decision", mark="another's"),
    "row duplicated under its id": row_duplicated,
    "inserted behind the cursor": partial(put_behind_the_cursor, at="statement_timestamp() - interval '3 minutes'"),
    "inserted there, of a time to come": partial(put_behind_the_cursor, at="statement_timestamp() + interval '40 days'"),
    "fact names another's entry": partial(fact_forged, forge=audit_behind.borrowed_entry),
    "closing names another's entry": partial(fact_forged, forge=audit_behind.closed_by_anothers),
}  # fmt: skip
