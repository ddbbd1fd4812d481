"""audit explain: one entry in words, and a past answer given again from what was known then."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from textwrap import fill
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from carecircle.cli import exits
from carecircle.cli.circle import Desk, at_desk
from carecircle.cli.explained import DEEDS, INDENT, RESTRICTION_WORDS, exactly, words
from carecircle.cli.options import OrganizationOption, OutputOption
from carecircle.cli.output import Output, console, emit_json, emit_one, note, printable
from carecircle.identifiers import parse_id, to_text
from carecircle.period import show

if TYPE_CHECKING:
    from carecircle.access.recorded import Proof, Recorded, Replay
    from carecircle.access.replay_service import Explained, Row

WhichEntry = Annotated[str, typer.Argument(metavar="ENTRY", help="The entry's ULID or UUID.")]

KINDS = {
    "change": "a change", "refusal": "a refused change", "import": "an import", "reading": "a reading",
    "decision": "a decision", "listing": "a list",
}  # fmt: skip
KNOWING = {
    None: "by the entry's own snapshot: exactly what the statement could see",
    "restored": "by both clocks, because another database cluster wrote this entry (a restored dump): its snapshot means "
    "nothing here, so what was committed at that very moment may be taken for known, or not",
    "rewritten": "by both clocks, because the entry's row is not the one that its transaction wrote (a restored dump, or "
    "somebody changed it), and no checkpoint covers it: see carecircle audit verify",
}


def explain(entry: WhichEntry, organization: OrganizationOption = None, output: OutputOption = Output.table) -> None:
    """What an entry says, and, of a decision or list, whether the same is answered again from what was known then.

    Exits 11 when the answer differs. That you read it is recorded.

    Example: carecircle audit explain 01JZ8Y6E9T3M5V7X1B2C4D6F8G --organization north-hospital
    """
    entry_id = parse_id(entry)

    async def work(desk: Desk) -> tuple[Explained, dict[UUID, str]]:
        from carecircle.access.replay_service import explain_entry

        found = await explain_entry(
            desk.circle.access, app=desk.circle.engine, auditor=desk.circle.auditor, entry_id=entry_id
        )
        people = [found.entry.provider_id, *(proof.via_id for proof in found.entry.proofs)]
        wanted = [one for one in people if one is not None]
        return found, await desk.names(wanted) if output is Output.table else {}

    found, names = at_desk(organization, work)
    if output is Output.json:
        emit_json(record(found))
    elif output is Output.csv:
        emit_one(_flat(found), how=output)
    else:
        _show(found, names)
    if found.replay is not None and not found.replay.same:
        note(
            "The answer on record is not the one that follows from the facts on record; look at: carecircle audit verify",
            output,
        )
        raise typer.Exit(exits.FINDINGS)


def record(found: Explained) -> dict[str, Any]:
    """The entry, the proof with where each row comes from, and what the replay came to (null where there is none)."""
    entry, replay = found.entry, found.replay
    return {
        "entry": {
            "id": entry.id, "recorded_at": exactly(entry.recorded_at), "kind": entry.kind, "code": entry.code,
            "allowed": entry.allowed, "actor": entry.actor, "on_behalf_of": entry.on_behalf_of, "address": entry.address,
            "provider": entry.provider_id, "action": entry.action, "patient": entry.patient_id, "purpose": entry.purpose,
            "as_of": exactly(entry.as_of), "believed_at": entry.believed_at and exactly(entry.believed_at),
            "policy_version": entry.policy_version, "request_id": entry.request_id, "detail": entry.detail,
        },
        "proof": [_proof(proof, found.rows) for proof in entry.proofs],
        "replay": None if replay is None else _replay(replay),
    }  # fmt: skip


def _replay(replay: Replay) -> dict[str, Any]:
    answer = replay.answer
    return {
        "same": replay.same,
        "by": replay.known.by,
        "why": replay.known.why,
        "differences": [one._asdict() for one in replay.differences],
        "answer": {
            "allowed": answer.allowed, "code": answer.code, "policy_version": answer.policy_version,
            "count": answer.count, "proof": [_proof(proof, {}) for proof in answer.proofs],
        },
    }  # fmt: skip


def _proof(proof: Proof, rows: Mapping[UUID, Row]) -> dict[str, Any]:
    told = proof._asdict()
    for key, one in (("row", proof.id), ("under", proof.under_id)):
        if one is not None and one in rows:
            row = rows[one]
            told[key] = {
                "table": row.table, "recorded_at": exactly(row.recorded_at), "entry": row.entry_id,
                "superseded_at": row.superseded_at and exactly(row.superseded_at),
                "superseded_entry": row.superseded_entry_id,
            }  # fmt: skip
    return told


def _flat(found: Explained) -> dict[str, Any]:
    told = record(found)
    replay = told["replay"] or {"same": None, "by": None, "differences": []}
    differences = "; ".join(f"{one['what']}: {one['recorded']} / {one['replayed']}" for one in replay["differences"])
    entry: dict[str, Any] = told["entry"]
    return entry | {
        "proof": [f"{one['kind']} {to_text(one['id'])}" for one in told["proof"] if one["id"]],
        "same": replay["same"], "by": replay["by"], "differences": differences,
    }  # fmt: skip


def _show(found: Explained, names: Mapping[UUID, str]) -> None:
    out, replay = console(), found.replay
    if replay is None:
        kind = KINDS.get(found.entry.kind, printable(found.entry.kind))
        out.print(f"{kind[0].upper()}{kind[1:]}: {printable(found.entry.code)}; nothing to replay", style="bold")
    elif replay.same:
        out.print("same answer, asked again with what was known then", style="bold green")
    else:
        out.print("DIFFERENT ANSWER, asked again with what was known then", style="bold red")
    for label, said in _lines(found, names):
        line = f"  {label:<{len(INDENT) - 3}} {said}"
        out.print(fill(line, out.width, subsequent_indent=INDENT, break_on_hyphens=False, break_long_words=False))


def _lines(found: Explained, names: Mapping[UUID, str]) -> Iterator[tuple[str, str]]:
    entry, replay = found.entry, found.replay
    yield "entry", f"{to_text(entry.id)}, recorded {exactly(entry.recorded_at)}"
    behalf = f" on behalf of {entry.on_behalf_of}" if entry.on_behalf_of else ""
    where = f" from {entry.address}" if entry.address else ""
    yield "who", printable(f"{entry.actor}{behalf}{where}")
    if replay is None:
        yield from (
            (key, to_text(one)) for key, one in (("provider", entry.provider_id), ("patient", entry.patient_id)) if one
        )
        if entry.detail:
            yield "detail", printable(entry.detail)
        return
    yield "asked", _question(entry, names)
    if entry.as_of != entry.recorded_at or entry.believed_at:
        known = f", going by what was known at {exactly(entry.believed_at)}" if entry.believed_at else ""
        yield "for", f"{exactly(entry.as_of)}{known}"
    yield "answered", _answered(entry)
    for number, proof in enumerate(entry.proofs):
        yield "and" if number else "because", _because(proof, names)
        yield from (("", told) for told in _provenance(proof, found.rows))
    unset = "none was set" if entry.marked else "not recorded"
    yield "policy", unset if entry.policy_version is None else f"version {entry.policy_version}"
    if entry.request_id:
        yield "request", printable(entry.request_id)
    yield "replayed", KNOWING[replay.known.why]
    for one in replay.differences:
        yield "differs", f"{one.what}: the entry says {printable(one.recorded)}; asked again, {printable(one.replayed)}"


def _question(entry: Recorded, names: Mapping[UUID, str]) -> str:
    provider, patient = (to_text(one) if one else "nobody" for one in (entry.provider_id, entry.patient_id))
    named = names.get(entry.provider_id) if entry.provider_id else None
    who = f"{printable(named)} ({provider})" if named else f"provider {provider}"
    purpose = f", for {printable(entry.purpose)}" if entry.purpose else ""
    action = printable(entry.action or "nothing")
    if entry.kind == "decision":
        return f"may {who} {DEEDS.get(action, action)}: patient {patient}{purpose}"
    if entry.listed == "providers":
        return f"who may do this ({action}) to patient {patient}{purpose}"
    return f"to which patients may {who} do this ({action}){purpose}"


def _answered(entry: Recorded) -> str:
    from carecircle.access.decision import MESSAGES

    if entry.kind == "listing":
        return f"{entry.count} listed [{printable(entry.code)}]"
    verdict = "ALLOWED" if entry.allowed else "DENIED"
    return f"{verdict}: {MESSAGES.get(entry.code, '')} [{printable(entry.code)}]"


def _because(proof: Proof, names: Mapping[UUID, str]) -> str:
    if proof.kind in RESTRICTION_WORDS:
        return RESTRICTION_WORDS[proof.kind]
    covered = names.get(proof.via_id) if proof.via_id else None
    what = f"standing in for {printable(covered)}" if covered else words(proof.kind)
    end = (
        ""
        if proof.ends_at is None
        else f", {'open-ended' if show(proof.ends_at) == 'open' else f'until {show(proof.ends_at)}'}"
    )
    return what + end


def _provenance(proof: Proof, rows: Mapping[UUID, Row]) -> Iterator[str]:
    for label, one in (("row", proof.id), ("under it, row", proof.under_id)):
        if one is None:
            continue
        if one not in rows:
            # Under an emergency access stands its lineage, which is no row.
            if label == "row":
                yield f"row {to_text(one)}, which is not on record"
            continue
        row = rows[one]
        yield f"{label} {to_text(one)}, {_by('recorded', exactly(row.recorded_at), row.entry_id, row.made_by, row.maker)}"
        if row.superseded_at is not None and row.superseded_entry_id is not None:
            closed = _by(
                "since superseded", exactly(row.superseded_at), row.superseded_entry_id, row.closed_by, row.closer
            )
            yield closed


def _by(done: str, when: str, entry_id: UUID, code: str | None, actor: str | None) -> str:
    what = "which is not on record" if code is None else printable(f"{code}, by {actor}")
    return f"{done} {when} by entry {to_text(entry_id)} ({what})"
