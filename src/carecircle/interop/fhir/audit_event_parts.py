"""The building blocks of an AuditEvent: codings, references to what carecircle knows, addresses; and nothing that is empty."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any
from uuid import UUID

from carecircle.errors import InvalidIdentifier
from carecircle.identifiers import parse_id
from carecircle.interop.fhir.audit_event_codes import DCM, DISPLAYS
from carecircle.period import FOREVER

Json = dict[str, Any]
TERMS = "http://terminology.hl7.org/CodeSystem"


def details(said: Mapping[str, Any]) -> list[Json]:
    return [{"type": name, "valueString": str(value)} for name, value in plain(said).items()]


def plain(said: Mapping[str, Any]) -> Json:
    """Without what is null; ids and instants as text."""
    plain = {}
    for name, value in said.items():
        if isinstance(value, datetime):
            plain[name] = instant(value)
        elif isinstance(value, UUID):
            plain[name] = f"urn:uuid:{value}"
        elif isinstance(value, bool):
            plain[name] = str(value).lower()
        elif value not in (None, ""):
            plain[name] = value
    return plain


def actor(name: str) -> Json:
    kind, _, own = name.partition(":")
    if kind == "provider":
        try:
            return urn("Practitioner", parse_id(own))
        except InvalidIdentifier:
            pass
    return {"type": "Device" if kind == "service" else None, "identifier": {"value": name}}


def network(address: str | None) -> Json | None:
    """DICOM's kinds of network address: 1 a machine's name, 2 an IP address."""
    if not address:
        return None
    try:
        ip_address(address)
    except ValueError:
        return {"address": address, "type": "1"}
    return {"address": address, "type": "2"}


def urn(type_: str | None, own: Any) -> Json:
    return {"type": type_, "identifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{uuid(own)}"}}


def uuid(given: Any) -> UUID:
    return UUID(int=given.int) if isinstance(given, UUID) else parse_id(str(given))


def instant(given: Any) -> str:
    if isinstance(given, datetime):
        return "infinity" if given == FOREVER else given.astimezone(UTC).isoformat()
    return str(given)


def coding(system: str, code: str, display: str | None = None) -> Json:
    return {"system": system, "code": code, "display": display}


def dcm(code: str) -> Json:
    return coding(DCM, code, DISPLAYS[code])


def concept(system: str, code: str) -> Json:
    return {"coding": [coding(system, code)]}


def filled(value: Any) -> Any:
    """Without what is empty: FHIR has neither nulls nor empty lists."""
    if isinstance(value, dict):
        kept = {name: filled(one) for name, one in value.items()}
        return {name: one for name, one in kept.items() if one not in (None, [], {}, "")}
    return [filled(one) for one in value] if isinstance(value, list) else value


def _of(table: str, code: str, display: str) -> Json:
    return coding(f"{TERMS}/{table}", code, display)


PERSON, OBJECT = _of("audit-entity-type", "1", "Person"), _of("audit-entity-type", "2", "System Object")
PATIENT, RESOURCE = _of("object-role", "1", "Patient"), _of("object-role", "4", "Domain Resource")
PRACTITIONER, QUERY = _of("object-role", "15", "Practitioner"), _of("object-role", "24", "Query")
