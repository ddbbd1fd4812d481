"""Which identity providers' tokens are believed, for whom: CARECIRCLE_OIDC, read once when the server starts."""

from __future__ import annotations

from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from carecircle.errors import InvalidSetting

Algorithm = Literal["RS256", "RS384", "ES256", "ES384", "EdDSA", "Ed25519"]
ALGORITHMS: tuple[Algorithm, ...] = ("RS256", "RS384", "ES256", "ES384", "EdDSA", "Ed25519")
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_Said = Annotated[str, Field(min_length=1, max_length=512)]


class IssuerSettings(BaseModel):
    """One identity provider, for one audience: whose tokens let into `organization`, or into the one their claim names.

    `jwks_url` is where its keys are; without it, its discovery document says so. `session_claim` names the claim that all
    tokens of one sign-in share; without it in a token, `jti` stands in, then the token itself. `provider_claim`, where it
    is set, must name the account's provider in every token. `typ` at+jwt takes RFC 9068 access tokens only.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    issuer: _Said
    audience: _Said
    organization: _Said | None = None
    organization_claim: _Said | None = None
    jwks_url: _Said | None = None
    algorithms: tuple[Algorithm, ...] = Field(default=ALGORITHMS, min_length=1)
    session_claim: _Said = "sid"
    provider_claim: _Said | None = None
    typ: Literal["any", "at+jwt"] = "any"
    fhir_user: Literal["check", "ignore"] = "check"
    fhir_user_system: _Said | None = Field(
        default=None, description="The system of the identifiers that fhirUser has; without it, any system's will do."
    )

    @model_validator(mode="after")
    def _make_sense(self) -> Self:
        if (self.organization is None) == (self.organization_claim is None):
            raise ValueError("name either the organization or the organization_claim that names it")
        for name, address in (("issuer", self.issuer), ("jwks_url", self.jwks_url)):
            if address is not None and not is_safe(address):
                raise ValueError(f"{name} must be an https address, or http on this machine alone")
        return self


_LIST = TypeAdapter(tuple[IssuerSettings, ...])


def is_safe(address: str) -> bool:
    """Whether keys may be fetched from there: over https, or from this machine; with no password in it."""
    try:
        parts = urlsplit(address)
        local = parts.hostname in LOOPBACK
        return (
            (parts.scheme == "https" or (parts.scheme == "http" and local))
            and bool(parts.hostname)
            and not parts.username
        )
    except ValueError:
        return False


def issuers_of(said: str | None) -> tuple[IssuerSettings, ...]:
    """The identity providers of the setting's JSON, none without it. Raises InvalidSetting."""
    if said is None:
        return ()
    try:
        found = _LIST.validate_json(said)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidSetting(
            f"CARECIRCLE_OIDC: {where}: {first['msg']}." if where else f"CARECIRCLE_OIDC: {first['msg']}."
        ) from None
    pairs = [(one.issuer, one.audience) for one in found]
    if len(set(pairs)) < len(pairs):
        raise InvalidSetting("CARECIRCLE_OIDC: an issuer and an audience together stand in it once.")
    return found
