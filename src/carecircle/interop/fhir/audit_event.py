"""An entry of the audit trail as a FHIR R4 AuditEvent, shaped as IHE's Basic Audit Log Patterns have it. Pure: entry in, JSON out.

A decision is a Security Alert with the subtype AuthZ-Role or, where the patient's own objection denied it, AuthZ-Consent. Only
the latter, with a known network address, claims the profile IHE.BasicAudit.AuthZconsent, which asks for a consent and an address.
Ids are told as `urn:uuid:…`, the entry's own as its ULID, which `carecircle audit explain` takes. Names are nowhere.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from carecircle.access import purposes
from carecircle.identifiers import to_text
from carecircle.interop.fhir.audit_event_codes import DCM, ISO_21089, meaning_of
from carecircle.interop.fhir.audit_event_parts import (
    OBJECT,
    PATIENT,
    PERSON,
    PRACTITIONER,
    QUERY,
    RESOURCE,
    TERMS,
    Json,
    actor,
    coding,
    concept,
    dcm,
    details,
    filled,
    instant,
    network,
    plain,
    urn,
    uuid,
)

BALP = "https://profiles.ihe.net/ITI/BALP"
AUTHZ_CONSENT = f"{BALP}/StructureDefinition/IHE.BasicAudit.AuthZconsent"
_EMERGENCY = ("ETREAT", "BTG")
_CARECIRCLE = "carecircle"


def to_audit_event(
    entry: Mapping[str, Any],
    *,
    organization_name: str | None = None,
    observer: str = _CARECIRCLE,
    site: str | None = None,
) -> Json:
    """The AuditEvent of an entry, whose fields have their canonical names; values as the database or as canonical JSON gives them.

    Reads every field but the writer's and the transaction's; what is missing counts as null. `observer` names the system that
    decided and recorded (the authorizer and the source are the same one), `site` where it runs.
    """
    kind, code = entry["kind"], entry["code"]
    meaning = meaning_of(kind, code)
    said = _detail(entry)
    consent = kind == "decision" and not entry.get("allowed") and "objection" in (entry.get("basis_kinds") or ())
    here: Json = {"type": "Device", "identifier": {"value": observer}, "display": observer}
    event: Json = {
        "resourceType": "AuditEvent",
        "id": to_text(uuid(entry["id"])),
        "type": dcm(meaning.type),
        "subtype": list(_subtypes(kind, meaning.subtype, consent)),
        "action": meaning.action,
        "recorded": instant(entry["recorded_at"]),
        "outcome": _outcome(kind, code, entry.get("allowed")),
        "outcomeDesc": code,
        "purposeOfEvent": [_purpose(one) for one in _purposes(kind, code, entry)],
        "agent": [*_agents(kind, meaning.action, entry, organization_name, here)],
        "source": {
            "site": site,
            "observer": here,
            "type": [coding(f"{TERMS}/security-source-type", "6", "Security Server")],
        },
        "entity": [*(_consent_entities(entry) if consent else _entities(kind, entry, said, meaning.lifecycle))],
    }
    if consent and entry.get("address"):
        event["meta"] = {"profile": [AUTHZ_CONSENT]}
    return cast("Json", filled(event))


def _subtypes(kind: str, subtype: str | None, consent: bool) -> Iterator[Json]:
    if kind == "decision":
        yield coding(f"{BALP}/CodeSystem/AuthZsubType", "AuthZ-Consent" if consent else "AuthZ-Role")
    elif subtype is not None:
        yield dcm(subtype)


def _outcome(kind: str, code: str, allowed: bool | None) -> str:
    """0 done or allowed, 4 a change that was refused or a list nobody could be given, 8 a denial."""
    if kind == "decision":
        return "0" if allowed else "8"
    return "4" if kind == "refusal" or (kind == "listing" and code != "listed") else "0"


def _purposes(kind: str, code: str, entry: Mapping[str, Any]) -> Iterator[str]:
    asked = entry.get("purpose")
    if asked:
        yield asked
    broken = kind == "decision" and entry.get("allowed") and "emergency_access" in (entry.get("basis_kinds") or ())
    if broken or (kind == "change" and code.startswith("emergency-")):
        yield from (one for one in _EMERGENCY if one != asked)


def _purpose(code: str) -> Json:
    return {"coding": [coding(purposes.SYSTEM, code.upper())]} if code.upper() in purposes.KNOWN else {"text": code}


def _agents(
    kind: str, action: str, entry: Mapping[str, Any], organization_name: str | None, here: Json
) -> Iterator[Json]:
    """Who asked or did it, through what, for which organization, and carecircle itself."""
    who, behalf = entry["actor"], entry.get("on_behalf_of")
    decided = kind == "decision"
    user = entry["provider_id"] if decided and entry.get("provider_id") else None
    # The first agent of each type is the one the profile asks for: the application with the address it came from.
    yield {
        "type": concept(DCM, "110153" if kind == "listing" else "110150"),
        "who": actor(who),
        "requestor": False,
        "network": network(entry.get("address")),
    }
    asked = entry.get("purpose")
    yield {
        "type": concept(f"{TERMS}/v3-ParticipationType", "AUT" if action in "CUD" else "IRCP"),
        "who": urn("Practitioner", user) if user else actor(behalf or who),
        "requestor": True,
        "purposeOfUse": [_purpose(asked)] if asked else None,
    }
    if decided and behalf:
        yield {
            "type": concept(f"{TERMS}/extra-security-role-type", "humanuser"),
            "who": actor(behalf),
            "requestor": False,
        }
    yield {
        "type": concept(f"{TERMS}/v3-RoleClass", "PROV"),
        "who": urn("Organization", entry["organization_id"]) | {"display": organization_name},
        "requestor": False,
    }
    own = concept(f"{TERMS}/extra-security-role-type", "authserver") if kind != "listing" else concept(DCM, "110152")
    yield {"type": own, "who": here, "requestor": False}


def _entities(kind: str, entry: Mapping[str, Any], said: Json, lifecycle: str | None) -> Iterator[Json]:
    """The patient, the rows it rests on, the provider it is about, what was asked, and the caller's own request id."""
    if entry.get("patient_id"):
        yield _patient(
            entry["patient_id"],
            _asked(entry) if kind == "decision" else {},
            lifecycle=None if entry.get("provider_id") else lifecycle,
        )
    for basis, row, rests in _bases(entry):
        yield {
            "what": urn(None, row), "type": OBJECT, "role": RESOURCE, "name": basis, "detail": details(rests),
        }  # fmt: skip
    if entry.get("provider_id") and kind != "decision":
        what = urn("Practitioner", entry["provider_id"])
        yield {"what": what, "type": PERSON, "role": PRACTITIONER, "lifecycle": _lifecycle(lifecycle)}
    if kind == "listing":
        wanted = json.dumps({**plain(_asked(entry)), "listed": said.get("listed")}, separators=(",", ":"))
        query = base64.b64encode(wanted.encode()).decode()
        yield {"type": OBJECT, "role": QUERY, "query": query, "detail": details(said)}
    elif said:
        yield {"type": OBJECT, "role": RESOURCE, "name": entry["code"], "detail": details(said)}
    if entry.get("request_id"):
        request = coding(f"{BALP}/CodeSystem/BasicAuditEntityType", "XrequestId")
        yield {"what": {"identifier": {"value": entry["request_id"]}}, "type": request}


def _consent_entities(entry: Mapping[str, Any]) -> Iterator[Json]:
    """The patient and their objections; the profile admits nothing else, so that the patient's entity says the rest."""
    others: dict[str, str] = {}
    objections = []
    for basis, row, _ in _bases(entry):
        if basis == "objection":
            objections.append(row)
        else:
            others[basis] = f"{others.get(basis, '')} {urn(None, row)['identifier']['value']}".strip()
    yield _patient(entry["patient_id"], {**_asked(entry), "request_id": entry.get("request_id"), **others})
    for row in objections:
        yield {"what": urn("Consent", row), "type": coding("http://hl7.org/fhir/resource-types", "Consent")}


def _patient(patient_id: Any, told: Mapping[str, Any], lifecycle: str | None = None) -> Json:
    return {
        "what": urn("Patient", patient_id), "type": PERSON, "role": PATIENT, "lifecycle": _lifecycle(lifecycle),
        "detail": details(told),
    }  # fmt: skip


def _asked(entry: Mapping[str, Any]) -> Json:
    return {name: entry.get(name) for name in ("action", "as_of", "believed_at", "policy_version")}


def _bases(entry: Mapping[str, Any]) -> Iterator[tuple[str, Any, Json]]:
    """The rows a decision rests on: kind, id, and what each rests on in turn."""
    kinds, ids = entry.get("basis_kinds") or (), entry.get("basis_ids") or ()
    beside: list[Sequence[Any]] = [
        entry.get(f"basis_{name}") or (None,) * len(kinds) for name in ("under", "via", "ends")
    ]
    for kind, row, under, via, ends in zip(kinds, ids, *beside, strict=True):
        yield kind, row, {"under": under, "via": via, "ends_at": ends}


def _detail(entry: Mapping[str, Any]) -> Json:
    """What the entry says besides, which is JSON text; text that is none is told as it is."""
    text = entry.get("detail")
    if not text:
        return {}
    try:
        read = json.loads(text)
    except ValueError:
        return {"detail": text}
    return read if isinstance(read, dict) else {"detail": text}


def _lifecycle(code: str | None) -> Json | None:
    return coding(ISO_21089, code) if code else None
