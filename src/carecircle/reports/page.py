"""A patient's reports as HTML pages that need nothing else: no script, no outside request, their style allowed by digest alone."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from datetime import UTC, date, datetime, tzinfo
from functools import cache
from importlib.resources import files
from uuid import UUID
from zoneinfo import ZoneInfo

from jinja2 import Environment, StrictUndefined

from carecircle.identifiers import to_text
from carecircle.reports.disclosures import Accounting
from carecircle.reports.patient_access import Day, PatientAccess
from carecircle.reports.words import ALTERED

LONGEST = 2000
"""How many rows of one kind a page has; the JSON has all."""


def access_page(report: PatientAccess) -> str:
    """Who looked at a patient's record, in English and by the clock of the report's zone. It has the patient's name."""
    shown, worked = _fitting(report.days), _fitting(report.worked)
    return _render(
        "patient_access.html",
        ZoneInfo(report.time_zone),
        report=report,
        days=shown,
        left_out=len(report.days) - len(shown),
        worked=worked,
        worked_left_out=len(report.worked) - len(worked),
        altered=ALTERED,
        attempts=report.attempts[:LONGEST],
        attempts_left_out=max(len(report.attempts) - LONGEST, 0),
    )


def disclosures_page(report: Accounting) -> str:
    """The accounting of disclosures, in English and in UTC. It has the patient's name."""
    shown = report.disclosures[:LONGEST]
    return _render(
        "disclosures.html", UTC, report=report, disclosures=shown, left_out=len(report.disclosures) - len(shown)
    )


@cache
def content_security_policy() -> str:
    """What a door sends as Content-Security-Policy with the page; the page says it of itself too."""
    digest = base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def file_name(kind: str, patient_id: UUID, ending: str) -> str:
    """What a report is called when it is kept as a file: what it is and the patient's id, and nothing about anybody."""
    return f"{kind}-{to_text(patient_id)}.{ending}"


def _fitting(days: tuple[Day, ...]) -> tuple[Day, ...]:
    """The newest whole days that have no more rows together than a page has; at least one."""
    rows = 0
    for count, one in enumerate(days):
        rows += len(one.looks)
        if rows > LONGEST and count:
            return days[:count]
    return days


def _render(template: str, zone: tzinfo, **filled: object) -> str:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= _filters(zone)
    source = (files(__package__) / template).read_text()
    return environment.from_string(source).render(style=_style(), policy=content_security_policy(), **filled)


def _filters(zone: tzinfo) -> dict[str, Callable[..., str]]:
    def day(instant: datetime) -> str:
        local = instant.astimezone(zone)
        return f"{local.day} {local:%B %Y}"

    def written(one: date) -> str:
        return f"{one:%A} {one.day} {one:%B %Y}"

    def short(one: date) -> str:
        return f"{one.day} {one:%b %Y}"

    def clock(instant: datetime) -> str:
        return f"{instant.astimezone(zone):%H:%M}"

    def sentence(told: str) -> str:
        return f"{told[:1].upper()}{told[1:]}"

    return {"day": day, "date": written, "short": short, "clock": clock, "sentence": sentence, "id": to_text}


@cache
def _style() -> str:
    return (files(__package__) / "page.css").read_text()
