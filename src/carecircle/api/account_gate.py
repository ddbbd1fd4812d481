"""Sign-ins at an identity provider: the account whose issuer and subject a token names. Nobody is created by signing in."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from uuid import UUID

import structlog

from carecircle.access.decision import Bearer
from carecircle.actor import Actor
from carecircle.api.caller import Caller, Refusal, sign_in_id, unbelieved
from carecircle.api.oidc import Issuers, Said, UnbelievableError
from carecircle.database.session import transaction
from carecircle.directory.account_reading_service import Signer, find_account
from carecircle.directory.gate_service import has_identifier
from carecircle.directory.service import find_organization, resolve_provider
from carecircle.errors import InvalidIdentifier, OrganizationNotFound, ProviderNotRegistered, Unauthenticated
from carecircle.errors.service import AccountNotFound
from carecircle.identifiers import OrganizationId, ProviderId, parse_id, to_text

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

LONGEST_SESSION = 31 * 86400.0
"""Seconds a session with an id of its own lasts at most; every token of it has an end of its own."""

log = structlog.get_logger("carecircle.api")


class AccountGate:
    """Reads tokens of identity providers. What is wrong with one is told to the log, and to its sender only that it is."""

    def __init__(self, engine: AsyncEngine, issuers: Issuers) -> None:
        self._engine = engine
        self._issuers = issuers
        self._organizations: dict[str, OrganizationId] = {}

    async def read(self, token: bytes) -> Caller:
        """Who signed in. Raises Unauthenticated, with the refusal to record where it is known whose; DatabaseUnavailable."""
        try:
            said = await self._issuers.read(token)
            organization = await self._organization(said.organization)
        except UnbelievableError as error:
            log.info("a token was not believed", reason=str(error))
            raise unbelieved() from None
        except OrganizationNotFound:
            log.info("a token was not believed", reason="there is no organization as it names it")
            raise unbelieved() from None
        async with transaction(self._engine, organization) as db:
            try:
                account = await find_account(db, issuer=said.by.issuer, subject=said.subject, organization=organization)
            except AccountNotFound:
                raise _refused(organization, _nobody(said), "account-unknown") from None
            await _require_one_provider(db, organization, said, account)
        return _caller(organization, said, account, token)

    async def close(self) -> None:
        await self._issuers.close()

    async def _organization(self, named: str) -> OrganizationId:
        """By its id or slug. Raises OrganizationNotFound."""
        try:
            return OrganizationId(parse_id(named))
        except InvalidIdentifier:
            known = self._organizations.get(named)
        if known is None:
            async with transaction(self._engine) as db:
                known = await find_organization(db, named)
            self._organizations[named] = known  # a slug is never given to another organization
        return known


def _caller(organization: OrganizationId, said: Said, account: Signer, token: bytes) -> Caller:
    provider = None if account.provider_id is None else ProviderId(account.provider_id)
    session = said.session or hashlib.sha256(token).hexdigest()
    # Of this account alone: where two share a browser's session, to end the one's is not to end the other's.
    own = sign_in_id(organization, said.by.issuer, f"{account.id}\0{session}")
    return Caller(
        organization,
        Actor(f"person:{to_text(account.id)}") if provider is None else Actor.provider(provider),
        said.expires_at,
        may=frozenset(),
        signed_in_at=said.signed_in_at,
        token=to_text(own),
        bearer=Bearer(organization, sign_in_id=own, account_row_id=account.row_id, account_id=account.id),
        provider_id=provider,
        lasts=LONGEST_SESSION if said.lasting else None,
    )


async def _require_one_provider(db: AsyncSession, organization: OrganizationId, said: Said, account: Signer) -> None:
    """What a token says of its person's provider lets nobody in; where it names somebody else, it keeps out."""
    actor = Actor(f"person:{to_text(account.id)}")
    if said.fhir_user is not None:
        named = _practitioner(said.fhir_user)
        if named is None or not await _is(db, organization, account.provider_id, named, said.by.fhir_user_system):
            raise _refused(organization, actor, "fhir-user-mismatch")
    if said.provider is not None:
        try:
            claimed = await resolve_provider(db, organization, said.provider)
        except (InvalidIdentifier, ProviderNotRegistered):
            claimed = None
        if claimed is None or claimed != account.provider_id:
            raise _refused(organization, actor, "provider-claim-mismatch")


def _practitioner(address: str) -> str | None:
    """The id in `Practitioner/ID`, alone or at the end of an address; None for every other resource."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    segments = parts.path.split("/")
    if parts.query or parts.fragment or len(segments) < 2 or segments[-2] != "Practitioner":
        return None
    return segments[-1] or None


async def _is(
    db: AsyncSession, organization: OrganizationId, provider: UUID | None, named: str, system: str | None
) -> bool:
    """Whether this provider has that id: ours, or the value of an identifier, of one system where it is configured."""
    if provider is None:
        return False
    try:
        if parse_id(named) == provider:
            return True
    except InvalidIdentifier:
        pass
    return await has_identifier(db, organization, provider, named, system)


def _nobody(said: Said) -> Actor:
    """Somebody without an account, told from others without saying who it is."""
    digest = hashlib.sha256(f"{said.by.issuer}\0{said.subject}".encode()).hexdigest()
    return Actor(f"unknown:{digest[:26]}")


def _refused(organization: OrganizationId, actor: Actor, code: str) -> Unauthenticated:
    return unbelieved(refusal=Refusal(organization, actor, code))
