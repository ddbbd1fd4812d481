"""The sealer: gives every committed entry its leaf, in order, and signs what the trees have grown to.

One pass is one transaction of the only sealer that leads: it reads what is fresh, appends it to each organization's tree and
writes leaves, complete subtrees and a checkpoint. A kill at any moment leaves a whole pass or none. Several may run: they
take turns, and each that finds a head which is not its own reads the tree back before it goes on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

import asyncpg
import structlog

from carecircle.audit.merkle import Nodes
from carecircle.audit.metrics import ENTRIES_SEALED, SEAL_LAG, SEALING_FINDINGS
from carecircle.audit.sealing_doubts import any_fits, without_twins, wrong_in
from carecircle.audit.sealing_key import CurrentKey
from carecircle.audit.sealing_service import SEALED_ONCE, Entries, Fresh, Head, Leading, Sealed, SealingDatabase
from carecircle.audit.sealing_tables import ALTERED, NOT_COMPARABLE, TOLD
from carecircle.audit.verify import Checkpoint, format_body
from carecircle.audit.witness import Witnesses
from carecircle.errors import KeyUnavailable
from carecircle.identifiers import to_text

MOST: Final = 16384
"""Entries of one pass, about: more would make it long, fewer would make many."""
AT_FIRST: Final = 64
"""Entries taken of each organization before it is known which of them have many."""
MOST_LEFT_BEHIND: Final = 100_000
PROOFS: Final = 300
"""Entries whose marks are looked at to learn whether the keys here are those of the application."""
NOT_DONE: Final = 1
"""The system of a checkpoint after which more of another cluster's entries are to be sealed: no cluster has this number."""
NOBODY, ANYBODY = UUID(int=0), UUID(int=2**128 - 1)

log = structlog.get_logger("carecircle.sealer")


@dataclass(slots=True)
class Trail:
    """One organization's tree as this sealer has it, and the head it has in the database."""

    head: Head | None
    epoch: int
    tree: Nodes
    after: tuple[int, bytes] | None = None


@dataclass(frozen=True, slots=True)
class Passed:
    """What a pass did: how many it sealed, whether there is more, and whether another sealer was at work.

    `heads`: what may be published once it is flushed; `flushed`: the pass wrote, and its commit waited for that.
    """

    sealed: int = 0
    more: bool = False
    others: bool = False
    heads: Sequence[Head] = ()
    flushed: bool = False


class Sealer:
    """Seals pass by pass. What it remembers of the trees is dropped with `forget`, and then read back from the database."""

    def __init__(self, key: CurrentKey, witnesses: Witnesses) -> None:
        self._key = key
        self._witnesses = witnesses
        self._trails: dict[UUID, Trail] = {}
        self._done: dict[UUID, int] = {}
        self._distrusted: set[UUID] = set()
        self._careful = False
        self._apart = False
        self._spoilt: set[UUID] = set()
        self._everything = True
        self._most = AT_FIRST
        self._marks_fit = False
        self._misfits = 0

    def forget(self) -> None:
        """After a connection was lost the database may be another, or an older one."""
        self._trails.clear()
        self._done.clear()
        self._everything = True

    def look_everywhere(self) -> None:
        """Have the next pass look at all months and all organizations."""
        self._everything = True

    async def once(self, database: SealingDatabase) -> Passed:
        """One pass. Raises the driver's errors and KeyUnavailable; nothing is sealed then."""
        try:
            return await self._once(database)
        except asyncpg.UniqueViolationError as error:
            self._trails.clear()
            if error.constraint_name == SEALED_ONCE and not self._careful:
                # Somebody put down a second row under the id of a sealed one, or a restored database was gone through.
                log.warning("an entry that has its leaf comes after the cursor: from now on every entry is looked up")
                SEALING_FINDINGS.labels("sealed-already").inc()
                self._careful = True
            elif not self._apart:
                self._apart = True
            else:
                raise
            return Passed(more=True)
        except BaseException:
            self._trails.clear()
            raise

    async def _once(self, database: SealingDatabase) -> Passed:
        everything = self._everything
        async with database.leading() as leading:
            if leading is None:
                return Passed(others=True)
            found = await leading.fresh(self._most, careful=self._careful, everything=everything, done=self._done)
            known = {one.organization: one.head for one in found}
            others = any(
                trail.head is not None and known.get(organization, trail.head) != trail.head
                for organization, trail in self._trails.items()
            )
            sealed: list[Sealed] = []
            left_over = False
            self._misfits = 0
            for one in found:
                done, left = await self._seal(leading, database.system, one)
                sealed += done
                left_over |= left
            if self._misfits and not self._marks_fit and not await self._proved(leading, found):
                # What is sealed as unmarked stays so for ever: first it must be sure that the keys are the right ones.
                raise KeyUnavailable(
                    "No mark of the entries to be sealed fits the keys here: the sealer needs those of the application"
                    " (keys.json in CARECIRCLE_HOME, or CARECIRCLE_KEYS)."
                )
            if self._apart:
                self._spoilt |= (spoilt := await leading.write_apart(sealed))
                sealed = [one for one in sealed if one.head.organization not in spoilt]
                for organization in spoilt:
                    self._trails.pop(organization)
                left_over |= bool(spoilt)
            else:
                await leading.write(sealed)
        self._everything = left_over
        self._say(found, sealed)
        full = sum(len(one.entries.ids) >= self._most for one in found)
        self._most = max(AT_FIRST, MOST // max(1, full))
        heads = [one.head for one in found if one.head is not None] if everything else []
        heads += [one.head for one in sealed]
        flushed = bool(sealed) and leading.flushed
        return Passed(sum(len(one.entries.ids) for one in sealed), left_over or full > 0, others, heads, flushed)

    async def _seal(self, leading: Leading, system: int, fresh: Fresh) -> tuple[list[Sealed], bool]:
        """What becomes of one organization in this pass, and whether entries of it are left over."""
        organization, written = fresh.organization, list[Sealed]()
        trail = self._trails.get(organization)
        if trail is None or trail.head != fresh.head:
            trail = await self._trail(leading, fresh)
            if trail is None:
                return [], False
            if trail.head != fresh.head and trail.head is not None:
                opened = self._checkpoint(
                    trail, fresh, 0, trail.head.last_xid, trail.head.last_entry, trail.head.system or system
                )
                trail.head = opened.head
                written.append(opened)
            self._trails[organization] = trail
        entries, last_xid, last_entry, of_system, left = fresh.entries, fresh.entries.last_xid, NOBODY, system, False
        foreign = fresh.foreign or (fresh.head is None and await leading.from_elsewhere(organization))
        if foreign and organization not in self._done:
            fresh = await leading.left_behind(organization, MOST_LEFT_BEHIND)
            entries, last_xid, last_entry = without_twins(fresh.entries), fresh.xmin - 1, ANYBODY
            # Whose transactions these were, and when the rows that name them were written, is not known here.
            of_system = NOT_COMPARABLE
            left = len(fresh.entries.ids) >= MOST_LEFT_BEHIND
            if left:  # not done: the next pass must begin as this one did
                of_system = (trail.head.system if trail.head else NOT_COMPARABLE) or NOT_DONE
                last_xid, last_entry = (trail.head.last_xid, trail.head.last_entry) if trail.head else (0, NOBODY)
            if entries.ids:
                log.info(
                    "restored from another cluster: seals what has no leaf", entries=len(entries.ids), **_of(fresh)
                )
            if not left and not entries.ids:
                self._done[organization] = last_xid
        elif entries.ids:
            entries = without_twins(entries) if self._careful else entries
            last_entry = entries.ids[-1]
        if entries.ids:
            self._done.pop(organization, None)
            hashes, doubts = await self._hashes(leading, organization, entries)
            start = trail.tree.size
            nodes = [node for leaf in hashes for node in trail.tree.append(leaf)]
            previous = trail.head.size if trail.head else 0
            done = self._checkpoint(trail, fresh, previous, last_xid, last_entry, of_system)
            trail.head = done.head
            written.append(replace(done, start=start, entries=entries, hashes=hashes, nodes=nodes, doubts=doubts))
        return written, left

    async def _trail(self, leading: Leading, fresh: Fresh) -> Trail | None:
        """The tree to go on with: the stored one, or that of a new epoch where it is not the one that was published."""
        head, organization = fresh.head, fresh.organization
        self._witnesses.refresh()
        published = self._witnesses.known.get(organization)
        why = None
        if organization in self._spoilt and head is not None:
            self._spoilt.discard(organization)
            why = "something was written where its next leaves go"
        elif published is not None and (head is None or (published.epoch, published.size) > (head.epoch, head.size)):
            why = "the database has lost what was published"
        elif head is None:
            return Trail(None, 1, Nodes())
        elif (
            published is not None
            and published.epoch == head.epoch
            and await leading.root_at(organization, head.epoch, published.size) != published.root
        ):
            why = "the database does not hold what was published"
        if why is None and head is not None:
            if (note := self._own(head)) is not None:
                tree = await leading.tree(organization, head.epoch, head.size)
                if tree is not None and tree.root() == head.root:
                    return Trail(head, head.epoch, tree, note.after)
                why = "the stored tree is not the one that was signed"
            elif organization in self._distrusted:
                log.error("not sealed: another sealer signs with a key that is unknown here", **_of(fresh))
                return None
            else:
                why = "its newest checkpoint is not signed with a key known here"
                self._distrusted.add(organization)
        before = published if published is not None else head
        assert before is not None  # one of them was found wrong
        epoch = max(before.epoch, head.epoch if head else 0) + 1
        SEALING_FINDINGS.labels("epoch-began").inc()
        log.error("a new epoch begins", why=why, epoch=epoch, published_size=before.size, size=head.size if head else 0,
                  **_of(fresh))  # fmt: skip
        cursor = head or Head(organization, epoch, 0, b"", 0, NOBODY, 0, "")
        return Trail(replace(cursor, epoch=epoch), epoch, Nodes(), (before.size, before.root))

    def _own(self, head: Head) -> Checkpoint | None:
        """The note of a head, if it says what its row says and a key known here signed it."""
        try:
            note = Checkpoint.parse(head.note)
            fits = (*note.log, note.size, note.root) == (str(head.organization), head.epoch, head.size, head.root)
            _ = note.after
        except ValueError:
            return None
        return note if fits and self._key.get().signed(note) else None

    def _checkpoint(
        self, trail: Trail, fresh: Fresh, previous: int, last_xid: int, last_entry: UUID, system: int
    ) -> Sealed:
        size, root = trail.tree.size, trail.tree.root()
        body = format_body(fresh.organization, trail.epoch, size, root, fresh.now, trail.after, previous)
        # By these facts are compared with their entries: who owns the database must not be able to move them.
        note = self._key.get().sign(f"{body}cluster {system} {fresh.xmax}\n")
        head = Head(fresh.organization, trail.epoch, size, root, last_xid, last_entry, system, note)
        return Sealed(head, fresh.xmax, fresh.now)

    async def _proved(self, leading: Leading, found: Sequence[Fresh]) -> bool:
        """Whether any entry, sealed or not, has a mark that fits: then the keys are the right ones, and others' marks wrong.

        Where something was sealed as it is, the newest of that decides; else every mark is looked at until one fits.
        """
        mine = [one.organization for one in found]
        every = [*mine, *sorted(set(await leading.organizations()) - set(mine))]
        looked = 0
        for organization in every:
            some = await leading.sealed_as_they_are(organization, PROOFS)
            looked += len(some.ids)
            self._marks_fit = any_fits(organization, some)
            if self._marks_fit or looked >= PROOFS:
                return self._marks_fit
        if not looked:
            for organization in every:
                async for some in leading.marked(organization, PROOFS):
                    if any_fits(organization, some):
                        self._marks_fit = True
                        return True
        return False

    async def _hashes(
        self, leading: Leading, organization: UUID, entries: Entries
    ) -> tuple[Sequence[bytes], Mapping[UUID, int]]:
        """The leaf hashes, with what is wrong with an entry before its bytes; and which those are."""
        wrong = wrong_in(organization, entries)
        marked = {place for place, mark in enumerate(entries.marks) if mark is not None}
        self._misfits += sum(place in marked and look == TOLD for place, look in wrong.items())
        self._marks_fit |= not marked <= wrong.keys()
        if not wrong:
            return entries.hashes, {}
        told = [(entries.ids[place], entries.instants[place], look) for place, look in wrong.items()]
        prefixed = await leading.prefixed(organization, told)
        hashes = [prefixed.get(entry, plain) for entry, plain in zip(entries.ids, entries.hashes, strict=True)]
        return hashes, {entry: look for entry, _, look in told if entry in prefixed}

    def _say(self, found: Sequence[Fresh], sealed: Sequence[Sealed]) -> None:
        """Lag, counter and log of a pass that is committed."""
        waits = [(one.now - one.waits_since).total_seconds() for one in found if one.waits_since is not None]
        took = [(one.signed_at - min(one.entries.instants)).total_seconds() for one in sealed if one.entries.ids]
        SEAL_LAG.set(max(0.0, *waits, *took) if waits or took else 0.0)
        if count := sum(len(one.entries.ids) for one in sealed):
            ENTRIES_SEALED.inc(count)
            log.debug("sealed", entries=count, organizations=len(sealed))
        for one in sealed:
            for name, look in (("altered-before-sealing", ALTERED), ("unmarked", TOLD)):
                if doubted := [entry for entry, what in one.doubts.items() if what == look]:
                    SEALING_FINDINGS.labels(name).inc(len(doubted))
                    log.error("entries do not fit", finding=name, entries=len(doubted), first=to_text(doubted[0]),
                              organization_id=to_text(one.head.organization))  # fmt: skip


def _of(fresh: Fresh) -> dict[str, str]:
    return {"organization_id": to_text(fresh.organization)}
