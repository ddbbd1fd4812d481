"""The command: `python -m verify EXPORT --key VKEY [--witness FILE]`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from .finding import counted
from .line import is_month
from .note import VerifyKey
from .reading import verify


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Exits 0 where all is well, 11 with findings, 2 where it was called wrongly, 7 where nothing can be read."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {__package__}", description="Check an export of carecircle's audit trail offline."
    )
    parser.add_argument("export", help="the file, or - for standard input")
    parser.add_argument("--key", action="append", required=True, metavar="VKEY", help="keys that may sign; repeatable")
    parser.add_argument(
        "--witness", action="append", default=[], metavar="FILE", help="checkpoints kept elsewhere; repeatable"
    )
    parser.add_argument("--month", metavar="YYYY-MM", help="the export is the file of this month")
    parser.add_argument("--json", action="store_true", help="the verdict as JSON")
    asked = parser.parse_args(arguments)
    try:
        keys = [VerifyKey.parse(key) for given in asked.key for key in given.split() or [""]]
    except ValueError as error:
        parser.error(str(error))
    if asked.month is not None and not is_month(asked.month):
        parser.error("argument --month: a month is written YYYY-MM, as 2020-03")

    def progress(lines: int) -> None:
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{lines:,} lines\r")

    try:
        witnessed = [Path(file).read_text("utf-8") for file in asked.witness]
        with nullcontext(sys.stdin.buffer) if asked.export == "-" else Path(asked.export).open("rb") as lines:
            verdict = verify(lines, keys, witnessed, progress, asked.month)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 7
    if asked.json:
        sys.stdout.write(json.dumps(verdict.as_dict(), ensure_ascii=False) + "\n")
        return 0 if verdict.ok else 11
    counts = (
        f"{counted(verdict.entries, 'entry', 'entries')}, {counted(verdict.checkpoints, 'checkpoint', 'checkpoints')},"
        f" {counted(verdict.unsealed, 'entry', 'entries')} not sealed yet"
    )
    whole = "All that is here is as it was sealed." if asked.month else "All is as it was sealed."
    told = [f"Organization {verdict.organization}, exported at {verdict.exported_at}: {counts}.", *verdict.notes]
    told += [*map(str, verdict.findings[:100]), f"Findings: {verdict.total:,}"]
    told += [f"The first bad entry: {verdict.first_bad.where}"] if verdict.first_bad else [whole]
    sys.stdout.write("\n".join(told) + "\n")
    return 0 if verdict.ok else 11


if __name__ == "__main__":
    sys.exit(main())
