"""Writing what a batch of records comes to: facts, findings, versions, and an audit entry per record that changed anything."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from carecircle.audit.entry import Entry, append
from carecircle.findings.service import Difference, NewFinding, apply, difference, open_by_record
from carecircle.identifiers import to_text
from carecircle.interop.fhir.closures import Stretch
from carecircle.interop.fhir.fact_tables import (
    close,
    closures_of,
    facts_of_records,
    facts_of_teams,
    insert,
    primaries_of,
    taken_over,
)
from carecircle.interop.fhir.names import kind_of
from carecircle.interop.fhir.policies import ask_policy
from carecircle.interop.fhir.problems import Problem, changed_by_hand
from carecircle.interop.fhir.record_tables import keep_versions
from carecircle.interop.fhir.report import Tally
from carecircle.interop.fhir.service import Desk
from carecircle.interop.fhir.settle import Row, Settled, Slots, Wanted, compare, place, slot_of
from carecircle.interop.fhir.spool import Kept, Verdict


@dataclass(slots=True)
class Outcome:
    """What one record comes to before it is compared with what is there.

    `wrote`: registering it wrote something already. `frozen`: it cannot be used at all now, so its facts stay as they are.
    """

    kept: Kept
    wanted: list[Wanted] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    wrote: bool = False
    withdrawn: bool = False
    frozen: bool = False
    patient_id: UUID | None = None
    provider_id: UUID | None = None

    @property
    def name(self) -> str:
        """What the record is called in what people read; a patient's by our own id, because theirs may be the MRN."""
        record = self.kept.record
        if self.patient_id is not None and kind_of(record) == "Patient":
            return f"Patient/{to_text(self.patient_id)}"
        return record

    def leaves(self, item: str) -> bool:
        """Whether a fact stays as it is because what is said of it now cannot be used."""
        return self.frozen or any(problem.item == item for problem in self.problems)


async def finish(desk: Desk, outcomes: Sequence[Outcome], tables: Sequence[str], tally: Tally) -> None:
    """Bring facts, findings and versions of these records to what the outcomes say."""
    again = [outcome.kept.key for outcome in outcomes if outcome.kept.verdict is not Verdict.NEW]
    await desk.lock_patients(
        [want.values[0] for outcome in outcomes for want in outcome.wanted if _slot_is_primary(want)]
    )
    closed = await _closed(desk, outcomes)
    await _respect_hands(desk, outcomes)
    known: dict[str, list[Row]] = {}
    for table in tables:
        for row in await facts_of_records(desk, table, again):
            known.setdefault(row.record, []).append(row)
    slots = Slots(await _holders(desk, outcomes, tables))
    findings = await open_by_record(desk.session, desk.run.organization_id, desk.run.source, again)
    now = await desk.now()
    closing: list[tuple[Row, UUID]] = []
    opening: list[tuple[Row, UUID]] = []
    noted: list[tuple[UUID, Difference]] = []
    entries: list[Entry] = []
    settled = [
        compare(
            desk.run.source,
            outcome.kept.key,
            known.get(outcome.kept.key, []),
            outcome.wanted,
            slots,
            now,
            untouched=outcome.leaves,
            withdrawn=outcome.withdrawn,
            closed=closed,
        )
        for outcome in outcomes
    ]
    for done in settled:
        place(done, slots, now)
    if tables != ("provider_roles",):
        await ask_policy(desk, settled, [known.get(outcome.kept.key, []) for outcome in outcomes], slots, now)
    for outcome, done in zip(outcomes, settled, strict=True):
        key = outcome.kept.key
        told = difference(findings.get(key, {}), _findings(desk, outcome, done.problems))
        if not (done.closed or done.opened or told or outcome.wrote):
            _count(tally, outcome, wrote=False)
            continue
        entry = _entry(desk, outcome, done, told)
        entries.append(entry)
        closing += [(row, entry.id) for row in done.closed]
        opening += [(row, entry.id) for row in done.opened]
        noted.append((entry.id, told))
        tally.facts_recorded += done.recorded
        tally.facts_superseded += done.superseded
        tally.facts_ended += done.ended
        tally.findings_opened += len(told.opened)
        tally.findings_closed += len(told.closed)
        _count(tally, outcome, wrote=True)
    await append(desk.session, *entries)
    await close(desk, closing, now)
    await insert(desk, opening, now)
    await apply(desk.session, desk.run.organization_id, noted, now)
    await keep_versions(desk, [outcome.kept for outcome in outcomes if outcome.kept.verdict is not Verdict.RETRY])


def _count(tally: Tally, outcome: Outcome, *, wrote: bool) -> None:
    if wrote or outcome.kept.verdict is not Verdict.RETRY:
        tally.taken += outcome.kept.times
    else:
        tally.unchanged += outcome.kept.times


def _entry(desk: Desk, outcome: Outcome, done: Settled, told: Difference) -> Entry:
    counts = {
        "recorded": done.recorded,
        "superseded": done.superseded,
        "ended": done.ended,
        "findings_opened": len(told.opened),
        "findings_closed": len(told.closed),
    }
    return Entry(
        desk.run.organization_id,
        "import",
        desk.run.actor,
        "fhir-record-taken",
        provider_id=outcome.provider_id,
        patient_id=outcome.patient_id,
        detail={"source": desk.run.source, "record": outcome.name}
        | {name: count for name, count in counts.items() if count},
    )


def _findings(desk: Desk, outcome: Outcome, late: Iterable[Problem]) -> list[NewFinding]:
    return [
        NewFinding(
            desk.run.source,
            outcome.kept.key,
            problem.item,
            problem.code,
            f"{outcome.name}: {problem.sentence}",
            problem.remedy,
            outcome.patient_id,
            problem.provider_id or outcome.provider_id,
        )
        for problem in (*outcome.problems, *late)
    ]


async def _holders(desk: Desk, outcomes: Sequence[Outcome], tables: Sequence[str]) -> list[Row]:
    """Whoever holds a slot that these outcomes want."""
    held: list[Row] = []
    if "patient_assignments" in tables:
        patients = {want.values[0] for outcome in outcomes for want in outcome.wanted if _slot_is_primary(want)}
        if patients:
            held += await primaries_of(desk, list(patients))
    for table in ("care_team_patients", "care_team_members"):
        teams = {want.values[0] for outcome in outcomes for want in outcome.wanted if want.table == table}
        if teams:
            held += await facts_of_teams(desk, table, list(teams))
    return held


async def _closed(desk: Desk, outcomes: Sequence[Outcome]) -> dict[UUID, list[Stretch]]:
    """When the teams that these outcomes are about are closed; nobody closes or reopens one of them from here on.

    A team that this transaction made, nobody has closed.
    """
    teams = {
        want.values[0]
        for outcome in outcomes if outcome.kept.verdict is not Verdict.NEW
        for want in outcome.wanted if want.table in ("care_team_patients", "care_team_members")
    }  # fmt: skip
    if not teams:
        return {}
    await desk.lock_teams(teams)
    return await closures_of(desk, list(teams))


async def _respect_hands(desk: Desk, outcomes: Sequence[Outcome]) -> None:
    """Drop what records say about facts of theirs that somebody has since changed by hand."""
    again = [outcome for outcome in outcomes if outcome.kept.verdict is not Verdict.NEW]
    for table in {want.table for outcome in again for want in outcome.wanted} - {"provider_roles"}:
        owners = {want.values[0] for outcome in again for want in outcome.wanted if want.table == table}
        changed = await taken_over(desk, table, list(owners))
        for outcome in again if changed else ():
            for want in [one for one in outcome.wanted if one.table == table]:
                if (outcome.kept.key, want.item) in changed:
                    outcome.wanted.remove(want)
                    outcome.problems.append(changed_by_hand(want.item))


def _slot_is_primary(want: Wanted) -> bool:
    return want.table == "patient_assignments" and slot_of(want.table, want.values) is not None
