"""TLS to the database: verified unless it is on this machine or the address says otherwise, the same for every driver."""

from __future__ import annotations

import os
import ssl
from ipaddress import ip_address
from typing import Literal

import asyncpg
from sqlalchemy.engine import URL

from carecircle.errors import DatabaseUnavailable, InvalidSetting

MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
UNVERIFIED = frozenset({"disable", "allow", "prefer", "require"})
# What libpq and asyncpg read from an address about TLS; SQLAlchemy would hand it to a driver that does not know it.
SAID = (
    "sslmode", "sslrootcert", "sslcert", "sslkey", "sslpassword", "sslcrl", "sslnegotiation", "ssl_min_protocol_version",
    "ssl_max_protocol_version",
)  # fmt: skip
WAY_OUT = (
    "give its certificate authority with ?sslmode=verify-full&sslrootcert=FILE in CARECIRCLE_DATABASE_URL, or accept an"
    " unprotected connection with CARECIRCLE_DATABASE_TLS=off"
)


def is_here(url: URL) -> bool:
    """Whether the address leads to this machine: a socket, loopback, or no host at all."""
    host = _one(url, "host") or url.host or ""
    if not host or host.startswith(("/", "@")) or host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def mode_of(url: URL) -> str | None:
    """What the address says of TLS. Raises InvalidSetting for a mode that is none."""
    mode = _one(url, "sslmode")
    if mode is not None and mode not in MODES:
        raise InvalidSetting(f"CARECIRCLE_DATABASE_URL: sslmode is one of {', '.join(MODES)}.")
    return mode


def protected(url: URL, setting: Literal["verify", "off"]) -> URL:
    """The address with verify-full where it leads elsewhere, says nothing of TLS, and nobody switched that off."""
    if mode_of(url) is not None or setting == "off" or is_here(url):
        return url
    return url.update_query_dict({"sslmode": "verify-full"})


def bare(url: URL) -> URL:
    """The address without what `tls` has read."""
    return url.difference_update_query(SAID)


def tls(url: URL) -> ssl.SSLContext | str | None:
    """The drivers' argument `ssl`; None where the address says nothing, which they take for: if the server wants.

    Without sslrootcert (or PGSSLROOTCERT) this machine's own authorities are trusted. Raises InvalidSetting for a mode that
    is none, or a file that cannot be read.
    """
    mode = mode_of(url)
    if mode is None or mode in ("disable", "allow", "prefer"):
        return mode
    roots = _one(url, "sslrootcert") or os.environ.get("PGSSLROOTCERT")
    certificate, own_key = _one(url, "sslcert"), _one(url, "sslkey")
    try:
        context = ssl.create_default_context(cafile=None if roots in (None, "", "system") else roots)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if revoked := _one(url, "sslcrl"):
            context.load_verify_locations(revoked)
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN
        if certificate:
            password = _one(url, "sslpassword") or ""
            context.load_cert_chain(certificate, own_key, password=password)
    except OSError:  # an SSLError too
        raise InvalidSetting(
            "CARECIRCLE_DATABASE_URL: a file of sslrootcert, sslcert, sslkey or sslcrl cannot be read as what it is said to be."
        ) from None
    context.check_hostname = mode == "verify-full"
    if mode == "require" and not roots:
        context.verify_mode = ssl.CERT_NONE
    return context


async def version_of(connection: asyncpg.Connection) -> str | None:
    """The protocol that protects a connection, such as TLSv1.3; None where none does."""
    version: str | None = await connection.fetchval(
        "select version from pg_stat_ssl where pid = pg_backend_pid() and ssl"
    )
    return version


def untrusted(error: BaseException) -> DatabaseUnavailable | None:
    """The sentence for a connection that failed for want of TLS or trust; None for any other failure."""
    if isinstance(error, ssl.SSLCertVerificationError):
        what = "is for another host" if error.verify_code in _OTHER_HOST else "is not from an authority trusted here"
        return DatabaseUnavailable(f"The database's certificate {what}; {WAY_OUT}.")
    if isinstance(error, ssl.SSLError):
        return DatabaseUnavailable(f"No TLS could be agreed on with the database; {WAY_OUT}.")
    if isinstance(error, ConnectionError) and "rejected SSL upgrade" in str(error):
        return DatabaseUnavailable(f"The database offers no TLS, and it is on another machine; {WAY_OUT}.")
    return None


# OpenSSL's codes for a name or an address that is not the certificate's.
_OTHER_HOST = (62, 64)


def _one(url: URL, name: str) -> str | None:
    said = url.query.get(name)
    if said is not None and not isinstance(said, str):
        raise InvalidSetting(f"CARECIRCLE_DATABASE_URL: say {name} once.")
    return said or None
