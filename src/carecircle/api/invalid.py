"""What FastAPI refuses to read, as one problem that says what is wrong and where, and never what was sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from carecircle.api.v1.shapes import UNUSABLE
from carecircle.errors import InvalidRequest

_MOST = 10
_UNTOLD = "This cannot be used here."

# Of these, pydantic's sentence tells what was expected and nothing of what came.
_TOLD = frozenset(
    {
        "missing", "string_type", "string_too_short", "string_too_long", "list_type", "too_short", "too_long", "int_type",
        "int_parsing", "bool_type", "bool_parsing", "literal_error", "greater_than_equal", "less_than_equal", "dict_type",
        "model_attributes_type", "model_type", "float_type", "greater_than", "finite_number",
    }
)  # fmt: skip


def invalid(errors: Sequence[Mapping[str, Any]]) -> InvalidRequest:
    """The error for what pydantic found, at most ten of them."""
    found = [{"where": _where(one), "what": _what(one)} for one in errors[:_MOST]]
    sentence = " ".join(f"{one['where']}: {one['what']}" for one in found)
    return InvalidRequest(sentence or "The request cannot be read.", errors=found)


def _where(error: Mapping[str, Any]) -> str:
    steps = [str(step) for step in error["loc"]]
    if error["type"] in ("extra_forbidden", "json_invalid"):
        steps = steps[:-1]  # a name the caller made up, or how many bytes were read
    return ".".join(steps)


def _what(error: Mapping[str, Any]) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind == UNUSABLE or kind in _TOLD:
        return str(error["msg"]).rstrip(".") + "."
    if kind == "json_invalid":
        return "This is not JSON."
    if kind == "extra_forbidden":
        return "There is a field that is not known here."
    if kind == "union_tag_not_found":
        return f"Say which with {context.get('discriminator')}."
    if kind == "union_tag_invalid":
        return f"{context.get('discriminator')} should be one of {context.get('expected_tags')}."
    return _UNTOLD
