"""The witness that is told by POST: checkpoints as JSON, signed as the Standard Webhooks specification has it."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import json
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx

from carecircle.errors import InvalidSetting
from carecircle.notices.addresses import is_here, split_url
from carecircle.notices.webhook import PREFIX, TIMEOUT
from carecircle.settings import Settings

MOST = 500
"""Checkpoints in one POST."""


@dataclass(frozen=True)
class WitnessHook:
    """Where checkpoints are posted, and the key they are signed with."""

    url: str
    key: bytes = field(repr=False)
    here: bool
    """It is on this machine: no proxy is asked."""
    _trusted: ssl.SSLContext = field(default_factory=ssl.create_default_context, repr=False, compare=False)

    @classmethod
    def of(cls, settings: Settings) -> WitnessHook | None:
        """The configured witness, or None. Raises InvalidSetting."""
        if settings.witness_url is None:
            return None
        name = "CARECIRCLE_WITNESS_URL"
        parts, host, _ = split_url(name, settings.witness_url, ("http", "https"), "https://host/path")
        if parts.username is not None or parts.fragment:
            raise InvalidSetting(
                f"{name}: it names no user, no password and no fragment; checkpoints are signed instead."
            )
        if parts.scheme == "http" and not (is_here(host) or settings.webhook_over_http):
            raise InvalidSetting(
                f"{name}: use https for another machine, or set CARECIRCLE_WEBHOOK_OVER_HTTP=true if the way there is safe."
            )
        return cls(settings.witness_url, _key(settings), is_here(host))

    async def post(self, notes: Sequence[str]) -> str:
        """Post checkpoints; `sent` when the receiver took them all, otherwise `unreachable` or `refused`."""
        try:
            async with (
                asyncio.timeout(TIMEOUT),
                httpx.AsyncClient(
                    verify=self._trusted, timeout=TIMEOUT, follow_redirects=False, trust_env=not self.here
                ) as client,
            ):
                for start in range(0, len(notes), MOST):
                    body = body_of(notes[start : start + MOST])
                    answer = await client.post(self.url, content=body, headers=self._headers(body))
                    if not answer.is_success:
                        return "refused"
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError):
            return "unreachable"
        return "sent"

    def _headers(self, body: bytes) -> dict[str, str]:
        told, instant = "chk_" + hashlib.sha256(body).hexdigest()[:32], str(int(time.time()))
        signed = hmac.digest(self.key, f"{told}.{instant}.".encode() + body, hashlib.sha256)
        return {
            "content-type": "application/json",
            "user-agent": "carecircle",
            "webhook-id": told,
            "webhook-timestamp": instant,
            "webhook-signature": f"v1,{base64.b64encode(signed).decode()}",
        }


def body_of(notes: Sequence[str]) -> bytes:
    """Checkpoints as JSON, the same bytes every time: what is posted again has the same id."""
    return json.dumps({"type": "audit.checkpoints", "checkpoints": list(notes)}, ensure_ascii=False).encode()


def _key(settings: Settings) -> bytes:
    secret = settings.witness_secret or settings.webhook_secret
    given = secret.get_secret_value() if secret is not None else ""
    try:
        key = base64.b64decode(given.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not given.startswith(PREFIX) or not 24 <= len(key) <= 64:
        raise InvalidSetting(
            "CARECIRCLE_WITNESS_SECRET: checkpoints are posted under it; write whsec_ and 24 to 64 random bytes in base64,"
            ' as from: echo "whsec_$(openssl rand -base64 32)" (CARECIRCLE_WEBHOOK_SECRET serves where it is not set).'
        )
    return key
