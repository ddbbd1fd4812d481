"""What peers are given, and where they are installed. They are neither audited nor durable: that is said beside their figures."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

from benchmarks.workload import home, questions
from carecircle.access.decision import Question
from carecircle.database.reach import Reach, dsn
from carecircle.database.roles import open_connection

ASKED = 5_000
"""Questions a peer is asked in turn, and about whose patients it knows everything."""

_CIRCLES = """
with asked as (select unnest($1::uuid[]) as id),
direct as (
  select patient_id, provider_id, organization_id from carecircle.patient_assignments a join asked on asked.id = a.patient_id
  where superseded_at = 'infinity' and starts_at <= now() and ends_at > now() and 'read' = any (scope)
  union select p.patient_id, m.provider_id, p.organization_id from carecircle.care_team_patients p
  join asked on asked.id = p.patient_id join carecircle.care_team_members m using (organization_id, care_team_id)
  where p.superseded_at = 'infinity' and p.starts_at <= now() and p.ends_at > now()
    and m.superseded_at = 'infinity' and m.starts_at <= now() and m.ends_at > now() and 'read' = any (m.scope))
select patient_id, array_agg(distinct provider_id) as providers from (
  select patient_id, provider_id from direct
  union select d.patient_id, c.covering_provider_id from direct d join carecircle.coverage_arrangements c
    on c.organization_id = d.organization_id and c.covered_provider_id = d.provider_id
   and c.superseded_at = 'infinity' and c.starts_at <= now() and c.ends_at > now()) whole
group by patient_id"""


class NotHereError(Exception):
    """A peer that does not install on this machine; the message is one sentence."""


def facts(at: Reach) -> Path:
    """A file with questions and, for each patient in them, who is in the circle now: worked out beforehand, as peers have it."""
    asked = questions(ASKED)
    circles = asyncio.run(_circles(at, asked))
    known = {
        "questions": [[str(one.provider_id), str(one.patient_id)] for one in asked],
        "circles": {str(patient): [str(one) for one in providers] for patient, providers in circles.items()},
    }
    place = home() / "peers" / "facts.json"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps(known))
    return place


async def _circles(at: Reach, asked: Sequence[Question]) -> dict[UUID, list[UUID]]:
    connection = await open_connection(dsn(at.admin))
    try:
        rows = await connection.fetch(_CIRCLES, list({one.patient_id for one in asked}))
    finally:
        await connection.close()
    return {row["patient_id"]: row["providers"] for row in rows}


def python_with(package: str) -> str:
    """The interpreter of an environment that has this package. Raises NotHereError."""
    place = home() / "peers" / "python"
    interpreter = place / "bin" / "python"
    if not interpreter.exists():
        venv.create(place, with_pip=True)
    _install([str(interpreter), "-m", "pip", "install", "--quiet", package], package)
    return str(interpreter)


def node_program(package: str) -> str:
    """A program that comes as an npm package. Raises NotHereError."""
    if shutil.which("npm") is None:
        raise NotHereError(f"{package} comes as an npm package, and npm is not installed.")
    place = home() / "peers" / "node"
    place.mkdir(parents=True, exist_ok=True)
    _install(["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(place), package], package)
    return str(place / "node_modules" / ".bin" / package)


def _install(command: list[str], package: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode:
        raise NotHereError(f"{package} does not install on this machine.")


def figures_of(interpreter: str, program: str, facts: Path, seconds: float) -> dict[str, float]:
    """What a program beside this file measured. Raises NotHereError when it fails."""
    command = [interpreter, str(Path(__file__).parent / program), str(facts), str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode:
        print(done.stderr[-2000:], file=sys.stderr)
        raise NotHereError(f"{program} failed; what it said is above.")
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures
