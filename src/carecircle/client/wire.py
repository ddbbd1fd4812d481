"""What the core and whoever does its input and output say to each other: send this, wait so long, this came back."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Send:
    """A request without its credential, which is added where it is sent. `path` is below the service's address.

    `repeatable` says that sending it twice does no more than sending it once.
    """

    method: str
    path: str
    body: bytes | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool = False


class Pause(NamedTuple):
    """Wait so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; names of headers in lower case."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


class Unreached(NamedTuple):
    """Nothing came back: because the connection failed, or (`connection` False) because it took too long or made no sense."""

    connection: bool


Talk = Generator[Send | Pause, Answer | Unreached | None, T]
"""A conversation: it says what to do next, hears how that went, and returns what the caller wanted to know."""
