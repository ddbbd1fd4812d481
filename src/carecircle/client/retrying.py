"""When a request is sent again, and after how long: connection failures, a full server, a key that is in use. No clock here."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import NamedTuple

from carecircle.client.problems import code_in
from carecircle.client.wire import Answer, Pause, Send, Talk, Unreached
from carecircle.errors import AccessUnavailable


class Limits(NamedTuple):
    """How often a request is sent at most, the first pause between two, and the longest that is waited; in seconds."""

    tries: int = 3
    first: float = 0.1
    longest: float = 5.0


def sent(request: Send, limits: Limits, jitter: Callable[[], float]) -> Talk[Answer]:
    """The answer to a request, sent again where that is safe and may help. Raises AccessUnavailable when none comes."""
    for attempt in count(1):
        heard = yield request
        assert heard is not None
        pause = pause_after(request, heard, attempt, limits, jitter())
        if pause is None:
            break
        yield Pause(pause)
    if isinstance(heard, Answer):
        return heard
    if "Idempotency-Key" in request.headers:
        raise AccessUnavailable(
            "No answer came, so whether this was done is not known; repeat it with the same idempotency_key to find out."
        )
    raise AccessUnavailable("carecircle did not answer; nobody may be let in.")


def pause_after(request: Send, heard: Answer | Unreached, attempt: int, limits: Limits, jitter: float) -> float | None:
    """Seconds to wait before sending it again; None: do not. `jitter` is between 0 and 1.

    Retry-After is believed in seconds; a server that wants more time than `longest` is not asked again.
    """
    if attempt >= limits.tries or not request.repeatable:
        return None
    least: float | None = None
    if isinstance(heard, Unreached):
        least = 0.0 if heard.connection else None
    elif heard.status == 503:
        least = _seconds(heard)
    elif heard.status == 409 and code_in(heard) == "idempotency-key-in-use":
        least = _seconds(heard) or 0.0
    if least is None:
        return None
    pause = least + limits.first * 2 ** (attempt - 1) * (0.5 + jitter)
    return pause if pause <= limits.longest else None


def _seconds(answer: Answer) -> float | None:
    said = answer.headers.get("retry-after", "").strip()
    return float(said) if said.isascii() and said.isdigit() and len(said) < 7 else None
