"""db: state, migration back and forth, and a shell that sees one organization at most."""

from __future__ import annotations

from pathlib import Path

import pytest

from carecircle.database.embedded import EmbeddedServer
from carecircle.database.revision import head
from tests.cli.conftest import Command, Place, embedded
from tests.conftest import QUICK, server_binaries

COUNTS = """select (select count(*) from carecircle.{0}) as seen, current_user"""
# What each role may read at all, so that nothing seen means the wall and not a missing privilege.
READABLE = {
    "app": "patient_assignments",
    "decider": "patient_assignments",
    "sealer": "audit_events",
    "auditor": "audit_events",
}


def seen(carecircle: Command, role: str, *options: str) -> int:
    sql = COUNTS.format(READABLE[role])
    ran = carecircle("db", "shell", "--role", role, *options, "--", "-XAtc", sql, organization=None)
    assert ran.code == 0, ran.err
    count, who = ran.out.strip().split("|")
    assert who == f"carecircle_{role}"
    return int(count)


@pytest.mark.parametrize("role", READABLE)
def test_a_shell_without_an_organization_sees_no_tenant(carecircle: Command, role: str) -> None:
    assert seen(carecircle, role) == 0


@pytest.mark.parametrize("role", READABLE)
def test_a_shell_sees_its_organization_and_no_other(carecircle: Command, role: str, own: str) -> None:
    there = seen(carecircle, role, "--organization", "north-hospital")
    here = seen(carecircle, role, "--organization", own)
    assert there > 10
    assert here < there


def test_the_owner_sees_nobody_either(carecircle: Command) -> None:
    asked = "select count(*) from carecircle.patients"
    ran = carecircle("db", "shell", "--role", "owner", "--", "-XAtc", asked)
    assert (ran.code, ran.out.strip()) == (0, "0")


def test_a_shell_passes_on_how_psql_ended_and_what_was_set(carecircle: Command) -> None:
    assert carecircle("db", "shell", "--", "-Xc", "nonsense").code == 1
    ran = carecircle(
        "db", "shell", "--", "-XAtc", "show carecircle.organization_id", PGOPTIONS="-c x.y=z", PGUSER="eve"
    )
    assert ran.code == 0
    assert len(ran.out.strip()) == 36


def test_status_of_a_current_database(carecircle: Command, place: Place) -> None:
    assert carecircle("db", "status", "-o", "json").json["database"] == "configured"
    told = carecircle("db", "status", "-o", "json", **embedded(place.home)).json
    assert told["up_to_date"] is True
    assert told["revision"] == told["head"] == head()
    assert told["database"] == "embedded"


def test_back_and_forth_and_what_an_old_schema_says(
    carecircle: Command, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    home = embedded(tmp_path)
    binaries = server_binaries(request.config.getoption("--postgres"))
    with EmbeddedServer.start(tmp_path, binaries=binaries, settings=QUICK):
        assert carecircle("db", "upgrade", **home).code == 0
        assert carecircle("db", "downgrade", "-1", **home).code == 0
        status = carecircle("db", "status", **home)
        assert status.code == 3
        assert status.lines[-1].split() == ["up", "to", "date", "false"]
        refused = carecircle("check", "a", "read", "b", organization="x", **home)
        assert (refused.code, "carecircle db upgrade" in refused.err) == (3, True)
        assert carecircle("db", "upgrade", **home).code == 0
        assert carecircle("db", "status", **home).code == 0
