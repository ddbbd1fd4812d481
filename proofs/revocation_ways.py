"""What the proof `revocation` takes away: an assignment, a key, a sign-in, a role and a person; each new in every round."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from uuid import UUID

from joserfc import jwt
from joserfc.jwk import ECKey
from sqlalchemy import text

from carecircle import Actor, CareCircle, CareTeamService, directory, to_text
from carecircle.api.tokens import mint
from carecircle.assignments.service import end_assignments
from carecircle.database.session import transaction
from carecircle.directory import account_role_service, account_service, api_key_service, sign_in_service
from carecircle.identifiers import OrganizationId, PatientId, ProviderId, new_id

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

ACTOR = "operator:proof"
SLUG = "revocation"
AUDIENCE = "carecircle"
Work = Callable[["AsyncSession"], Awaitable[object]]


@dataclass(frozen=True)
class Granted:
    """What a caller sends, about whom, and what ends their right, in a transaction."""

    token: str
    patient: UUID
    end: Work


class Ground:
    """An organization with one provider and a patient of theirs; `issuer` signs in whom it likes."""

    def __init__(self, circle: CareCircle, issuer: Issuer) -> None:
        self._circle, self._issuer = circle, issuer
        self._number = 0
        self.organization: OrganizationId
        self.provider: ProviderId
        self._patient: PatientId
        self._service = ""

    async def lay(self) -> None:
        async with transaction(self._circle.engine) as db:
            self.organization = await directory.register_organization(db, slug=SLUG, name="Revocation", actor=ACTOR)
        async with self.transaction() as db:
            self.provider = await directory.register_provider(
                db, provider_id=new_id(), organization_id=self.organization, actor=ACTOR
            )
        self._patient = await self._assigned()
        self._service = mint(
            self._circle.keyring, organization_id=self.organization, actor=Actor.service("proof"), hours=12
        )

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        async with transaction(self._circle.engine, self.organization) as db:
            yield db

    async def end(self, granted: Granted) -> str:
        """Take it away; the transaction's id, once it is committed."""
        async with self.transaction() as db:
            await granted.end(db)
            return str((await db.execute(text("select pg_current_xact_id()::text"))).scalar_one())

    async def assignment(self) -> Granted:
        patient = await self._assigned()

        async def end(db: AsyncSession) -> None:
            await end_assignments(
                db, patient=patient, provider=self.provider, organization=self.organization, actor=ACTOR
            )

        return Granted(self._service, patient, end)

    async def key(self) -> Granted:
        async with self.transaction() as db:
            made = await api_key_service.make_key(
                db, name="proof", may=["ask-for-others"], organization=self.organization, actor=ACTOR
            )

        async def end(db: AsyncSession) -> None:
            await api_key_service.revoke_key(
                db, key_id=made.key.lineage_id, organization=self.organization, actor=ACTOR
            )

        return Granted(made.text, self._patient, end)

    async def sign_in(self) -> Granted:
        self._number += 1
        actor = Actor.service(f"caller-{self._number}")
        token = mint(self._circle.keyring, organization_id=self.organization, actor=actor, hours=12)

        async def end(db: AsyncSession) -> None:
            await sign_in_service.end_sign_ins(db, actor_name=actor.name, organization=self.organization, actor=ACTOR)

        return Granted(token, self._patient, end)

    async def role(self) -> Granted:
        account, token = await self._account()

        async def end(db: AsyncSession) -> None:
            await account_role_service.take_role(
                db, account_id=account, role="service", organization=self.organization, actor=ACTOR
            )

        return Granted(token, self._patient, end)

    async def person(self) -> Granted:
        account, token = await self._account()

        async def end(db: AsyncSession) -> None:
            await account_service.end_account(db, account_id=account, organization=self.organization, actor=ACTOR)

        return Granted(token, self._patient, end)

    async def _account(self) -> tuple[UUID, str]:
        self._number += 1
        subject = f"subject-{self._number}"
        async with self.transaction() as db:
            added = await account_service.add_account(
                db, issuer=self._issuer.url, subject=subject, roles=["service"], operator=True,
                organization=self.organization, actor=ACTOR,
            )  # fmt: skip
        return added.id, self._issuer.token(subject)

    async def _assigned(self) -> PatientId:
        async with self.transaction() as db:
            patient = await directory.register_patient(
                db, patient_id=new_id(), organization_id=self.organization, actor=ACTOR
            )
            await CareTeamService.assign_primary_provider(
                db, self.organization, patient_id=patient, provider_id=self.provider, actor=ACTOR
            )
        return patient


class Issuer:
    """An identity provider on this machine."""

    def __init__(self) -> None:
        self._key = ECKey.generate_key("P-256", {"kid": "proof", "use": "sig", "alg": "ES256"})
        self.url = ""

    @property
    def setting(self) -> str:
        """How CARECIRCLE_OIDC names it."""
        return json.dumps(
            [{"issuer": self.url, "audience": AUDIENCE, "organization": SLUG, "jwks_url": f"{self.url}/keys"}]
        )

    @property
    def keys(self) -> bytes:
        return json.dumps({"keys": [self._key.as_dict(private=False)]}).encode()

    def token(self, subject: str) -> str:
        now = int(time.time())
        said = {
            "iss": self.url, "aud": AUDIENCE, "sub": subject, "iat": now, "exp": now + 3600, "jti": to_text(new_id()),
        }  # fmt: skip
        return jwt.encode({"alg": "ES256", "kid": "proof"}, said, self._key)


@contextmanager
def open_issuer() -> Iterator[Issuer]:
    issuer = Issuer()

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-length", str(len(issuer.keys)))
            self.end_headers()
            self.wfile.write(issuer.keys)

        def log_message(self, *_: Any) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    issuer.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
