"""A mail server and a webhook receiver for each test, and rows put into the outbox of an organization of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from carecircle import Settings
from tests.notices.receivers import HERE, PASSWORD, SECRET, USER, HookReceiver, MailServer

FROM = "carecircle@hospital.example"
PUBLIC = "https://carecircle.hospital.example"


def configured(home: Path, mail: MailServer | None = None, hook: HookReceiver | None = None) -> Settings:
    """Settings that reach these receivers on this machine."""
    return Settings.model_validate(
        {
            "home": home,
            "smtp_url": f"smtp://{HERE}:{mail.port}" if mail else None,
            "mail_from": FROM if mail else None,
            "webhook_url": hook.url if hook else None,
            "webhook_secret": SECRET if hook else None,
            "public_url": PUBLIC,
        }
    )


def with_login(scheme: str, port: int, query: str = "") -> str:
    return f"{scheme}://{USER}:{quote(PASSWORD)}@{HERE}:{port}{query}"


@pytest.fixture
def mail() -> Iterator[MailServer]:
    server = MailServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def hook() -> Iterator[HookReceiver]:
    receiver = HookReceiver()
    receiver.start()
    yield receiver
    receiver.stop()
