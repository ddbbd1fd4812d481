"""Reading about patients leaves an entry with ids and counts; what a caller writes stands in no entry and no sentence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.api.clinic import CARDIOLOGY, EARLIER, SOON, Clinic
from tests.api.test_around_the_patient import assign, on_clinic
from tests.conftest import Hospital

Run = Callable[[Callable[[Hospital], Any]], Any]
A_NAME = "Mrs Miller 1970-01-01"


async def left_by(clinic: Clinic, path: str) -> list[tuple[str, str, str | None, str | None]]:
    """What one reading leaves: kind, code, whether it is about the patient, and detail."""
    before = len(await clinic.entries())
    await clinic.json("GET", path)
    return [
        (one["kind"], one["code"], one["patient_id"] and "patient", one["detail"])
        for one in (await clinic.entries())[before:]
    ]


def test_each_reading_about_patients_is_on_record(in_hospital: Run) -> None:
    async def work(clinic: Clinic) -> None:
        ines, adams = clinic.ids["ines"], clinic.ids["adams"]
        team = (await clinic.json("POST", "/v1/care-teams", {"name": "Ward"}, 201))["id"]
        await clinic.json("POST", f"/v1/care-teams/{team}/patients", {"patient": ines}, 201)
        await assign(clinic, "adams")
        await clinic.json(
            "POST", "/v1/referrals", {"patient": ines, "referring": adams, "specialty_code": CARDIOLOGY}, 201
        )
        assert await left_by(clinic, f"/v1/referrals?patient={ines}") == [
            ("reading", "referrals-read", "patient", '{"referrals":1}')
        ]
        assert await left_by(clinic, f"/v1/care-teams/{team}/patients") == [
            ("reading", "team-patients-read", "patient", f'{{"care_team":"{team}","patients":1}}')
        ]
        # What names no patient is nobody's business, and leaves nothing.
        said = {"covered": adams, "covering": clinic.ids["brown"], "starts_at": EARLIER, "ends_at": SOON}
        await clinic.json("POST", "/v1/coverage-arrangements", said, 201)
        for path in ("/v1/coverage-arrangements", "/v1/suspended", "/v1/coverage-forecast"):
            assert await left_by(clinic, path) == [], path
        for name in ("dana", "chen"):
            named = said | {"covering": clinic.ids[name], "patients": [ines]}
            await clinic.json("POST", "/v1/coverage-arrangements", named, 201)
        named = said | {"covering": clinic.ids["chen"], "patients": [clinic.ids["twin"]]}
        await clinic.json("POST", "/v1/coverage-arrangements", named, 201)
        assert await left_by(clinic, "/v1/coverage-arrangements") == [
            ("reading", "coverage-read", None, '{"patients":2,"rows":4}')
        ]
        assert await left_by(clinic, "/v1/coverage-forecast") == [
            ("reading", "coverage-forecast-read", "patient", '{"days":14,"patients":1}')
        ]
        await clinic.json(
            "POST", "/v1/credentials", {"provider": clinic.ids["dana"], "kind": "licence", "code": "L"}, 201
        )
        await assign(clinic, "dana", "attending", rests_on=["licence"])
        assert await left_by(clinic, "/v1/suspended") == []
        await clinic.json(
            "POST", "/v1/credentials/end", {"provider": clinic.ids["dana"], "kind": "licence", "code": "L"}
        )
        assert await left_by(clinic, "/v1/suspended") == [
            ("reading", "suspended-read", "patient", '{"patients":1,"rows":1}')
        ]

    on_clinic(in_hospital, work)


def test_asking_who_answers_for_somebody_unknown_is_on_record(in_hospital: Run) -> None:
    async def work(clinic: Clinic) -> None:
        await clinic.json("POST", "/v1/responsible", {"patient": "urn:mrn|ines"})
        answer = await clinic.json("POST", "/v1/responsible", {"patient": "urn:mrn|nobody"}, 404)
        assert answer["code"] == "patient-not-registered"
        left = [(one["kind"], one["code"]) for one in (await clinic.entries())[-2:]]
        assert left == [("reading", "responsible-asked"), ("refusal", "patient-not-registered")]

    on_clinic(in_hospital, work)


def test_an_empty_list_of_patients_covers_nobody(in_hospital: Run) -> None:
    async def work(clinic: Clinic) -> None:
        said = {
            "covered": clinic.ids["adams"], "covering": clinic.ids["brown"], "starts_at": EARLIER, "ends_at": SOON,
        }  # fmt: skip
        refused = await clinic.json("POST", "/v1/coverage-arrangements", said | {"patients": []}, 400)
        assert refused["code"] == "invalid-request"
        assert refused["detail"].startswith("Name at least one patient")
        assert (await clinic.json("GET", "/v1/coverage-arrangements"))["coverage_arrangements"] == []
        made = await clinic.json("POST", "/v1/coverage-arrangements", said | {"patients": None}, 201)
        assert [one["patient_id"] for one in made["rows"]] == [None]

    on_clinic(in_hospital, work)


def test_what_is_written_for_a_code_stands_nowhere(in_hospital: Run) -> None:
    async def work(clinic: Clinic) -> None:
        await assign(clinic, "adams")
        ines, adams, dana = clinic.ids["ines"], clinic.ids["adams"], clinic.ids["dana"]
        licence = {"provider": dana, "kind": "licence", "code": "Secret-7"}
        referral = {"patient": ines, "referring": adams, "specialty_code": CARDIOLOGY}
        asked = {"kind": "specialist", "patient": ines, "provider": dana, "specialty": A_NAME}
        for path, said, status in (
            ("/v1/credentials", licence | {"code": A_NAME}, 400),
            ("/v1/credentials", licence | {"code": "x" * 65}, 400),
            ("/v1/credentials/renew", licence | {"code": A_NAME}, 404),
            ("/v1/credentials/end", licence | {"code": A_NAME}, 404),
            ("/v1/referrals", referral | {"specialty_code": A_NAME}, 400),
            ("/v1/validations", asked, 200),
        ):
            answer = await clinic.client.post(path, json=said)
            assert (answer.status_code, "Miller" in answer.text, "xxxx" in answer.text) == (status, False, False), path
        await clinic.json("POST", "/v1/credentials", licence, 201)
        await clinic.json("POST", "/v1/credentials/renew", licence)
        await clinic.json("POST", "/v1/credentials/end", licence)
        await clinic.json("POST", "/v1/referrals", referral, 201)
        left = await clinic.entries("change")
        told = " ".join(one["detail"] or "" for one in left)
        assert {"credential-added", "credential-ended", "referred"} <= {one["code"] for one in left}
        assert "lineage" in told
        assert "referral" in told
        assert not any(word in told for word in ("Secret-7", CARDIOLOGY, "Miller"))

    on_clinic(in_hospital, work)
