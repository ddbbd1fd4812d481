"""ETag, If-Match and If-None-Match: what is read again, what is changed only as it was read, and who comes too late."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from carecircle import to_text
from carecircle.identifiers import new_id
from tests.api.clinic import open_clinic
from tests.conftest import Hospital

Run = Callable[[Callable[[Hospital], Any]], Any]
POLICY = {"document": {"largest_team": 40}}


def test_what_has_not_changed_is_not_sent_again(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_clinic(hospital) as clinic:
            read = clinic.client.get
            none = await read("/v1/policy")
            assert none.headers["etag"] == '"none"'
            for known in ('"none"', 'W/"none"', '"other", "none"', "*"):
                same = await read("/v1/policy", headers={"If-None-Match": known})
                assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", '"none"')
            for known in ('"other"', "none", ""):
                assert (await read("/v1/policy", headers={"If-None-Match": known})).status_code == 200
            await clinic.json("PUT", "/v1/policy", POLICY)
            changed = await read("/v1/policy", headers={"If-None-Match": '"none"'})
            assert (changed.status_code, changed.json()["version"]) == (200, 1)
            # What has no version is sent, whatever the caller knows.
            assert (await read("/v1/absences", headers={"If-None-Match": "*"})).status_code == 200
            assert (
                await read(f"/v1/care-teams/{to_text(new_id())}", headers={"If-None-Match": "*"})
            ).status_code == 404

    in_hospital(body)


def test_a_policy_is_set_only_over_the_one_that_was_read(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_clinic(hospital) as clinic:

            async def put(match: str, largest: int = 40) -> Any:
                said = {"document": {"largest_team": largest}}
                return await clinic.client.put("/v1/policy", json=said, headers={"If-Match": match})

            first = await put('"none"')
            assert first.status_code == 200
            late = await put('"none"', 50)
            assert (late.status_code, late.json()["code"]) == (412, "precondition-failed")
            assert late.json()["remedies"][0]["kind"] == "read-again"
            assert (await clinic.json("GET", "/v1/policy"))["document"]["largest_team"] == 40
            both = await asyncio.gather(*(put(first.headers["etag"], size) for size in (50, 60)))
            assert sorted(one.status_code for one in both) == [200, 412]
            present = (await clinic.client.get("/v1/policy")).headers["etag"]
            assert present in [one.headers.get("etag") for one in both]
            assert (await put("W/" + present)).status_code == 412
            assert (await put("*")).status_code == 200
            for unreadable in ("none", '"a", "b"', '"', "", 'W/"'):
                assert (await put(unreadable)).status_code == 400, unreadable

    in_hospital(body)


def test_a_team_that_changed_meanwhile_is_not_renamed(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_clinic(hospital) as clinic:
            made = await clinic.client.post("/v1/care-teams", json={"name": "Ward 4"})
            path, known = f"/v1/care-teams/{made.json()['id']}", {"If-Match": made.headers["etag"]}
            assert (await clinic.client.get(path)).headers["etag"] == made.headers["etag"]
            await clinic.json("POST", f"{path}/members", {"provider": "staff|dana", "member_role": "nurse"}, 201)
            assert (await clinic.client.patch(path, json={"name": "Ward 5"}, headers=known)).status_code == 412
            known = {"If-Match": (await clinic.client.get(path)).headers["etag"]}
            renamed = await clinic.client.patch(path, json={"name": "Ward 5"}, headers=known)
            assert (renamed.status_code, renamed.json()["name"]) == (200, "Ward 5")

    in_hospital(body)


def test_an_assignments_version_in_the_body_is_a_conflict_and_in_the_head_a_precondition(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_clinic(hospital) as clinic:
            asked = {"assignment_type": "primary", "patient": "urn:mrn|ines"}

            async def assign(provider: str, version: str | None = None, match: str | None = None) -> Any:
                said = asked | {"provider": f"staff|{provider}"} | ({"version": version} if version else {})
                head = {"If-Match": match} if match else {}
                return await clinic.client.post("/v1/assignments", json=said, headers=head)

            first = await assign("adams")
            assert first.headers["etag"] == f'"{first.json()["id"]}"'
            second = await assign("brown", match=first.headers["etag"])
            assert second.status_code == 201
            by_body = await assign("chen", version=first.json()["id"])
            assert (by_body.status_code, by_body.json()["code"]) == (409, "stale-version")
            by_head = await assign("chen", match=first.headers["etag"])
            assert (by_head.status_code, by_head.json()["code"]) == (412, "precondition-failed")
            assert (await assign("chen", match='"x"')).status_code == 412
            differing = await assign("chen", version=second.json()["id"], match=first.headers["etag"])
            assert differing.status_code == 400
            both = await assign("chen", version=second.json()["id"], match=second.headers["etag"])
            assert both.status_code == 201

    in_hospital(body)


def test_if_match_is_refused_where_nothing_would_look_at_it(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_clinic(hospital) as clinic:
            said = {"name": "Ward 4"}
            answer = await clinic.client.post("/v1/care-teams", json=said, headers={"If-Match": "*"})
            assert answer.status_code == 400
            assert "If-Match" in answer.json()["detail"]
            assert (await clinic.json("GET", "/v1/care-teams"))["care_teams"] == []
            assert (await clinic.client.post("/v1/care-teams", json=said)).status_code == 201

    in_hospital(body)
