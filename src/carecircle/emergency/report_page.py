"""A report as one HTML page that needs nothing else: no script, no outside request, its style allowed by digest alone."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from uuid import UUID

from jinja2 import Environment, StrictUndefined, Template

from carecircle.emergency.report import Report
from carecircle.emergency.timeline import called, lasted, timeline
from carecircle.identifiers import to_text

LONGEST_TABLE = 500
"""How many openings of a record the page lists; the JSON has all."""
SIGNALS = {
    "over-limit": "More than usual for this provider or unit: two persons had to approve.",
    "vip": "The patient is labelled as a VIP.",
    "co-worker": "The patient is labelled as a co-worker.",
    "family": "The patient is of the provider's own family or household.",
    "same-surname": "Provider and patient have the same surname.",
    "nobody-on-duty": "No supervisor was on duty.",
    "repeated-words": "The reason's words had been given before.",
    "sign-in-not-said": "It is not known when the provider had signed in.",
    "not-attested": "The provider did not confirm the need.",
    "reopened": "The same had been asked for before, and was denied or left undecided.",
    "no-unit": "It is not known for which unit it was.",
    "other-unit": "The provider asked for a unit in which they have no role, though they have one in another.",
}
_DUTIES = {"supervisor": "Supervisor", "duty_manager": "Duty manager", "privacy_office": "Privacy office"}
_STATES = {
    "requested": "Waiting",
    "provisional": "Provisional",
    "approved": "Approved",
    "denied": "Denied",
    "ended": "Ended",
    "expired": "Expired",
    "reviewed": "Reviewed",
}


def as_html(report: Report) -> str:
    """The page, in English; every instant in UTC. It has no patient's name or number, only the patient's id."""
    return _template().render(
        report=report,
        emergency=report.emergency,
        timeline=timeline(report),
        openings=report.opened[:LONGEST_TABLE],
        supposed=report.supposed[:LONGEST_TABLE],
        signals=[SIGNALS.get(one, one) for one in report.emergency.signals],
        style=_style(),
        policy=content_security_policy(),
        name=lambda provider_id: called(report, provider_id),
    )


@cache
def content_security_policy() -> str:
    """What a door sends as Content-Security-Policy with the page; the page says it of itself too."""
    digest = base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


@cache
def _style() -> str:
    return (files(__package__) / "report.css").read_text()


@cache
def _template() -> Template:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {
        "when": _when,
        "lasted": lasted,
        "id": to_text,
        "duty": lambda code: _DUTIES.get(code, code),
        "state": lambda code: _STATES.get(code, code),
        "words": lambda code: code.replace("_", " ").replace("-", " "),
    }
    return environment.from_string((files(__package__) / "report.html").read_text())


def _when(at: datetime | None) -> str:
    return "no end" if at is None else at.astimezone(UTC).strftime("%-d %b %Y %H:%M:%S")


def file_name(emergency_id: UUID, ending: str) -> str:
    """What a report is called when it is kept as a file: its id and nothing about anybody."""
    return f"emergency-access-{to_text(emergency_id)}.{ending}"
