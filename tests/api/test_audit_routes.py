"""The audit trail over HTTP: for tokens that may audit and no others, of their own organization, each reading on record."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from carecircle.audit import tlog_proof
from carecircle.audit.sealing import seal_once
from carecircle.audit.sealing_key import SealingKey
from carecircle.audit.verify import VerifyKey
from carecircle.identifiers import new_id, to_text
from tests.api.clinic import BY_AUDITORS, Clinic, bearer, open_clinic, open_neighbour
from tests.conftest import Hospital

Run = Callable[[Callable[[Hospital], Any]], Any]


async def get(clinic: Clinic, path: str, status: int = 200, may: Any = "audit", **asked: Any) -> Any:
    answer = await clinic.client.get(f"/v1/audit/{path}", params=asked, headers=clinic.bearer(may))
    assert answer.status_code == status, answer.text
    return answer.json()


def test_only_a_token_that_may_audit_reads_it_and_every_try_is_on_record(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_clinic(hospital) as clinic:
            entry = (await get(clinic, "entries", code="patient-registered"))["entries"][0]["id"]
            await seal_once(hospital.circle.settings, hospital.circle.reach)
            left = {
                "entries": ["audit-searched"], f"entries/{entry}": ["audit-entry-read"],
                f"entries/{entry}/proof": ["audit-entry-proved"], "checkpoint": [],
            }  # fmt: skip
            assert len(left) == len(BY_AUDITORS)
            for path, codes in left.items():
                for may in ("ask", "change"):
                    before = len(await clinic.entries())
                    assert (await get(clinic, path, 403, may))["code"] == "permission-required"
                    assert [one["code"] for one in (await clinic.entries())[before:]] == ["permission-required"]
                before = len(await clinic.entries())
                await get(clinic, path)
                assert [one["code"] for one in (await clinic.entries())[before:]] == codes
            assert (await clinic.client.get("/v1/audit/entries", headers={"Authorization": ""})).status_code == 401
            refused = await clinic.client.post(
                "/v1/care-teams", json={"name": "Ward"}, headers=bearer(hospital, hospital.organization, "audit")
            )
            assert refused.status_code == 403

    in_hospital(body)


def test_search_by_filters_and_pages(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_clinic(hospital) as clinic:
            ines = clinic.ids["ines"]
            found = await get(clinic, "entries", patient=ines)
            assert [one["code"] for one in found["entries"]] == ["patient-registered"]
            assert found["entries"][0]["patient_id"] == ines
            whole = (await get(clinic, "entries", kind="change"))["entries"]
            first = await get(clinic, "entries", kind="change", limit=2)
            rest = await get(clinic, "entries", kind="change", after=first["next"])
            assert [*first["entries"], *rest["entries"]] == whole
            assert (await get(clinic, "entries", allowed=True))["entries"] == []
            nothing = {"from": whole[0]["recorded_at"], "to": whole[-1]["recorded_at"]}
            for asked in ({"after": "x"}, {"limit": 0}, {"provider": "staff|adams"}, {"unknown": 1}, nothing):
                await get(clinic, "entries", 400, **asked)

    in_hospital(body)


def test_one_entry_and_its_proof_need_nothing_but_the_key(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_clinic(hospital) as clinic:
            entry = (await get(clinic, "entries", code="patient-registered"))["entries"][0]["id"]
            assert (await get(clinic, f"entries/{entry}"))["leaf"] is None
            assert (await get(clinic, f"entries/{entry}/proof", 409))["code"] == "not-sealed-yet"
            assert (await get(clinic, "checkpoint", 409))["code"] == "not-sealed-yet"
            await seal_once(hospital.circle.settings, hospital.circle.reach)
            told = await get(clinic, f"entries/{entry}")
            assert told["entry"]["id"] == entry
            assert json.loads(told["line"])["code"] == "patient-registered"
            made = await get(clinic, f"entries/{entry}/proof")
            keys = [VerifyKey.parse(one) for one in SealingKey.open(hospital.circle.settings.home).vkeys()]
            assert tlog_proof.check(made["proof"], keys, made["line"].encode()).holds
            checkpoint = await get(clinic, "checkpoint")
            assert checkpoint["note"].split("\n")[1] == str(checkpoint["tree_size"])
            for path in (f"entries/{to_text(new_id())}", f"entries/{to_text(new_id())}/proof"):
                assert (await get(clinic, path, 404))["code"] == "entry-not-found"

    in_hospital(body)


def test_another_organizations_entries_are_as_good_as_made_up(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_clinic(hospital) as clinic, open_neighbour(clinic) as neighbour:
            await get(clinic, "entries")
            theirs = await neighbour.client.get(
                "/v1/audit/entries", headers=bearer(neighbour.hospital, neighbour.hospital.organization, "audit")
            )
            entry = theirs.json()["entries"][0]["id"]
            for path in (f"entries/{entry}", f"entries/{entry}/proof"):
                assert (await get(clinic, path, 404))["code"] == "entry-not-found"

    in_hospital(body)
