"""What notices say: a reference and a link, whatever the event; nothing that came by way of a row's kind."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from carecircle import Settings
from carecircle.identifiers import parse_id, to_text
from carecircle.notices.email import Mail
from carecircle.notices.webhook import body_of
from carecircle.notices.words import EVENTS, UNKNOWN, Notice, channel_and_event, link, reference

ID = parse_id("01KQ5V8Y2M4T6R8W0X7K7K3F9Q")
OWN = parse_id("01KQ5V8Y2M4T6R8W0X7K000001")
AT = datetime(2026, 3, 1, 10, 13, tzinfo=UTC)
CANARY = "zyxwinterbourne"


def notice(event: str = "emergency-opened") -> Notice:
    return Notice(OWN, event, ID, AT, link("https://carecircle.example/", ID))


def test_a_reference_is_short_and_a_link_holds_the_id() -> None:
    assert reference(ID) == "BG-7K3F9Q"
    assert link("https://carecircle.example/ward/", ID) == f"https://carecircle.example/ward/break-glass/{to_text(ID)}"
    assert link(None, ID) is None


@pytest.mark.parametrize("event", sorted(EVENTS))
def test_every_event_has_words_with_reference_and_link(event: str) -> None:
    said = notice(event)
    assert re.fullmatch(r"Emergency access BG-7K3F9Q [a-z' :]+", said.subject)
    assert said.body.splitlines()[-2:] == ["BG-7K3F9Q", f"https://carecircle.example/break-glass/{to_text(ID)}"]
    without = Notice(OWN, event, ID, AT, None)
    assert without.body.splitlines()[-2:] == ["BG-7K3F9Q", "Open carecircle and look for this reference."]


def test_a_kind_says_channel_and_event() -> None:
    assert channel_and_event("email:emergency-opened") == ("email", "emergency-opened")
    assert channel_and_event("webhook:review-due") == ("webhook", "emergency-review-due")
    assert channel_and_event("email") == ("email", UNKNOWN)
    assert channel_and_event(f"email:{CANARY}") == ("email", UNKNOWN)


def test_nothing_from_a_kind_reaches_a_notice(tmp_path: Path) -> None:
    mail = Mail.of(
        Settings.model_validate({"home": tmp_path, "smtp_url": "smtp://localhost", "mail_from": "a@b.example"})
    )
    assert mail is not None
    for kind in (f"email:{CANARY}", f"email:emergency-{CANARY}", f"email:emergency-opened\r\nBcc: {CANARY}@b.example"):
        said = notice(channel_and_event(kind)[1])
        whole = mail.message(said, "doctor@b.example").as_bytes() + body_of(said)
        assert CANARY.encode() not in whole
        assert b"BG-7K3F9Q" in whole
    assert CANARY.encode() in body_of(Notice(OWN, CANARY, ID, AT, None))  # an event that was not looked up would show


def test_the_same_notice_is_the_same_message(tmp_path: Path) -> None:
    mail = Mail.of(
        Settings.model_validate({"home": tmp_path, "smtp_url": "smtp://localhost", "mail_from": "Ward <a@b.example>"})
    )
    assert mail is not None
    first, second = (mail.message(notice(), "doctor@b.example").as_bytes() for _ in range(2))
    assert first == second
    assert f"Message-ID: <{to_text(OWN)}@b.example>\r\n".encode() in first
    assert b"From: Ward <a@b.example>\r\n" in first
    other = Notice(UUID(int=7), "emergency-opened", ID, AT, None)
    assert (
        mail.message(other, "doctor@b.example")["Message-ID"]
        != mail.message(notice(), "doctor@b.example")["Message-ID"]
    )
