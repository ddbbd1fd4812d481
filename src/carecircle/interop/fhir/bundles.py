"""A large Bundle, cut into the texts of its entries without holding it: only brackets and strings are looked at."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO

_CHUNK = 1 << 20
# A whole string, a bracket, or the quote of a string that goes on in the next chunk.
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\]]|"', re.DOTALL)
_OPENING = (b"{", b"[")
_CLOSING = {b"}": b"{", b"]": b"["}


class Malformed(ValueError):
    """The brackets or strings of a JSON text do not add up."""


def may_be_split(start: bytes) -> bool:
    """Whether a text that starts so may be a Bundle; its type may also follow the entries."""
    depth = 0
    last = b""
    for token in _TOKEN.finditer(start):
        text = token.group()
        if text in _OPENING:
            depth += 1
            if depth == 2 and last == b'"entry"':
                return True
        elif text in _CLOSING:
            depth -= 1
        elif depth == 1 and last == b'"resourceType"':
            return text == b'"Bundle"'
        last = text
    return False


def elements(start: bytes, rest: IO[bytes], longest: int) -> Iterator[bytes]:
    """The text of every element of the top level's `entry` array. Raises Malformed."""
    cut = _Cut()
    buffer = start
    while True:
        yield from cut.scan(buffer)
        keep = cut.begin if cut.begin >= 0 else cut.position
        if len(buffer) - keep > longest:
            raise Malformed(f"an entry is longer than {longest >> 20} MB")
        chunk = rest.read(_CHUNK)
        if not chunk:
            if cut.open_brackets or cut.position < len(buffer):
                raise Malformed("it ends in the middle")
            return
        buffer = buffer[keep:] + chunk
        cut.forget(keep)


@dataclass(slots=True)
class _Cut:
    """Where the scan is: `position` in the buffer, and where the element it is in begins (-1 between elements)."""

    position: int = 0
    begin: int = -1
    last: bytes = b""
    open_brackets: list[bytes] = field(default_factory=list)
    inside: bool = False
    done: bool = False

    def scan(self, buffer: bytes) -> Iterator[bytes]:
        """Go on to the end of the buffer, or to a string that is not whole yet."""
        for token in _TOKEN.finditer(buffer, self.position):
            text = token.group()
            if text == b'"':
                self.position = token.start()
                return
            self.position = token.end()
            if text in _OPENING:
                self._open(text, token.start())
            elif text in _CLOSING and self._close(text):
                yield buffer[self.begin : self.position]
                self.begin = -1
            self.last = text
        self.position = len(buffer)

    def forget(self, length: int) -> None:
        """The first bytes of the buffer are gone."""
        self.position -= length
        self.begin = 0 if self.begin >= 0 else -1

    def _open(self, bracket: bytes, at: int) -> None:
        if self.done:
            raise Malformed("something follows the end of the Bundle")
        depth = len(self.open_brackets)
        if depth == 1 and bracket == b"[" and self.last == b'"entry"':
            self.inside = True
        elif depth == 2 and self.inside:
            self.begin = at
        self.open_brackets.append(bracket)

    def _close(self, bracket: bytes) -> bool:
        """Whether this closes an element of `entry`."""
        if not self.open_brackets or self.open_brackets.pop() != _CLOSING[bracket]:
            raise Malformed("its brackets do not match")
        depth = len(self.open_brackets)
        self.done = depth == 0
        if depth == 1:
            self.inside = False
        return depth == 2 and self.inside and self.begin >= 0
