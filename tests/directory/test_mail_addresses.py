"""What a mail address is, by one rule: of a contact, of the privacy office's mailbox, of whom a notice is sent to."""

from __future__ import annotations

import pytest

from carecircle.directory.duty_service import require_contact
from carecircle.directory.policy_service import parse_policy
from carecircle.errors import InvalidPolicy, InvalidRequest
from carecircle.policy import is_mail_address

ADDRESSES = ("privacy@hospital.example", "a" * 64 + "@" + "b" * 189, "ä+b'c@d")
OTHERS = (
    "privacy", "a@b@c", "a b@c", "a@b\nBcc: x@y", "a" * 65 + "@b.example", "a@" + "b" * 190, "a,b@c.example",
    "Office <a@b.example>", "a@b.example;c", '"a"@b.example', "@b.example", "a@", "a@[10.0.0.1]", "a\\b@c", "a@b\x7f",
)  # fmt: skip


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_is_one_everywhere(address: str) -> None:
    assert is_mail_address(address)
    require_contact(address)
    assert parse_policy({"privacy_office_email": address}).privacy_office_email == address


@pytest.mark.parametrize("text", OTHERS)
def test_what_is_none_is_none_anywhere(text: str) -> None:
    assert not is_mail_address(text)
    with pytest.raises(InvalidRequest):
        require_contact(text)
    with pytest.raises(InvalidPolicy):
        parse_policy({"privacy_office_email": text})


def test_nothing_may_stand_where_an_address_may() -> None:
    assert not is_mail_address("")
    require_contact("")
    assert parse_policy({"privacy_office_email": ""}).privacy_office_email == ""
