"""A ward for tests of emergency access from the command line: who may break the glass, who decides, who reviews."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from carecircle.cli.circle import Desk, at_desk
from carecircle.directory.duty_service import add_duty
from carecircle.directory.service import register_provider
from tests.cli.conftest import Command, Ran

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

DUTIES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("break_glass", "doctor", {}),
    ("supervisor", "boss", {"contact": "boss@ward.example"}),
    ("supervisor", "second", {"call_order": 2}),
    ("duty_manager", "manager", {}),
    ("privacy_office", "office", {}),
    ("privacy_office", "auditor", {}),
)


def give_duties(organization: str) -> None:
    """`doctor` may break the glass; `boss`, `second`, `manager`, `office` and `auditor` decide, the last two review."""

    async def give(session: AsyncSession) -> None:
        for duty, who, more in DUTIES:
            if who != "doctor":
                await register_provider(session, identifiers=[who])
            await add_duty(session, provider=who, duty=duty, **more)

    async def work(desk: Desk) -> None:
        await desk.change(give)

    at_desk(organization, work)


def glass(carecircle: Command, ward: str, *words: str, **environment: str) -> Ran:
    return carecircle("break-glass", *words, organization=ward, **environment)


def asked(carecircle: Command, ward: str, *words: str) -> Any:
    """A request of `doctor`, as it is answered in JSON."""
    request = ("request", "patient", "--as", "doctor", "--reason", "life-threat", "--attest", "-o", "json")
    ran = glass(carecircle, ward, *request, *words)
    assert ran.code == 0, ran.err
    return ran.json
