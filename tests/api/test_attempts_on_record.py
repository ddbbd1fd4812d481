"""What cannot be asked of emergency access is refused as unreadable, and is on record all the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from carecircle import to_text
from tests.api.glass import open_glass
from tests.conftest import Hospital


def test_what_cannot_be_read_or_given_leaves_an_entry_of_who_tried(
    in_hospital: Callable[[Callable[[Hospital], Any]], Any],
) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_glass(hospital) as glass:
            ward = glass.clinic
            one = await glass.opened()
            for who, path, said, code in (
                (ward.doctor, "", glass.wish(state="approved"), "invalid-request"),
                (ward.doctor, "", glass.wish(attested=False), "attestation-required"),
                (ward.doctor, "", glass.wish(reason="boredom"), "reason-required"),
                (ward.first, f"/{one}/approval", {"scope": ["read", "write"]}, "invalid-request"),
                (ward.doctor, f"/{one}/approval", {"approver": to_text(ward.first)}, "invalid-request"),
            ):
                before = len(await glass.refusals())
                assert (await glass.json(who, "POST", path, said, status=400))["code"] == code
                assert (await glass.refusals())[before:] == [code]
            assert (await glass.json(ward.first, "GET", f"/{one}"))["state"] == "provisional"
            before = len(await glass.refusals())
            await glass.json(ward.first, "POST", f"/{one}/approval", {"scope": ["read"]})
            assert len(await glass.refusals()) == before

    in_hospital(body)
