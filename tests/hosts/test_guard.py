"""@guard on plain functions: nothing of the function runs before the yes, and a wrong use is told when it is decorated."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from carecircle import acting_as
from carecircle.errors import (
    AccessUnavailable,
    ActorRequired,
    InvalidIdentifier,
    InvalidSetting,
    Unauthenticated,
)
from carecircle.hosts import AccessDenied, granted, guard, use, using
from carecircle.hosts.asking import in_use, replacing
from carecircle.identifiers import Identifier, new_id
from carecircle.testing import FakeAccess

OKAFOR, INES = "urn:staff|okafor", "urn:mrn|4711"
RAN: list[str] = []


@guard("write", patient="patient_id")
def note(patient_id: str, text: str = "") -> str:
    RAN.append(text)
    return f"{text} {granted().code}"


@guard("write", patient="patient_id", provider="writer")
async def note_later(writer: str, patient_id: str, text: str = "") -> str:
    RAN.append(text)
    await asyncio.sleep(0)
    return f"{text} {granted().code}"


class Chart:
    @guard("read", patient="patient", provider="reader", system="urn:mrn")
    def open(self, patient: int, reader: str) -> int:
        """Opens it."""
        return patient


@pytest.fixture
def fake() -> Iterator[FakeAccess]:
    RAN.clear()
    asked = FakeAccess()
    asked.allow(OKAFOR, "write", INES)
    asked.allow(OKAFOR, "read", INES)
    with replacing(asked):
        yield asked


@pytest.mark.usefixtures("fake")
def test_on_a_yes_it_runs() -> None:
    with acting_as(actor=f"provider:{OKAFOR}"):
        assert note(INES, "a") == note(patient_id=INES, text="a") == "a allowed"
    assert asyncio.run(note_later(OKAFOR, INES, "b")) == "b allowed"
    assert Chart().open(4711, OKAFOR) == 4711
    assert Chart.open.__doc__ == "Opens it."
    with pytest.raises(InvalidSetting):
        granted()


def test_on_a_no_or_without_an_answer_nothing_of_it_runs(fake: FakeAccess) -> None:
    with acting_as(actor="provider:urn:staff|brandt"), pytest.raises(AccessDenied) as denied:
        note(INES)
    assert denied.value.decision.code == "no-relationship"
    with pytest.raises(AccessDenied):
        asyncio.run(note_later("urn:staff|brandt", INES))
    with fake.unavailable():
        with acting_as(actor=f"provider:{OKAFOR}"), pytest.raises(AccessUnavailable):
            note(INES)
        with pytest.raises(AccessUnavailable):
            asyncio.run(note_later(OKAFOR, INES))
    with pytest.raises(AccessDenied):
        Chart().open(4712, OKAFOR)
    assert RAN == []


@pytest.mark.usefixtures("fake")
def test_who_asks_must_be_known() -> None:
    with pytest.raises(ActorRequired):
        note(INES)
    with acting_as(actor="service:nightly"), pytest.raises(Unauthenticated):
        note(INES)
    with pytest.raises(Unauthenticated):
        asyncio.run(note_later("", INES))
    assert RAN == []


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize("patient", ["", " ", f"{INES} ", None, True, 1.5, [INES], "a\nb"])
def test_a_patient_who_is_not_named_is_not_asked_about(patient: Any) -> None:
    with acting_as(actor=f"provider:{OKAFOR}"), pytest.raises(InvalidIdentifier):
        note(patient)
    assert RAN == []


@pytest.mark.usefixtures("fake")
def test_a_patient_may_be_given_as_an_identifier() -> None:
    with acting_as(actor=f"provider:{OKAFOR}"):
        assert note(Identifier("urn:mrn", "4711")) == " allowed"  # type: ignore[arg-type]


def test_a_wrong_use_is_told_at_once() -> None:
    def patient(patient_id: str) -> None: ...
    def anything(**patient_id: str) -> None: ...
    def generator(patient_id: str) -> Iterator[str]:
        yield patient_id

    async def stream(patient_id: str) -> AsyncIterator[str]:
        yield patient_id

    guard("read", patient="patient_id")(patient)
    for function, names in (
        (patient, {"patient": "mrn"}), (patient, {"patient": "patient_id", "provider": "who"}),
        (anything, {"patient": "patient_id"}), (generator, {"patient": "patient_id"}), (stream, {"patient": "patient_id"}),
    ):  # fmt: skip
        with pytest.raises(InvalidSetting):
            guard("read", **names)(function)  # type: ignore[arg-type]


def test_who_is_asked_is_said_somewhere() -> None:
    one, other = FakeAccess(), FakeAccess()
    with replacing(one):
        assert in_use() is one
        with using(other):
            assert in_use() is other
            asyncio.run(asyncio.to_thread(lambda: None))
        use(other)
        assert in_use() is other


def test_a_function_that_blocks_cannot_ask_on_a_loop() -> None:
    class Later:
        async def check(self, *_: Any, **__: Any) -> Any: ...
        async def list_patients(self, *_: Any, **__: Any) -> Any: ...

    @guard("read", patient="patient_id", provider="who", asks=Later())
    def chart(who: str, patient_id: str) -> None:
        RAN.append("chart")

    RAN.clear()
    with pytest.raises(InvalidSetting):
        chart("a", str(new_id()))
    assert RAN == []
