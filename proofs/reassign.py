"""Proof that a provider can leave: `./dev prove reassign`, or `python -m proofs.reassign`.

A panel of 2,310 patients goes to six providers under caps and capacities, with preferences and shared teams; with it go
specialist's patients, each by a referral and only to the two who hold the specialty, and standing in for an absent
colleague. First the applying process is killed half-way (SIGKILL) and another one resumes; whose access must not break
off is asked for at every instant of it; then everything is taken back, and what every provider involved sees is compared
with before, now and as of instants in between; then the panel is handed over once more without interruption, and timed.
On a server of its own, with durable commits.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections import Counter
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.engine import make_url

from carecircle import CareCircle, Settings, acting_as, assemble
from carecircle.assignments.service import assign_primary
from carecircle.database import migrate
from carecircle.database.embedded import temporary_server
from carecircle.database.reach import Reach, role_passwords
from carecircle.database.session import instant
from carecircle.directory.credential_service import end_credential
from carecircle.identifiers import to_text
from carecircle.staffing.plan_service import Destination, Wish, plan
from carecircle.staffing.preview_service import Certificate, certificate
from carecircle.staffing.tables import ReassignmentItem, ReassignmentOutcome
from proofs.reassign_practice import (
    ACTOR,
    BEFORE_IN_PANEL,
    CAPACITIES,
    CAPS,
    PANEL,
    SLUG,
    SPECIALTY,
    Practice,
    make_practice,
)

LIMIT_SECONDS = 30.0


async def make_plan(practice: Practice) -> UUID:
    """Under every cap; each tenth patient prefers somebody, each hundredth must not go to the first receiver."""
    wishes = [
        Wish(patient, practice.receivers[number % 6])
        for number, patient in enumerate(practice.panel)
        if number % 10 == 0
    ] + [Wish(patient, practice.receivers[0], never=True) for patient in practice.panel[5::100]]
    async with practice.change() as db:
        made = await plan(
            db,
            leaver=practice.leaver,
            destinations=[Destination(one, cap) for one, cap in zip(practice.receivers, CAPS, strict=True)],
            wishes=wishes,
            organization=practice.organization,
            actor=ACTOR,
        )
    return made.id


def command(at: Reach, *arguments: str) -> subprocess.Popen[str]:
    """A process of the command line, as an operator would start it."""
    environment = {
        **os.environ,
        "CARECIRCLE_DATABASE_URL": at.admin.render_as_string(hide_password=False),
        "CARECIRCLE_ORGANIZATION": SLUG,
    }
    return subprocess.Popen(
        [sys.executable, "-c", "from carecircle.cli.main import run; run()", *arguments],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


async def done(practice: Practice, plan_id: UUID, step: str = "apply") -> Counter[str]:
    """Outcomes of a step, by name."""
    async with practice.change() as db:
        rows = await db.scalars(
            select(ReassignmentOutcome.outcome).where(
                ReassignmentOutcome.organization_id == practice.organization,
                ReassignmentOutcome.reassignment_id == plan_id,
                ReassignmentOutcome.step == step,
            )
        )
        return Counter(rows)


async def kill_half_way(practice: Practice, at: Reach, plan_id: UUID) -> int:
    """Start applying and kill the process once half of the panel is handed over; how many items were done."""
    running = command(at, "reassign", "apply", to_text(plan_id), "--yes", "--batch", "50")
    try:
        while running.poll() is None and (await done(practice, plan_id)).total() < PANEL // 2:  # noqa: ASYNC110  # it happens elsewhere
            await asyncio.sleep(0.005)
        running.kill()
    finally:
        running.communicate(timeout=30)
    return (await done(practice, plan_id)).total()


async def not_once(practice: Practice, each: int) -> int:
    """Patients of the panel who do not have exactly `each` recorded rows, or not exactly one primary from now on."""
    async with practice.change() as db:
        found = await db.execute(
            text("""
                select count(*) from (
                  select patient_id from carecircle.patient_assignments
                  where organization_id = :tenant and patient_id = any (cast(:panel as uuid[]))
                  group by patient_id
                  having count(*) <> :each or count(*) filter (where is_primary_provider and superseded_at = 'infinity'
                    and starts_at <= statement_timestamp() and ends_at = 'infinity') <> 1) wrong"""),
            {"tenant": practice.organization, "panel": list(practice.panel), "each": each},
        )
        wrong: int = found.scalar_one()
        return wrong


async def over_cap(practice: Practice, plan_id: UUID) -> list[str]:
    """Receivers whose panel grew by more than their cap, or beyond their capacity, as list_patients tells it."""
    seen = await practice.sees()
    broken = []
    for receiver, cap, capacity in zip(practice.receivers, CAPS, CAPACITIES, strict=True):
        size = sum("primary" in bases for _, bases, _ in seen[receiver])
        if size - BEFORE_IN_PANEL > cap or (capacity is not None and size > capacity):
            broken.append(f"{to_text(receiver)} has {size} patients")
    return broken


async def certified(practice: Practice, plan_id: UUID) -> Certificate:
    async with practice.change() as db:
        return await certificate(db, reassignment_id=plan_id, organization=practice.organization)


async def instants_between(practice: Practice, plan_id: UUID, begun: datetime, ended: datetime) -> list[datetime]:
    """Every minute from the beginning until five after the end, and every instant at which a batch changed something."""
    minutes = [
        begun + timedelta(minutes=n) for n in range(int((ended - begun).total_seconds() // 60) + 6)
    ]  # fmt: skip
    async with practice.change() as db:
        rows = await db.scalars(
            select(ReassignmentOutcome.recorded_at)
            .where(
                ReassignmentOutcome.organization_id == practice.organization,
                ReassignmentOutcome.reassignment_id == plan_id,
            )
            .distinct()
        )
        return sorted({*minutes, *rows})


async def prove(circle: CareCircle, at: Reach) -> tuple[list[str], str]:
    """What does not hold, and the figure."""
    practice = await make_practice(circle)
    before, begun, around = await practice.sees(), await now(practice), await practice.around()
    broken: list[str] = []

    def hold(what: str, holds: bool) -> None:
        print(f"{'holds' if holds else 'DOES NOT HOLD'}: {what}", flush=True)
        if not holds:
            broken.append(what)

    plan_id = await make_plan(practice)
    items = await count_items(practice, plan_id)
    killed_at = await kill_half_way(practice, at, plan_id)
    hold(f"killed after {killed_at:,} of {items:,} items", 0 < killed_at < items)
    resumed = command(at, "reassign", "resume", to_text(plan_id), "-o", "json")
    told, said = resumed.communicate(timeout=120)
    hold(f"resume ends well (exit {resumed.returncode})", resumed.returncode == 0 or print(said) is not None)
    again = json.loads(told)["done_now"] if told else {}
    hold(f"resume did the {items - killed_at:,} that were left", sum(again.values()) == items - killed_at)
    twice = await not_once(practice, 3)
    hold(f"{twice} patients have anything done twice, or not one primary", twice == 0)
    hold("caps and capacities are kept", not await over_cap(practice, plan_id))
    proof = await certified(practice, plan_id)
    hold(
        f"{len(proof.without)} of {proof.patients:,} without a primary", (proof.patients, proof.without) == (PANEL, [])
    )
    handed_over, between = await practice.sees(), await now(practice)
    hold("the leaver sees nobody, the receivers everybody", not handed_over[practice.leaver] and handed_over != before)
    hold("nor does who stood in for the leaver", bool(before[practice.deputy]) and not handed_over[practice.deputy])
    broken_off = await interrupted(practice, plan_id, begun)
    hold(
        f"{len(broken_off)} specialist's and covered patients were alone, or with the wrong one, for an instant",
        not broken_off,
    )
    denied = await without_specialist(practice)
    hold(f"{denied} of {len(practice.referred):,} referred patients are denied to who took them", denied == 0)

    began = time.monotonic()
    reverted = command(at, "reassign", "revert", to_text(plan_id), "--yes")
    _, said = reverted.communicate(timeout=120)
    took_back = time.monotonic() - began
    hold(f"revert ends well (exit {reverted.returncode})", reverted.returncode == 0 or print(said) is not None)
    hold("every row is restored", await done(practice, plan_id, "revert") == {"restored": items})
    instants = await instants_between(practice, plan_id, begun, await now(practice))
    hold("and every referral and arrangement", await practice.around() == around)
    differ = sum([await practice.sees(as_of=one) != before for one in instants]) + (await practice.sees() != before)
    hold(f"{differ} of {len(instants) + 1} lists of everybody differ from before", differ == 0)
    believed = await practice.sees(as_of=between, believed_at=between)
    hold("asked what was believed in between, the receivers are there", believed == handed_over)

    began = time.monotonic()
    second = await make_plan(practice)
    planned = time.monotonic() - began
    timed = command(at, "reassign", "apply", to_text(second), "--yes", "-o", "json")
    told, _ = timed.communicate(timeout=120)
    seconds = time.monotonic() - began
    hold(f"planned in {planned:.1f} s, all in {seconds:.1f} s", timed.returncode == 0 and seconds < LIMIT_SECONDS)
    hold("and nothing was done twice", await not_once(practice, 6) == 0)
    await end_specialty(practice)
    hold("control: without the specialty they are denied", await without_specialist(practice) == len(practice.referred))
    with acting_as(organization=practice.organization, actor=ACTOR):
        async with practice.change() as db:
            await assign_primary(db, patient=practice.panel[0], provider=practice.leaver)
    hold("control: one more change of one patient is seen", await not_once(practice, 6) == 1)
    inside = json.loads(told)["seconds"] if told else 0
    return broken, (
        f"reassign: {PANEL:,} patients to {len(CAPS)} providers in {seconds:.1f} s with planning and start-up"
        f" ({inside:.1f} s applying); killed after {killed_at:,} of {items:,}, resumed, {twice} done twice,"
        f" {len(proof.without)} without a primary, {len(broken_off)} of"
        f" {len(practice.referred) + len(practice.absent)} referred and covered patients interrupted;"
        f" taken back in {took_back:.1f} s,"
        f" {differ} of {len(instants) + 1} instants differ from before"
    )


async def interrupted(practice: Practice, plan_id: UUID, begun: datetime) -> set[UUID]:
    """Patients whom at some instant not exactly one saw by the referral, or by standing in, or one without the specialty.

    Asked as of before, and as of every instant at which a batch changed something: between those, nothing did.
    """
    wrong: set[UUID] = set()
    able = {practice.leaver, *practice.specialists}
    for at in await instants_between(practice, plan_id, begun, begun):
        seen = await practice.sees(as_of=at)
        consulted = {provider: {row[0] for row in rows if "consulting" in row[1]} for provider, rows in seen.items()}
        covered = [
            row[0] for rows in seen.values() for row in rows if "coverage" in row[1] and row[0] in practice.absent
        ]
        for patient in practice.referred:
            by = {provider for provider, patients in consulted.items() if patient in patients}
            if len(by) != 1 or not by <= able:
                wrong.add(patient)
        wrong |= {one for one, times in Counter([*practice.absent, *covered]).items() if times != 2}
    return wrong


async def without_specialist(practice: Practice) -> int:
    """Referred patients about whom the decision denies reading to both who hold the specialty."""
    allowed: set[UUID] = set()
    for provider in practice.specialists:
        answers = await practice.circle.access.check_many(
            provider, "read", practice.referred, organization=practice.organization, actor=ACTOR
        )
        allowed |= {patient for patient, one in zip(practice.referred, answers, strict=True) if one.allowed}
    return len(practice.referred) - len(allowed)


async def end_specialty(practice: Practice) -> None:
    async with practice.change() as db:
        for provider in practice.specialists:
            await end_credential(
                db, provider=provider, kind="specialty", code=SPECIALTY, organization=practice.organization, actor=ACTOR
            )


async def count_items(practice: Practice, plan_id: UUID) -> int:
    async with practice.change() as db:
        rows = await db.scalars(
            select(ReassignmentItem.id).where(
                ReassignmentItem.organization_id == practice.organization,
                ReassignmentItem.reassignment_id == plan_id,
                ReassignmentItem.planned != "exception",
            )
        )
        return len(rows.all())


async def now(practice: Practice) -> datetime:
    async with practice.change() as db:
        return await instant(db)


def main() -> int:
    with temporary_server() as (home, server):
        os.environ["CARECIRCLE_HOME"] = str(home)
        at = Reach(make_url(server.admin_url), role_passwords(home), server.bin_dir)
        migrate.upgrade(at)

        async def whole() -> tuple[list[str], str]:
            async with assemble(Settings(home=home), at) as circle:
                return await prove(circle, at)

        broken, figure = asyncio.run(whole())
    print(figure)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
