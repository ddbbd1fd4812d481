"""What a FHIR reference points at, in every style found in the field, and the identifiers under which to look it up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from urllib.parse import unquote

from carecircle.identifiers import Identifier
from carecircle.interop.fhir.codes import dicts, text_of

PROVIDER_KINDS = ("Practitioner", "PractitionerRole")


@dataclass(frozen=True, slots=True)
class Pointer:
    """A reference, read. `key` is how it was written, made comparable.

    Exactly one of `record` ("Practitioner/123"), `uuid` (of a record whose kind nobody said), `identifier` is set;
    `any_system` when an identifier was given without its system.
    """

    key: str
    kind: str = ""
    record: str = ""
    uuid: str = ""
    identifier: Identifier | None = None
    any_system: bool = False

    def lookups(self, source: str, kinds: Sequence[str]) -> list[Identifier]:
        """The identifiers to look for, best first, when one of these kinds is meant."""
        if self.kind and self.kind not in kinds:
            return []
        if self.identifier is not None:
            return [self.identifier]
        if self.record:
            return [Identifier(source, self.record)]
        return [Identifier(source, f"{kind}/{self.uuid}") for kind in kinds]


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads references: `alias` says which record a URL of this import stands for, or None."""

    source: str
    alias: Callable[[str], str | None]

    def read(self, reference: Any, contained: Any = None, depth: int = 0) -> Pointer | None:
        """What a reference points at; None when it names nothing that could be looked up (a display, an unknown style)."""
        if not isinstance(reference, dict):
            return None
        kind = text_of(reference.get("type")).rpartition("/")[2]
        written = text_of(reference.get("reference"))
        if written.startswith("#"):
            return self._contained(written, contained, depth)
        if written and (found := self._written(written)) is not None:
            return found
        for identifier in identifiers_of(reference.get("identifier")):
            return Pointer(key_of(kind, identifier), kind, identifier=identifier)
        return None

    def _written(self, written: str) -> Pointer | None:
        known = self.alias(written)
        if known is not None:
            return Pointer(comparable(written), known.partition("/")[0], record=known)
        if written.lower().startswith("urn:uuid:"):
            return Pointer(comparable(written), uuid=written[9:].lower())
        if "?" in written:
            return _conditional(written)
        parts = written.split("/_history/")[0].rstrip("/").split("/")
        if len(parts) < 2 or not parts[-2].isalpha() or not parts[-2][:1].isupper() or not parts[-1]:
            return None
        record = f"{parts[-2]}/{parts[-1]}"
        return Pointer(comparable(record), parts[-2], record=record)

    def _contained(self, written: str, contained: Any, depth: int) -> Pointer | None:
        inner = next((part for part in dicts(contained) if part.get("id") in (written[1:], written)), None)
        if inner is None or depth > 1:
            return None
        kind = text_of(inner.get("resourceType"))
        if kind == "PractitionerRole":
            return self.read(inner.get("practitioner"), contained, depth + 1)
        if kind and kind != "Practitioner":
            return Pointer(comparable(written), kind, record=f"{kind}/{written}")
        for identifier in identifiers_of(inner.get("identifier")):
            return Pointer(key_of(kind, identifier), kind, identifier=identifier)
        return None


def identifiers_of(given: Any) -> list[Identifier]:
    """The usable identifiers of a list of FHIR Identifiers (or of one), each once, in document order."""
    found = dict.fromkeys(
        Identifier(text_of(item.get("system")), value) for item in dicts(given) if (value := text_of(item.get("value")))
    )
    return [one for one in found if _fits(one)]


def _fits(one: Identifier) -> bool:
    """Whether an identifier is short enough for an index; nobody's real one is not."""
    return len(one.value.encode()) <= 512 and len(one.system.encode()) <= 512


def key_of(kind: str, identifier: Identifier) -> str:
    return comparable(f"{kind}?identifier={identifier}")


def comparable(written: str) -> str:
    """A reference as it was written, or a digest of one too long to be kept."""
    return written if len(written) <= 200 else f"digest:{sha256(written.encode()).hexdigest()}"


def _conditional(written: str) -> Pointer | None:
    path, _, query = written.partition("?")
    kind = path.rstrip("/").rpartition("/")[2]
    for parameter in query.split("&"):
        name, _, value = parameter.partition("=")
        if name != "identifier" or not value:
            continue
        first = text_of(unquote(value).split(",")[0])
        system, bar, bare = first.rpartition("|")
        if bare and _fits(identifier := Identifier(system, bare)):
            return Pointer(key_of(kind, identifier), kind, identifier=identifier, any_system=not bar)
    return None
