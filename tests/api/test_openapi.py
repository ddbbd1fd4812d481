"""What /openapi.json says of the routes under /v1: an example each, which its own model believes, and problems for errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute
from pydantic import TypeAdapter, ValidationError

from carecircle import Settings
from carecircle.api.app import Service
from carecircle.api.openapi import describe
from carecircle.api.v1 import all_routes
from carecircle.api.v1.door import changing
from carecircle.api.v1.person import person

# They read, however they are asked: a patient's identifier stands in a body.
READING_POSTS = {"ask-who-is-responsible"}
# What a person does as themselves needs no permission but their own part in it.
BY_PERSONS = {
    "break-glass", "acknowledge-emergency", "approve-emergency", "deny-emergency", "ask-requester", "answer-approver",
    "extend-emergency", "end-emergency", "review-emergency", "follow-emergencies",
}  # fmt: skip
# They tell what only those may know who keep it.
TOLD_TO_KEEPERS = {
    "list-restrictions", "list-referrals", "list-duties", "list-reporting-lines", "list-personal-relations",
}  # fmt: skip
STREAMS = {"follow-emergencies"}
# It asks for the permission itself, unless the turns are only shown.
ASKS_ITSELF = {"arrange-rota"}


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
                    adapter.validate_python(dict.fromkeys(said, 7.5))
                seen += 1
    assert seen > 60


def test_every_error_is_a_problem(described: dict[str, Any]) -> None:
    for name, operation in operations(described):
        failing = {status: answer for status, answer in operation["responses"].items() if status >= "4"}
        assert set(failing) == {"400", "401", "403", "404", "409", "422", "503"}, name
        assert all(answer == {"$ref": "#/components/responses/Problem"} for answer in failing.values())
    assert "HTTPValidationError" not in described["components"]["schemas"]


def test_operations_have_names_of_their_own(described: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, operation in operations(described)]
    assert len(names) == len(set(names)) > 35


def test_every_changing_route_asks_for_the_permission() -> None:
    for route in routes():
        asks = any(one.call is changing for one in route.dependant.dependencies)
        changes = route.methods != {"GET"} and route.operation_id not in READING_POSTS
        by_person = any(one.call is person for one in route.dependant.dependencies)
        assert by_person is (route.unique_id in BY_PERSONS), route.unique_id
        if route.unique_id in READING_POSTS | ASKS_ITSELF | BY_PERSONS:
            assert not asks
        elif route.unique_id in TOLD_TO_KEEPERS:
            assert asks
        else:
            assert asks is changes, route.unique_id


def _examples(model: Any) -> Iterator[Any]:
    parts = getattr(model, "__args__", None) or [model]
    for part in parts:
        config = getattr(part, "model_config", None)
        if config is not None:
            yield config["json_schema_extra"]["example"]
        elif part is not type(None):
            yield from _examples(part)
