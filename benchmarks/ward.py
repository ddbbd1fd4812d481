"""A ward team of 5,000 patients: what it costs to seat a nurse, and whether the next check already knows."""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from pathlib import Path
from uuid import UUID

from benchmarks.workload import loaded
from carecircle import CareCircle, Settings, acting_as, assemble, directory
from carecircle.care_teams.service import add_member, end_membership
from carecircle.care_teams.team_service import create_team
from carecircle.database.reach import Reach, dsn
from carecircle.database.roles import open_connection
from carecircle.database.session import transaction
from carecircle.identifiers import new_id, to_text

PATIENTS = 5_000
ROUNDS = 200

# The patients come straight into the tables: what is measured is the nurse.
FILL = """
  with patient as (
    insert into carecircle.patients (organization_id, id)
    select $1, gen_random_uuid() from generate_series(1, $3) returning id
  )
  insert into carecircle.care_team_patients (organization_id, id, lineage_id, care_team_id, patient_id, starts_at, entry_id)
  select $1, id, id, $2, id, now(), $2 from patient"""


async def measure(settings: Settings, at: Reach, rounds: int) -> dict[str, float]:
    async with assemble(settings, at) as circle:
        organization, team, nurse, patient = await _ward(circle, at)
        adding: list[float] = []
        with acting_as(organization=organization, actor="service:benchmark"):
            for _ in range(rounds):
                started = time.perf_counter()
                async with transaction(circle.engine) as db:
                    await add_member(db, care_team_id=team, provider=nurse, member_role="nurse")
                adding.append(time.perf_counter() - started)
                seen = await circle.access.check(nurse, "read", patient)
                async with transaction(circle.engine) as db:
                    await end_membership(db, care_team_id=team, provider=nurse)
                gone = await circle.access.check(nurse, "read", patient)
                if not seen.allowed or gone.allowed:
                    raise SystemExit("a check did not know what was committed before it")
            listed = await circle.access.list_providers(patient)
        facts = await _facts(at, team)
        adding.sort()
        return {
            "patients": PATIENTS,
            "rounds": rounds,
            "facts_per_round": facts / rounds,
            "seat_p50_ms": adding[len(adding) // 2] * 1000,
            "seat_p99_ms": adding[int(len(adding) * 0.99)] * 1000,
            "let_in_afterwards": len(listed.rows),
        }


async def _ward(circle: CareCircle, at: Reach) -> tuple[UUID, UUID, UUID, UUID]:
    slug = "ward-" + to_text(new_id()).lower()
    async with transaction(circle.engine) as db:
        organization = await directory.register_organization(db, slug=slug, name="Ward", actor="service:benchmark")
        with acting_as(organization=organization, actor="service:benchmark"):
            nurse = await directory.register_provider(db, identifiers=["staff|nurse"])
            team = await create_team(db, name="Ward")
    admin = await open_connection(dsn(at.admin))
    try:
        await admin.execute(FILL, organization, team, PATIENTS)
        patient = await admin.fetchval(
            "select patient_id from carecircle.care_team_patients where organization_id = $1 limit 1", organization
        )
        await admin.execute("analyze carecircle.care_team_patients")
    finally:
        await admin.close()
    return organization, team, nurse, patient


async def _facts(at: Reach, team: UUID) -> int:
    """How many facts about who sits on the team were recorded: a seat, and what it was until it ended, each round."""
    admin = await open_connection(dsn(at.admin))
    try:
        count: int = await admin.fetchval(
            "select count(*) from carecircle.care_team_members where care_team_id = $1", team
        )
        return count
    finally:
        await admin.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="./dev bench ward", description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how often the nurse comes and goes")
    given = parser.parse_args()
    with loaded() as (settings, at):
        figures = asyncio.run(measure(settings, at, given.rounds))
    print(f"a ward of {PATIENTS:,} patients; a nurse comes and goes {given.rounds} times")
    print(f"seating her, committed        p50 {figures['seat_p50_ms']:.2f} ms   p99 {figures['seat_p99_ms']:.2f} ms")
    print(f"facts for coming and going    {figures['facts_per_round']:.0f} (one each)")
    print("her next check                allowed; the one after she left refused, every time")
    if given.json:
        given.json.write_text(json.dumps({key: round(value, 3) for key, value in figures.items()}, indent=2) + "\n")


if __name__ == "__main__":
    main()
