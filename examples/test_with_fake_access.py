"""How an application tests what it lets whom do, without a service or a database: `pytest examples/test_with_fake_access.py`.

The fixture `carecircle_access` comes with carecircle's pytest plugin. It says no until a test says yes.
"""

import asyncio

import pytest

from carecircle.errors import AccessUnavailable
from carecircle.hosts import AccessDenied, guard
from carecircle.testing import FakeAccess


@guard("read", patient="patient_id", provider="reader")
async def read_chart(reader: str, patient_id: str) -> str:
    """What is tested here."""
    return "Sinus rhythm"


def run(reader: str) -> str:
    return asyncio.run(read_chart(reader, "urn:mrn|4711"))


def test_the_chart_is_closed(carecircle_access: FakeAccess) -> None:
    with pytest.raises(AccessDenied) as denied:
        run("urn:staff|brandt")
    assert denied.value.decision.code == "no-relationship"


def test_it_opens_to_who_may_read_it(carecircle_access: FakeAccess) -> None:
    carecircle_access.allow("urn:staff|okafor", "read", "urn:mrn|4711")
    assert run("urn:staff|okafor") == "Sinus rhythm"
    assert [asked.action for asked in carecircle_access.questions] == ["read"]


def test_it_stays_closed_when_nobody_answers(carecircle_access: FakeAccess) -> None:
    carecircle_access.allow("urn:staff|okafor", "read", "urn:mrn|4711")
    with carecircle_access.unavailable(), pytest.raises(AccessUnavailable):
        run("urn:staff|okafor")
