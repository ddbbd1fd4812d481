"""Bugs planted in the text of the deciding statement and of the listing: each changes an answer, so each must be caught."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from carecircle import Access, CareCircle
from carecircle.access import decide, listing
from carecircle.access.batch import Connect
from tests.model.questions import Disagreement, Played, interrogate


@dataclass(frozen=True)
class Mutant:
    """A name that says what is wrong, and the change: a pattern in the composed SQL and what takes its place."""

    name: str
    pattern: str
    instead: str

    def __call__(self, statement: str) -> str:
        return re.sub(self.pattern, self.instead, statement)


def _of(fact: str, alias: str) -> Iterator[Mutant]:
    """Every bound of both clocks, wrong in turn for one kind of fact."""
    a = rf"\b{alias}\."
    yield Mutant(f"{fact}: begins a moment late", rf"({a}starts_at) <= ", r"\1 < ")
    yield Mutant(f"{fact}: ends a moment late", rf"({a}ends_at) > ", r"\1 >= ")
    yield Mutant(f"{fact}: believed a moment late", rf"({a}recorded_at) <= ", r"\1 < ")
    yield Mutant(f"{fact}: believed a moment too long", rf"({a}superseded_at) > ", r"\1 >= ")
    yield Mutant(f"{fact}: holds before it begins", rf"{a}starts_at <= ", "'-infinity' <= ")
    yield Mutant(f"{fact}: never ends", rf"{a}ends_at > ", "'infinity' > ")
    yield Mutant(f"{fact}: believed before it was recorded", rf"{a}recorded_at <= ", "'-infinity' <= ")
    yield Mutant(f"{fact}: superseded rows still count", rf"{a}superseded_at = 'infinity'", "true")
    yield Mutant(f"{fact}: superseded rows never counted", rf"{a}superseded_at < 'infinity' and", "false and")
    yield Mutant(f"{fact}: forgotten altogether", rf"\({a}(superseded_at|recorded_at)", rf"(false and {alias}.\1")


AS_OF = r"(?:q\.as_of|coalesce\(\$9::timestamptz, statement_timestamp\(\)\))"
BELIEVED_AT = r"(?:q\.believed_at|\$10::timestamptz)"
SCOPE = r"(?:q\.action|\$4) = any \(c\.scope\)"

MUTANTS: Sequence[Mutant] = (
    *_of("assignment", "a"), *_of("team's patient", "p"), *_of("seat", "m"),
    Mutant("as_of ignored", rf"((?:starts_at <=|ends_at >)) {AS_OF}", r"\1 statement_timestamp()"),
    Mutant("believed_at ignored", rf"((?:recorded_at <=|superseded_at >)) {BELIEVED_AT}", r"\1 statement_timestamp()"),
    Mutant("believed at as_of", r"((?:recorded_at <=|superseded_at >)) q\.believed_at", r"\1 q.as_of"),
    Mutant("team join: organization dropped", r"m\.organization_id = p\.organization_id and ", ""),
    Mutant("team join: team dropped", r"m\.care_team_id = p\.care_team_id", "true"),
    Mutant("question's organization dropped", r"c\.organization_id = (?:q\.organization_id|\$2) and ", ""),
    Mutant("question's patient dropped", r"c\.patient_id = q\.patient_id and ", ""),
    Mutant("question's provider dropped", r" and c\.provider_id = q\.provider_id", ""),
    Mutant("list: whose list dropped", r"and c\.(?:provider|patient)_id = \$3", ""),
    Mutant("scope dropped", SCOPE, "true"),
    Mutant("scope dropped in lists only", r"\$4 = any \(c\.scope\)", "true"),
    Mutant("every action counts as read", SCOPE, "'read' = any (c.scope)"),
    Mutant("list over another action", r"\$4 = any \(c\.scope\)", "'write' = any (c.scope)"),
    Mutant("team path ends with the later of two", r"\bleast\(", "greatest("),
    Mutant("team path begins with the earlier of two", r"\bgreatest\(", "least("),
    Mutant("list: the first end, not the last", r"max\(c\.ends_at\)", "min(c.ends_at)"),
    Mutant("list: kinds not distinct", r"array_agg\(distinct c\.basis", "array_agg(c.basis"),
    Mutant("wrong row under the seat", r"p\.id as under_id", "m.id as under_id"),
    Mutant("wrong row as the basis", r"m\.id as basis_id", "p.id as basis_id"),
    Mutant("wrong kind of basis", r"a\.assignment_type as basis", "'consulting' as basis"),
    Mutant("unknown action granted where a scope names it", r"and (?:q\.action|\$4) = any \(array\[[^]]*\]\)", ""),
    Mutant("unknown action not noticed", r"(?:q\.action|\$4) <> all \(array\[[^]]*\]\)", "false"),
    Mutant("held once is not held", r"c\.held > 0", "c.held > 1"),
    Mutant(
        "unknown patient: organization dropped",
        r"where p\.organization_id = q\.organization_id and p\.id = q\.patient_id\)", "where p.id = q.patient_id limit 1)",
    ),
    Mutant(
        "unknown provider: organization dropped",
        r"where p\.organization_id = q\.organization_id and p\.id = q\.provider_id\)", "where p.id = q.provider_id limit 1)",
    ),
    Mutant("list: unknown elsewhere only", r"g\.organization_id = \$2 and ", ""),
    Mutant("answers in another order", "order by position", "order by position desc"),
)  # fmt: skip


@contextmanager
def planted(mutant: Mutant) -> Iterator[None]:
    """While in the block, connections that prepare a statement get the mutant's. Raises ValueError when it changes none."""
    deciding, lists = decide.statement, listing.statement
    changed: list[str] = []

    def with_bug(compose: Callable[..., str]) -> Callable[..., str]:
        def composed(*given: Any, **named: Any) -> str:
            sound = compose(*given, **named)
            text = mutant(sound)
            if text != sound:
                changed.append(text)
            return text

        return composed

    changing = with_bug(deciding)("believed"), with_bug(lists)("patients", as_of=True, believed=True)
    if not changed:
        raise ValueError(f"the planted bug {mutant.name!r} finds nothing to change in {len(changing)} statements")
    decide.statement, listing.statement = with_bug(deciding), with_bug(lists)  # type: ignore[assignment]
    try:
        yield
    finally:
        decide.statement, listing.statement = deciding, lists


async def caught(circle: CareCircle, connect: Connect, mutant: Mutant, played: Sequence[Played]) -> Disagreement | None:
    """The first disagreement the planted bug leads to, or None when it survives every history."""
    with planted(mutant):
        access = Access(connect, circle.keyring, timeout=30)
        try:
            for one in played:
                try:
                    await interrogate(access, one)
                except Disagreement as found:
                    return found
            return None
        finally:
            await access.close()
