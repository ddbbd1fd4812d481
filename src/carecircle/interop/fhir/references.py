"""What a FHIR reference points at, in every style found in the field, and the identifiers under which to look it up."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any
from urllib.parse import unquote

from carecircle.identifiers import Identifier
from carecircle.interop.fhir.codes import dicts, text_of
from carecircle.interop.fhir.names import base_of, id_of, is_absolute, kind_of, normalized, record_at
from carecircle.interop.fhir.service import Import
from carecircle.interop.fhir.spool import Spool

_UUID_URN = re.compile(r"urn:uuid:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
PROVIDER_KINDS = ("Practitioner", "PractitionerRole")


@dataclass(frozen=True, slots=True)
class Pointer:
    """A reference, read. `key` is how it was written, made comparable; it shows nothing that may name a patient.

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
    """Reads references: `alias` says which record a urn of this import stands for, `hide` digests what must not be shown.

    `own` is the base of the source's own server, `base` that of the record that is read where it is another's.
    """

    source: str
    alias: Callable[[str], str | None]
    hide: Callable[[str], str]
    own: str = ""
    base: str = ""

    def of(self, record: str) -> Reader:
        """The reader for what this record says: its relative references are to records of its own server."""
        return replace(self, base=base_of(record))

    def read(self, reference: Any, contained: Any = None, depth: int = 0) -> Pointer | None:
        """What a reference points at; None when it names nothing that could be looked up (a display, an unknown style)."""
        if not isinstance(reference, dict):
            return None
        kind = text_of(reference.get("type")).rpartition("/")[2]
        written = text_of(reference.get("reference"))
        if "\0" in str(reference.get("reference")):
            return None
        if written.startswith("#"):
            return self._contained(written, contained, depth)
        if written and (found := self._written(written)) is not None:
            return found
        for identifier in identifiers_of(reference.get("identifier")):
            return self._by_identifier(kind, identifier)
        return None

    def _by_identifier(self, kind: str, identifier: Identifier, *, any_system: bool = False) -> Pointer:
        key = self._shown(kind, f"{kind}?identifier={identifier}")
        return Pointer(key, kind, identifier=identifier, any_system=any_system)

    def _shown(self, kind: str, written: str) -> str:
        """A reference as it was written, unless it may name a patient; a digest of one too long to be kept."""
        if kind not in PROVIDER_KINDS:
            return f"{kind or 'reference'}:{self.hide(written)}"
        return written if len(written) <= 200 else f"digest:{sha256(written.encode()).hexdigest()}"

    def _written(self, written: str) -> Pointer | None:
        if written.lower().startswith("urn:"):
            return self._urn(normalized(written))
        if "?" in written:
            return self._conditional(written)
        if is_absolute(written):
            record = record_at(written, self.own)
        else:
            record = written.split("/_history/")[0].rstrip("/")
            if record.count("/") != 1:
                return None
            record = f"{self.base}/{record}" if self.base else record
        kind = kind_of(record)
        if not kind.isalpha() or not kind[:1].isupper() or not id_of(record):
            return None
        return Pointer(self._shown(kind, record), kind, record=record)

    def _urn(self, urn: str) -> Pointer | None:
        # Whether the kind is known depends on the import, and a key must not: only a true UUID is shown.
        key = urn if _UUID_URN.fullmatch(urn) else self._shown("", urn)
        known = self.alias(urn)
        if known:
            return Pointer(key, kind_of(known), record=known)
        if known is not None:
            return Pointer(key, record=urn)
        return Pointer(key, uuid=urn[9:]) if urn.startswith("urn:uuid:") else None

    def _conditional(self, written: str) -> Pointer | None:
        path, _, query = written.partition("?")
        kind = path.rstrip("/").rpartition("/")[2]
        for parameter in query.split("&"):
            name, _, value = parameter.partition("=")
            if name != "identifier" or not value:
                continue
            first = text_of(unquote(value).split(",")[0])
            system, bar, bare = first.rpartition("|")
            if bare and _fits(identifier := Identifier(system, bare)):
                return self._by_identifier(kind, identifier, any_system=not bar)
        return None

    def _contained(self, written: str, contained: Any, depth: int) -> Pointer | None:
        inner = next((part for part in dicts(contained) if part.get("id") in (written[1:], written)), None)
        if inner is None or depth > 1:
            return None
        kind = text_of(inner.get("resourceType"))
        if kind == "PractitionerRole":
            return self.read(inner.get("practitioner"), contained, depth + 1)
        if kind and kind != "Practitioner":
            return Pointer(self._shown(kind, written), kind, record=f"{kind}/{written}")
        for identifier in identifiers_of(inner.get("identifier")):
            return self._by_identifier(kind, identifier)
        return None


def reader_of(run: Import, spool: Spool) -> Reader:
    """The reader for what this import holds."""
    return Reader(run.source, spool.alias, run.hide, spool.base)


def identifiers_of(given: Any) -> list[Identifier]:
    """The usable identifiers of a list of FHIR Identifiers (or of one), each once, in document order."""
    found = dict.fromkeys(
        Identifier(text_of(item.get("system")), value)
        for item in dicts(given)
        if (value := text_of(item.get("value"))) and "\0" not in f"{item.get('system')}{item.get('value')}"
    )
    return [one for one in found if _fits(one)]


def _fits(one: Identifier) -> bool:
    """Whether an identifier is short enough for an index; nobody's real one is not."""
    return len(one.value.encode()) <= 512 and len(one.system.encode()) <= 512


def names_of(given: Any) -> list[Identifier]:
    """Those identifiers that name somebody beyond their own record: the ones that say whose numbers they are."""
    return [one for one in identifiers_of(given) if one.system]
