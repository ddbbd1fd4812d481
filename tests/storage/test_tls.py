"""TLS to the database: verified unless said otherwise, against a real server with a certificate of our own making."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import text
from sqlalchemy.engine import URL, make_url
from tests.conftest import QUICK, server_binaries

from carecircle.cli.doctor_proof import connection_line
from carecircle.database import migrate
from carecircle.database.embedded import temporary_server
from carecircle.database.reach import Reach, configured, dsn, role_passwords
from carecircle.database.roles import open_connection
from carecircle.database.session import open_engine, transaction
from carecircle.errors import DatabaseUnavailable, InvalidSetting

# An address of this machine that does not look like one.
ELSEWHERE = "127.1"


@dataclass(frozen=True)
class Site:
    """A server that speaks TLS, one that does not, and the authority that vouches for the first."""

    home: Path
    secure: URL
    plain: URL
    authority: Path
    stranger: Path


def authority(name: str) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    return _certificate(name, key, name, key, []), key


def _certificate(
    name: str, key: ec.EllipticCurvePrivateKey, by: str, by_key: ec.EllipticCurvePrivateKey, hosts: list[str]
) -> x509.Certificate:
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, by)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=not hosts, path_length=None), critical=True)
    )
    if hosts:
        made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), critical=False)
    return made.sign(by_key, hashes.SHA256())


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("tls")
    binaries = server_binaries("system")  # the wheel's is built without TLS
    ours, our_key = authority("ours")
    others, _ = authority("others")
    (folder / "ours.pem").write_bytes(_pem(ours))
    (folder / "others.pem").write_bytes(_pem(others))
    key = ec.generate_private_key(ec.SECP256R1())
    mine = _certificate("database", key, "ours", our_key, [ELSEWHERE])
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with (
        temporary_server(binaries=binaries, settings=QUICK) as (home, server),
        temporary_server(binaries=binaries, settings=QUICK) as (_, plain),
    ):
        owner = server.data_dir.stat()
        for name, content in (("server.crt", _pem(mine)), ("server.key", private)):
            file = server.data_dir / name
            file.write_bytes(content)
            file.chmod(0o600)
            os.chown(file, owner.st_uid, owner.st_gid)
        admin = make_url(server.admin_url)
        migrate.upgrade(Reach(admin, role_passwords(home), server.bin_dir))
        asyncio.run(_speak_tls(dsn(admin)))
        yield Site(
            home,
            admin.set(host=ELSEWHERE),
            make_url(plain.admin_url).set(host=ELSEWHERE),
            folder / "ours.pem",
            folder / "others.pem",
        )


async def _speak_tls(address: str) -> None:
    connection = await asyncpg.connect(address)
    try:
        await connection.execute("alter system set ssl = on")
        await connection.execute("select pg_reload_conf()")
    finally:
        await connection.close()


def reach_of(site: Site, url: URL, **said: str) -> Reach:
    asked = dsn(url.update_query_dict(said)) if said else dsn(url)
    return Reach(configured(asked, "verify"), role_passwords(site.home))


async def protocol_of(at: Reach) -> tuple[str | None, str | None]:
    """What protects a connection of ours, and one of SQLAlchemy's."""
    asked = "select version from pg_stat_ssl where pid = pg_backend_pid()"
    connection = await open_connection(at.dsn("app"))
    try:
        own: str | None = await connection.fetchval(asked)
    finally:
        await connection.close()
    engine = open_engine(at)
    try:
        async with transaction(engine) as session:
            theirs: str | None = await session.scalar(text(asked))
    finally:
        await engine.dispose()
    return own, theirs


def test_a_database_elsewhere_is_verified_without_being_told_to(site: Site) -> None:
    at = reach_of(site, site.secure, sslrootcert=str(site.authority))
    assert at.admin.query["sslmode"] == "verify-full"
    assert asyncio.run(protocol_of(at)) == ("TLSv1.3", "TLSv1.3")
    assert asyncio.run(connection_line(at)).state == "ok"


def test_an_unknown_authority_is_refused_in_one_sentence(site: Site) -> None:
    for said in ({"sslrootcert": str(site.stranger)}, {}):
        at = reach_of(site, site.secure, **said)
        with pytest.raises(DatabaseUnavailable, match="not from an authority trusted here") as refused:
            asyncio.run(protocol_of(at))
        assert "CARECIRCLE_DATABASE_TLS=off" in refused.value.message


def test_a_certificate_for_another_host_is_refused(site: Site) -> None:
    elsewhere = site.secure.set(host="127.0.1")
    with pytest.raises(DatabaseUnavailable, match="is for another host"):
        asyncio.run(protocol_of(reach_of(site, elsewhere, sslrootcert=str(site.authority))))
    by_issuer = reach_of(site, elsewhere, sslmode="verify-ca", sslrootcert=str(site.authority))
    assert asyncio.run(protocol_of(by_issuer)) == ("TLSv1.3", "TLSv1.3")
    assert asyncio.run(connection_line(by_issuer)).state == "warn"


def test_a_server_without_tls_is_refused(site: Site) -> None:
    with pytest.raises(DatabaseUnavailable, match="offers no TLS"):
        asyncio.run(open_connection(dsn(reach_of(site, site.plain).admin)))


def test_what_the_address_says_is_done_and_doctor_warns(site: Site) -> None:
    for mode, expected, state in (
        ("require", "TLSv1.3", "warn"), ("prefer", "TLSv1.3", "warn"), ("disable", None, "fail"),
    ):  # fmt: skip
        at = reach_of(site, site.secure, sslmode=mode)
        assert asyncio.run(protocol_of(at)) == (expected, expected)
        assert asyncio.run(connection_line(at)).state == state, mode


def test_the_way_out_is_explicit(site: Site) -> None:
    at = Reach(configured(dsn(site.secure), "off"), role_passwords(site.home))
    assert "sslmode" not in at.admin.query
    assert asyncio.run(protocol_of(at))[0] == "TLSv1.3"
    assert asyncio.run(connection_line(at)).state == "warn"
    asyncio.run(_asked_once(dsn(configured(dsn(site.plain), "off"))))


async def _asked_once(address: str) -> None:
    connection = await open_connection(address)
    await connection.close()


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "127.8.8.8", "[::1]", "", "a.localhost"],
)  # fmt: skip
def test_what_is_on_this_machine_needs_none(host: str) -> None:
    assert "sslmode" not in configured(f"postgresql://u:p@{host}/d", "verify").query
    assert configured("postgresql://u:p@db.example/d", "verify").query["sslmode"] == "verify-full"
    assert "sslmode" not in configured("postgresql://u:p@/d?host=/run/postgresql", "verify").query
    assert configured("postgresql://u:p@/d?host=db.example", "verify").query["sslmode"] == "verify-full"


def test_a_mode_that_is_none_and_a_file_that_is_not_there_are_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match="sslmode is one of"):
        configured("postgresql://u:p@db.example/d?sslmode=mostly", "verify")
    missing = f"postgresql://u:p@db.example/d?sslmode=verify-full&sslrootcert={tmp_path}/none.pem"
    with pytest.raises(InvalidSetting, match="cannot be read"):
        asyncio.run(open_connection(dsn(configured(missing, "verify"))))
