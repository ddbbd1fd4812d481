"""An issuer's public keys (JWKS): fetched from where it says, kept for a while, and looked for again when one is missing."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson
import structlog
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from carecircle.api.oidc_settings import LOOPBACK, is_safe

PublicKey = RSAKey | ECKey | OKPKey
REFRESH_AFTER = 3600.0
"""Seconds after which keys are fetched anew."""
RETRY_AFTER = 30.0
"""Seconds between two attempts to fetch: an unknown key id, or an issuer that is down, causes no more."""
KEPT_FOR = 6 * 3600.0
"""Seconds for which keys are believed while the issuer cannot be reached. After them nobody of this issuer gets in."""
TIMEOUT = 5.0
LARGEST = 262_144
MOST_KEYS = 64
SMALLEST_RSA = 2048
_KINDS: Mapping[str, type[PublicKey]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
_FITTING = {
    "RS256": ("RSA", None), "RS384": ("RSA", None), "ES256": ("EC", "P-256"), "ES384": ("EC", "P-384"),
    "EdDSA": ("OKP", "Ed25519"), "Ed25519": ("OKP", "Ed25519"),
}  # fmt: skip

log = structlog.get_logger("carecircle.api")


class _UnusableError(Exception):
    """What was fetched is not what it should be; the message says what, and nothing of its content."""


class IssuerKeys:
    """The keys of one issuer. `clock` counts seconds from anywhere."""

    def __init__(self, issuer: str, jwks_url: str | None, clock: Callable[[], float] = monotonic) -> None:
        self._issuer = issuer
        self._url = jwks_url
        self._keys: list[Mapping[str, Any]] = []
        self._fetched_at = self._tried_at = -math.inf
        self._turn = asyncio.Lock()
        self._refreshing: asyncio.Task[None] | None = None
        self.clock = clock

    async def key(self, algorithm: str, kid: str | None) -> PublicKey | None:
        """The key for a signature; without an id, the only one that fits. None: nobody believes this token.

        It may take as long as the issuer's answer, at most every 30 seconds.
        """
        found = self._found(algorithm, kid)
        if found is None:
            await self._refresh()
            found = self._found(algorithm, kid)
        elif self.clock() - self._fetched_at >= REFRESH_AFTER and self._refreshing is None:
            # Nobody waits for it: what is known is good enough until the answer is there.
            self._refreshing = asyncio.create_task(self._refresh())
            self._refreshing.add_done_callback(self._refreshed)
        return found

    async def settled(self) -> None:
        """Wait for the keys that are being fetched, if they are."""
        if self._refreshing is not None:
            await self._refreshing

    async def close(self) -> None:
        """Fetch no more."""
        if self._refreshing is not None:
            self._refreshing.cancel()
            await asyncio.gather(self._refreshing, return_exceptions=True)

    def _refreshed(self, _: asyncio.Task[None]) -> None:
        self._refreshing = None

    def _found(self, algorithm: str, kid: str | None) -> PublicKey | None:
        if self.clock() - self._fetched_at >= KEPT_FOR:
            return None
        kind, curve = _FITTING[algorithm]
        fitting = [
            one
            for one in self._keys
            if one["kty"] == kind and one.get("alg", algorithm) == algorithm and (curve is None or one.get("crv") == curve)
            and (kid is None or one.get("kid") == kid)
        ]  # fmt: skip
        if len(fitting) != 1:  # two of one id: nobody knows which is meant
            return None
        found: PublicKey = fitting[0]["key"]
        return found

    async def _refresh(self) -> None:
        async with self._turn:
            if self.clock() - self._tried_at < RETRY_AFTER:
                return
            self._tried_at = self.clock()
            try:
                # A proxy of the environment is for other machines than this one.
                elsewhere = urlsplit(self._issuer).hostname not in LOOPBACK
                async with httpx.AsyncClient(timeout=TIMEOUT, follow_redirects=False, trust_env=elsewhere) as client:
                    self._keys = await self._fetch(client)
            except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, _UnusableError) as error:
                # What was known goes on being believed for a while: an issuer that is down keeps nobody from a patient.
                reason = str(error) if isinstance(error, _UnusableError) else type(error).__name__
                log.warning("keys of an identity provider could not be fetched", issuer=self._issuer, reason=reason)
                return
            self._fetched_at = self.clock()

    async def _fetch(self, client: httpx.AsyncClient) -> list[Mapping[str, Any]]:
        async with asyncio.timeout(2 * TIMEOUT):
            where = self._url
            if where is None:
                told = await _document(client, self._issuer.rstrip("/") + "/.well-known/openid-configuration")
                where = told.get("jwks_uri")
                if told.get("issuer") != self._issuer:
                    raise _UnusableError("the discovery document is another issuer's")
                if not isinstance(where, str) or not is_safe(where):
                    raise _UnusableError("the discovery document names no jwks_uri that may be used")
            keys = (await _document(client, where)).get("keys")
        if not isinstance(keys, list) or len(keys) > MOST_KEYS:
            raise _UnusableError(f"it is not a list of at most {MOST_KEYS} keys")
        usable = [one for one in map(_usable, keys) if one is not None]
        if not usable:
            raise _UnusableError("there is no key in it that can be used")
        return usable


async def _document(client: httpx.AsyncClient, where: str) -> dict[str, Any]:
    body = bytearray()
    async with client.stream("GET", where, headers={"accept": "application/json"}, follow_redirects=False) as answer:
        if answer.status_code != 200:
            raise _UnusableError(f"it was answered with {answer.status_code}")
        async for piece in answer.aiter_bytes():
            body += piece
            if len(body) > LARGEST:
                raise _UnusableError(f"it has more than {LARGEST} bytes")
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise _UnusableError("it is not JSON") from None
    if not isinstance(said, dict):
        raise _UnusableError("it is not a JSON object")
    return said


def _usable(said: Any) -> Mapping[str, Any] | None:
    """A key for signatures with what selects it; None for any other, and for one whose private half was published."""
    if not isinstance(said, dict) or said.get("kty") not in _KINDS or "d" in said or said.get("use", "sig") != "sig":
        return None
    operations = said.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations or not isinstance(said.get("kid", ""), str):
        return None
    try:
        key = _KINDS[said["kty"]].import_key(said)
        if isinstance(key, RSAKey) and key.public_key.key_size < SMALLEST_RSA:
            return None
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    return {**{name: said[name] for name in ("kty", "alg", "crv", "kid") if name in said}, "key": key}
