"""FakeAccess is asked as the real ones are, says no unless told otherwise, and its plugin costs other tests nothing."""

from __future__ import annotations

import asyncio
import inspect
import subprocess
import sys
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from carecircle import Access, to_text
from carecircle.client import AsyncClient, Client
from carecircle.errors import AccessUnavailable, InvalidRequest
from carecircle.hosts import Asks, AsksNow
from carecircle.identifiers import new_id
from carecircle.testing import Asked, FakeAccess

ROOT = Path(__file__).resolve().parents[2]
QUESTIONS = ("check", "check_many", "list_patients", "list_providers", "actions")


def test_it_is_asked_as_the_clients_are() -> None:
    for name in QUESTIONS:
        real, fake = getattr(Client, name), getattr(type(FakeAccess().now), name)
        assert inspect.signature(real) == inspect.signature(fake), name
        later, fake_later = getattr(AsyncClient, name), getattr(FakeAccess, name)
        assert inspect.signature(later) == inspect.signature(fake_later) == inspect.signature(real), name
        assert inspect.iscoroutinefunction(later)
        assert inspect.iscoroutinefunction(fake_later)


def can_be_asked(access: Access, waiting: AsyncClient, blocking: Client, fake: FakeAccess) -> None:
    """For the type checker: each of them is what guards ask."""
    asks: list[Asks] = [access, waiting, fake]
    asks_now: list[AsksNow] = [blocking, fake.now]
    assert asks
    assert asks_now


def test_it_says_no_unless_it_was_told_to_say_yes() -> None:
    fake, okafor, ines = FakeAccess(), new_id(), new_id()
    ends = datetime(2030, 1, 1, tzinfo=UTC)
    assert fake.now.check(okafor, "read", ines).code == "no-relationship"
    assert fake.now.list_patients(okafor).ids == ()
    fake.allow(okafor, "read", ines, kind="coverage", until=ends)
    decided = asyncio.run(fake.check(to_text(okafor).lower(), "read", str(ines), purpose="ETREAT"))
    assert (decided.allowed, decided.bases[0].kind, decided.expires_at) == (True, "coverage", ends)
    for other in ((okafor, "write", ines), (okafor, "read", new_id()), (new_id(), "read", ines)):
        assert fake.now.check(*other).allowed is False
    assert [one.allowed for one in fake.now.check_many(okafor, "read", [ines, new_id()])] == [True, False]
    assert fake.now.list_patients(okafor).ids == (ines,)
    assert fake.now.list_providers(ines).ids == (okafor,)
    assert fake.now.actions(okafor, ines) == ("read",)
    assert Asked("check", to_text(okafor), "read", to_text(ines), "ETREAT") in fake.questions
    fake.deny(okafor, "read", ines)
    assert fake.now.check(okafor, "read", ines).remedies[0].kind == "ask-privacy-office"
    assert fake.now.list_patients(okafor).ids == fake.now.list_providers(ines).ids == ()
    with pytest.raises(InvalidRequest):
        fake.deny(okafor, "read", ines, code="allowed")
    fake.forget()
    assert fake.questions == []
    assert not fake.now.check(okafor, "read", ines).allowed


def test_unavailable_it_says_neither() -> None:
    fake = FakeAccess()
    fake.allow("a", "read", "1")

    def everything() -> list[Any]:
        now = fake.now
        return [lambda: now.check("a", "read", "1"), lambda: now.check_many("a", "read", ["1"]),
                lambda: now.list_patients("a"), lambda: now.list_providers("1"), lambda: now.actions("a", "1")]  # fmt: skip

    with fake.unavailable():
        for question in everything():
            with pytest.raises(AccessUnavailable):
                question()
    assert fake.questions == []
    assert fake.now.check("a", "read", "1").allowed


def test_a_misspelt_circumstance_is_an_error_as_at_the_clients() -> None:
    said: dict[str, Any] = {"porpose": "TREAT"}
    with pytest.raises(TypeError):
        FakeAccess().now.check("a", "read", "1", **said)


def test_the_plugin_is_declared() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["pytest11"]
    assert declared == {"carecircle": "carecircle.testing.plugin"}


def test_nothing_is_loaded_that_is_not_needed() -> None:
    """The plugin loads nothing of ours, whoever asks over HTTP neither frameworks nor the database."""
    plugin, asking, web = loaded_by(
        "carecircle.testing.plugin",
        "carecircle.client, carecircle.hosts, carecircle.testing.fake",
        "carecircle.hosts.fastapi",
    )
    assert plugin & {"carecircle.testing.fake", "carecircle.hosts", "carecircle.client", "httpx"} == set()
    assert asking & {"fastapi", "django", "sqlalchemy", "asyncpg", "pydantic"} == set()
    assert "carecircle.testing.fake" in asking
    assert "fastapi" in web


def loaded_by(*steps: str) -> list[set[str]]:
    """The names of all modules that a fresh interpreter has loaded after each of these imports."""
    code = "; ".join(["import sys", *(f"import {modules}; print(*sys.modules)" for modules in steps)])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return [set(line.split()) for line in done.stdout.splitlines()]
