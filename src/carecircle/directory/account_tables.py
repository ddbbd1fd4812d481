"""Mapped classes of who signs in: accounts, their roles, API keys, sign-ins, and visits of super admins."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from carecircle.database.facts import Fact


class Account(Fact):
    """A person or machine of an identity provider: who `issuer` says `subject` is. Perhaps a provider."""

    __tablename__ = "accounts"
    issuer: Mapped[str]
    subject: Mapped[str]
    provider_id: Mapped[UUID | None]
    label: Mapped[str] = mapped_column(default="")


class AccountRole(Fact):
    """`account_id` is the lineage of the account."""

    __tablename__ = "account_roles"
    account_id: Mapped[UUID]
    role: Mapped[str]


class ApiKey(Fact):
    """Its lineage is the id inside the key; of the secret only SHA-256 is kept. `actions` None: any."""

    __tablename__ = "api_keys"
    name: Mapped[str]
    secret_hash: Mapped[bytes] = mapped_column(LargeBinary)
    may: Mapped[list[str]]
    actions: Mapped[list[str] | None]


class SignIn(Fact):
    """One session of a token; its id is made from the issuer and the session's or token's own id. Ended, it stays ended."""

    __tablename__ = "sign_ins"
    account_id: Mapped[UUID | None]
    actor: Mapped[str]
    token_id: Mapped[str]


class Visit(Fact):
    """A super admin of `home_id` is in this organization for a while; `reason` is an envelope around text."""

    __tablename__ = "visits"
    home_id: Mapped[UUID]
    account_id: Mapped[UUID]
    reason: Mapped[bytes] = mapped_column(LargeBinary)
