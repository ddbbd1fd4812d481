"""Django's views run only on a yes, and lists hold only those one may see, whose ids are parameters and never SQL."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import connections
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext

from carecircle import to_text
from carecircle.client import Client
from carecircle.database.embedded import EmbeddedServer
from carecircle.errors import AccessUnavailable, InvalidSetting, Unauthenticated
from carecircle.hosts import Within
from carecircle.hosts.asking import replacing
from carecircle.hosts.django import avisible_patients, configure, require, visible_patients
from carecircle.hosts.django_any import EqualsAny
from carecircle.identifiers import new_id, parse_id
from carecircle.testing import FakeAccess
from tests.api.clinic import entries
from tests.client.running import Ward
from tests.conftest import Hospital, socket_reach
from tests.hosts.django_project import Note, postgres_at, sqlite_at

OKAFOR, INES = "urn:staff|okafor", "urn:mrn|4711"
RAN: list[str] = []


def signed_in(request: HttpRequest) -> str | None:
    return request.headers.get("X-Demo-User")


@pytest.fixture
def fake() -> Iterator[FakeAccess]:
    RAN.clear()
    logging.getLogger("django.request").setLevel(logging.CRITICAL)
    asked = FakeAccess()
    with replacing(asked):
        configure(asked, identify=signed_in)
        yield asked


def sent(user: str | None = OKAFOR) -> HttpRequest:
    return RequestFactory().get("/", headers={} if user is None else {"X-Demo-User": user})


@require("read", patient="patient_id")
def chart(request: HttpRequest, patient_id: str) -> HttpResponse:
    RAN.append("chart")
    return HttpResponse(vars(request)["carecircle_decision"].code)


@require("read", patient="number", system="urn:mrn")
async def chart_later(request: HttpRequest, number: int) -> HttpResponse:
    RAN.append("later")
    await asyncio.sleep(0)
    return HttpResponse(vars(request)["carecircle_decision"].code)


def both(user: str | None = OKAFOR) -> list[HttpResponse]:
    return [chart(sent(user), patient_id=INES), asyncio.run(chart_later(sent(user), number=4711))]


def test_views_run_on_a_yes_only(fake: FakeAccess) -> None:
    for answer in both():
        assert (answer.status_code, answer["Content-Type"]) == (403, "application/problem+json")
        said = json.loads(answer.content)
        assert (said["code"], said["remedies"][0]["kind"]) == ("no-relationship", "assign")
    assert RAN == []
    fake.allow(OKAFOR, "read", INES)
    with fake.unavailable():
        assert [answer.status_code for answer in both()] == [503, 503]
    assert [answer.status_code for answer in both(user=None)] == [401, 401]
    assert chart(sent(), patient_id=" ").status_code == 400
    assert RAN == []
    assert [(answer.status_code, answer.content) for answer in both()] == [(200, b"allowed")] * 2
    assert RAN == ["chart", "later"]


@pytest.mark.usefixtures("fake")
def test_a_mistake_of_the_application_stays_an_error() -> None:
    misnamed: dict[str, Any] = {"mrn": INES}
    with pytest.raises(InvalidSetting):
        chart(sent(), INES)
    with pytest.raises(InvalidSetting):
        chart(sent(), **misnamed)


def noted(alias: str, count: int) -> list[UUID]:
    """So many patients with a note each, and one note about nobody."""
    ids = [new_id() for _ in range(count)]
    Note.objects.using(alias).bulk_create(
        [
            *(Note(patient_id=one, patient_ulid=to_text(one), title=str(number)) for number, one in enumerate(ids)),
            Note(patient_id=None, patient_ulid="", title="nobody's"),
        ]
    )
    return ids


def lists_hold_only_those(fake: FakeAccess, alias: str, operator: str, parameters: int) -> None:
    ids = noted(alias, 600)
    seen = ids[:550]
    for one in seen:
        fake.allow(OKAFOR, "read", one)
    fake.allow("urn:staff|brandt", "read", ids[-1])
    fake.allow(OKAFOR, "write", ids[-1])
    rows = Note.objects.using(alias)
    for field, write in (("patient_id", None), ("patient_ulid", to_text)):
        fake.questions.clear()
        found = visible_patients(rows.all(), sent(), field=field, write=write)
        assert [asked.question for asked in fake.questions] == ["list_patients"]
        with CaptureQueriesContext(connections[alias]) as queries:
            assert {note.patient_id for note in found} == set(seen)
            assert found.filter(title="1").count() == 1
            assert rows.exclude(pk__in=found.values("pk")).count() == 51
        assert len(queries) == 3
        text, given = found.query.get_compiler(alias).as_sql()
        assert operator in text
        assert text.count("%s") == len(given) == parameters
        assert not any(str(one) in text or one.hex in text or to_text(one) in text for one in seen)
        assert list(visible_patients(rows.all(), sent("urn:staff|nobody"), field=field, write=write)) == []
    assert [note.title for note in visible_patients(rows.all(), sent(), action="write")] == ["599"]
    condition = visible_patients("patient_id", sent(), action="write")
    assert [note.title for note in rows.filter(condition)] == ["599"]
    assert rows.exclude(condition).count() == 599
    assert (
        asyncio.run(avisible_patients("patient_id", sent(), action="write")) == condition != EqualsAny("patient_id", [])
    )


def test_lists_on_sqlite(fake: FakeAccess, tmp_path: Path) -> None:
    with sqlite_at(tmp_path / "notes.db") as alias:
        lists_hold_only_those(fake, alias, " IN (", 550)


def test_lists_on_postgresql(fake: FakeAccess, server: EmbeddedServer, home: Path) -> None:
    with postgres_at(socket_reach(server, home, "postgres").admin) as alias:
        lists_hold_only_those(fake, alias, " = ANY(%s)", 1)


def test_a_list_without_an_answer_is_none(fake: FakeAccess) -> None:
    with pytest.raises(Unauthenticated):
        visible_patients(Note.objects.all(), sent(None))
    with fake.unavailable():
        with pytest.raises(AccessUnavailable):
            visible_patients(Note.objects.all(), sent())
        with pytest.raises(AccessUnavailable):
            asyncio.run(avisible_patients(Note.objects.all(), sent()))


@pytest.mark.usefixtures("fake")
def test_it_asks_the_service_and_leaves_one_entry(ward: Ward, tmp_path: Path) -> None:
    seen, unseen = {parse_id(one) for one in ward.patients}, UUID(int=0)
    with Client(ward.address, ward.asker) as client, sqlite_at(tmp_path / "notes.db"):
        configure(client, identify=signed_in)
        Note.objects.bulk_create(Note(patient_id=one, title="x") for one in (*seen, unseen))
        before = asyncio.run(listings(ward.hospital))
        for user, about in ((ward.okafor, seen), (ward.brandt, set())):
            assert {note.patient_id for note in visible_patients(Note.objects.all(), sent(user))} == about
        assert asyncio.run(listings(ward.hospital)) - before == 2
        assert chart(sent(ward.okafor), patient_id=ward.patients[0]).status_code == 200
        assert chart(sent(ward.brandt), patient_id=ward.patients[0]).status_code == 403


@pytest.mark.usefixtures("fake")
def test_in_this_process_async_views_ask(ward: Ward) -> None:
    hospital = ward.hospital
    configure(
        Within(hospital.circle.access, organization=hospital.organization, actor="service:charts"), identify=signed_in
    )
    guarded = require("read", patient="patient_id")(later)
    for user, status in ((ward.okafor, 200), (ward.brandt, 403)):
        assert ward.run(guarded(sent(user), patient_id=ward.patients[0])).status_code == status
    with pytest.raises(InvalidSetting):
        chart(sent(ward.okafor), patient_id=ward.patients[0])
    assert RAN == []


async def later(request: HttpRequest, patient_id: str) -> HttpResponse:
    return HttpResponse(patient_id)


async def listings(hospital: Hospital) -> int:
    """Entries that are lists."""
    return len(await entries(hospital, "listing"))
