"""What verifying found, in words and as data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

from carecircle.cli import exits
from carecircle.cli.careful import counted
from carecircle.cli.output import Output, emit, note, printable, say
from carecircle.identifiers import to_text

if TYPE_CHECKING:
    from carecircle.audit.online_service import Found
    from carecircle.audit.verify import Verdict

COLUMNS = ("organization", "code", "where", "sentence")
MOST_SHOWN = 100


def tell(found: Sequence[tuple[str, Found]], how: Output) -> None:
    """Of organizations, by their slugs, where their trails lie. Raises typer.Exit(11) with findings."""
    rows = [row for slug, one in found for row in _rows(slug, one)]
    if how is not Output.table:
        organizations = [_record(slug, one) for slug, one in found]
        emit(rows, columns=COLUMNS, name="findings", how=how, beside={"organizations": organizations})
    else:
        for slug, one in found:
            _print_verdict(slug, one.verdict)
            facts = f"{counted(one.facts.rows, 'fact')} compared with the entries they name"
            if one.facts.moved:
                were, come = ("was", "it comes") if one.facts.moved == 1 else ("were", "they come")
                facts += f"; when {one.facts.moved:,} {were} written was not, for {come} from another database cluster"
            print(f"{facts}.")
            _print_rows(_rows(slug, one))
    _end(sum(one.total for _, one in found), how)


def tell_verdict(verdict: Verdict, how: Output) -> None:
    """Of an export. Raises typer.Exit(11) with findings."""
    rows = _trail_rows("", verdict)
    if how is not Output.table:
        emit(rows, columns=COLUMNS[1:], name="findings", how=how, beside=_trail(verdict))
    else:
        _print_verdict("", verdict)
        _print_rows(rows)
    _end(verdict.total, how)


def _end(total: int, how: Output) -> None:
    note(f"{counted(total, 'finding')}." if total else "Everything is as it was sealed.", how)
    if total:
        raise typer.Exit(exits.FINDINGS)


def _print_verdict(slug: str, verdict: Verdict) -> None:
    name = slug or f"organization {verdict.organization}"
    retired = f", {verdict.retired:,} of them retired" if verdict.retired else ""
    epochs = f" in {verdict.epochs} epochs" if verdict.epochs > 1 else ""
    print(
        printable(
            f"{name}: {counted(verdict.entries, 'entry', 'entries')} sealed{retired}{epochs} under"
            f" {counted(verdict.checkpoints, 'checkpoint')}, {verdict.unsealed:,} not sealed yet."
        )
    )
    for remark in verdict.notes:
        print(printable(remark))
    if verdict.first_bad is not None:
        print(printable(f"First bad entry: {verdict.first_bad.where}."))


def _print_rows(rows: Sequence[dict[str, Any]]) -> None:
    for row in rows[:MOST_SHOWN]:
        print(printable(f"  {row['code']}  {row['where']}: {row['sentence']}"))
    if len(rows) > MOST_SHOWN:
        say(f"  and {len(rows) - MOST_SHOWN:,} more; all with -o json")


def _rows(slug: str, found: Found) -> list[dict[str, Any]]:
    return _trail_rows(slug, found.verdict) + [
        {
            "organization": slug,
            "code": one.code,
            "where": f"{one.table}{' of entry' if one.code == 'fact-missing' else ''} {to_text(one.id)}",
            "sentence": f"This row {one.sentence}.",
            "table": one.table,
            "id": None if one.code == "fact-missing" else one.id,
            "entry": one.entry_id,
        }
        for one in found.facts.strays
    ]


def _trail_rows(slug: str, verdict: Verdict) -> list[dict[str, Any]]:
    return [
        {
            "organization": slug,
            "code": one.code,
            "where": str(one.where),
            "sentence": one.sentence,
            "leaf": one.where.first,
            "entry": one.where.entry,
        }
        for one in verdict.findings
    ]


def _record(slug: str, found: Found) -> dict[str, Any]:
    facts = {"compared": found.facts.rows, "moved": found.facts.moved, "strays": len(found.facts.strays)}
    return {"organization": slug, "ok": found.ok, "trail": _trail(found.verdict), "facts": facts}


def _trail(verdict: Verdict) -> dict[str, Any]:
    return {
        "organization_id": verdict.organization,
        "exported_at": verdict.exported_at,
        "ok": verdict.ok,
        "entries": verdict.entries,
        "retired": verdict.retired,
        "unsealed": verdict.unsealed,
        "checkpoints": verdict.checkpoints,
        "epochs": verdict.epochs,
        "findings_counted": verdict.total,
        "first_bad": None if verdict.first_bad is None else str(verdict.first_bad.where),
        "notes": list(verdict.notes),
    }
