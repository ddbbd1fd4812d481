"""A line of the log holds what its code says and harmless values, whoever wrote it; everything else is told by type only."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import threading
import warnings
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any, Literal

import pytest
import structlog
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from carecircle import Settings
from carecircle.database.reach import Reach
from carecircle.database.session import open_engine
from carecircle.identifiers import Identifier, new_id, to_text
from carecircle.logs import UNTOLD, written

NAME = "Zebediah Quillfeather"
Lines = list[dict[str, Any]]


@pytest.fixture
def lines(capfd: pytest.CaptureFixture[str]) -> Iterator[Any]:
    """What the log says since the last look."""

    def read() -> Lines:
        said = capfd.readouterr().err
        assert NAME not in said
        assert "Quillfeather" not in said
        return [json.loads(line) for line in said.splitlines()]

    with written("json", "debug"):
        yield read


def fail() -> None:
    raise LookupError(NAME)


def test_values_are_told_by_type(lines: Any) -> None:
    log, own, when = structlog.get_logger("test"), new_id(), datetime(2026, 1, 1, tzinfo=UTC)
    log.info(
        "registered", code="patient-registered", outbox_id=to_text(own), entry=own, count=3, at=when, seconds=0.5, on=True,
        name=NAME, kind=NAME, mrn=Identifier("urn:mrn", NAME), password=SecretStr(NAME), sealed=NAME.encode(),
        born=date(1950, 2, 3), demographics={"name": NAME}, failed=ValueError(NAME), where=["a.b:3", NAME],
    )  # fmt: skip
    [line] = lines()
    told = {name: value for name, value in line.items() if name not in ("timestamp", "level")}
    assert told == {
        "event": "registered", "code": "patient-registered", "outbox_id": to_text(own), "entry": str(own), "count": 3,
        "at": when.isoformat(), "seconds": 0.5, "on": True, "name": "<str>", "kind": "<str>", "mrn": "<Identifier>",
        "password": "<SecretStr>", "sealed": "<bytes>", "born": "<date>", "demographics": "<dict>",
        "failed": "builtins.ValueError", "where": ["a.b:3", "<str>"],
    }  # fmt: skip


def test_words_that_were_put_together_are_not_told(lines: Any) -> None:
    log = structlog.get_logger("test")
    log.warning(f"registered {NAME}", **{f"about {NAME}": 1})
    log.warning("registered")
    made, plain = lines()
    assert made["event"] == UNTOLD
    assert plain["event"] == "registered"


def test_an_error_is_told_by_its_class_and_place(lines: Any) -> None:
    log = structlog.get_logger("test")
    try:
        fail()
    except LookupError as error:
        log.exception("broken")
        logging.getLogger("elsewhere").exception("broken too")
        log.error("handed over", exc_info=error)  # noqa: TRY400  the very thing that is tried
    for line in lines():
        assert line["error"] == "builtins.LookupError"
        assert line["where"][-1].startswith("tests.logs.test_logs.fail:")


def test_no_character_ends_a_line(lines: Any) -> None:
    structlog.get_logger("test").info("one", name="a\nb", code="x\r\n{}", kind="y\u2028z")
    logging.getLogger("elsewhere").info("two\nforged: %s", "a\nb")
    one, two = lines()
    assert (one["code"], one["kind"], two["event"]) == ("<str>", "<str>", "two")


def test_lines_of_others_go_the_same_way(lines: Any) -> None:
    logging.getLogger("server.access").info('%s - "%s %s"', "10.0.0.1", "GET", f"/v1/patients?name={NAME}")
    logging.getLogger("httpx").info(f"HTTP Request: GET http://x/?name={NAME}")
    told, made = lines()
    assert (told["logger"], told["event"], told["values"]) == ("server.access", '%s - "%s %s"', ["<str>"] * 3)
    assert made["event"] == UNTOLD
    assert "logs" in made["where"]


def test_an_error_nobody_catches_is_told_without_what_it_says(lines: Any) -> None:
    async def failing() -> None:
        async def fail_later() -> None:
            fail()

        task = asyncio.create_task(fail_later())
        await asyncio.sleep(0)
        del task
        gc.collect()

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    asyncio.run(failing())
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(f"about {NAME}", stacklevel=1)
    told = lines()
    assert [one.get("error") for one in told if one["level"] == "error"] == ["builtins.LookupError"] * 2
    assert any(one["logger"] == "py.warnings" for one in told if "logger" in one)


def test_no_statement_and_no_parameter_reaches_the_log(migrated: Reach, settings: Settings, lines: Any) -> None:
    async def ask() -> None:
        engine = open_engine(migrated)
        engine.echo = "debug"
        try:
            async with engine.connect() as connection:
                await connection.execute(text(f"select '{NAME}' where :name = ''"), {"name": NAME})
                with pytest.raises(SQLAlchemyError):
                    await connection.execute(text("select cast(:name as integer)"), {"name": NAME})
        finally:
            await engine.dispose()

    asyncio.run(ask())
    assert any(one.get("logger", "").startswith("sqlalchemy") for one in lines())


@pytest.mark.parametrize("shown_as", ["json", "text"])
def test_both_forms_tell_the_same(capfd: pytest.CaptureFixture[str], shown_as: Literal["json", "text"]) -> None:
    with written(shown_as, "info"):
        structlog.get_logger("test").info("registered", code="ok", name=f"{NAME}\nx")
        structlog.get_logger("test").debug("not at this level")
    [line] = capfd.readouterr().err.splitlines()
    assert "registered" in line
    assert "<str>" in line
    assert NAME not in line
