"""The log: one line per event on stderr, in which nothing stands that could be about a patient.

What a line may hold is settled by type, not by looking for patterns. Its words are a constant of the code that says them;
values are numbers, instants, ids, and text under the few names that hold codes (CODES). Of anything else only the type is
told: identifiers, secrets, bytes, dates, text, whatever a driver or a library hands over. Of an error, its class and where
it came from. Lines of other libraries (uvicorn, asyncio, SQLAlchemy, Alembic, warnings) go the same way.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path
from types import CodeType, FrameType, TracebackType
from typing import Any, Literal
from uuid import UUID

import structlog

CODES = frozenset(
    {
        "attempt", "channel", "code", "error", "file", "finding", "kind", "lane", "level", "logger", "method", "mode",
        "outcome", "purpose", "role", "route", "state", "status", "table", "where", "why",
    }
)  # fmt: skip
"""Names under which text is shown: it is a code, a class or a template there."""

UNTOLD = "untold: its words are not a constant of the code"
LEVELS = {name: getattr(logging, name.upper()) for name in ("debug", "info", "warning", "error")}
_CODE = re.compile(r"[A-Za-z_/<*][\w.:/{}<>*-]*", re.ASCII)
_ID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)
_MOST_FRAMES = 5
_LONGEST = 200

Event = MutableMapping[str, Any]


def set_up(
    shown_as: Literal["json", "text"] = "json",
    level: Literal["debug", "info", "warning", "error"] = "info",
    *,
    passed: Callable[[Any, str, Event], Event] | None = None,
) -> None:
    """From now on write every log of this process, and every error that nobody catches, to stderr in the one form.

    `passed` sees each event of ours first, and may raise structlog.DropEvent.
    """
    render = line_of if shown_as == "json" else words_of
    structlog.configure(
        processors=[
            *([passed] if passed is not None else []),
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            masked,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=lambda *_: _Stderr(),
    )
    root = logging.getLogger()
    for handler in [one for one in root.handlers if isinstance(one, Others)]:
        root.removeHandler(handler)
    root.addHandler(Others(render))
    root.setLevel(LEVELS[level])
    logging.raiseExceptions = False  # what a handler stumbles over would be printed as it is
    logging.captureWarnings(capture=True)
    sys.excepthook = _uncaught
    sys.unraisablehook = lambda args: _uncaught(args.exc_type, args.exc_value, args.exc_traceback)
    threading.excepthook = lambda args: _uncaught(args.exc_type, args.exc_value, args.exc_traceback)


@contextmanager
def written(
    shown_as: Literal["json", "text"] = "json",
    level: Literal["debug", "info", "warning", "error"] = "info",
    *,
    passed: Callable[[Any, str, Event], Event] | None = None,
) -> Iterator[None]:
    """The same for as long as the block; then everything is as it was."""
    root, before = logging.getLogger(), structlog.get_config() if structlog.is_configured() else None
    handlers, height, raising = list(root.handlers), root.level, logging.raiseExceptions
    hooks, shown = (sys.excepthook, sys.unraisablehook, threading.excepthook), warnings.showwarning
    set_up(shown_as, level, passed=passed)
    try:
        yield
    finally:
        logging.captureWarnings(capture=False)
        warnings.showwarning = shown
        sys.excepthook, sys.unraisablehook, threading.excepthook = hooks
        root.handlers[:], logging.raiseExceptions = handlers, raising
        root.setLevel(height)
        structlog.reset_defaults()
        if before is not None:
            structlog.configure(**before)


class _Stderr:
    """What structlog hands its lines to: stderr, whichever that is by then."""

    def msg(self, line: str) -> None:
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()

    debug = info = warning = error = critical = exception = msg


def line_of(_: Any, __: str, event: Event) -> str:
    """The event as one line of JSON in ASCII, so that no character of it ends the line."""
    return str(structlog.processors.JSONRenderer(sort_keys=False, ensure_ascii=True)(None, "", event))


def words_of(_: Any, __: str, event: Event) -> str:
    """The event as key=value words; ascii() writes what would end the line as an escape."""
    first = [name for name in ("timestamp", "level", "event") if name in event]
    names = first + [name for name in event if name not in first]
    return " ".join(f"{name}={event[name]!a}" for name in names)


def masked(_: Any, __: str, event: Event) -> Event:
    """The event with what may be told: a structlog processor, the last before the event is written."""
    words = event.pop("event", None)
    error = event.pop("exc_info", None)
    event.pop("stack_info", None)
    shown = words if _is_constant(words, _caller()) else UNTOLD
    return {"event": shown, **_told(event), **_error(error)}


def _told(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        (name if _NAME.fullmatch(name) else "unnamed"): (value if name == "timestamp" else value_of(name, value))
        for name, value in values.items()
    }


def value_of(name: str, value: Any) -> Any:
    """What may be told of a value: itself where its type is harmless, or it is a code under a name of codes; else its type."""
    if value is None or type(value) in (bool, int, float):
        return value
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime):  # but not a date: people are born on one
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Enum) and name in CODES:
        value = value.value
    if type(value) is str and (
        _ID.fullmatch(value) or (name in CODES and len(value) <= _LONGEST and _CODE.fullmatch(value))
    ):
        return value
    if isinstance(value, list | tuple) and type(value) in (list, tuple) and name in CODES:
        return [value_of(name, one) for one in value[:20]]
    if isinstance(value, BaseException):
        return f"{type(value).__module__}.{type(value).__qualname__}"
    return f"<{type(value).__qualname__}>"


class Others(logging.Handler):
    """Where the lines of other libraries come in: their words if these are a constant, and their values by type."""

    def __init__(self, render: Callable[[Any, str, Event], str]) -> None:
        super().__init__()
        self._render = render

    def emit(self, record: logging.LogRecord) -> None:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        where = f"{record.module}:{record.funcName}:{record.lineno}"
        event: Event = {
            "event": _first_line(record.msg) if _is_constant(record.msg, _at(record)) else UNTOLD,
            "logger": value_of("logger", record.name),
            "level": record.levelname.lower(),
            "timestamp": f"{stamp}.{int(record.msecs):03d}Z",
            "where": value_of("where", where),
        }
        if record.args:
            given = record.args if isinstance(record.args, tuple) else (record.args,)
            event["values"] = [value_of("values", one) for one in given]
        _Stderr().msg(self._render(None, "", {**event, **_error(record.exc_info)}))


def where_of(trace: TracebackType | None) -> list[str]:
    """The last places an error came through, as module.function:line; none of them holds a value."""
    places: list[str] = []
    while trace is not None:
        frame = trace.tb_frame
        places.append(f"{frame.f_globals.get('__name__', '?')}.{frame.f_code.co_name}:{trace.tb_lineno}")
        trace = trace.tb_next
    return places[-_MOST_FRAMES:]


def _error(given: Any) -> dict[str, Any]:
    """The class of an error and where it came from, and never what it says."""
    error = sys.exc_info()[1] if given is True else given[1] if isinstance(given, tuple) else given
    if not isinstance(error, BaseException):
        return {}
    return {"error": value_of("error", error), "where": where_of(error.__traceback__)}


def _uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt | SystemExit):
        return
    name = f"{kind.__module__}.{kind.__qualname__}"
    structlog.get_logger("carecircle").error("nobody caught an error", error=name, where=where_of(trace))


def _is_constant(words: object, frame: FrameType | None) -> bool:
    """Whether the words stand as they are in the code that says them: what is put together may hold anything."""
    return type(words) is str and frame is not None and _stands_in(words, frame.f_code)


def _stands_in(words: str, code: CodeType) -> bool:
    return any(one == words for one in code.co_consts if type(one) is str)


def _first_line(words: str) -> str:
    return words.partition("\n")[0][:_LONGEST]


def _caller() -> FrameType | None:
    """The frame that told structlog, seen from a processor."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_globals.get("__name__", "").startswith("structlog"):
        frame = frame.f_back
    return frame


def _at(record: logging.LogRecord) -> FrameType | None:
    """The frame in which a record was made."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name == record.funcName and Path(frame.f_code.co_filename) == Path(record.pathname):
            return frame
        frame = frame.f_back
    return None
