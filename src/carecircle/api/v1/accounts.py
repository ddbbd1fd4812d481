"""Who signs in, over HTTP: accounts, the roles they hold, and what roles permit."""

from __future__ import annotations

from typing import Annotated

from fastapi import Response
from pydantic import Field, StringConstraints

from carecircle.api.v1.door import Administering, Asking, Door, routes
from carecircle.api.v1.etag import IfMatch, tag, tagged
from carecircle.api.v1.paging import Next, Paging
from carecircle.api.v1.shapes import (
    AN_ID,
    ANOTHER_ID,
    Answer,
    Body,
    Ended,
    Id,
    Moment,
    OwnId,
    Reference,
    example,
    id_of,
)
from carecircle.database.session import transaction
from carecircle.directory import account_reading_service, account_role_service, account_service, permissions
from carecircle.directory.account_reading_service import Signer
from carecircle.directory.account_role_service import Myself
from carecircle.directory.permissions import Role
from carecircle.errors import PermissionRequired
from carecircle.identifiers import to_text
from carecircle.period import show

router = routes("accounts")

ACCOUNT = {
    "id": AN_ID, "issuer": "https://login.hospital.example", "subject": "a.okafor", "provider_id": ANOTHER_ID,
    "label": "Dr. A. Okafor", "roles": ["clinician"], "may": ["ask"], "starts_at": "2026-01-31T08:00:00Z",
}  # fmt: skip
HELD = {"role": "clinician", "starts_at": "2026-01-31T08:00:00Z"}

Label = Annotated[str, StringConstraints(max_length=200)]


class NewAccount(Body):
    """Who `issuer` says `subject` is, exactly as tokens say it. With a provider, they ask as that provider."""

    model_config = example(
        issuer="https://login.hospital.example", subject="a.okafor", provider="npi|1234567893", label="Dr. A. Okafor",
        roles=["clinician"],
    )  # fmt: skip
    issuer: Annotated[str, StringConstraints(min_length=1, max_length=512)]
    subject: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    provider: Reference | None = None
    label: Label = ""
    roles: Annotated[list[Role], Field(max_length=8, default_factory=list)]


class ChangedAccount(Body):
    """What is left out stays; `provider` null makes it nobody's. Whoever is signed in is looked up again at once."""

    model_config = example(provider="npi|1234567893", label="Dr. A. Okafor")
    provider: Reference | None = None
    label: Label | None = None


class Account(Answer):
    """`may` is what its roles permit."""

    model_config = example(**ACCOUNT)
    id: Id
    issuer: str
    subject: str
    provider_id: Id | None
    label: str
    roles: list[str]
    may: list[str]
    starts_at: Moment


class Accounts(Answer):
    model_config = example(accounts=[ACCOUNT], next=None)
    accounts: list[Account]
    next: Next


class NewRole(Body):
    """`super_admin` is given at the command line of the installation only."""

    model_config = example(role="clinician")
    role: Role


class HeldRole(Answer):
    model_config = example(**HELD)
    role: str
    starts_at: Moment


class HeldRoles(Answer):
    model_config = example(roles=[HELD])
    roles: list[HeldRole]


class RoleOfTable(Answer):
    model_config = example(role="clinician", may=["ask"])
    role: str
    may: list[str]


class Roles(Answer):
    """The table of roles and permissions. A role lets nobody see a patient; the circle of care does."""

    model_config = example(permissions=["ask"], roles=[{"role": "clinician", "may": ["ask"]}])
    permissions: list[str]
    roles: list[RoleOfTable]


@router.get("/roles")
async def list_roles(door: Asking) -> Roles:
    """What every role permits: the same in every organization."""
    return Roles(
        permissions=list(permissions.PERMISSIONS),
        roles=[RoleOfTable(role=role, may=_sorted(may)) for role, may in permissions.ROLES.items()],
    )


@router.post("/accounts", status_code=201)
async def add_account(door: Administering, body: NewAccount, response: Response) -> Account:
    """Let somebody sign in, with these roles. Nobody adds an account that they are themselves."""
    await _require_person(door)
    myself = await _myself(door)
    async with door.change() as db:
        signer = await account_service.add_account(
            db, issuer=body.issuer, subject=body.subject, provider=body.provider, label=body.label, roles=body.roles,
            myself=myself,
        )  # fmt: skip
        return _tagged(response, signer)


@router.get("/accounts")
async def list_accounts(
    door: Administering, page: Paging, provider: OwnId | None = None, role: Role | None = None
) -> Accounts:
    """The accounts that hold now; those of one provider, or with one role, when asked so."""
    async with door.read() as db:
        found = await account_reading_service.accounts(
            db, provider=provider, role=role, after=page.after, limit=page.limit + 1
        )
    shown, onwards = page.cut(found, lambda one: (one.id,))
    return Accounts(accounts=[_account(one) for one in shown], next=onwards)


@router.get("/accounts/{account_id}")
async def read_account(door: Administering, account_id: OwnId, response: Response) -> Account:
    async with door.read() as db:
        return _tagged(response, await account_reading_service.find_account(db, account_id=account_id))


@router.patch("/accounts/{account_id}")
async def change_account(
    door: Administering, account_id: OwnId, body: ChangedAccount, match: IfMatch, response: Response
) -> Account:
    """Say anew which provider it is, or what it is called. Nobody makes their own account another provider's."""
    await _require_person(door)
    myself = await _myself(door)
    async with door.change() as db:
        signer = await account_service.change_account(
            db, account_id=account_id, provider=body.provider, label=body.label,
            without_provider="provider" in body.model_fields_set and body.provider is None,
            row_id=match.version, myself=myself,
        )  # fmt: skip
        return _tagged(response, signer)


@router.delete("/accounts/{account_id}")
async def end_account(door: Administering, account_id: OwnId) -> Account:
    """Revoke the person: account, roles and open sign-ins end now, together. The answer is what the account was."""
    async with door.change() as db:
        return _account(await account_service.end_account(db, account_id=account_id))


@router.get("/accounts/{account_id}/roles")
async def list_roles_of_account(door: Administering, account_id: OwnId) -> HeldRoles:
    """The roles the account holds now, the oldest first."""
    async with door.read() as db:
        held = await account_role_service.roles_of(db, account_id=account_id)
        return HeldRoles(roles=[HeldRole(role=one.role, starts_at=show(one.starts_at)) for one in held])


@router.post("/accounts/{account_id}/roles", status_code=201)
async def give_role(door: Administering, account_id: OwnId, body: NewRole) -> HeldRole:
    """Give a role, from now on. Nobody gives one to themselves, and no API key gives any."""
    await _require_person(door)
    myself = await _myself(door)
    async with door.change() as db:
        row = await account_role_service.give_role(db, account_id=account_id, role=body.role, myself=myself)
        return HeldRole(role=row.role, starts_at=show(row.starts_at))


@router.delete("/accounts/{account_id}/roles/{role}")
async def take_role(door: Administering, account_id: OwnId, role: Role) -> Ended:
    """Take a role away: the next request is decided without it. Refused where nobody could administer any more."""
    async with door.change() as db:
        await account_role_service.take_role(db, account_id=account_id, role=role)
        return Ended(ended=1)


async def _require_person(door: Door) -> None:
    """Raises PermissionRequired, recorded, for an API key: whoever made it could give themselves roles by way of it."""
    bearer = door.caller.bearer
    if bearer is not None and bearer.key_id is not None:
        raise await door.refused(
            PermissionRequired("Accounts and roles are given by a person who signed in, not by an API key.")
        )


async def _myself(door: Door) -> Myself | None:
    """The caller's own account: on a visit nothing else tells that an account here is the visitor's."""
    bearer = door.caller.bearer
    if bearer is None or bearer.account_id is None:
        return None
    async with transaction(door.circle.engine, bearer.home_id) as db:
        own = await account_reading_service.find_account(db, account_id=bearer.account_id, organization=bearer.home_id)
        return Myself(own.id, own.issuer, own.subject)


def _tagged(response: Response, signer: Signer) -> Account:
    tagged(response, tag(signer.row_id))
    return _account(signer)


def _account(signer: Signer) -> Account:
    return Account(
        id=to_text(signer.id), issuer=signer.issuer, subject=signer.subject, provider_id=id_of(signer.provider_id),
        label=signer.label, roles=list(signer.roles), may=_sorted(signer.may), starts_at=show(signer.starts_at),
    )  # fmt: skip


def _sorted(may: frozenset[str]) -> list[str]:
    return [one for one in permissions.PERMISSIONS if one in may]
