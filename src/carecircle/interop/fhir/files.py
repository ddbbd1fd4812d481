"""The resources of a file or a folder, one at a time: JSON, NDJSON, either gzipped. What cannot be read is InvalidInput."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import orjson

from carecircle.errors import InvalidInput
from carecircle.interop.fhir.bundles import Malformed, elements, may_be_split

_ENDINGS = (".json", ".ndjson", ".json.gz", ".ndjson.gz")
# A file up to this size is parsed at once; a larger Bundle entry by entry.
AT_ONCE = 4 << 20
# No resource a hospital needs us to take comes near this; without a limit one line could take all memory.
LONGEST = 32 << 20


@dataclass(frozen=True, slots=True)
class Found:
    """One resource and the URL under which its neighbours refer to it (empty where none is given)."""

    resource: dict[str, Any]
    full_url: str = ""


def input_files(path: Path) -> list[Path]:
    """The files to import, in a fixed order. Raises InvalidInput when there are none."""
    if path.is_file():
        if not path.name.lower().endswith(_ENDINGS):
            raise InvalidInput(f"{path}: this is not a .json or .ndjson file (or one of these gzipped); name one.")
        return [path]
    if not path.is_dir():
        raise InvalidInput(f"{path}: there is no such file or folder; name one that holds FHIR R4 resources.")
    files = sorted(file for file in path.rglob("*") if file.name.lower().endswith(_ENDINGS) and file.is_file())
    if not files:
        raise InvalidInput(
            f"{path}: this folder holds no .json or .ndjson file; name one that holds FHIR R4 resources."
        )
    return files


def read_file(path: Path, read: Callable[[int], None]) -> Iterator[Found]:
    """Every resource of a file, in order; `read` is told how far into the file, in bytes on disk, we are.

    Raises InvalidInput, naming the file and the line or entry, when it is not what its name says.
    """
    try:
        with _opened(path) as (raw, plain):
            lines = ".ndjson" in path.name.lower()
            for found in _lines(path, plain) if lines else _document(path, plain):
                read(raw.tell())
                yield found
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise InvalidInput(f"{path}: this gzip file is damaged or cut short; export it again.") from None
    except OSError as error:
        raise InvalidInput(
            f"{path}: this file cannot be read ({error.strerror}); check its rights and try again."
        ) from None


@contextmanager
def _opened(path: Path) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    with path.open("rb") as raw:
        if path.name.lower().endswith(".gz"):
            with gzip.GzipFile(fileobj=raw) as packed:
                yield raw, io.BufferedReader(packed, 1 << 20)
        else:
            yield raw, raw


def _lines(path: Path, stream: IO[bytes]) -> Iterator[Found]:
    number = 0
    while line := stream.readline(LONGEST):
        number += 1
        if len(line) >= LONGEST:
            raise _too_long(path, f"line {number}")
        line = line.strip().removeprefix(b"\xef\xbb\xbf")
        if line:
            yield from _resources(path, f"line {number}", _parse(path, f"line {number}", line))


def _document(path: Path, stream: IO[bytes]) -> Iterator[Found]:
    start = stream.read(AT_ONCE + 1).removeprefix(b"\xef\xbb\xbf")
    if len(start) <= AT_ONCE or not may_be_split(start):
        rest = stream.read(LONGEST) if len(start) > AT_ONCE else b""
        if len(start) + len(rest) > LONGEST:
            raise _too_long(path, "the file")
        yield from _resources(path, "", _parse(path, "", start + rest))
        return
    position = 0
    try:
        for position, piece in enumerate(elements(start, stream, LONGEST), start=1):
            where = f"entry {position}"
            yield from _resources(path, where, _parse(path, where, piece), entry=True)
    except Malformed as error:
        raise InvalidInput(
            f"{path}, after entry {position}: {error}; nothing was imported. Export this Bundle again, or as NDJSON."
        ) from None


def _parse(path: Path, where: str, piece: bytes) -> Any:
    try:
        return orjson.loads(piece)
    except orjson.JSONDecodeError as error:
        place = f"{where}, column {error.pos + 1}" if where else f"line {error.lineno}, column {error.colno}"
        raise InvalidInput(
            f"{path}, {place}: this is not valid JSON; nothing was imported. Export the file again, or take it out."
        ) from None


def _resources(path: Path, where: str, value: Any, *, entry: bool = False) -> Iterator[Found]:
    """A resource, the entries of a Bundle, or one entry of a Bundle (with `resource` or only a request)."""
    place = f"{path}, {where}" if where else str(path)
    if not isinstance(value, dict):
        raise InvalidInput(f"{place}: this is JSON but not a FHIR resource; nothing was imported. Take it out.")
    if "resourceType" not in value and (entry or "resource" in value):
        resource, full_url = value.get("resource"), value.get("fullUrl")
        if resource is None:
            return
        if not isinstance(resource, dict) or not isinstance(resource.get("resourceType"), str):
            raise InvalidInput(f"{place}: this entry's resource has no resourceType; nothing was imported. Correct it.")
        if resource["resourceType"] == "Bundle":
            yield from _resources(path, where, resource)
        else:
            yield _found(place, resource, full_url)
        return
    if not isinstance(value.get("resourceType"), str):
        raise InvalidInput(
            f"{place}: this has no resourceType, so it is no FHIR resource; nothing was imported. Take it out."
        )
    if value["resourceType"] != "Bundle":
        yield _found(place, value)
        return
    entries = value.get("entry", [])
    if not isinstance(entries, list):
        raise InvalidInput(f"{place}: the entry of a Bundle must be a list; nothing was imported. Export it again.")
    for number, item in enumerate(entries, start=1):
        inner = f"{where}, entry {number}" if where else f"entry {number}"
        yield from _resources(path, inner, item, entry=True)


def _found(place: str, resource: dict[str, Any], full_url: Any = "") -> Found:
    if "\0" in f"{resource.get('id')}{full_url}":
        raise InvalidInput(
            f"{place}: an id or fullUrl contains a NUL character; nothing was imported. Correct it, or take it out."
        )
    return Found(resource, full_url if isinstance(full_url, str) else "")


def _too_long(path: Path, where: str) -> InvalidInput:
    return InvalidInput(
        f"{path}: {where} is longer than {LONGEST >> 20} MB and holds a single resource; nothing was imported."
        " Export without attachments, or split it."
    )
