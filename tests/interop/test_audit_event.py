"""Entries as FHIR AuditEvents: every code of the code base, the profiles they are shaped after, and entries of a real database."""

from __future__ import annotations

import ast
import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args
from uuid import UUID

import pytest
from sqlalchemy import text

import carecircle
from carecircle.access import purposes
from carecircle.access.decision import Code
from carecircle.audit import canonical
from carecircle.database.session import transaction
from carecircle.errors import PatientNotRegistered, PermissionRequired, Unauthenticated
from carecircle.identifiers import new_id, to_text
from carecircle.interop.fhir.audit_event import AUTHZ_CONSENT, to_audit_event
from carecircle.interop.fhir.audit_event_codes import DISPLAYS, is_known, meaning_of
from carecircle.restrictions.service import object_to
from tests.conftest import Hospital
from tests.interop import balp

InHospital = Callable[[Callable[[Hospital], Any]], Any]
Json = dict[str, Any]
SOURCE = Path(carecircle.__file__).parent
KINDS = {"change", "refusal", "import", "reading", "sign-in"}
# Calls whose arguments name the code of an entry: the entry's own, and what rooms put before it.
NAMING = {"Entry", "_entry", "entry_about", "step", "_end", "end_these", "_record", "record_reading", "merge_entry"}
WITH_PROFILES = pytest.mark.skipif(not balp.BALP.is_dir(), reason=balp.ABSENT)
PATIENT, PROVIDER, ORGANIZATION, ROW, TEAM = (new_id() for _ in range(5))


def decision(**said: Any) -> Json:
    return {
        "organization_id": str(ORGANIZATION), "id": str(new_id()), "recorded_at": "2026-04-03T08:00:00.25+00:00",
        "kind": "decision", "actor": "service:ehr", "on_behalf_of": None, "address": "192.0.2.7", "provider_id": str(PROVIDER),
        "patient_id": str(PATIENT), "action": "read", "purpose": "TREAT", "allowed": True, "code": "allowed",
        "as_of": "2026-04-03T08:00:00.25+00:00", "believed_at": None, "basis_kinds": ["coverage"], "basis_ids": [str(ROW)],
        "basis_under": [str(TEAM)], "basis_via": [None], "basis_ends": ["infinity"], "policy_version": 3, "request_id": "r-1",
        "detail": None, **said,
    }  # fmt: skip


def denial(*kinds: str, **said: Any) -> Json:
    bases = {"basis_kinds": list(kinds), "basis_ids": [str(new_id()) for _ in kinds]}
    beside = dict.fromkeys(("basis_under", "basis_via", "basis_ends"))
    return decision(allowed=False, code="restricted", **(bases if kinds else {}), **beside, **said)


def other(kind: str, code: str, **said: Any) -> Json:
    left = dict.fromkeys(("action", "purpose", "allowed", "as_of", "policy_version", "request_id"))
    bases = dict.fromkeys(one for one in decision() if one.startswith("basis_"))
    return decision(kind=kind, code=code, **{**left, **bases, **said})


def codings(found: Any) -> set[str]:
    """Every code in an event."""
    if isinstance(found, dict):
        own = {found["code"]} if "code" in found and "system" in found else set()
        return own.union(*(codings(one) for one in found.values()))
    return set().union(*(codings(one) for one in found)) if isinstance(found, list) else set()


def words(node: ast.AST) -> Iterator[str]:
    for one in ast.walk(node):
        yield from literals(one) if isinstance(one, ast.Constant) else ()


def literals(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Dict | ast.JoinedStr):  # an entry's detail, and texts put together
        return
    for one in ast.walk(node):
        if isinstance(one, ast.Constant) and isinstance(one.value, str) and one.value.replace("-", "").isalpha():
            yield one.value


def codes_in_source() -> set[tuple[str, str]]:
    """Kind and code of what the code base appends: literals given to the calls that make entries, and module constants there."""
    found: set[tuple[str, str]] = set()
    for path in SOURCE.rglob("*.py"):
        tree = ast.parse(path.read_text())
        constants: dict[str, list[str]] = {}
        for made in tree.body:
            if isinstance(made, ast.Assign):
                for target in made.targets:
                    names = target.elts if isinstance(target, ast.Tuple) else [target]
                    constants |= {one.id: list(words(made.value)) for one in names if isinstance(one, ast.Name)}
        for call in ast.walk(tree):
            if not isinstance(call, ast.Call):
                continue
            name = getattr(call.func, "id", getattr(call.func, "attr", ""))
            if name not in NAMING:
                continue
            said = [one for given in call.args for one in literals(given)]
            said += [one for given in call.args for n in ast.walk(given) if isinstance(n, ast.Name)
                     for one in constants.get(n.id, ()) if "-" in one]  # fmt: skip
            kinds = KINDS.intersection(said) or ({"reading"} if name == "record_reading" else {"change"})
            direct = name in ("Entry", "record_reading")
            found |= {(kind, one) for kind in kinds for one in said if one not in KINDS and ("-" in one or direct)}
    return found


def test_every_code_of_the_code_base_is_known() -> None:
    found = codes_in_source()
    certain = {("change", "primary-assigned"), ("reading", "emergency-listed"), ("import", "fhir-imported")}
    assert certain <= found
    assert len(found) > 55
    # What stands in no such call: variables, texts put together, migrations.
    by_hand = {"emergency-opened", "emergency-requested", "objection-lifted", "suspension-lifted", "emergency-acknowledged",
               "emergency-asked", "emergency-answered", "primary-demoted", "patients-merged", "patients-unmerged"}  # fmt: skip
    unknown = {(kind, code) for kind, code in found | {("change", one) for one in by_hand} if not is_known(kind, code)}
    assert unknown == set()


def test_a_code_nobody_knows_yet_is_told_by_its_kind() -> None:
    for kind in (*KINDS, "something-new"):
        event = to_audit_event(other(kind, "not-invented-yet"))
        assert event["outcomeDesc"] == "not-invented-yet"
        assert event["type"]["code"] in DISPLAYS
    assert not is_known("change", "not-invented-yet")


@pytest.mark.parametrize("code", get_args(Code))
def test_a_decision_is_an_authorization(code: str) -> None:
    event = to_audit_event(decision(code=code, allowed=code == "allowed"))
    assert (event["type"]["code"], event["subtype"][0]["code"], event["action"]) == ("110113", "AuthZ-Role", "E")
    assert (event["outcome"], event["outcomeDesc"]) == ("0" if code == "allowed" else "8", code)
    assert event["recorded"] == "2026-04-03T08:00:00.25+00:00"
    user = next(one for one in event["agent"] if one["requestor"])
    assert user["who"]["identifier"]["value"] == f"urn:uuid:{PROVIDER}"
    assert [one["coding"][0]["code"] for one in event["purposeOfEvent"]] == ["TREAT"]
    request = event["entity"][-1]
    assert (request["type"]["code"], request["what"]["identifier"]["value"]) == ("XrequestId", "r-1")
    assert "meta" not in event


def test_what_is_told_by_emergency_access() -> None:
    event = to_audit_event(decision(basis_kinds=["emergency_access"]))
    assert [one["coding"][0]["code"] for one in event["purposeOfEvent"]] == ["TREAT", "ETREAT", "BTG"]
    opened, ended = (
        to_audit_event(other("change", f"emergency-{one}", detail='{"emergency":"X"}')) for one in ("opened", "ended")
    )
    assert [one["subtype"][0]["code"] for one in (opened, ended)] == ["110127", "110138"]
    assert {"ETREAT", "BTG"} <= codings(opened)
    assert opened["entity"][-1]["detail"] == [{"type": "emergency", "valueString": "X"}]
    # Only where it let in: a denial tells nothing of an emergency.
    assert "BTG" not in codings(to_audit_event(denial("sensitivity")))


def test_other_entries_are_what_they_are() -> None:
    told = {
        ("listing", "listed"): ("110112", "E", "0"),
        ("listing", "unknown-patient"): ("110112", "E", "4"),
        ("reading", "audit-searched"): ("110101", "R", "0"),
        ("reading", "access-reported"): ("110101", "R", "0"),
        ("reading", "restrictions-read"): ("110110", "R", "0"),
        ("import", "fhir-imported"): ("110107", "C", "0"),
        ("change", "primary-assigned"): ("110113", "C", "0"),
        ("change", "member-removed"): ("110113", "D", "0"),
        ("change", "policy-set"): ("110113", "U", "0"),
        ("refusal", PermissionRequired.code): ("110113", "E", "4"),
        ("refusal", PatientNotRegistered.code): ("110100", "E", "4"),
        ("refusal", Unauthenticated.code): ("110114", "E", "4"),
        ("sign-in", "token-used"): ("110114", "E", "0"),
    }
    for (kind, code), wanted in told.items():
        event = to_audit_event(other(kind, code, detail='{"count":3,"done":true}'))
        assert (event["type"]["code"], event["action"], event["outcome"]) == wanted, code
    assert meaning_of("change", "patients-merged").lifecycle == "merge"


def test_purposes_of_hl7_are_codes_and_others_are_words() -> None:
    for asked in ("TREAT", "treat"):
        assert to_audit_event(decision(purpose=asked))["purposeOfEvent"][0]["coding"][0]["code"] == "TREAT"
    assert to_audit_event(decision(purpose="LOCAL-1"))["purposeOfEvent"] == [{"text": "LOCAL-1"}]
    assert list(purposes.within("btg")) == ["BTG", "ETREAT", "TREAT"]
    assert list(purposes.within("LOCAL-1")) == ["LOCAL-1"]


@WITH_PROFILES
def test_an_objection_is_a_consent_and_conforms_to_its_profile() -> None:
    event = to_audit_event(denial("objection", "sensitivity", "objection"), organization_name="North")
    assert event["meta"]["profile"] == [AUTHZ_CONSENT]
    assert event["subtype"][0]["code"] == "AuthZ-Consent"
    assert balp.breaches(event, AUTHZ_CONSENT) == []
    details = {one["type"] for one in event["entity"][0]["detail"]}
    assert {"action", "as_of", "policy_version", "request_id", "sensitivity"} <= details
    unaddressed = to_audit_event(denial("objection", address=None))
    assert "meta" not in unaddressed  # the profile wants an address
    assert balp.breaches(unaddressed, AUTHZ_CONSENT) == ["AuditEvent.agent:client.network: fewer than 1"]


@WITH_PROFILES
def test_every_kind_has_the_structure_of_an_audit_event() -> None:
    entries = [decision(), denial("suspension"), denial(), *(other("change", code) for _, code in codes_in_source()),
               other("listing", "listed", detail='{"listed":"patient_id","count":2,"digest":"ab"}', action="read", purpose="X"),
               other("reading", "audit-searched", actor="provider:" + to_text(PROVIDER), on_behalf_of=None),
               other("refusal", "conflict", address="ward-3.example", detail="no json")]  # fmt: skip
    for entry in entries:
        assert list(balp.structure(to_audit_event(entry))) == [], entry["code"]


@WITH_PROFILES
def test_the_checker_accepts_the_profiles_own_examples() -> None:
    checked = 0
    for path in sorted(balp.BALP.glob("AuditEvent-*.json")):
        event = json.loads(path.read_text())
        for profile in event.get("meta", {}).get("profile", ()):
            if (
                "SAMLaccessTokenUse.Comprehensive" in profile
            ):  # tells slices apart by extensions, which is not checked here
                continue
            assert balp.breaches(event, profile) == [], path.name
            checked += 1
    assert checked >= 40


DEFECTS: dict[str, Callable[[Json], Any]] = {
    "another type": lambda event: event["type"].update(code="110112"),
    "no subtype": lambda event: event.pop("subtype"),
    "a subtype of elsewhere": lambda event: event["subtype"][0].update(code="AuthZ-Other"),
    "another action": lambda event: event.update(action="R"),
    "no outcome": lambda event: event.pop("outcome"),
    "an outcome that does not exist": lambda event: event.update(outcome="5"),
    "no client": lambda event: event["agent"].pop(0),
    "two users": lambda event: event["agent"].append(copy.deepcopy(event["agent"][1])),
    "a user who did not ask": lambda event: event["agent"][1].update(requestor=False),
    "a client without network": lambda event: event["agent"][0].pop("network"),
    "another source": lambda event: event["source"].update(observer={"display": "somebody else"}),
    "no patient": lambda event: event["entity"].pop(0),
    "a patient who is a group": lambda event: event["entity"][0]["what"].update(type="Group"),
    "no consent": lambda event: event["entity"].pop(1),
    "something beside consents": lambda event: event["entity"].append({"type": {"system": "urn:x", "code": "y"}}),
    "no instant": lambda event: event.update(recorded="2026-04-03"),
    "an unknown element": lambda event: event.update(remark="?"),
    "an agent that is no list": lambda event: event.update(agent=event["agent"][0]),
    "no source": lambda event: event["source"].pop("observer"),
}


@WITH_PROFILES
@pytest.mark.parametrize("defect", DEFECTS)
def test_the_checker_finds(defect: str) -> None:
    theirs = json.loads((balp.BALP / "AuditEvent-ex-auditAuthZconsent-deny.json").read_text())
    theirs["entity"][0]["what"]["type"] = "Patient"
    theirs["entity"][0]["what"].pop("reference")
    for event in (to_audit_event(denial("objection")), theirs):
        assert balp.breaches(event, AUTHZ_CONSENT) == []
        DEFECTS[defect](event)
        if defect == "an agent that is no list":
            assert any("is a list" in one for one in balp.structure(event))
        elif defect == "no source":
            assert "AuditEvent.source.observer is missing" in list(balp.structure(event))
        else:
            assert balp.breaches(event, AUTHZ_CONSENT) != []


def test_a_library_for_fhir_reads_them() -> None:
    library = pytest.importorskip("fhir.resources.R4B.auditevent", reason="fhir.resources is not installed")
    for entry in (decision(), denial("objection"), other("change", "member-added", detail='{"role":"nurse"}')):
        library.AuditEvent.model_validate(to_audit_event(entry, organization_name="North", site="here"))


@WITH_PROFILES
def test_the_purposes_are_those_of_hl7() -> None:
    concepts = json.loads((balp.DATA / "vocab" / "fhir" / "CodeSystem-v3-ActReason.json").read_text())["concept"]
    under = {
        (concept["code"], one["valueCode"])
        for concept in concepts
        for one in concept.get("property", ())
        if one["code"] == "subsumedBy"
    }
    known = {(code, broader) for code, broader in under if broader in purposes.KNOWN and code in purposes.KNOWN}
    assert known == set(purposes.BROADER.items())
    assert {code for code, broader in under if broader == "PurposeOfUse"} == purposes.KNOWN - set(purposes.BROADER)
    assert not {code for code, broader in under if broader in purposes.KNOWN} - purposes.KNOWN


def test_entries_of_a_database_become_events(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        doctor, patient = (
            await hospital.provider("npi|1"),
            await hospital.patient("mrn|778-12-9", name="Wilhelmina Secret"),
        )
        by: Json = {"organization": hospital.organization, "actor": "test"}
        access = hospital.circle.access
        async with hospital.change() as db:
            await object_to(db, patient=patient, provider=doctor, **by)
        await access.check(doctor, "read", patient, **by)
        await access.list_providers(patient, **by)
        async with transaction(hospital.circle.auditor, hospital.organization) as trail:
            await trail.execute(text(canonical.UTC_SESSION))
            lines = list(
                await trail.scalars(text(f"select {canonical.LINE} from carecircle.audit_events e order by e.id"))
            )
        events = [to_audit_event(json.loads(line)) for line in lines]
        assert len(events) >= 6
        for event in events:
            assert balp.CORE.is_file() is False or list(balp.structure(event)) == []
        assert "Secret" not in json.dumps(events)
        assert "778-12-9" not in json.dumps(events)
        assert {UUID(json.loads(line)["organization_id"]) for line in lines} == {hospital.organization}

    in_hospital(body)
