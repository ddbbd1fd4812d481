"""What the command leaves on record beside changes (tokens it issued, what a constraint refused), and what it leaves unsaid."""

from __future__ import annotations

import json

from tests.cli.conftest import Command
from tests.cli.test_changes import entries


def test_a_token_is_on_record_before_anybody_has_it(carecircle: Command, own: str) -> None:
    issued = carecircle("token", "--may", "change", "--hours", "2", organization=own, CARECIRCLE_ACTOR="operator:mint")
    assert issued.code == 0
    assert carecircle("token", "--as", "nobody-of-that-name", organization=own).code == 5
    left = entries(carecircle, own, "kind, code, actor, detail")
    [(actor, detail)] = [(who, json.loads(said)) for kind, code, who, said in left if code == "token-issued"]
    assert actor == "operator:mint"
    assert (detail["for"], detail["may"], detail["minutes"], detail["signed_in"]) == (
        "operator:mint", "ask change", 120, False,
    )  # fmt: skip
    assert [code for kind, code, *_ in left if kind == "refusal"] == ["provider-not-registered"]


def test_what_a_constraint_refuses_is_on_record(carecircle: Command, own: str) -> None:
    before = len([kind for kind, _ in entries(carecircle, own, "kind, code") if kind == "refusal"])
    assert carecircle("duty", "line", "add", "doctor", "doctor", organization=own).code == 7
    left = [code for kind, code in entries(carecircle, own, "kind, code") if kind == "refusal"]
    assert left[before:] == ["invalid-request"]


def test_a_value_that_cannot_be_read_is_not_said_again(carecircle: Command, own: str) -> None:
    name = "Zebediah Quillfeather"
    for arguments in (
        ("assign", "add", "patient", "doctor", "--type", name), ("assign", "add", "patient", "doctor", f"--type={name}"),
        ("doctor", "--days", name), ("break-glass", "review", "BG-000000", "--as", "doctor", "--verdict", name),
    ):  # fmt: skip
        refused = carecircle(*arguments, organization=own)
        assert refused.code == 2, arguments
        said = " ".join(refused.err.replace("│", " ").split())
        assert "Invalid value for" in said, said
        assert "Zebediah" not in said
        assert "Quillfeather" not in said
    assert "attending" in carecircle("assign", "add", "patient", "doctor", "--type", name, organization=own).err
    assert "--tipe" in carecircle("assign", "add", "patient", "doctor", "--tipe", "x", organization=own).err
