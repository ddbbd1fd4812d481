"""Every file of examples/ does what its first lines say, against the real service on a real database."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.test import Client as Browser
from django.test.utils import override_settings

from carecircle import CareTeamService, to_text
from carecircle.client import Client as RemoteClient
from carecircle.client import Limits
from carecircle.hosts.asking import in_use, replacing, use
from carecircle.identifiers import new_id, parse_id
from carecircle.testing import FakeAccess
from tests.client.running import Ward
from tests.hosts.django_project import sqlite_at
from tests.hosts.lifespan import started

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def example(name: str) -> ModuleType:
    """An example, loaded as when it is run, but for its last lines."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def at(ward: Ward, credential: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARECIRCLE_URL", ward.address)
    monkeypatch.setenv("CARECIRCLE_KEY", credential)


def test_every_example_is_run_here() -> None:
    names = {file.stem for file in EXAMPLES.glob("*.py")}
    here = Path(__file__).read_text()
    assert {name for name in names if f'example("{name}")' in here or f'"{name}.py"' in here} == names
    told = (EXAMPLES / "README.md").read_text()
    assert all(f"({name}.py)" in told for name in names)


def test_client_sync(ward: Ward, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    main = example("client_sync").main
    at(ward, ward.asker, monkeypatch)
    assert main("urn:staff|okafor", "urn:mrn|0") == 0
    assert main(ward.brandt, ward.patients[0]) == 10
    monkeypatch.setenv("CARECIRCLE_KEY", "not-a-key")
    assert main(ward.okafor, ward.patients[0]) == 1
    monkeypatch.setenv("CARECIRCLE_URL", "http://127.0.0.1:1")
    assert main(ward.okafor, ward.patients[0]) == 3
    said = capsys.readouterr().out
    assert "Yes: primary" in said
    assert "No: no-relationship\n  Ask a care coordinator" in said
    assert "Refused: unauthenticated." in said
    assert "No answer, so no" in said


def test_client_async(ward: Ward, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    main, (provider, patient) = example("client_async").main, ward.somebody()
    at(ward, ward.changer, monkeypatch)
    assert asyncio.run(main(provider, patient)) == 0
    assert asyncio.run(main(provider, to_text(new_id()))) == 1
    said = capsys.readouterr().out
    assert "1 patients, 1 of them to write" in said
    assert f"readers: {provider}" in said
    assert "Refused: patient-not-registered." in said


def test_fastapi_app(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    app = example("fastapi_app").app
    at(ward, ward.asker, monkeypatch)

    async def body() -> None:
        async with started(app) as client:
            path = f"/patients/{ward.patients[0]}/chart"
            yes = await client.get(path, headers={"X-Demo-User": ward.okafor})
            no = await client.get(path, headers={"X-Demo-User": ward.brandt})
            notes = [
                await client.post("/notes", headers={"X-Demo-User": who, "X-Patient": "urn:mrn|0"})
                for who in (ward.okafor, ward.brandt)
            ]
        assert (yes.status_code, yes.json()["because"]) == (200, "primary")
        assert (no.status_code, no.json()["code"]) == (403, "no-relationship")
        assert [note.status_code for note in notes] == [201, 403]

    asyncio.run(body())
    assert "remedies" in app.openapi()["paths"]["/notes"]["post"]["responses"]["403"]["description"]


def test_django_app(ward: Ward, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    at(ward, ward.asker, monkeypatch)
    module, browser, seen = example("django_app"), Browser(), []
    with replacing(in_use()), sqlite_at(tmp_path / "charts.db", module.Chart):
        for title, patient in (("hers", ward.patients[0]), ("his", ward.patients[1]), ("nobody's", to_text(new_id()))):
            module.Chart.objects.create(patient_id=parse_id(patient), title=title)
        with override_settings(ROOT_URLCONF=module.__name__):
            for who in (ward.okafor, ward.brandt):
                for path in (f"/charts/{parse_id(ward.patients[0])}/", "/charts/"):
                    answer = browser.get(path, headers={"X-Demo-User": who})
                    seen.append((answer.status_code, answer.json().get("titles")))
            nobody = browser.get("/charts/")
            use(RemoteClient("http://127.0.0.1:1", ward.asker, limits=Limits(tries=1)))
            unable = browser.get("/charts/", headers={"X-Demo-User": ward.okafor})
    assert seen == [(200, ["hers"]), (200, ["hers", "his"]), (403, None), (200, [])]
    assert [(one.status_code, one.json()["code"]) for one in (nobody, unable)] == [
        (401, "unauthenticated"), (503, "access-unavailable"),
    ]  # fmt: skip


def test_guard(ward: Ward, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    main = example("guard").main
    at(ward, ward.asker, monkeypatch)
    with replacing(FakeAccess()):
        assert main(ward.okafor, ward.patients[0]) == 0
        assert main(ward.brandt, ward.patients[0]) == 10
    said = capsys.readouterr().out
    assert "Slept well (entry " in said
    assert "Not written: no-relationship" in said


def test_with_fake_access() -> None:
    words = ["-m", "pytest", "-q", "-p", "carecircle.testing.plugin", "-c", os.devnull, "--rootdir", str(EXAMPLES)]
    done = subprocess.run(
        [sys.executable, *words, str(EXAMPLES / "test_with_fake_access.py"), "-p", "no:cacheprovider"],
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout


def test_primary_provider_endpoint(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    app, hospital = example("primary_provider_endpoint").app, ward.hospital
    provider, patient = (str(parse_id(one)) for one in ward.somebody())
    address = hospital.circle.reach.admin.render_as_string(hide_password=False)
    monkeypatch.setenv("CARECIRCLE_DATABASE_URL", address)
    monkeypatch.setenv("CARECIRCLE_ORGANIZATION", to_text(hospital.organization))

    async def body() -> None:
        async with started(app) as client:
            path = f"/patients/{patient}/primary-provider"
            done, again, unknown = [
                await client.post(path, params={"provider_id": one}) for one in (provider, provider, str(new_id()))
            ]
        assert (done.status_code, done.json()) == (200, {"status": "success", "primary_provider_id": provider})
        assert again.json() == done.json()
        assert (unknown.status_code, unknown.json()["detail"]) == (404, "provider-not-registered")

    async def primary() -> Any:
        async with hospital.change() as db:
            return await CareTeamService.get_primary_provider(db, hospital.organization, patient_id=patient)

    asyncio.run(body())
    assert str(ward.run(primary())) == provider
