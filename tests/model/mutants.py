"""Bugs planted in the text of the deciding statement and of the listing: each changes an answer, so each must be caught."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from carecircle import Access, CareCircle
from carecircle.access import decide, listing
from carecircle.access.batch import Connect
from tests.model.questions import Disagreement, Played, interrogate


@dataclass(frozen=True)
class Mutant:
    """A name that says what is wrong, and the changes: patterns in the composed SQL, each with what takes its place."""

    name: str
    changes: tuple[tuple[str, str], ...]

    def __call__(self, statement: str) -> str:
        for pattern, instead in self.changes:
            statement = re.sub(pattern, instead, statement)
        return statement


def _mutant(name: str, *changes: str) -> Mutant:
    """Pattern, what takes its place, and so on."""
    return Mutant(name, tuple(zip(changes[::2], changes[1::2], strict=True)))


AS_OF = r"(?:q\.as_of|coalesce\(\$9::timestamptz, statement_timestamp\(\)\))"
BELIEVED_AT = r"(?:q\.believed_at|\$10::timestamptz)"
ORGANIZATION = r"(?:q\.organization_id|\$2)"
ACTION = r"(?:q\.action|\$4)"
# A row of the circle must end later than now once more, when all that it rests on is known.
AHEAD = rf"ahead\.ends_at > {AS_OF}"


def _believed(fact: str, alias: str) -> Iterator[Mutant]:
    a = rf"\b{alias}\."
    yield _mutant(f"{fact}: believed a moment late", rf"({a}recorded_at) <= ", r"\1 < ")
    yield _mutant(f"{fact}: believed a moment too long", rf"({a}superseded_at) > ", r"\1 >= ")
    yield _mutant(f"{fact}: believed before it was recorded", rf"{a}recorded_at <= ", "'-infinity' <= ")
    yield _mutant(f"{fact}: superseded rows still count", rf"{a}superseded_at = 'infinity'", "true")
    yield _mutant(f"{fact}: superseded rows never counted", rf"{a}superseded_at < 'infinity' and", "false and")
    then = rf"\({a}recorded_at <= {BELIEVED_AT} and \({a}superseded_at = 'infinity' or \([^()]*\)\)"
    yield _mutant(f"{fact}: believed_at ignored", then, f"({alias}.superseded_at = 'infinity'")
    yield _mutant(f"{fact}: forgotten altogether", rf"\({a}(superseded_at|recorded_at)", rf"(false and {alias}.\1")


def _of(fact: str, alias: str, *, is_cut: bool = False) -> Iterator[Mutant]:
    """Every bound of both clocks, wrong in turn for one kind of fact. `is_cut`: its end is asked about once more."""
    a = rf"\b{alias}\."
    again = (AHEAD, "ahead.ends_at > '-infinity'") if is_cut else ()
    late = ("ahead.ends_at > ", "ahead.ends_at >= ") if is_cut else ()
    yield _mutant(f"{fact}: begins a moment late", rf"({a}starts_at) <= ", r"\1 < ")
    yield _mutant(f"{fact}: ends a moment late", rf"({a}ends_at) > ", r"\1 >= ", *late)
    yield _mutant(f"{fact}: holds before it begins", rf"{a}starts_at <= ", "'-infinity' <= ")
    yield _mutant(f"{fact}: never ends", rf"{a}ends_at > ", "'infinity' > ", *again)
    yield from _believed(fact, alias)


def _anywhere(fact: str, alias: str) -> Mutant:
    return _mutant(f"{fact}: organization dropped", rf"\b{alias}\.organization_id = {ORGANIZATION} and (?!p\.id)", "")


_ALSO = "(c.despite || '{sensitivity}'::text[])"
# A stand-in of a stand-in, as if the second arrangement were the first one's.
_USED = "organization_id, id, covering_provider_id, patient_id, care_team_id, scope, starts_at, ends_at, duty_ends_at, rests_on"
_USED += ", recorded_at, superseded_at"
_SECOND_HOP = (
    f" (select {_USED}, covered_provider_id from carecircle.coverage_arrangements union all"
    f" select {', '.join('b.' + one for one in _USED.split(', '))}, a.covered_provider_id"
    " from carecircle.coverage_arrangements a join carecircle.coverage_arrangements b"
    " on b.organization_id = a.organization_id and b.covered_provider_id = a.covering_provider_id"
    " and a.superseded_at = 'infinity') v"
)

CLOCKS: Sequence[Mutant] = (
    *_of("assignment", "a", is_cut=True), *_of("team's patient", "p", is_cut=True), *_of("seat", "m", is_cut=True),
    *_of("coverage", "v", is_cut=True), *_of("credential", "k", is_cut=True), *_of("referral", "f", is_cut=True),
    *_of("objection or suspension", "o"), *_of("label", "l"), *_of("policy", "y"), *_believed("merge", "g"),
    *_of("emergency access", "e", is_cut=True),
    # Of a duty only the present is asked: to begin or end exactly then, it would have to know when that will be.
    *(one for one in _of("duty", "d") if one.name.endswith(("before it begins", "never ends", "still count", "altogether"))),
    _mutant("as_of ignored", rf"((?:starts_at <=|ends_at >)) {AS_OF}", r"\1 statement_timestamp()"),
    _mutant("believed_at ignored", rf"((?:recorded_at <=|superseded_at >)) {BELIEVED_AT}", r"\1 statement_timestamp()"),
    _mutant("believed at as_of", r"((?:recorded_at <=|superseded_at >)) q\.believed_at", r"\1 q.as_of"),
)  # fmt: skip

WHOSE: Sequence[Mutant] = (
    _anywhere("assignment", "a"), _anywhere("team's patient", "p"), _anywhere("coverage", "v"),
    _anywhere("credential", "k"), _anywhere("objection or suspension", "o"), _anywhere("label", "l"),
    _anywhere("policy", "y"), _anywhere("merge", "g"), _anywhere("emergency access", "e"), _anywhere("duty", "d"),
    _mutant("emergency access to another patient", r"\be\.patient_id = (?:q\.patient_id|\$3)", "true"),
    _mutant("emergency access of another provider", r"\be\.provider_id = (?:q\.provider_id|\$3)", "true"),
    _mutant("another's duty to break the glass", r"\bd\.provider_id = q\.provider_id", "true"),
    _mutant("team join: organization dropped", r"m\.organization_id = p\.organization_id and ", ""),
    _mutant("team join: team dropped", r"m\.care_team_id = p\.care_team_id", "true"),
    _mutant("assignment of another patient", r"\ba\.patient_id = (?:q\.patient_id|\$3)", "true"),
    _mutant("team's patient is another one", r"\bp\.patient_id = (?:q\.patient_id|\$3)", "true"),
    _mutant("assignment of another provider", r"\ba\.provider_id = w\.holder_id", "true"),
    _mutant("seat of another provider", r"\bm\.provider_id = w\.holder_id", "true"),
    _mutant("somebody else stands in", r"v\.covering_provider_id = (?:q\.provider_id|\$3)", "true"),
    _mutant("somebody else is stood in for", r"v\.covered_provider_id = x\.provider_id", "true"),
    _mutant("credential of another provider", r"\bk\.provider_id = case when .*? end", "true"),
    _mutant("referral of another patient", r" and f\.patient_id = a\.patient_id", ""),
    _mutant("referral to another provider", r"\(f\.provider_id is null or f\.provider_id = a\.provider_id\)", "true"),
    _mutant("another referral", r"f\.lineage_id = a\.referral_id", "true"),
    _mutant("objection of another patient", r"\bo\.patient_id = (?:q|c)\.patient_id", "true"),
    _mutant("objection to another provider", r"\bo\.provider_id = (?:q|c)\.provider_id", "true"),
    _mutant("label of another patient", r"\bl\.patient_id = (?:q|c)\.patient_id", "true"),
    _mutant("merge of another patient", r"\bg\.patient_id = (?:q\.patient_id|\$3)", "true"),
    _mutant(
        "unknown patient: organization dropped",
        r"where p\.organization_id = q\.organization_id and p\.id = q\.patient_id\)", "where p.id = q.patient_id limit 1)",
    ),
    _mutant(
        "unknown provider: organization dropped",
        r"where p\.organization_id = q\.organization_id and p\.id = q\.provider_id\)", "where p.id = q.provider_id limit 1)",
    ),
    _mutant("list: unknown elsewhere only", r"where g\.organization_id = \$2 and g\.id = \$3", "where g.id = $3"),
)  # fmt: skip

GRANTING: Sequence[Mutant] = (
    _mutant("scope dropped", rf"{ACTION} = any \(x\.scope\)", "true"),
    _mutant("scope dropped in lists only", r"\$4 = any \(x\.scope\)", "true"),
    _mutant("every action counts as read", rf"{ACTION} = any \(x\.scope\)", "'read' = any (x.scope)"),
    _mutant("list over another action", r"\$4 = any \(x\.scope\)", "'write' = any (x.scope)"),
    _mutant("every action is known", rf"{ACTION} = any \(array\[[^]]*\]\)", "true"),
    _mutant("every action is known where there is a policy", rf"{ACTION} = any \(y\.actions\) and ", ""),
    _mutant("no policy adds an action", rf"{ACTION} = any \(y\.actions\)", "false"),
    _mutant("held once is not held", r"c\.held > 0", "c.held > 1"),
    _mutant("restricted is not told", r"when c\.granting > 0 then 'restricted'", "when false then 'restricted'"),
    _mutant(
        "a label restricts who is let in by nothing",
        r"when c\.granting > 0 then", "when c.granting > 0 or (c.held > 0 and r.held > 0) then",
    ),
    _mutant("merged is not told", r"is not null then 'patient-merged'", "is null and false then 'patient-merged'"),
    _mutant("list: the first end, not the last", r"max\(c\.ends_at\)", "min(c.ends_at)"),
    _mutant("list: kinds not distinct", r"array_agg\(distinct c\.basis", "array_agg(c.basis"),
    _mutant("answers in another order", "order by position", "order by position desc"),
)  # fmt: skip

PROOF: Sequence[Mutant] = (
    _mutant("team path ends with the later of two", r"least\(p\.ends_at, m\.ends_at\)", "greatest(p.ends_at, m.ends_at)"),
    _mutant("team path begins with the earlier of two", r"greatest\(p\.starts_at", "least(p.starts_at"),
    _mutant("wrong row under the seat", r"p\.id as under_id", "m.id as under_id"),
    _mutant("wrong row as the basis", r"m\.id as basis_id", "p.id as basis_id"),
    _mutant("wrong kind of basis", r"a\.assignment_type as basis", "'consulting' as basis"),
    _mutant("coverage: kind of what is covered", r"else 'coverage' end as basis", "else x.basis end as basis"),
    _mutant("coverage: row of what is covered", r"coalesce\(w\.arrangement_id, x\.basis_id\)", "x.basis_id"),
    _mutant("coverage: wrong row under it", r"else x\.basis_id end as under_id", "else x.under_id end as under_id"),
    _mutant("coverage: via oneself", r"then w\.holder_id end as via_id", "then w.provider_id end as via_id"),
    _mutant("coverage begins with the earlier of two", r"greatest\(x\.starts_at, w\.starts_at\)", "x.starts_at"),
    _mutant("coverage ends with what is covered", r"least\(x\.ends_at, w\.ends_at, ", "least(x.ends_at, "),
    _mutant("coverage outlasts what is covered", r"least\(x\.ends_at, w\.ends_at, ", "least(w.ends_at, "),
    _mutant("the credential's end cuts nothing", r"select k\.ends_at from", "select 'infinity'::timestamptz from"),
    _mutant("the first credential's end cuts", r"order by k\.ends_at desc", "order by k.ends_at"),
    _mutant("the referral's end cuts nothing", r"select f\.ends_at from", "select 'infinity'::timestamptz from"),
)  # fmt: skip

MECHANISMS: Sequence[Mutant] = (
    _mutant("coverage: two hops", r" carecircle\.coverage_arrangements v\b", _SECOND_HOP),
    _mutant(
        "coverage: scopes united", rf"{ACTION} = any \(x\.scope\) and \(w\.scope is null or ({ACTION}) = any \(w\.scope\)\)",
        r"\1 = any (x.scope || w.scope)",
    ),
    _mutant("coverage: its own scope ignored", r"\(w\.scope is null or", "(true or"),
    _mutant("coverage: the covered one's scope ignored", r"= any \(x\.scope\)", "= any (coalesce(w.scope, x.scope))"),
    _mutant("coverage: named patient ignored", r"w\.patient_id is null or w\.patient_id = x\.patient_id", "true"),
    _mutant("coverage: team ignored", r"w\.care_team_id is null or w\.care_team_id = x\.care_team_id", "true"),
    _mutant("coverage: seat on whatever team", r"w\.care_team_id = x\.care_team_id", "x.care_team_id is not null"),
    _mutant("coverage: grace ignored", r"\bv\.ends_at > ", "v.duty_ends_at > "),
    _mutant("coverage: objection to the covered one ignored", r"\(w\.arrangement_id is null or \(\s+select", r"(true or (select"),
    _mutant("coverage: objection to the other one asked", r"o\.provider_id = w\.holder_id", "o.provider_id = w.provider_id"),
    _mutant("coverage: anybody's objection passes nothing on", r"o\.patient_id = x\.patient_id", "true"),
    _mutant("coverage passes by labels", r"case when w\.arrangement_id is null then x\.despite else '\{\}' end", "x.despite"),
    _mutant("a seat passes by labels", r"'\{\}'::text\[\] as despite, m\.", r"array['sensitivity'] as despite, m."),
    _mutant("a label keeps out everybody", r"array\['sensitivity'\] as despite", "'{}'::text[] as despite"),
    _mutant(
        "a label keeps out nobody",
        r"r\.kinds <@ c\.despite", f"r.kinds <@ {_ALSO}", r"<> all \(c\.despite\)", f"<> all ({_ALSO})",
    ),
    _mutant("labels do not count in lists", r"<> all \(c\.despite\)", f"<> all ({_ALSO})"),
    _mutant("objections do not count in lists", r"<> all \(c\.despite\)", "<> all (c.despite || '{objection}'::text[])"),
    _mutant("objections spare who is direct", r"array\['sensitivity'\] as despite", "array['sensitivity', 'objection'] as despite"),
    _mutant("one restriction overridden is enough", r"r\.kinds <@ c\.despite", "r.kinds && c.despite"),
    _mutant("suspension ignored", r" or o\.patient_id is null\)", ")"),
    _mutant("objection ignored", r"\(o\.patient_id = (?:q|c)\.patient_id or (o\.patient_id is null\))", r"(\1"),
    _mutant("credentials: not looked at", r"cardinality\(x\.rests_on\) \+ cardinality\(w\.rests_on\) = 0", "true"),
    _mutant("credentials: one of them is enough", r"select min\(coalesce\(", "select max(coalesce("),
    _mutant("credentials: by kind only", r"needs\.name in \(k\.kind, k\.code\)", "needs.name = k.kind"),
    _mutant("credentials: by code only", r"needs\.name in \(k\.kind, k\.code\)", "needs.name = k.code"),
    _mutant("credentials: any will do", r"needs\.name in \(k\.kind, k\.code\)", "true"),
    _mutant("credentials: the covered one's for the arrangement", r"needs\.number <= cardinality\(x\.rests_on\)", "true"),
    _mutant("credentials: the covering one's for what is covered", r"needs\.number <= cardinality\(x\.rests_on\)", "false"),
    _mutant("credentials: not those of what is covered", r"unnest\(x\.rests_on \|\| w\.rests_on\)", "unnest(w.rests_on)"),
    _mutant("credentials: not those of the arrangement", r"unnest\(x\.rests_on \|\| w\.rests_on\)", "unnest(x.rests_on)"),
    _mutant("referral not looked at", r"case when a\.referral_id is null then", "case when true then"),
    _mutant("referral to whoever takes it counts for nobody", r"\(f\.provider_id is null or ", "("),
)  # fmt: skip

_OVERRIDDEN, _EMERGENCY_SCOPE = rf"\be\.despite, ({ACTION})", rf"({ACTION}) = any \(e\.scope\)"
_GRANTS_SOMETHING = r"e\.scope <> '\{\}' and "


def _as_if_granted(name: str, state: str) -> Mutant:
    """A state that grants nothing grants what was asked for."""
    meant = f"case when e.state = '{state}' then e.wanted_scope else e.scope end"
    return _mutant(
        f"emergency access: {name}",
        _GRANTS_SOMETHING, f"{meant} <> '{{}}' and ", _EMERGENCY_SCOPE, rf"\1 = any ({meant})",
    )  # fmt: skip


EMERGENCIES: Sequence[Mutant] = (
    _mutant(
        "emergency access: passed on by coverage", r"\be\.provider_id = (q\.provider_id|\$3)",
        r"(e.provider_id = \1 or e.provider_id in (select v.covered_provider_id from carecircle.coverage_arrangements v"
        r" where v.organization_id = e.organization_id and v.covering_provider_id = \1 and v.superseded_at = 'infinity'))",
    ),
    _mutant("emergency access: grants more than its scope", _EMERGENCY_SCOPE, "true"),
    _mutant("emergency access: grants more in lists only", r"\$4 = any \(e\.scope\)", "true"),
    _mutant("emergency access: grants what was asked, not what was given", r"any \(e\.scope\)", "any (e.wanted_scope)"),
    _mutant("emergency access: only ever to read", _EMERGENCY_SCOPE, r"\1 = 'read'"),
    _mutant(
        "emergency access: lasts as long as was asked", r"e\.ends_at as own_ends_at, e\.ends_at,",
        "e.wanted_until as own_ends_at, e.wanted_until,", r"\be\.ends_at > ", "e.wanted_until > ",
    ),
    _as_if_granted("denied still lets in", "denied"), _as_if_granted("ended still lets in", "ended"),
    _as_if_granted("waiting lets in already", "requested"),
    _mutant("emergency access: a state that grants nothing is a relation", _GRANTS_SOMETHING, ""),
    _mutant("emergency access: overrides nothing", _OVERRIDDEN, r"'{}'::text[] as despite, \1"),
    _mutant("emergency access: overrides objections by itself", _OVERRIDDEN, r"e.despite || '{objection}'::text[] as despite, \1"),
    _mutant("emergency access: overrides labels by itself", _OVERRIDDEN, r"e.despite || '{sensitivity}'::text[] as despite, \1"),
    _mutant("emergency access: overrides suspensions", _OVERRIDDEN, r"e.despite || '{suspension}'::text[] as despite, \1"),
    _mutant("emergency access: the state is under it, not the access", r"e\.lineage_id as under_id", "e.id as under_id"),
    _mutant("emergency access: told as an assignment", r"'emergency_access' as basis", "'emergency' as basis"),
    _mutant("break-glass offered to the suspended", r"'suspension' <> all \(coalesce\(r\.kinds, '\{\}'\)\) and ", ""),
    _mutant("break-glass offered to supervisors", r"d\.duty = 'break_glass'", "true"),
)  # fmt: skip

MUTANTS: Sequence[Mutant] = (*CLOCKS, *WHOSE, *GRANTING, *PROOF, *MECHANISMS, *EMERGENCIES)
# What the statements are composed for; a mutant changes one of these at least.
_FORMS = (decide.Form("believed", True), decide.Form("now", False))


def changed(mutant: Mutant) -> bool:
    """Whether the bug finds something to change. Asks the sound statements, so not while another one is planted."""
    sound = [decide.statement(form) for form in _FORMS]
    sound += [listing.statement(wanted, as_of=True, believed=True) for wanted in ("patients", "providers")]
    return any(mutant(text) != text for text in sound)


@contextmanager
def planted(mutant: Mutant) -> Iterator[None]:
    """While in the block, connections that prepare a statement get the mutant's. Raises ValueError when it changes none."""
    if not changed(mutant):
        raise ValueError(f"the planted bug {mutant.name!r} finds nothing to change")
    deciding, lists = decide.statement, listing.statement

    def with_bug(compose: Callable[..., str]) -> Callable[..., str]:
        return lambda *given, **named: mutant(compose(*given, **named))

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
