"""An identity provider on this machine: serves its keys, and signs tokens with a library that is not the service's."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from carecircle.api.app import Service
from carecircle.directory import account_service
from carecircle.directory.account_reading_service import Signer
from carecircle.identifiers import new_id, to_text
from tests.conftest import Hospital

AUDIENCE = "https://carecircle.example"
_RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
_EC = ec.generate_private_key(ec.SECP256R1())
_ED = ed25519.Ed25519PrivateKey.generate()


def public(key: Any, algorithm: str, kid: str, **more: Any) -> dict[str, Any]:
    """A public key as a JWKS has it."""
    said: dict[str, Any] = jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key(), as_dict=True)
    return {name: value for name, value in said.items() if name != "key_ops"} | {"kid": kid, "use": "sig"} | more


@dataclass
class Issuer:
    """Its address, its keys by id with their algorithms, and what it serves; `asked` counts how often its keys were."""

    url: str = ""
    keys: dict[str, tuple[str, Any]] = field(
        default_factory=lambda: {"r": ("RS256", _RSA), "e": ("ES256", _EC), "d": ("EdDSA", _ED)}
    )
    served: list[dict[str, Any]] = field(default_factory=list)
    asked: int = 0
    answers: int = 200

    def __post_init__(self) -> None:
        self.served = [public(key, algorithm, kid) for kid, (algorithm, key) in self.keys.items()]

    def claims(self, subject: str, **more: Any) -> dict[str, Any]:
        """What an ordinary token says; a claim of None is left out."""
        now = int(time.time())
        said = {
            "iss": self.url, "aud": AUDIENCE, "sub": subject, "iat": now, "exp": now + 300, "jti": to_text(new_id()),
        }  # fmt: skip
        return {name: value for name, value in (said | more).items() if value is not None}

    def token(self, subject: str, kid: str = "r", headers: dict[str, Any] | None = None, **more: Any) -> str:
        algorithm, key = self.keys[kid]
        return jwt.encode(self.claims(subject, **more), key, algorithm, headers={"kid": kid} | (headers or {}))

    def setting(self, hospital: Hospital, **more: Any) -> dict[str, Any]:
        """How CARECIRCLE_OIDC names it."""
        return {"issuer": self.url, "audience": AUDIENCE, "organization": hospital.slug} | more


@contextmanager
def open_issuer() -> Iterator[Issuer]:
    issuer = Issuer()

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith("/.well-known/"):
                said: Any = {"issuer": issuer.url, "jwks_uri": f"{issuer.url}/keys"}
            else:
                issuer.asked += 1
                said = {"keys": issuer.served}
            body = json.dumps(said).encode()
            self.send_response(issuer.answers)
            self.send_header("content-length", str(len(body)))
            self.send_header("location", f"{issuer.url}/keys")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    issuer.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@asynccontextmanager
async def open_service(hospital: Hospital, *oidc: dict[str, Any]) -> AsyncIterator[httpx.AsyncClient]:
    """A service of its own in this process, with nothing remembered, and a client that sends no token."""
    settings = hospital.circle.settings.model_copy(update={"oidc": json.dumps(oidc) if oidc else None})
    service = Service(settings, hospital.circle.reach)
    async with (
        service.pages.router.lifespan_context(service.pages),
        httpx.AsyncClient(transport=httpx.ASGITransport(service), base_url="http://carecircle") as client,
    ):
        yield client


async def account(hospital: Hospital, issuer: Issuer, subject: str, *roles: str, provider: Any = None) -> Signer:
    async with hospital.change() as db:
        return await account_service.add_account(
            db, issuer=issuer.url, subject=subject, provider=provider, roles=roles, operator=True,
            organization=hospital.organization, actor="operator:test",
        )  # fmt: skip


def as_bearer(token: str, **headers: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} | headers
