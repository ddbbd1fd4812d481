"""What /openapi.json says of the routes under /v1: an example each, which its own model believes, and problems for errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import pytest
from fastapi.routing import APIRoute
from pydantic import TypeAdapter, ValidationError

from carecircle import Settings
from carecircle.api.app import Service
from carecircle.api.openapi import describe
from carecircle.api.v1 import all_routes
from carecircle.api.v1.door import Administering, Auditing, Changing, Privacy, Reading
from carecircle.api.v1.person import person

# They read, however they are asked: a patient's identifier stands in a body. The rota's turns may only be shown.
READING_POSTS = {"ask-who-is-responsible", "look-up-patient", "look-up-provider", "arrange-rota", "validate-policy"}
# What a person does as themselves needs no permission but their own part in it.
BY_PERSONS = {
    "break-glass", "acknowledge-emergency", "approve-emergency", "deny-emergency", "ask-requester", "answer-approver",
    "extend-emergency", "end-emergency", "review-emergency", "follow-emergencies",
}  # fmt: skip
STREAMS = {"follow-emergencies", "export-audit"}
NEEDING = {
    get_args(needed)[1].dependency: permission
    for permission, needed in {
        "read": Reading, "change": Changing, "audit": Auditing, "privacy": Privacy, "administer": Administering,
    }.items()
}  # fmt: skip
"""What a route asks for, by what it depends on."""
# What they need depends on whom they are about, or on who asks; they ask for it themselves.
ASKS_ITSELF = {
    "list-absences", "list-credentials", "list-provider-roles", "read-provider", "list-roles", "break-glass-figures",
    "emergency-report", "list-emergencies", "show-emergency", "check", "check-many", "explain", "list-patients",
    "list-who-may", "begin-visit", "list-visits", "end-visit",
}  # fmt: skip


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    return describe(Service(Settings(home=Path("unused"))).pages)


def routes() -> list[APIRoute]:
    return [route for router in all_routes.ROUTERS for route in router.routes if isinstance(route, APIRoute)]


def operations(described: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for path, methods in described["paths"].items():
        if path.startswith("/v1/"):
            yield from ((f"{method} {path}", operation) for method, operation in methods.items())


def models(schema: Mapping[str, Any], described: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The named models of a body or an answer: one, or those it may be."""
    if "$ref" in schema:
        return [described["components"]["schemas"][schema["$ref"].rpartition("/")[2]]]
    return [
        one
        for part in (schema.get("oneOf") or schema["anyOf"])
        if part.get("type") != "null"
        for one in models(part, described)
    ]


def test_every_body_and_every_answer_has_an_example(described: dict[str, Any]) -> None:
    seen = 0
    for name, operation in operations(described):
        schemas = [
            answer["content"]["application/json"]["schema"]
            for status, answer in operation["responses"].items()
            if status < "3" and operation["operationId"] not in STREAMS
        ]
        if "requestBody" in operation:
            schemas.append(operation["requestBody"]["content"]["application/json"]["schema"])
        for schema in schemas:
            for model in models(schema, described):
                assert "example" in model, (name, model)
                seen += 1
    assert seen > 60


def test_every_example_is_what_its_model_believes() -> None:
    seen = 0
    for route in routes():
        answered = [] if route.unique_id in STREAMS else [route.response_model]
        wanted = [*answered, *(field.field_info.annotation for field in route.dependant.body_params)]
        for model in wanted:
            adapter: TypeAdapter[Any] = TypeAdapter(model)
            for said in _examples(model):
                adapter.validate_python(said)
                with pytest.raises(ValidationError):
                    adapter.validate_python(dict.fromkeys(said, object()))
                seen += 1
    assert seen > 60


def test_every_error_is_a_problem_with_an_example(described: dict[str, Any]) -> None:
    for name, operation in operations(described):
        failing = {status: answer for status, answer in operation["responses"].items() if status >= "4"}
        assert {"400", "401", "403", "404", "503"} <= set(failing), name
        assert ("422" in failing) is not name.startswith("get "), name
        heads = [one.get("name", "").lower() for one in operation["parameters"]]
        assert ("412" in failing) is ("if-match" in heads), name
        for status, answer in failing.items():
            assert answer == {"$ref": f"#/components/responses/Problem{status}"}, name
    for key, response in described["components"]["responses"].items():
        content = response["content"]["application/problem+json"]
        assert content["schema"] == {"$ref": "#/components/schemas/Problem"}
        for code, said in content["examples"].items():
            problem = said["value"]
            assert (problem["code"], f"Problem{problem['status']}") == (code, key)
            assert set(problem) <= set(described["components"]["schemas"]["Problem"]["properties"])
    assert "HTTPValidationError" not in described["components"]["schemas"]


def test_every_operation_is_described(described: dict[str, Any]) -> None:
    tags = {one["name"] for one in described["tags"] if one["description"]}
    seen = set()
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            name = f"{method} {path}"
            assert operation["summary"], name
            assert operation["description"], name
            assert len(operation["tags"]) == 1, name
            seen |= set(operation["tags"])
            answers = [answer for status, answer in operation["responses"].items() if status < "3"]
            for part in (operation.get("requestBody", {}), *answers):
                for kind, content in part.get("content", {}).items():
                    if kind in ("application/json", "text/event-stream"):
                        assert "example" in content or "examples" in content, (name, kind)
            if path.startswith("/v1/"):
                shared = [one["$ref"].rpartition("/")[2] for one in operation["parameters"] if "$ref" in one]
                assert ("IdempotencyKey" in shared) is (method != "get"), name
                assert "RequestId" in shared, name
    assert seen == tags
    assert described["openapi"].startswith("3.1")
    assert described["servers"]
    open_to_all = {
        path for path, methods in described["paths"].items() for one in methods.values() if one.get("security") == []
    }
    well_known = "/.well-known/authzen-configuration"
    assert open_to_all == {"/healthz", "/readyz", well_known, well_known + "/{tenant}"}


def test_every_reference_leads_somewhere(described: dict[str, Any]) -> None:
    seen = 0
    for reference in _references(described):
        at: Any = described
        for step in reference.removeprefix("#/").split("/"):
            at = at[step]
        seen += 1
    assert seen > 500


def test_operations_have_names_of_their_own(described: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, operation in operations(described)]
    assert len(names) == len(set(names)) > 35


def test_every_route_asks_for_a_permission() -> None:
    for route in routes():
        asked = [NEEDING[one.call] for one in route.dependant.dependencies if one.call in NEEDING]
        by_person = any(one.call is person for one in route.dependant.dependencies)
        assert by_person is (route.unique_id in BY_PERSONS), route.unique_id
        assert bool(asked) is (route.unique_id not in BY_PERSONS | ASKS_ITSELF), route.unique_id
        if asked == ["read"] and route.methods != {"GET"}:
            assert route.unique_id in READING_POSTS, route.unique_id


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for inner in part.values():
            yield from _references(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from _references(inner)


def _examples(model: Any) -> Iterator[Any]:
    parts = getattr(model, "__args__", None) or [model]
    for part in parts:
        config = getattr(part, "model_config", None)
        if config is not None:
            yield config["json_schema_extra"]["example"]
        elif part is not type(None):
            yield from _examples(part)
