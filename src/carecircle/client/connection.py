"""What both faces need of httpx: the service's address, the credential that is never shown, and what a failure means."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Generator
from ipaddress import ip_address
from random import SystemRandom
from typing import NamedTuple

import httpx

from carecircle.client.core import Core
from carecircle.client.retrying import Limits
from carecircle.client.wire import Answer, Send, Unreached
from carecircle.errors import InvalidSetting
from carecircle.identifiers import new_id, to_text

Credential = str | Callable[[], str]
"""An API key or a token, or what gives the present one; it is asked for each request."""

# Failures of a connection: whatever was sent may be sent again, where that is safe. Slowness is none of them.
_CONNECTION = (httpx.NetworkError, httpx.RemoteProtocolError, httpx.ConnectTimeout)


class Bearer(httpx.Auth):
    """Adds the credential as a request leaves, and to no other address than the service's own."""

    def __init__(self, credential: Credential, origin: httpx.URL) -> None:
        self._credential = credential
        self._origin = origin

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        url, own = request.url, self._origin
        if (url.scheme, url.host, url.port) != (own.scheme, own.host, own.port):
            raise InvalidSetting("A credential goes to the service it is for, and nowhere else.")
        said = self._credential if isinstance(self._credential, str) else self._credential()
        if not said or not (said.isascii() and said.isprintable()) or " " in said:
            raise InvalidSetting("The credential is not one word of printable ASCII; it is not shown here.")
        request.headers["Authorization"] = f"Bearer {said}"
        yield request

    def __repr__(self) -> str:
        return "Bearer(…)"


class Place(NamedTuple):
    """Where the service is, and how it is talked to. `auth` does not show what it holds."""

    url: httpx.URL
    auth: Bearer
    timeout: httpx.Timeout
    verify: ssl.SSLContext | bool
    trust_env: bool


def place(
    address: str, credential: Credential, *, timeout: float, tls: ssl.SSLContext | None, plain_http: bool
) -> Place:
    """Raises InvalidSetting for an address that is none, holds a password, or would send the credential in the clear."""
    try:
        url = httpx.URL(address.rstrip("/"))
    except (httpx.InvalidURL, TypeError):
        raise InvalidSetting("The service's address is written https://host[:port][/path].") from None
    if url.scheme not in ("https", "http") or not url.host or url.userinfo or url.query or url.fragment:
        raise InvalidSetting("The service's address is written https://host[:port][/path], without a password in it.")
    here = _loopback(url.host)
    if url.scheme == "http" and not (here or plain_http):
        raise InvalidSetting("The credential would leave this machine in the clear: use https, or say plain_http=True.")
    if tls is not None and (tls.verify_mode is not ssl.CERT_REQUIRED or not tls.check_hostname):
        raise InvalidSetting(
            "This TLS context believes any certificate; give one that verifies them and their host names."
        )
    return Place(url, Bearer(credential, url), httpx.Timeout(timeout), tls or True, trust_env=not here)


def core(limits: Limits) -> Core:
    """The core with this machine's randomness."""
    return Core(limits, SystemRandom().random, lambda: to_text(new_id()))


def below(at: Place, request: Send) -> str:
    """The whole address of a request."""
    return str(at.url).rstrip("/") + request.path


def answered(response: httpx.Response) -> Answer:
    return Answer(response.status_code, dict(response.headers), response.content)


def failed(error: httpx.HTTPError) -> Unreached:
    return Unreached(isinstance(error, _CONNECTION))


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
