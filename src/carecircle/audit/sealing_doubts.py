"""What is wrong with entries that are about to be sealed: rows that were changed, marks that do not fit, ids that come twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from carecircle.audit.entry import content_of
from carecircle.audit.metrics import SEALING_FINDINGS
from carecircle.audit.sealing_service import Entries
from carecircle.audit.sealing_tables import ALTERED, AS_IT_IS, TOLD
from carecircle.database.crypto import keyring


def wrong_in(organization: UUID, entries: Entries) -> Mapping[int, int]:
    """Places of entries that do not fit, and what is wrong: ALTERED for the row, TOLD for the mark."""
    keys = keyring()
    told = iter(entries.told)
    wrong: dict[int, int] = {}
    prefix = organization.bytes
    mark = keys.mark
    for place, (look, given) in enumerate(zip(entries.looks, entries.marks, strict=True)):
        if look == AS_IT_IS:
            if given != mark(prefix + entries.ids[place].bytes):
                wrong[place] = TOLD
        elif look == ALTERED:
            wrong[place] = ALTERED
        else:
            said = next(told) if look == TOLD else None
            if said is not None and given != mark(_content(organization, entries.ids[place], said)):
                wrong[place] = TOLD
    return wrong


def any_fits(organization: UUID, entries: Entries) -> bool:
    """Whether the keys here made the mark of at least one of these."""
    return len(wrong_in(organization, entries)) < sum(mark is not None for mark in entries.marks)


def _content(organization: UUID, entry: UUID, said: Sequence[str | None]) -> bytes:
    kind, actor, on_behalf_of, address, provider, patient, action, code, detail = said
    provider_id, patient_id = (None if one is None else UUID(one) for one in (provider, patient))
    return content_of(
        organization,
        entry,
        kind or "",
        actor or "",
        on_behalf_of,
        address,
        provider_id,
        patient_id,
        action,
        code or "",
        detail,
    )


def without_twins(entries: Entries) -> Entries:
    """Only the first of those that share an id; the others stay without a leaf, which shows them."""
    first = {entry: place for place, entry in reversed(list(enumerate(entries.ids)))}
    if len(first) == len(entries.ids):
        return entries
    SEALING_FINDINGS.labels("sealed-already").inc(len(entries.ids) - len(first))
    keep = sorted(first.values())
    told = dict(zip((place for place, look in enumerate(entries.looks) if look == TOLD), entries.told, strict=True))
    return Entries(
        ids=[entries.ids[place] for place in keep],
        instants=[entries.instants[place] for place in keep],
        marks=[entries.marks[place] for place in keep],
        hashes=[entries.hashes[place] for place in keep],
        looks=[entries.looks[place] for place in keep],
        told=[told[place] for place in keep if place in told],
        last_xid=entries.last_xid,
    )
