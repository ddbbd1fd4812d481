"""Events by webhook: one signed POST each, as the Standard Webhooks specification has it."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import json
import ssl
from dataclasses import dataclass, field
from datetime import datetime

import httpx

from carecircle.errors import InvalidSetting
from carecircle.identifiers import to_text
from carecircle.notices.addresses import is_here, split_url
from carecircle.notices.words import Notice
from carecircle.period import show
from carecircle.settings import Settings

TIMEOUT = 10.0
"""Seconds that an answer may take, from the first byte sent to the status received."""
PREFIX = "whsec_"


@dataclass(frozen=True)
class Hook:
    """Where events are posted, and the key they are signed with."""

    url: str
    key: bytes = field(repr=False)
    here: bool
    """It is on this machine: no proxy is asked."""
    _trusted: ssl.SSLContext = field(default_factory=ssl.create_default_context, repr=False, compare=False)

    @classmethod
    def of(cls, settings: Settings) -> Hook | None:
        """The configured receiver, or None. Raises InvalidSetting."""
        if settings.webhook_url is None:
            return None
        name = "CARECIRCLE_WEBHOOK_URL"
        parts, host, _ = split_url(name, settings.webhook_url, ("http", "https"), "https://host/path")
        if parts.username is not None or parts.fragment:
            raise InvalidSetting(f"{name}: it names no user, no password and no fragment; events are signed instead.")
        if parts.scheme == "http" and not (is_here(host) or settings.webhook_over_http):
            raise InvalidSetting(
                f"{name}: use https for another machine, or set CARECIRCLE_WEBHOOK_OVER_HTTP=true if the way there is safe."
            )
        return cls(settings.webhook_url, _key(settings), is_here(host))

    def headers(self, notice: Notice, body: bytes, now: datetime) -> dict[str, str]:
        """Id, instant and signature; `now` is when this attempt is made."""
        notice_id, instant = to_text(notice.id), str(int(now.timestamp()))
        signed = hmac.digest(self.key, f"{notice_id}.{instant}.".encode() + body, hashlib.sha256)
        return {
            "content-type": "application/json",
            "user-agent": "carecircle",
            "webhook-id": notice_id,
            "webhook-timestamp": instant,
            "webhook-signature": f"v1,{base64.b64encode(signed).decode()}",
        }

    async def send(self, notice: Notice, now: datetime) -> str:
        """Post one event; `sent` when the receiver answers 2xx, and only then.

        Otherwise `unreachable`, `untrusted` (its certificate does not verify) or `refused`. Redirects are not followed.
        """
        body = body_of(notice)
        try:
            async with (
                asyncio.timeout(TIMEOUT),
                httpx.AsyncClient(
                    verify=self._trusted, timeout=TIMEOUT, follow_redirects=False, trust_env=not self.here
                ) as client,
                client.stream("POST", self.url, content=body, headers=self.headers(notice, body, now)) as answer,
            ):
                return "sent" if answer.is_success else "refused"
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError) as error:
            return "untrusted" if _is_about_certificates(error) else "unreachable"


def body_of(notice: Notice) -> bytes:
    """The event as JSON, the same bytes every time."""
    told = {
        "type": notice.event,
        "id": to_text(notice.id),
        "occurred_at": show(notice.occurred_at),
        "emergency_id": to_text(notice.emergency_id),
        "reference": notice.reference,
        "link": notice.link,
    }
    return json.dumps(told, separators=(",", ":")).encode()


def _key(settings: Settings) -> bytes:
    given = settings.webhook_secret.get_secret_value() if settings.webhook_secret is not None else ""
    try:
        key = base64.b64decode(given.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not given.startswith(PREFIX) or not 24 <= len(key) <= 64:
        raise InvalidSetting(
            "CARECIRCLE_WEBHOOK_SECRET: events are signed with it; write whsec_ and 24 to 64 random bytes in base64, as"
            ' from: echo "whsec_$(openssl rand -base64 32)".'
        )
    return key


def _is_about_certificates(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False
