"""serve and token: the HTTP door, and a development key to it."""

from __future__ import annotations

import socket
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from carecircle.actor import Actor
from carecircle.cli.circle import Desk, at_desk, database, read_settings
from carecircle.cli.options import OrganizationOption, OutputOption
from carecircle.cli.output import Output, emit_json, say
from carecircle.errors import InvalidSetting, ProviderNotRegistered
from carecircle.identifiers import OrganizationId

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

HOST = "127.0.0.1"
PORT = 8080


class Permission(StrEnum):
    """What a token lets its holder do: ask and read only, or one thing more."""

    ask = "ask"
    change = "change"
    audit = "audit"
    privacy = "privacy"
    administer = "administer"


def serve(
    host: Annotated[str, typer.Option(help="Where to listen.")] = HOST,
    port: Annotated[int, typer.Option(min=1, max=65535, help="On which port.")] = PORT,
    workers: Annotated[int, typer.Option(min=1, max=64, help="How many processes.")] = 1,
) -> None:
    """Answer over HTTP until stopped with Ctrl-C.

    Its log goes to stderr (CARECIRCLE_LOG_FORMAT, CARECIRCLE_LOG_LEVEL).

    Example: carecircle serve --port 8080
    """
    from carecircle.api.serve import serve as answer
    from carecircle.logs import written

    settings = read_settings()
    require_free(host, port)
    with written(settings.log_format, settings.log_level), database(settings) as at:

        def tell() -> None:
            say(f"Serving at http://{host}:{port} until Ctrl-C.")

        answer(settings, at, host=host, port=port, workers=workers, checked=tell)


def require_free(host: str, port: int) -> None:
    """Say now, in one sentence, what would stop the server later. Raises InvalidSetting."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise InvalidSetting(
            f"Nothing can listen on {host} port {port} ({error.strerror}); choose another with --port."
        ) from None


def token(
    hours: Annotated[float, typer.Option(min=0.01, max=24 * 31, help="How long it is believed.")] = 8,
    may: Annotated[
        Permission,
        typer.Option("--may", help="What it permits beside asking and reading; ask is no more than that."),
    ] = Permission.ask,
    provider: Annotated[
        str | None, typer.Option("--as", metavar="PROVIDER", help="Whose token it is: a person who signs in now.")
    ] = None,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Mint a development token for one organization; it names you as the actor. It may only ask, unless said otherwise.

    With --as it is a person's, as if they had just signed in: what only persons do, such as breaking the glass, needs one.

    Example: curl -H "Authorization: Bearer $(carecircle token --organization north-hospital)" …
    """
    from carecircle.api.token_issue import issue

    async def work(desk: Desk) -> str:
        person = None if provider is None else await _person(desk, provider)
        return await desk.change(
            lambda session: issue(
                session,
                desk.circle.keyring,
                issued_by=desk.actor,
                organization_id=desk.organization,
                actor=person or desk.actor,
                hours=hours,
                may=[may.value],
                signed_in_at=None if person is None else datetime.now(UTC),
            )
        )

    minted = at_desk(organization, work)
    if output is Output.json:
        emit_json({"token": minted, "hours": hours, "may": may.value})
    else:
        print(minted)


async def _person(desk: Desk, provider: str) -> Actor:
    """Raises ProviderNotRegistered."""
    from carecircle.directory.service import is_registered, resolve_provider

    async def find(session: AsyncSession) -> Actor:
        tenant = OrganizationId(desk.organization)
        provider_id = await resolve_provider(session, tenant, provider)
        if not await is_registered(session, tenant, "provider", provider_id):
            raise ProviderNotRegistered
        return Actor.provider(provider_id)

    return await desk.change(find)
