"""Verifying the audit trail over HTTP: whether it is whole, and whether facts fit their entries, in one bounded run."""

from __future__ import annotations

import asyncio
from typing import Annotated

from pydantic import Field, StringConstraints

from carecircle.actor import acting_as
from carecircle.api.v1.aside import auditor_aside
from carecircle.api.v1.door import Auditing, routes
from carecircle.api.v1.shapes import ANOTHER_ID, Answer, Body, Id, Moment, example, id_of
from carecircle.audit import reading_service
from carecircle.audit.online_service import Found, verify_online
from carecircle.audit.trusted import notes_of, own_keys, read_keys, witness_file
from carecircle.errors.audit import NotSealedYet, TrailTooLong
from carecircle.identifiers import to_text

router = routes("audit")

MOST_FINDINGS = 1000
FINDING = {
    "code": "entry-altered", "sentence": "The entry is not the one that was sealed here.",
    "where": f"index 41, {ANOTHER_ID}", "leaf": 41, "entry_id": ANOTHER_ID, "table": None, "row_id": None,
}  # fmt: skip
VERDICT = {
    "ok": False, "verified_at": "2026-01-31T08:00:00+00:00", "entries": 42, "retired": 0, "unsealed": 1, "checkpoints": 9,
    "epochs": 1, "facts": 17, "witnessed": True, "findings_counted": 1, "first_bad": f"index 41, {ANOTHER_ID}",
    "notes": [], "findings": [FINDING],
}  # fmt: skip


class Verification(Body):
    """`keys` that may have signed, as you noted them elsewhere, instead of those that this installation tells; `witnessed`:
    checkpoints that you kept, beside those of its witness file; `seconds` after which the run is given up."""

    model_config = example(keys=["carecircle+2d1f0c7a+AS9hcmUgY2lyY2xlIGlzIHNlYWxlZCBieSBhIGtleQ=="], seconds=20)
    keys: Annotated[list[Annotated[str, StringConstraints(max_length=500)]], Field(max_length=50)] | None = None
    witnessed: Annotated[str, StringConstraints(max_length=60_000)] = ""
    seconds: Annotated[int, Field(ge=1, le=60)] = 20


class Finding(Answer):
    """One thing that is not as it must be: of the trail, with its leaf; or of the row of a fact, with its table and id."""

    model_config = example(**FINDING)
    code: str
    sentence: str
    where: str
    leaf: int | None
    entry_id: Id | None
    table: str | None
    row_id: Id | None


class Verdict(Answer):
    """`ok`: nothing was found. `entries` are sealed ones, `facts` rows that were compared with the entries they name. Without a
    witness (`witnessed`) entries that were cut off the end cannot be missed. The first thousand findings are told."""

    model_config = example(**VERDICT)
    ok: bool
    verified_at: Moment
    entries: int
    retired: int
    unsealed: int
    checkpoints: int
    epochs: int
    facts: int
    witnessed: bool
    findings_counted: int
    first_bad: str | None
    notes: list[str]
    findings: list[Finding]


@router.post("/audit/verification")
async def verify_audit(door: Auditing, body: Verification) -> Verdict:
    """Verify the trail as it lies. Verifying reads every entry, so that a long trail is not done in time (409, trail-too-long):
    verify an export of it elsewhere, or on the command line. That it was verified is recorded."""
    circle, own = door.circle, door.caller.organization_id
    async with door.read():
        pass  # whether the token still holds
    given = body.keys if body.keys is not None else own_keys(circle.settings)
    if not given:
        raise NotSealedYet("Nothing was sealed here yet, so that there is no key; is a worker running?")
    keys = read_keys(given)
    file = witness_file(circle.settings)
    kept = await asyncio.to_thread(notes_of, file, own) if file is not None else ""
    witnessed = [one for one in (body.witnessed, kept) if one.strip()]
    with acting_as(organization=own, actor=door.caller.actor):
        async with auditor_aside(door) as auditor:
            try:
                async with asyncio.timeout(body.seconds):
                    found = await verify_online(auditor, keys, witnessed, organization=own)
            except TimeoutError:
                raise TrailTooLong(
                    f"This trail was not verified within {body.seconds} s; verify an export of it, or run: carecircle audit"
                    " verify."
                ) from None
    async with door.read() as db:
        await reading_service.record(db, "audit-verified", entries=found.verdict.entries, findings=found.total)
    return _verdict(found, bool(witnessed))


def _verdict(found: Found, witnessed: bool) -> Verdict:
    said = found.verdict
    findings = [
        Finding(
            code=one.code, sentence=one.sentence, where=str(one.where), leaf=one.where.first, entry_id=one.where.entry,
            table=None, row_id=None,
        )
        for one in said.findings
    ] + [
        Finding(
            code=one.code, sentence=f"This row {one.sentence}.", where=f"{one.table} {to_text(one.id)}", leaf=None,
            entry_id=id_of(one.entry_id), table=one.table, row_id=None if one.code == "fact-missing" else to_text(one.id),
        )
        for one in found.facts.strays
    ]  # fmt: skip
    return Verdict(
        ok=found.ok, verified_at=said.exported_at, entries=said.entries, retired=said.retired, unsealed=said.unsealed,
        checkpoints=said.checkpoints, epochs=said.epochs, facts=found.facts.rows, witnessed=witnessed,
        findings_counted=found.total, first_bad=None if said.first_bad is None else str(said.first_bad.where),
        notes=list(said.notes), findings=findings[:MOST_FINDINGS],
    )  # fmt: skip
