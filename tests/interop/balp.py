"""A small checker of FHIR profiles: counts, fixed values and patterns, slices by value, closed slicing, references, bindings.

It reads the profiles themselves, from a folder `shared/data` beside the project, and nothing of them is kept here. What they say
of elements that no AuditEvent here has is not checked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
BALP = DATA / "balp" / "fsh-generated" / "resources"
CORE = DATA / "fhir" / "r4-examples" / "StructureDefinition-AuditEvent.json"
ABSENT = "no folder shared/data/balp beside the project: the profiles are not there to check against"
# Codes of required bindings, whose value sets have no file of their own.
CODES = {
    "AuditEvent.action": set("CRUDE"),
    "AuditEvent.outcome": {"0", "4", "8", "12"},
    "AuditEvent.agent.network.type": set("12345"),
}
PRIMITIVES = {
    "instant": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)",
    "string": r"(?s)\S.*|.*\S.*",
    "code": r"\S+( \S+)*",
    "uri": r"\S*",
    "base64Binary": r"[A-Za-z0-9+/]+={0,2}",
    "System.String": r"[A-Za-z0-9.-]{1,64}",
}

Json = dict[str, Any]


@cache
def elements(profile: str) -> dict[str, Json]:
    """The elements a profile says something about, by id, with what those it derives from say of them."""
    found = definitions()[profile]
    base = found["baseDefinition"]
    told = dict(elements(base)) if base in definitions() else {}
    for element in found["differential"]["element"]:
        told[element["id"]] = told.get(element["id"], {}) | element
    return told


@cache
def definitions() -> dict[str, Json]:
    read = (json.loads(path.read_text()) for path in BALP.glob("StructureDefinition-*.json"))
    return {one["url"]: one for one in read if one["type"] == "AuditEvent"}


@cache
def core() -> dict[str, Json]:
    """FHIR R4's own elements of an AuditEvent, by path."""
    return {one["path"]: one for one in json.loads(CORE.read_text())["snapshot"]["element"]}


@cache
def codes_of(value_set: str) -> frozenset[tuple[str, str]] | None:
    """System and code of each concept of a value set; None where it cannot be told from the files."""
    path = BALP / f"ValueSet-{value_set.rsplit('/', 1)[-1]}.json"
    if not path.is_file():
        return None
    found: set[tuple[str, str]] = set()
    for include in json.loads(path.read_text())["compose"]["include"]:
        listed = include.get("concept")
        if listed is None:
            systems = (json.loads(one.read_text()) for one in BALP.glob("CodeSystem-*.json"))
            listed = [concept for one in systems if one["url"] == include["system"] for concept in one["concept"]]
        found |= {(include["system"], one["code"]) for one in listed}
    return frozenset(found)


def breaches(event: Json, profile: str) -> list[str]:
    """Everything in which an AuditEvent does not conform to a profile, each in a few words."""
    return [*structure(event), *_profile(event, profile)]


def structure(event: Json, path: str = "AuditEvent") -> Iterator[str]:
    """What FHIR R4 itself asks for: known elements, their number, and the form of simple values."""
    known = _children(path)
    named = {_plain_name(name): value for name, value in event.items() if name != "resourceType"}
    yield from (f"{path}.{name} is not known" for name in named if name not in known)
    for name, element in known.items():
        if name in named:
            yield from _values(named[name], element, f"{path}.{name}")
        elif element["min"] > 0:
            yield f"{path}.{name} is missing"
    if path == "AuditEvent.entity" and "name" in event and "query" in event:
        yield "AuditEvent.entity has a name and a query"


def _values(value: Any, element: Json, path: str) -> Iterator[str]:
    if isinstance(value, list) != (element["max"] == "*"):
        yield f"{path} is a list, or should be one"
    kinds = {one["code"].rsplit("/", 1)[-1] for one in element["type"]}
    for one in value if isinstance(value, list) else [value]:
        if "BackboneElement" in kinds:
            yield from structure(one, path)
        elif not any(_fits(one, kind) for kind in kinds):
            yield f"{path} has another form than {', '.join(sorted(kinds))}"
        elif path in CODES and one not in CODES[path]:
            yield f"{path} has no code of its list"


@cache
def _children(path: str) -> dict[str, Json]:
    beneath = {one: element for one, element in core().items() if one.rpartition(".")[0] == path}
    return {one.rpartition(".")[2].removesuffix("[x]"): element for one, element in beneath.items()}


def _plain_name(name: str) -> str:
    """`value` of valueString and valueBase64Binary: the one choice there is in an AuditEvent."""
    return "value" if name.startswith("value") else name


def _fits(value: Any, kind: str) -> bool:
    if kind == "boolean":
        return isinstance(value, bool)
    if kind in PRIMITIVES:
        return isinstance(value, str) and re.fullmatch(PRIMITIVES[kind], value) is not None
    return isinstance(value, dict) and bool(value)


def _profile(event: Json, profile: str) -> Iterator[str]:
    told = elements(profile)
    for own_id, element in told.items():
        steps = own_id.split(".")[1:]
        if not steps:
            continue
        for holder in _reached([event], steps[:-1], "AuditEvent", told):
            yield from _one(holder, steps[-1], own_id, element, told, event)


def _one(holder: Json, step: str, own_id: str, element: Json, told: dict[str, Json], event: Json) -> Iterator[str]:
    values = _step(holder, step, own_id, told)
    if len(values) < element.get("min", 0):
        yield f"{own_id}: fewer than {element['min']}"
    if element.get("max", "*") != "*" and len(values) > int(element["max"]):
        yield f"{own_id}: more than {element['max']}"
    for value in values:
        yield from (f"{own_id}: {what}" for what in _unlike(value, element))
    if element.get("slicing", {}).get("rules") == "closed":
        slices = [one for one in told if re.fullmatch(re.escape(own_id) + r":[^.]+", one)]
        beside = [value for value in values if not any(_in_slice(value, one, told) for one in slices)]
        yield from (f"{own_id}: something beside its slices" for _ in beside)
    if any(constraint["key"] == "val-audit-source" for constraint in element.get("constraint", ())):
        yield from (f"{own_id}: is not the source" for one in values if one["who"] != event["source"]["observer"])


def _unlike(value: Any, element: Json) -> Iterator[str]:
    """In what a value is not what its element says of it."""
    pattern = next((told for name, told in element.items() if name.startswith(("pattern", "fixed"))), None)
    if pattern is not None and not matches(value, pattern):
        yield f"another value than {json.dumps(pattern)}"
    bound = element.get("binding", {})
    allowed = codes_of(bound["valueSet"]) if bound.get("strength") == "required" else None
    if allowed is not None and not _is_of(value, allowed):
        yield f"no code of {bound['valueSet']}"
    targets = [target for kind in element.get("type", ()) for target in kind.get("targetProfile", ())]
    if targets and not any(_refers(value, target.rsplit("/", 1)[-1]) for target in targets):
        yield "refers to something else"


def _is_of(value: Any, codes: frozenset[tuple[str, str]]) -> bool:
    return any(matches(value, {"system": system, "code": code}) for system, code in codes)


def _reached(holders: list[Json], steps: list[str], own_id: str, told: dict[str, Json]) -> list[Json]:
    for step in steps:
        own_id = f"{own_id}.{step}"
        holders = [one for holder in holders for one in _step(holder, step, own_id, told)]
    return holders


def _step(holder: Json, step: str, own_id: str, told: dict[str, Json]) -> list[Any]:
    name, _, slice_name = step.partition(":")
    found = holder.get(name, [])
    values = found if isinstance(found, list) else [found]
    return [one for one in values if _in_slice(one, own_id, told)] if slice_name else values


def _in_slice(value: Any, slice_id: str, told: dict[str, Json]) -> bool:
    """Whether a value is of a slice: by what its slicing tells values apart."""
    for discriminator in told[slice_id.rsplit(":", 1)[0]]["slicing"]["discriminator"]:
        path = discriminator["path"]
        element = told[slice_id if path == "$this" else f"{slice_id}.{path}"]
        own = value if path == "$this" else value.get(path)
        if own is None or any(not what.startswith("refers") for what in _unlike(own, element)):
            return False
    return True


def _refers(reference: Json, resource: str) -> bool:
    return reference.get("type") == resource or f"{resource}/" in reference.get("reference", "")


def matches(value: Any, pattern: Any) -> bool:
    """Whether a value has everything of a pattern."""
    if isinstance(pattern, dict):
        return isinstance(value, dict) and all(matches(value.get(name), one) for name, one in pattern.items())
    if isinstance(pattern, list):
        return isinstance(value, list) and all(any(matches(one, wanted) for one in value) for wanted in pattern)
    return type(value) is type(pattern) and value == pattern
