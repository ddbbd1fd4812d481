"""Accounts in words, finding the one somebody means, and asking before something stops working."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from carecircle.cli.careful import agreed
from carecircle.cli.output import say
from carecircle.errors import CareCircleError, ConfirmationRequired, InvalidRequest
from carecircle.identifiers import parse_id, to_text

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from carecircle.directory.account_reading_service import Signer

AccountArgument = Annotated[
    str, typer.Argument(metavar="ACCOUNT", help="The account's id, or ISSUER|SUBJECT as it was added.")
]
RoleArgument = Annotated[str, typer.Argument(metavar="ROLE", help="Which role; role show lists them.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
COLUMNS = ("id", "issuer", "subject", "provider", "label", "roles", "may", "starts_at")
SHOWN = ("id", "issuer", "subject", "label", "provider", "roles")


async def find(session: AsyncSession, account: str) -> Signer:
    """The account somebody means. Raises AccountNotFound, and InvalidRequest for what names none."""
    from carecircle.directory.account_reading_service import find_account

    try:
        account_id = parse_id(account)
    except CareCircleError:
        issuer, bar, subject = account.partition("|")
        if not bar:
            raise InvalidRequest(
                "An account is named by its id, from account list, or as ISSUER|SUBJECT in quotes."
            ) from None
        return await find_account(session, issuer=issuer, subject=subject)
    return await find_account(session, account_id=account_id)


def record(signer: Signer) -> dict[str, Any]:
    from carecircle.directory.permissions import PERMISSIONS

    return {
        "id": signer.id, "issuer": signer.issuer, "subject": signer.subject, "provider": signer.provider_id,
        "label": signer.label, "roles": list(signer.roles), "may": [one for one in PERMISSIONS if one in signer.may],
        "starts_at": signer.starts_at,
    }  # fmt: skip


def named(signer: Signer) -> str:
    """What people call the account: its label where it has one."""
    return signer.label or f"the account {to_text(signer.id)}"


def go_on(what: str, yes: bool) -> bool:
    """Whether to go on with what stops something from working. Raises ConfirmationRequired where nobody can be asked."""
    if yes:
        return True
    if not sys.stdin.isatty():
        raise ConfirmationRequired(f"{what} Add --yes where that is meant.")
    say(what)
    return agreed()
