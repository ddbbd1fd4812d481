"""doctor on proof and protection: what waits to be sealed, months ahead, the volume, the way to the database."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy.engine import make_url

from carecircle import Settings
from carecircle.cli.doctor_proof import on_dm_crypt, volume_line, witness_line
from tests.cli.conftest import Command, Place
from tests.cli.test_doctor import checks, seal


def as_admin(place: Place, statement: str) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(make_url(place.server.admin_url).render_as_string(hide_password=False))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    asyncio.run(run())


def test_what_waits_to_be_sealed_is_found_by_its_age(carecircle: Command, own: str, place: Place) -> None:
    def sealing() -> tuple[str, str]:
        [line] = checks(carecircle("doctor", "-o", "json", organization=own))["sealing"]
        return line["state"], line["finding"]

    def left_behind(age: str) -> None:
        as_admin(
            place,
            "select set_config('carecircle.organization_id', id::text, false) from carecircle.organizations"
            f" where slug = '{own}';"
            "insert into carecircle.audit_events (organization_id, id, kind, actor, code, recorded_at)"
            f" select id, gen_random_uuid(), 'change', 'test', 'test', now() - interval '{age}'"
            f" from carecircle.organizations where slug = '{own}'",
        )

    seal(carecircle)
    state, finding = sealing()
    assert state == "ok"
    assert "sealed, the newest checkpoint" in finding
    left_behind("20 seconds")
    assert sealing()[0] == "warn"
    left_behind("5 minutes")
    state, finding = sealing()
    assert state == "fail"
    assert "the oldest for 5 minutes" in finding
    seal(carecircle)
    assert sealing()[0] == "ok"


def test_months_ahead_are_counted(carecircle: Command, own: str) -> None:
    [line] = checks(carecircle("doctor", "-o", "json", organization=own))["months"]
    assert (line["state"], line["finding"]) == ("ok", "There is room for the entries of 24 months ahead.")


def test_an_operator_is_asked_about_the_volume_where_the_system_does_not_tell(tmp_path: Path) -> None:
    asked = volume_line(Settings(home=tmp_path), None)
    assert asked.state == "warn"
    assert "CARECIRCLE_VOLUME_ENCRYPTED=yes" in asked.helps
    assert volume_line(Settings(home=tmp_path, volume_encrypted=True), None).state == "ok"


def test_without_any_witness_it_warns(tmp_path: Path) -> None:
    assert witness_line(Settings(home=tmp_path)).state == "ok"
    assert witness_line(Settings(home=tmp_path, witness_file="off")).state == "warn"
    assert witness_line(Settings(home=tmp_path, witness_file="off", witness_url="https://w.example/")).state == "ok"


# A system's devices: a plain disk's partition, a logical volume on an encrypted disk, and one on a plain disk.
MOUNTS = """\
20 1 8:1 / / rw - ext4 /dev/sda1 rw
21 20 253:1 / /srv/data rw - ext4 /dev/mapper/data rw
22 20 253:3 / /srv/my\\040plain rw - ext4 /dev/mapper/plain rw
23 20 0:40 / /dev/shm rw - tmpfs tmpfs rw
"""


@pytest.mark.parametrize(
    ("path", "encrypted"),
    [("/srv/data/pg", True), ("/srv/my plain/pg", False), ("/home/x", False), ("/dev/shm/pg", None)],  # noqa: S108 - a name
)
def test_a_volume_on_an_encrypted_disk_is_recognised(tmp_path: Path, path: str, encrypted: bool | None) -> None:
    system = tmp_path
    (system / "proc/self").mkdir(parents=True)
    (system / "proc/self/mountinfo").write_text(MOUNTS)
    devices = system / "sys/devices"
    for name, uuid in (("sda", None), ("dm-0", "CRYPT-LUKS2-aa"), ("dm-1", "LVM-bb"), ("dm-3", "LVM-cc")):
        (devices / name).mkdir(parents=True)
        if uuid:
            (devices / name / "dm").mkdir()
            (devices / name / "dm/uuid").write_text(uuid)
    (devices / "sda/sda1").mkdir()
    (devices / "sda/sda1/partition").write_text("1")
    for upper, lower in (("dm-1", "dm-0"), ("dm-3", "sda/sda1"), ("dm-0", "sda/sda1")):
        (devices / upper / "slaves").mkdir()
        (devices / upper / "slaves" / Path(lower).name).symlink_to(devices / lower)
    block = system / "sys/dev/block"
    block.mkdir(parents=True)
    for number, device in (("8:1", "sda/sda1"), ("253:1", "dm-1"), ("253:3", "dm-3")):
        (block / number).symlink_to(devices / device)
    assert on_dm_crypt(Path(path), system=system) is encrypted


def test_a_system_that_tells_nothing_is_not_guessed_about(tmp_path: Path) -> None:
    assert on_dm_crypt(Path("/srv"), system=tmp_path) is None
