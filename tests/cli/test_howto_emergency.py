"""The how-to pages about emergencies: every command is run in a hospital whose duties are the demo's, every line is seen."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from carecircle.cli.circle import Desk, at_desk
from carecircle.database.session import instant
from carecircle.demo.emergency_service import prepare
from carecircle.demo.people import NORTH
from carecircle.identifiers import OrganizationId
from tests.cli.conftest import Command

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

HOW_TO = Path(__file__).resolve().parents[2] / "docs" / "how-to"
FENCE = re.compile(r"^```(sh|text)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def hospital(carecircle: Command, organization: str) -> None:
    async def work(desk: Desk) -> None:
        async def made(session: AsyncSession) -> None:
            house = replace(NORTH, slug=organization)
            await prepare(session, OrganizationId(desk.organization), house, await instant(session))

        await desk.change(made)

    at_desk(organization, work)
    for patient in ("N-0001", "N-0002", "N-0003", "N-2201"):
        assert carecircle("patient", "add", "--identifier", patient, organization=organization).code == 0
    assert carecircle("restrict", "label", "N-2201", "vip", organization=organization).code == 0


def test_play(carecircle: Command, own: str) -> None:
    hospital(carecircle, own)
    ref = duty = ""
    for line in Path("/tmp/docs-owner/play.txt").read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        words = [w.replace("BG-7K2M4Q", ref).replace("01KC…", duty) for w in shlex.split(line, comments=True)]
        ran = carecircle(*words, organization=own, CARECIRCLE_TIME_ZONE="Europe/Berlin")
        with Path("/tmp/docs-owner/said.txt").open("a") as out:
            out.write(f"$ {line} -> {ran.code}\n{ran.out}{ran.err}\n")
        if found := re.findall(r"BG-[0-9A-Z]{6}", ran.out):
            ref = found[-1]
        if found := re.findall(r"duty end ([0-9A-Z]{26})", ran.err):
            duty = found[-1]
