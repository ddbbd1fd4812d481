"""Events to a real receiver that verifies signatures: what counts as taken, and every way to fail."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from carecircle import Settings
from carecircle.errors import InvalidSetting
from carecircle.identifiers import to_text
from carecircle.notices import webhook
from carecircle.notices.sending_service import Senders
from carecircle.notices.webhook import Hook, body_of
from tests.notices.conftest import configured
from tests.notices.receivers import HERE, SECRET, HookReceiver, certificate, free_port, is_signed
from tests.notices.test_words import ID, OWN, notice


def hook_of(url: str, **more: Any) -> Hook:
    known = {"home": Path(), "webhook_url": url, "webhook_secret": SECRET, **more}
    found = Hook.of(Settings.model_validate(known))
    assert found is not None
    return found


def sent(hook: Hook, now: datetime | None = None) -> str:
    return asyncio.run(hook.send(notice(), now or datetime.now(UTC)))


def test_an_event_arrives_signed_and_a_repeat_has_its_id(hook: HookReceiver, tmp_path: Path) -> None:
    sender = Hook.of(configured(tmp_path, hook=hook))
    assert sender is not None
    assert [sent(sender), sent(sender)] == ["sent", "sent"]
    assert [known for known, _ in hook.taken] == [to_text(OWN)] * 2
    assert hook.taken[0][1] == {
        "type": "emergency-opened",
        "id": to_text(OWN),
        "occurred_at": "2026-03-01T10:13:00Z",
        "emergency_id": to_text(ID),
        "reference": "BG-7K3F9Q",
        "link": f"https://carecircle.example/break-glass/{to_text(ID)}",
    }


def test_the_receiver_refuses_what_is_not_signed_so(hook: HookReceiver) -> None:
    other = "whsec_" + "QUFB" * 11
    assert sent(hook_of(hook.url, webhook_secret=other)) == "refused"
    assert sent(hook_of(hook.url), datetime.now(UTC) - timedelta(minutes=6)) == "refused"
    assert hook.taken == []
    assert sent(hook_of(hook.url)) == "sent"


def test_a_changed_body_is_not_signed() -> None:
    body, headers = body_of(notice()), Message()
    for name, value in hook_of("https://hook.example").headers(notice(), body, datetime.now(UTC)).items():
        headers[name] = value
    assert is_signed(headers, body)
    assert not is_signed(headers, body.replace(b"opened", b"denied"))


@pytest.mark.parametrize("status", [300, 302, 307, 308, 400, 401, 410, 429, 500, 503])
def test_only_2xx_counts_and_no_redirect_is_followed(hook: HookReceiver, status: int) -> None:
    hook.answers = status
    assert sent(hook_of(hook.url)) == "refused"
    assert hook.seen == ["/hook"]


def test_a_receiver_that_is_away_or_slow(hook: HookReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    sender = hook_of(hook.url)
    hook.stop()
    assert sent(sender) == "unreachable"
    hook.start()
    assert sent(sender) == "sent"
    monkeypatch.setattr(webhook, "TIMEOUT", 0.2)
    hook.slow = 1.0
    assert sent(sender) == "unreachable"


def test_certificates_are_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tls, public = certificate(tmp_path)
    receiver = HookReceiver(tls)
    receiver.start()
    try:
        assert sent(hook_of(receiver.url)) == "untrusted"
        assert receiver.seen == []
        monkeypatch.setenv("SSL_CERT_FILE", str(public))
        assert sent(hook_of(receiver.url)) == "sent"
    finally:
        receiver.stop()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://hook.example/x", "use https for another machine"),
        ("ftp://hook.example/x", "write it as https://"),
        ("hook.example/x", "write it as https://"),
        ("https://user:sesame@hook.example/x", "names no user"),
        ("https://hook.example:99999/x", "write it as https://"),
    ],
)
def test_an_unusable_receiver(url: str, words: str) -> None:
    with pytest.raises(InvalidSetting) as raised:
        hook_of(url)
    assert words in raised.value.message
    assert "sesame" not in raised.value.message


def test_http_to_another_machine_where_a_setting_says_so() -> None:
    assert hook_of("http://hook.example/x", webhook_over_http=True).url == "http://hook.example/x"
    assert hook_of(f"http://{HERE}:{free_port()}").here


@pytest.mark.parametrize("secret", [None, "sesame", "whsec_", "whsec_c2VzYW1l", "whsec_!" + "QUFB" * 11, "QUFB" * 11])
def test_an_unusable_secret(secret: str | None) -> None:
    with pytest.raises(InvalidSetting, match="CARECIRCLE_WEBHOOK_SECRET") as raised:
        hook_of("https://hook.example", webhook_secret=secret)
    assert "sesame" not in raised.value.message


@pytest.mark.parametrize(
    "url", ["carecircle.example", "ftp://carecircle.example", "https://a:b@c.example", "https://a.example/?x"]
)
def test_an_unusable_public_address(url: str) -> None:
    with pytest.raises(InvalidSetting, match="CARECIRCLE_PUBLIC_URL"):
        Senders.of(Settings.model_validate({"home": Path(), "public_url": url}))
    assert (
        Senders.of(Settings.model_validate({"home": Path(), "public_url": "http://ward.example:8080/x"})).mail is None
    )
