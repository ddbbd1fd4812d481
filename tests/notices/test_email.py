"""Mail to a real server: with TLS that is verified, with repeats that are known again, and with every way to fail."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from carecircle import Settings
from carecircle.errors import InvalidSetting
from carecircle.notices import email
from carecircle.notices.email import Mail
from tests.notices.conftest import FROM, configured, with_login
from tests.notices.receivers import HERE, PASSWORD, MailServer, certificate
from tests.notices.test_words import notice

DOCTOR = "okafor@hospital.example"


def mail_of(url: str, **more: Any) -> Mail:
    found = Mail.of(Settings.model_validate({"home": Path(), "smtp_url": url, "mail_from": FROM, **more}))
    assert found is not None
    return found


def sent(mail: Mail, to: str = DOCTOR) -> str:
    return asyncio.run(mail.send(notice(), to))


@contextmanager
def serving(server: MailServer) -> Iterator[MailServer]:
    server.start()
    try:
        yield server
    finally:
        server.stop()


def test_mail_arrives_and_a_repeat_is_known_again(mail: MailServer, tmp_path: Path) -> None:
    sender = Mail.of(configured(tmp_path, mail))
    assert sender is not None
    assert [sent(sender), sent(sender)] == ["sent", "sent"]
    first, second = mail.to(DOCTOR)
    assert first["Subject"] == "Emergency access BG-7K3F9Q was opened: please look now"
    assert first["Auto-Submitted"] == "auto-generated"
    assert first["Message-ID"] == second["Message-ID"]
    assert mail.raw[0] == mail.raw[1]


# It says that a login is asked for without STARTTLS, also where TLS is there from the first byte.
@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS:UserWarning:aiosmtpd.smtp")
@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_a_password_goes_over_verified_tls_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    tls, public = certificate(tmp_path)
    with serving(MailServer(tls=tls, wrapped=scheme == "smtps", login=True)) as server:
        query = "?starttls=required" if scheme == "smtp" else ""
        assert sent(mail_of(with_login(scheme, server.port, query))) == "untrusted"
        assert server.inbox == []
        monkeypatch.setenv("SSL_CERT_FILE", str(public))
        assert sent(mail_of(with_login(scheme, server.port, query))) == "sent"
        assert len(server.to(DOCTOR)) == 1
        assert sent(mail_of(f"{scheme}://carecircle:wrong@{HERE}:{server.port}{query}")) == "refused"
        assert sent(mail_of(f"{scheme}://carecircle:x@localhost:{server.port}{query}")) == "untrusted"  # another's name
        assert len(server.inbox) == 1


def test_a_server_without_starttls_gets_nothing(mail: MailServer) -> None:
    assert sent(mail_of(f"smtp://{HERE}:{mail.port}?starttls=required")) == "untrusted"
    assert mail.inbox == []
    assert sent(mail_of(f"smtp://{HERE}:{mail.port}?starttls=never")) == "sent"


def test_refusals_and_a_server_that_is_away(mail: MailServer) -> None:
    sender = mail_of(f"smtp://{HERE}:{mail.port}")
    for answer in ("451 Try again later", "550 No such mailbox", "554 No"):
        mail.says = answer
        assert sent(sender) == "refused"
    mail.says = None
    mail.stop()
    assert sent(sender) == "unreachable"
    mail.start()
    assert sent(sender) == "sent"
    assert sent(mail_of("smtp://no-such-host.invalid:25?starttls=never")) == "unreachable"


@pytest.mark.parametrize("limit", ["TIMEOUT", "LONGEST"])
def test_a_server_that_says_nothing_is_left(monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    monkeypatch.setattr(email, limit, 0.2)
    with socket.create_server((HERE, 0)) as silent:
        assert sent(mail_of(f"smtp://{HERE}:{silent.getsockname()[1]}")) == "unreachable"


@pytest.mark.parametrize(
    "address",
    ["", "4711", "a@b@c", "a b@c.example", "a@b.example\r\nBcc: x@c.example", "a@b.example, x@c.example", "<a@b.example>",
     "a@b.example\n", '"a\r\n"@b.example', "@b.example", "a@", "a\x00@b.example", f"{'a' * 65}@b.example"],
)  # fmt: skip
def test_what_is_no_address_goes_nowhere(mail: MailServer, address: str) -> None:
    sender = mail_of(f"smtp://{HERE}:{mail.port}")
    assert sent(sender, address) == "unusable-address"
    assert mail.inbox == []
    assert sent(sender) == "sent"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://mail.example", "CARECIRCLE_SMTP_URL: write it as"),
        ("smtp://user:sesame@mail.example:x", "CARECIRCLE_SMTP_URL: write it as"),
        ("smtp://user:sesame@mail.example:0", "CARECIRCLE_SMTP_URL: write it as"),
        ("sesame", "CARECIRCLE_SMTP_URL: write it as"),
        ("smtp://mail.example?starttls=perhaps", "starttls=required or =never"),
        ("smtp://mail.example?sesame=1", "starttls=required or =never"),
        ("smtps://mail.example?starttls=required", "starttls=required or =never"),
        ("smtp://user:sesame@mail.example?starttls=never", "not sent without TLS"),
        ("smtp://sesame@mail.example", "both a user and a password"),
    ],
)
def test_an_unusable_mail_server(url: str, words: str) -> None:
    with pytest.raises(InvalidSetting) as raised:
        mail_of(url)
    assert words in raised.value.message
    assert "sesame" not in raised.value.message


@pytest.mark.parametrize("sender", [None, "", "carecircle", "a@b.example\r\nBcc: x@c.example"])
def test_an_unusable_sender(sender: str | None) -> None:
    with pytest.raises(InvalidSetting, match="CARECIRCLE_MAIL_FROM"):
        mail_of("smtp://mail.example", mail_from=sender)


def test_defaults_are_safe_and_the_password_is_not_shown() -> None:
    away, here, wrapped = (
        mail_of(with_login("smtp", 2525)),
        mail_of("smtp://localhost"),
        mail_of("smtps://mail.example"),
    )
    assert (away.password, away.port) == (PASSWORD, 2525)
    assert PASSWORD not in repr(away)
    assert (here.starttls, here.port) == (False, 25)
    assert (wrapped.wrapped, wrapped.starttls, wrapped.port) == (True, False, 465)
    elsewhere = mail_of("smtp://mail.example")
    assert (elsewhere.starttls, elsewhere.port) == (True, 587)
    assert Mail.of(Settings(home=Path())) is None
