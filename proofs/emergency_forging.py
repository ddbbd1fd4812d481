"""Attempts with tokens that are not the installation's, or not what they were: none is believed, so that nobody knows who tried."""

from __future__ import annotations

import base64
import json
import secrets
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from joserfc import jwt
from joserfc.jwk import OctKey

from carecircle import to_text
from carecircle.api.tokens import ALGORITHM, AUDIENCE, ISSUER
from proofs.emergency_ground import ROUTE, Case, Ground, Kind, Try, named, told

HOUR = timedelta(hours=1)


def claims_of(
    g: Ground, who: UUID, *, ago: timedelta = timedelta(), lasts: timedelta = HOUR, signed_in: timedelta = timedelta()
) -> dict[str, Any]:
    """What a person's token says that was issued so long ago (ahead when negative); they signed in so long ago."""
    issued = int(time.time() - ago.total_seconds())
    return {
        "iss": ISSUER, "aud": AUDIENCE, "sub": named(who), "may": ["ask"], "org": to_text(g.practice.organization),
        "iat": issued, "exp": issued + int(lasts.total_seconds()),
        "auth_time": int(time.time() - signed_in.total_seconds()),
    }  # fmt: skip


def signed(g: Ground, who: UUID, **said: Any) -> str:
    """A token with those claims, by the installation's key."""
    return _encode(g, claims_of(g, who, **said))


def _encode(g: Ground, claims: dict[str, Any], *, key: bytes | None = None, algorithm: str = ALGORITHM) -> str:
    used = OctKey.import_key(key or g.practice.circle.keyring.token_key())
    return jwt.encode({"alg": algorithm}, claims, used, algorithms=[algorithm])


def _part(said: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(said).encode()).rstrip(b"=").decode()


def _another_key(g: Ground, who: UUID) -> str:
    return _encode(g, claims_of(g, who), key=secrets.token_bytes(32))


def _empty_key(g: Ground, who: UUID) -> str:
    return _encode(g, claims_of(g, who), key=bytes(32))


def _no_algorithm(g: Ground, who: UUID) -> str:
    name = g.chance.choice(["none", "None", "NONE", ""])
    signature = g.chance.choice(["", signed(g, who).rpartition(".")[2]])
    return f"{_part({'alg': name, 'typ': 'JWT'})}.{_part(claims_of(g, who))}.{signature}"


def _another_algorithm(g: Ground, who: UUID) -> str:
    return _encode(g, claims_of(g, who), algorithm="HS512")


def _altered(g: Ground, who: UUID) -> str:
    """A clinician's own token, in which somebody else's name was written afterwards."""
    head, _, signature = signed(g, g.clinician()).split(".")
    return f"{head}.{_part(claims_of(g, who))}.{signature}"


def _key_in_its_head(g: Ground, who: UUID) -> str:
    key = secrets.token_bytes(32)
    _, body, _ = _encode(g, claims_of(g, who), key=key).split(".")
    head = _part({"alg": ALGORITHM, "jwk": {"kty": "oct", "k": base64.urlsafe_b64encode(key).decode()}})
    return f"{head}.{body}.{secrets.token_urlsafe(32)}"


def _expired(g: Ground, who: UUID) -> str:
    return signed(g, who, ago=g.chance.choice([timedelta(minutes=61), timedelta(days=2)]))


def _another_audience(g: Ground, who: UUID) -> str:
    return _encode(g, claims_of(g, who) | {"aud": "another-api"})


def _another_issuer(g: Ground, who: UUID) -> str:
    return _encode(g, claims_of(g, who) | {"iss": "https://elsewhere.example"})


def _no_organization(g: Ground, who: UUID) -> str:
    return _encode(g, {name: said for name, said in claims_of(g, who).items() if name != "org"})


def _cut(g: Ground, who: UUID) -> str:
    token = signed(g, who)
    return g.chance.choice([token[:-4], token.rpartition(".")[0], f"{token}x", token.replace(".", ""), "x"])


def _kind(make: Callable[[Ground, UUID], str]) -> Kind:
    async def forged(g: Ground) -> Try:
        case: Case = await g.case("requested", "provisional")
        path = f"{ROUTE}/{to_text(case.id)}/approval"

        async def send(token: str) -> str:
            return told(await g.clients[""].post(path, headers={"Authorization": f"Bearer {token}"}))

        async def right() -> bool:
            return await send(signed(g, g.supervisor)) == "200" and "read" in await g.may_do(*case.pair)

        token = make(g, g.supervisor)
        return Try(
            named(g.supervisor), lambda: send(token), frozenset({"unauthenticated"}), None, (case.pair,), right=right
        )

    return forged


FORGING: dict[str, Kind] = {
    f"token{one.__name__}": _kind(one)
    for one in (
        _another_key, _empty_key, _no_algorithm, _another_algorithm, _altered, _key_in_its_head, _expired, _another_audience,
        _another_issuer, _no_organization, _cut,
    )
}  # fmt: skip
