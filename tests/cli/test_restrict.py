"""restrict: said before, recorded, seen in the answer, lifted again; and how decisions tell what was taken away."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from carecircle.access.decision import AccessDecision, Basis, MissingPath, Question, Restriction
from carecircle.access.explain import Explanation
from carecircle.cli.explained import lines, record
from carecircle.cli.restrict import BY_WORD
from carecircle.identifiers import EntryId, new_id, to_text
from carecircle.period import FOREVER, Period
from carecircle.restrictions.rules import LABELS
from tests.cli.conftest import Command, Ran
from tests.cli.test_changes import entries

THEN = datetime(2026, 1, 2, tzinfo=UTC)


def undone(carecircle: Command, own: str, ran: Ran) -> Ran:
    """Run what a change says takes it back."""
    [line] = [line for line in ran.err.splitlines() if line.startswith("Undo: carecircle ")]
    return carecircle(*line.removeprefix("Undo: carecircle ").split(), organization=own)


def test_an_objection_is_told_before_seen_after_and_lifted(carecircle: Command, own: str) -> None:
    assert carecircle("assign", "primary", "patient", "doctor", organization=own).code == 0
    looked = carecircle("restrict", "object", "patient", "doctor", "--dry-run", organization=own)
    assert "keeps 0 of 1 way in to this patient now: primary provider" in looked.err
    assert carecircle("check", "doctor", "read", "patient", organization=own).code == 0
    made = carecircle("restrict", "object", "patient", "doctor", organization=own)
    assert made.code == 0, made.err
    denied = carecircle("check", "doctor", "read", "patient", organization=own)
    assert (denied.code, "  by        objection: " in denied.out) == (10, True)
    assert "objection: " in carecircle("check", "doctor", "read", "patient", "--explain", organization=own).out
    assert carecircle("restrict", "object", "patient", "doctor", organization=own).code == 6
    assert entries(carecircle, own, "kind, code")[-1] == ["refusal", "already-restricted"]
    lifted = undone(carecircle, own, made)
    assert carecircle("check", "doctor", "read", "patient", organization=own).code == 0
    assert undone(carecircle, own, lifted).code == 0
    assert carecircle("check", "doctor", "read", "patient", organization=own).code == 10


def test_a_label_is_taken_by_its_word_or_its_code(carecircle: Command, own: str) -> None:
    for word, label in (("vip", "vip"), ("EMP", "employee"), ("Substance-Use", "substance-use"), ("r", "restricted")):
        made = carecircle("restrict", "label", "patient", word, "-o", "json", organization=own)
        assert (made.code, made.json["kind"], made.json["label"]) == (0, "sensitivity", label)
        assert made.json["undo"] == [f"carecircle restrict lift {made.json['restriction']}"]


def test_the_words_are_all_labels_there_are() -> None:
    assert set(BY_WORD.values()) == set(LABELS)


def test_a_label_spares_direct_assignments_and_is_not_told_in_answers(carecircle: Command, own: str) -> None:
    team = carecircle("team", "create", "Ward 1", "-o", "json", organization=own).json["team"]
    carecircle("team", "add-patient", team, "patient", organization=own)
    assert carecircle("team", "add-member", team, "other", organization=own).code == 0
    assert carecircle("assign", "primary", "patient", "doctor", organization=own).code == 0
    made = carecircle("restrict", "label", "patient", "HIV", organization=own)
    assert "1 of 2 people" in made.err
    assert carecircle("check", "doctor", "read", "patient", organization=own).code == 0
    for how in (["--explain"], ["-o", "json"], ["-o", "csv"], []):
        denied = carecircle("check", "other", "read", "patient", *how, organization=own)
        assert denied.code == 10
        assert "sensitivity" in denied.out
        assert "hiv" not in (denied.out + denied.err).lower()
    again = carecircle("restrict", "unlabel", "patient", "hiv", organization=own)
    assert carecircle("check", "other", "read", "patient", organization=own).code == 0
    assert undone(carecircle, own, again).code == 0
    assert carecircle("restrict", "label", "patient", "secret", organization=own).code == 7
    assert carecircle("restrict", "unlabel", "patient", "psychiatry", organization=own).code == 5


def test_a_suspension_asks_first(carecircle: Command, own: str) -> None:
    assert carecircle("assign", "primary", "patient", "doctor", organization=own).code == 0
    refused = carecircle("restrict", "suspend", "doctor", organization=own)
    assert (refused.code, "confirmation-required" in refused.err) == (7, True)
    assert carecircle("restrict", "list", "-o", "json", organization=own).json["restrictions"] == []
    looked = carecircle("restrict", "suspend", "doctor", "--dry-run", organization=own)
    assert "the records of 1 patient now, and is primary for 1 of them" in looked.err
    made = carecircle("restrict", "suspend", "doctor", "--yes", organization=own)
    assert carecircle("check", "doctor", "read", "patient", organization=own).code == 10
    listed = carecircle("restrict", "list", "--provider", "doctor", "-o", "json", organization=own).json
    assert [row["kind"] for row in listed["restrictions"]] == ["suspension"]
    assert undone(carecircle, own, made).code == 0
    assert carecircle("check", "doctor", "read", "patient", organization=own).code == 0


def test_one_that_is_ahead_comes_back_as_it_was(carecircle: Command, own: str) -> None:
    period = ("--from", "2031-01-01", "--until", "2032-01-01")
    made = carecircle("restrict", "object", "patient", "doctor", *period, organization=own)
    listed = carecircle("restrict", "list", "-o", "json", organization=own).json["restrictions"]
    assert undone(carecircle, own, undone(carecircle, own, made)).code == 0
    [again] = carecircle("restrict", "list", "-o", "json", organization=own).json["restrictions"]
    assert (again["starts_at"], again["ends_at"]) == (listed[0]["starts_at"], listed[0]["ends_at"])


def test_nobody_unknown_is_restricted(carecircle: Command, own: str) -> None:
    for words in (("object", "nobody", "doctor"), ("object", "patient", "nobody"), ("label", "nobody", "vip"),
                  ("suspend", "nobody", "--yes"), ("suspend", "nobody", "--dry-run"), ("lift", to_text(new_id()))):  # fmt: skip
        assert carecircle("restrict", *words, organization=own).code == 5, words


def decision(**said: Any) -> AccessDecision:
    question = Question(new_id(), new_id(), new_id(), "read", "operator:x")
    return AccessDecision(id=EntryId(new_id()), question=question, as_of=THEN, **said)


def test_standing_in_names_for_whom_and_until_when() -> None:
    via = new_id()
    basis = Basis("coverage", new_id(), new_id(), via, THEN, datetime(2026, 1, 3, tzinfo=UTC))
    allowed = decision(allowed=True, code="allowed", bases=(basis,))
    told = "since 2026-01-02T00:00:00Z, until 2026-01-03T00:00:00Z"
    assert lines(allowed, "Dr. B", {via: "Dr. A"})[1] == f"  why       standing in for Dr. A, {told}"
    assert lines(allowed, "Dr. B")[1] == f"  why       standing in for another provider, {told}"
    assert record(Explanation(allowed, ()))["bases"][0]["via_id"] == via


def test_a_lapsed_path_says_what_it_rests_on() -> None:
    path = MissingPath("lapsed", "consulting", new_id(), Period(THEN, FOREVER), ("licence", "referral"))
    denied = decision(allowed=False, code="no-relationship", nearest=path)
    assert "suspended: rests on licence and referral, which do not hold" in lines(denied)[2]
    assert record(Explanation(denied, (path,)))["nearest"]["lacking"] == ["licence", "referral"]


def test_every_restriction_is_named_by_kind_and_row() -> None:
    taken = tuple(Restriction(kind, new_id()) for kind in ("objection", "suspension", "sensitivity"))
    told = lines(decision(allowed=False, code="restricted", restrictions=taken))
    for restriction, line in zip(taken, told[2:5], strict=True):
        assert restriction.kind in line
        assert to_text(restriction.id) in line
