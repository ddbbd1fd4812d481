"""What the /v1 routes tell and do, kind by kind: the answers' content, and what evaluations say afterwards."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.api.clinic import CARDIOLOGY, EARLIER, LATER, SOON, Clinic, open_clinic
from tests.api.test_service import question
from tests.conftest import Hospital

Run = Callable[[Callable[[Hospital], Any]], Any]
On = Callable[[Clinic], Any]


def on_clinic(in_hospital: Run, work: On) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_clinic(hospital) as clinic:
            await work(clinic)

    in_hospital(body)


async def code(clinic: Clinic, provider: str, action: str = "read", patient: str = "ines") -> str:
    asked = question(clinic.ids[provider], clinic.ids[patient], action)
    answer = await clinic.json("POST", "/access/v1/evaluation", asked)
    return str(answer["context"]["code"])


async def assign(clinic: Clinic, provider: str, kind: str = "primary", **said: Any) -> Any:
    named = {"assignment_type": kind, "patient": "urn:mrn|ines", "provider": f"staff|{provider}"}
    return await clinic.json("POST", "/v1/assignments", named | said, 201)


def test_a_team_is_read_page_by_page_and_closed(in_hospital: Run) -> None:
    async def work(clinic: Clinic) -> None:
        team = await clinic.json("POST", "/v1/care-teams", {"name": " Ward 4 ", "team_type": "specialty"}, 201)
        assert (team["name"], team["team_type"], team["patients"], team["members"]) == ("Ward 4", "specialty", 0, [])
        path = f"/v1/care-teams/{team['id']}"
        seat = await clinic.json("POST", f"{path}/members", {"provider": "staff|dana", "member_role": "nurse"}, 201)
        assert (seat["provider_id"], seat["scope"], seat["ends_at"]) == (clinic.ids["dana"], ["read", "write"], None)
        patients = [f"urn:mrn|{number}" for number in range(5)]
        for identifier in patients:
            await clinic.hospital.patient(identifier)
            await clinic.json("POST", f"{path}/patients", {"patient": identifier}, 201)
        pages, cursor = [], ""
        while cursor is not None:
            page = await clinic.json("GET", f"{path}/patients?limit=2{cursor and f'&after={cursor}'}")
            pages.append([one["patient_id"] for one in page["patients"]])
            cursor = page["next"]
        assert [len(page) for page in pages] == [2, 2, 1]
        assert len({one for page in pages for one in page}) == 5
        assert (await clinic.json("GET", f"{path}/patients?limit=5"))["next"] is None
        assert (await clinic.json("GET", path))["members"] == [seat]
        before = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        assert (await clinic.json("POST", f"{path}/close"))["patients"] == 5
        assert (await clinic.json("GET", path))["closed_since"] is not None
        then = await clinic.json("GET", f"{path}?as_of={before}")
        assert (then["closed_since"], then["patients"], len(then["members"])) == (None, 5, 1)
        refused = await clinic.json("POST", f"{path}/members", {"provider": "staff|dana"}, 409)
        assert refused["code"] == "care-team-closed"
        assert (await clinic.json("POST", f"{path}/reopen"))["reopened"] is True
        assert (await clinic.json("POST", f"{path}/reopen"))["reopened"] is False
        await clinic.json("POST", f"{path}/close", {"at": SOON})
        assert (await clinic.json("GET", path))["closed_since"] is None

    on_clinic(in_hospital, work)


def test_broken_rules_are_listed_each_with_a_code_and_a_sentence(in_hospital: Run) -> None:
    async def work(clinic: Clinic) -> None:
        policy = {"largest_team": 1, "roles_held_once": ["attending"], "conflicting_roles": []}
        await clinic.json("PUT", "/v1/policy", {"document": policy})
        team = (await clinic.json("POST", "/v1/care-teams", {"name": "Ward"}, 201))["id"]
        path = f"/v1/care-teams/{team}/members"
        await clinic.json("POST", path, {"provider": "staff|dana", "member_role": "attending"}, 201)
        refused = await clinic.json("POST", path, {"provider": "staff|chen", "member_role": "attending"}, 422)
        assert refused["code"] == "rules-violated"
        assert [one["code"] for one in refused["violations"]] == ["team-full", "role-held-once"]
        assert all(one["sentence"].endswith(".") for one in refused["violations"])
        asked = {"kind": "care-team", "care_team": team, "provider": "staff|chen", "member_role": "attending"}
        told = await clinic.json("POST", "/v1/validations", asked)
        assert told == {"valid": False, "violations": refused["violations"]}
        asked = {"kind": "primary", "patient": "urn:mrn|ines", "provider": "staff|chen"}
        assert await clinic.json("POST", "/v1/validations", asked) == {"valid": True, "violations": []}

    on_clinic(in_hospital, work)


def test_a_specialist_sees_the_patient_while_the_referral_lasts(in_hospital: Run) -> None:
    async def work(clinic: Clinic) -> None:
        await assign(clinic, "adams")
        specialist = {"provider": "staff|chen", "kind": "specialty", "code": CARDIOLOGY}
        asked = {"kind": "specialist", "patient": "urn:mrn|ines", "provider": "staff|chen", "specialty": CARDIOLOGY}
        lacking = await clinic.json("POST", "/v1/validations", asked)
        assert {"specialty-missing", "referral-missing"} <= {one["code"] for one in lacking["violations"]}
        await clinic.json("POST", "/v1/credentials", specialist, 201)
        sent = {"patient": "urn:mrn|ines", "referring": "staff|adams", "specialty_code": CARDIOLOGY, "ends_at": SOON}
        referral = await clinic.json("POST", "/v1/referrals", sent, 201)
        assert (await clinic.json("GET", f"/v1/referrals?patient={clinic.ids['ines']}"))["referrals"] == [referral]
        made = await assign(clinic, "chen", "specialist", specialty=CARDIOLOGY)
        assert (made["referral_id"], made["rests_on"], made["ends_at"]) == (
            referral["id"], [CARDIOLOGY], referral["ends_at"],
        )  # fmt: skip
        assert await code(clinic, "chen") == "allowed"
        await clinic.json("POST", "/v1/credentials/end", specialist)
        assert await code(clinic, "chen") == "no-relationship"
        [suspended] = (await clinic.json("GET", "/v1/suspended"))["suspended"]
        assert (suspended["kind"], suspended["lacking"]) == ("direct-assignment", [CARDIOLOGY])
        await clinic.json("POST", "/v1/credentials", specialist | {"ends_at": SOON}, 201)
        assert await code(clinic, "chen") == "allowed"
        [lapsing] = (await clinic.json("GET", "/v1/credentials/lapsing?days=60"))["lapsing"]
        assert (lapsing["code"], lapsing["assignments"]) == (CARDIOLOGY, 0)
        await clinic.json("POST", f"/v1/referrals/{referral['id']}/redirect", {"provider": "staff|dana"})
        assert await code(clinic, "chen") == "no-relationship"
        await clinic.json("POST", f"/v1/referrals/{referral['id']}/redirect", {"provider": None})
        assert await code(clinic, "chen") == "allowed"
        assert await clinic.json("POST", f"/v1/referrals/{referral['id']}/end") == {"ended": 1}
        assert await code(clinic, "chen") == "no-relationship"

    on_clinic(in_hospital, work)


def test_the_primary_changes_only_for_who_knows_the_version(in_hospital: Run) -> None:
    async def work(clinic: Clinic) -> None:
        first = await assign(clinic, "adams")
        stale = {
            "assignment_type": "primary",
            "patient": "urn:mrn|ines",
            "provider": "staff|brown",
            "version": clinic.ids["chen"],
        }
        assert (await clinic.json("POST", "/v1/assignments", stale, 409))["code"] == "stale-version"
        await assign(clinic, "brown", version=first["id"], previous="end")
        assert [await code(clinic, one) for one in ("adams", "brown")] == ["no-relationship", "allowed"]
        await assign(clinic, "chen", starts_at=SOON)
        named = {"assignment_type": "primary", "patient": "urn:mrn|ines", "provider": "staff|dana", "ends_at": SOON}
        assert (await clinic.json("POST", "/v1/assignments", named, 409))["code"] == "primary-already-assigned"
        restored = (await clinic.json("POST", "/v1/assignments/cancel-handover", {"patient": "urn:mrn|ines"}))[
            "restored"
        ]
        assert (restored["provider_id"], restored["ends_at"]) == (clinic.ids["brown"], None)
        ended = {"patient": "urn:mrn|ines", "provider": "staff|brown", "assignment_type": "primary"}
        assert await clinic.json("POST", "/v1/assignments/end", ended) == {"ended": 1}
        assert (await clinic.json("POST", "/v1/assignments/end", ended, 404))["code"] == "assignment-not-found"

    on_clinic(in_hospital, work)


def test_standing_in_gives_access_and_the_chain_says_where_it_stops(in_hospital: Run) -> None:
    async def work(clinic: Clinic) -> None:
        await assign(clinic, "adams")
        cover = {"starts_at": EARLIER, "ends_at": SOON}
        made = await clinic.json(
            "POST", "/v1/coverage-arrangements", {"covered": "staff|adams", "covering": "staff|brown", **cover}, 201
        )
        await clinic.json(
            "POST", "/v1/coverage-arrangements",
            {"covered": "staff|brown", "covering": "staff|chen", "coverage_type": "on_call", **cover}, 201,
        )  # fmt: skip
        assert [await code(clinic, one) for one in ("brown", "chen")] == ["allowed", "no-relationship"]
        told = await clinic.json("POST", "/v1/responsible", {"patient": "urn:mrn|ines"})
        ids = clinic.ids
        assert [one["provider_id"] for one in told["chain"]] == [ids["adams"], ids["brown"], ids["chen"]]
        assert (told["responsible"], told["access_stops_at"]) == (ids["chen"], ids["chen"])
        assert [one["why_not"] for one in told["chain"]] == [None, None, "one-hop"]
        await clinic.json("POST", "/v1/absences", {"provider": "staff|dana", "starts_at": EARLIER}, 201)
        seen = await clinic.json("GET", "/v1/coverage-forecast?days=7")
        assert {(one["kind"], one["provider_id"]) for one in seen["gaps"]} == {
            ("covering-provider-covered", ids["adams"]),
            ("absent-without-coverage", ids["dana"]),
        }
        listed = await clinic.json("GET", f"/v1/coverage-arrangements?provider={ids['adams']}")
        assert listed["coverage_arrangements"] == made["rows"]
        assert await clinic.json("DELETE", f"/v1/coverage-arrangements/{made['arrangement_id']}") == {"ended": 1}
        assert await code(clinic, "brown") == "no-relationship"

    on_clinic(in_hospital, work)


def test_a_rota_shown_beforehand_is_the_rota_arranged_and_showing_it_writes_nothing(in_hospital: Run) -> None:
    async def work(clinic: Clinic) -> None:
        rota = {
            "covered": "staff|adams", "covering": ["staff|brown", "staff|chen"], "rule": "FREQ=DAILY;COUNT=3",
            "first": "2090-03-25T18:00", "lasts": "PT14H", "time_zone": "Europe/Berlin",
        }  # fmt: skip
        before = await clinic.entries()
        shown = (await clinic.json("POST", "/v1/rotas?preview=true", rota))["turns"]
        assert await clinic.entries() == before
        assert [one["covering"] for one in shown] == ["staff|brown", "staff|chen", "staff|brown"]
        assert shown[0]["starts_at"] == "2090-03-25T17:00:00Z"
        # The night in which the clocks go forward; by the clock on the wall, 18:00 is 16:00 UTC from then on.
        assert shown[1]["starts_at"] == "2090-03-26T16:00:00Z"
        rows = (await clinic.json("POST", "/v1/rotas", rota, 201))["rows"]
        assert [(one["starts_at"], one["duty_ends_at"]) for one in rows] == [
            (one["starts_at"], one["ends_at"]) for one in shown
        ]
        by_clock = await clinic.json("POST", "/v1/rotas?preview=true", rota | {"lasts": "08:00"})
        assert by_clock["turns"] == shown

    on_clinic(in_hospital, work)


def test_restrictions_take_access_away_and_reading_them_is_on_record(in_hospital: Run) -> None:
    async def work(clinic: Clinic) -> None:
        await assign(clinic, "adams")
        ids = clinic.ids
        team = (await clinic.json("POST", "/v1/care-teams", {"name": "Ward"}, 201))["id"]
        await clinic.json("POST", f"/v1/care-teams/{team}/members", {"provider": ids["dana"]}, 201)
        await clinic.json("POST", f"/v1/care-teams/{team}/patients", {"patient": ids["ines"]}, 201)
        objection = {"kind": "objection", "patient": "urn:mrn|ines", "provider": "staff|adams"}
        made = await clinic.json("POST", "/v1/restrictions", objection, 201)
        label = await clinic.json("POST", "/v1/labels", {"patient": "urn:mrn|ines", "label": "PSY"}, 201)
        for provider in ("adams", "dana"):
            asked = question(ids[provider], ids["ines"])
            answer = (await clinic.client.post("/access/v1/evaluation", json=asked)).text
            assert '"code":"restricted"' in answer
            assert not any(told in answer for told in ("objection", '"PSY"', "sensitivity", made["id"], label["id"]))
        listed = (await clinic.json("GET", f"/v1/restrictions?patient={ids['ines']}"))["restrictions"]
        assert [(one["kind"], one["label"]) for one in listed] == [("objection", None), ("sensitivity", "PSY")]
        [reading] = await clinic.entries("reading")
        assert (reading["code"], reading["detail"]) == ("restrictions-read", '{"restrictions":2}')
        # What one kind of address lifts, the other does not, and neither lifts half.
        for wrong in (f"/v1/labels/{made['id']}", f"/v1/restrictions/{label['id']}"):
            assert (await clinic.json("DELETE", wrong, status=404))["code"] == "restriction-not-found"
        assert (await clinic.json("GET", "/v1/restrictions"))["restrictions"] == listed
        await clinic.json("DELETE", f"/v1/labels/{label['id']}")
        assert [await code(clinic, one) for one in ("adams", "dana")] == ["restricted", "allowed"]
        await clinic.json("DELETE", f"/v1/restrictions/{made['id']}")
        assert await code(clinic, "adams") == "allowed"

    on_clinic(in_hospital, work)


def test_being_told_of_an_objection_is_on_record(in_hospital: Run) -> None:
    async def work(clinic: Clinic) -> None:
        objection = {"kind": "objection", "patient": "urn:mrn|ines", "provider": "staff|adams"}
        await clinic.json("POST", "/v1/restrictions", objection, 201)
        asked = {"kind": "primary", "patient": "urn:mrn|ines"}
        assert (await clinic.json("POST", "/v1/validations", asked | {"provider": "staff|brown"}))["valid"] is True
        assert await clinic.entries("reading") == []
        told = await clinic.json("POST", "/v1/validations", asked | {"provider": "staff|adams"})
        assert [one["code"] for one in told["violations"]] == ["patient-objects"]
        assert [one["code"] for one in await clinic.entries("reading")] == ["objection-told"]

    on_clinic(in_hospital, work)


def test_a_policy_has_versions(in_hospital: Run) -> None:
    async def work(clinic: Clinic) -> None:
        assert (await clinic.json("GET", "/v1/policy"))["version"] == 0
        first = await clinic.json("PUT", "/v1/policy", {"document": {"actions": ["discharge"]}})
        await clinic.json("PUT", "/v1/policy", {"document": {}, "starts_at": SOON})
        assert (await clinic.json("GET", "/v1/policy"))["document"] == first["document"]
        assert (await clinic.json("GET", f"/v1/policy?as_of={LATER.replace('+00:00', 'Z')}"))["version"] == 2
        versions = (await clinic.json("GET", "/v1/policy/versions"))["versions"]
        assert [(one["version"], one["ends_at"] is None) for one in versions] == [(1, False), (2, True)]
        past = (datetime.now(UTC) - timedelta(days=1)).isoformat()
        for said, wanted in (({"largest_team": 0}, "invalid-policy"), ({"nothing": 1}, "invalid-policy")):
            assert (await clinic.json("PUT", "/v1/policy", {"document": said}, 400))["code"] == wanted
        refused = await clinic.json("PUT", "/v1/policy", {"document": {}, "starts_at": past}, 400)
        assert refused["code"] == "invalid-period"

    on_clinic(in_hospital, work)


def test_two_records_are_merged_and_taken_apart(in_hospital: Run) -> None:
    async def work(clinic: Clinic) -> None:
        await assign(clinic, "adams")
        twin = {"assignment_type": "primary", "patient": "urn:mrn|twin", "provider": "staff|brown"}
        await clinic.json("POST", "/v1/assignments", twin, 201)
        merging = {"patient": "urn:mrn|twin", "into": "urn:mrn|ines"}
        merged = await clinic.json("POST", "/v1/patients/merge", merging)
        assert (merged["patient_id"], merged["into_patient_id"]) == (clinic.ids["twin"], clinic.ids["ines"])
        assert [one["became"] for one in merged["changed"]] == ["demoted"]
        assert await code(clinic, "brown", patient="twin") == await code(clinic, "brown") == "allowed"
        assert (await clinic.json("POST", "/v1/patients/merge", merging, 409))["code"] == "already-merged"
        unmerged = await clinic.json("POST", "/v1/patients/unmerge", {"patient": "urn:mrn|twin"})
        assert unmerged["restored"] == merged["moved"]
        assert await code(clinic, "brown") == "no-relationship"
        assert await code(clinic, "brown", "share", "twin") == "allowed"

    on_clinic(in_hospital, work)
