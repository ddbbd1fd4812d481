"""Patients, providers, units and their facts over HTTP: registered once, found by a body, read on record, corrected by ETag."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from carecircle.identifiers import new_id, parse_id, to_text
from tests.api.clinic import SOON, Clinic, bearer
from tests.api.test_around_the_patient import on_clinic
from tests.conftest import Hospital

Run = Callable[[Callable[[Hospital], Any]], Any]
MRN = "urn:mrn|nova"


def test_a_patient_is_registered_once_and_read_on_record(in_hospital: Run) -> None:
    async def work(clinic: Clinic) -> None:
        said = {"identifiers": [MRN, "urn:nhs|1"], "name": "Nova Keller", "birth_date": "1970-01-31", "sex": "female"}
        first = await clinic.json("POST", "/v1/patients", said, 201)
        again = await clinic.json("POST", "/v1/patients", {"identifiers": [MRN]}, 200)
        assert (first["added"], again) == (True, {"id": first["id"], "added": False})
        found = await clinic.json("POST", "/v1/patients/look-up", {"identifier": "urn:nhs|1"})
        assert found == {"id": first["id"], "merged_from_id": None}
        read = await clinic.json("GET", f"/v1/patients/{first['id']}")
        assert read == {
            "id": first["id"], "merged_into_id": None, "identifiers": [MRN, "urn:nhs|1"], "name": "Nova Keller",
            "birth_date": "1970-01-31", "sex": "female",
        }  # fmt: skip
        left = [one for one in await clinic.entries() if one["patient_id"] == parse_id(first["id"])]
        assert [one["code"] for one in left] == ["patient-registered", "patient-looked-up", "patient-read"]
        assert not any(word in str(list(map(dict, left))) for word in ("Keller", "nova", "1970"))

    on_clinic(in_hospital, work)


def test_who_is_registered_can_be_found_again_under_every_id(in_hospital: Run) -> None:
    async def work(clinic: Clinic) -> None:
        own = to_text(new_id())
        assert (await clinic.json("POST", "/v1/patients", {"id": own}, 201))["id"] == own
        assert (await clinic.json("POST", "/v1/providers", {"id": "staff|nova", "name": "N"}, 201))["added"]
        provider = await clinic.json("POST", "/v1/providers/look-up", {"identifier": "staff|nova"})
        assert (provider["name"], provider["identifiers"]) == ("N", ["staff|nova"])
        unfindable: tuple[dict[str, Any], ...] = (
            {"name": "Nobody"}, {"identifiers": []}, {"id": own, "birth_date": "31.1.1970"},
        )  # fmt: skip
        for said in unfindable:
            assert (await clinic.json("POST", "/v1/patients", said, 400))["code"] == "invalid-request"
        both = {"identifiers": ["urn:mrn|ines", "urn:mrn|twin"]}
        assert (await clinic.json("POST", "/v1/patients", both, 409))["code"] == "identifier-taken"
        # Of a record that was merged, both doors say who the patient is now.
        ines, twin = clinic.ids["ines"], clinic.ids["twin"]
        await clinic.json("POST", "/v1/patients/merge", {"patient": twin, "into": ines})
        found = await clinic.json("POST", "/v1/patients/look-up", {"identifier": "urn:mrn|twin"})
        assert found == {"id": ines, "merged_from_id": twin}
        assert (await clinic.json("GET", f"/v1/patients/{twin}"))["merged_into_id"] == ines

    on_clinic(in_hospital, work)


def test_who_is_unknown_is_not_found_and_what_cannot_be_read_is_not_repeated(in_hospital: Run) -> None:
    async def work(clinic: Clinic) -> None:
        nobody, adams = to_text(new_id()), clinic.ids["adams"]
        before = len(await clinic.entries())
        for method, path, said in (
            ("POST", "/v1/patients/look-up", {"identifier": "urn:mrn|nobody"}),
            ("GET", f"/v1/patients/{nobody}", None),
            ("GET", f"/v1/patients/{nobody}/assignments", None),
            ("GET", f"/v1/patients/{nobody}/primary-provider", None),
            ("POST", f"/v1/patients/{nobody}/primary-provider?provider_id={adams}", None),
            ("GET", f"/v1/assignments/{nobody}", None),
        ):
            assert (await clinic.json(method, path, said, 404))["code"].endswith(("not-registered", "not-found")), path
        assert {one["kind"] for one in (await clinic.entries())[before:]} == {"refusal"}
        assert (await clinic.json("GET", f"/v1/patients/{nobody}/circle", None, 404))[
            "code"
        ] == "patient-not-registered"
        for path in (f"/v1/providers/{nobody}", f"/v1/providers/{nobody}/roles"):
            assert (await clinic.json("GET", path, None, 404))["code"] == "provider-not-registered"
        # What cannot be kept, or has no place in an address, is refused, and not repeated.
        ines, dana = clinic.ids["ines"], clinic.ids["dana"]
        odd = "\u0000Miller"
        spoilt: tuple[tuple[str, str, Any], ...] = (
            ("POST", "/v1/patients", {"identifiers": [odd]}),
            ("POST", "/v1/patients", {"identifiers": ["a|b"], "sex": odd}),
            ("POST", "/v1/patients", {"identifiers": [to_text(new_id())]}),
            ("POST", "/v1/providers", {"identifiers": ["a|b"], "name": odd}),
            ("POST", "/v1/patients/look-up", {"identifier": odd}),
            ("POST", f"/v1/providers/{dana}/roles", {"role_code": odd}),
            ("POST", f"/v1/providers/{dana}/roles", {"role_code": "nurse", "specialty_code": odd}),
            ("POST", "/v1/check", {"provider": dana, "patient": ines, "purpose": odd}),
            ("POST", "/v1/check", {"provider": dana, "patient": ines, "as_of": "yesterday"}),
            ("PATCH", f"/v1/assignments/{nobody}", {}),
            ("GET", f"/v1/patients/{ines}/circle?action=Miller", None),
            ("GET", f"/v1/patients/{ines}?name=Miller", None),
            ("GET", "/v1/patients/urn:mrn%7CMiller", None),
        )
        for method, path, sent in spoilt:
            answer = await clinic.client.request(method, path, json=sent)
            assert (answer.status_code, "Miller" in answer.text) == (400, False), (path, answer.text)

    on_clinic(in_hospital, work)


def test_the_documents_route_has_its_parameters_and_its_answer(in_hospital: Run) -> None:
    async def work(clinic: Clinic) -> None:
        patient, adams, brown = (parse_id(clinic.ids[name]) for name in ("ines", "adams", "brown"))
        path = f"/v1/patients/{patient}/primary-provider"
        assert await clinic.json("GET", path) == {"primary_provider_id": None}
        for provider in (adams, brown):
            answer = await clinic.client.post(path, params={"provider_id": str(provider)})
            assert (answer.status_code, answer.json()) == (
                200, {"status": "success", "primary_provider_id": str(provider)},
            )  # fmt: skip
        read = await clinic.client.get(path)
        assert read.json() == {"primary_provider_id": str(brown)}
        assert read.headers["etag"] == answer.headers["etag"]
        held = (await clinic.json("GET", f"/v1/patients/{patient}/assignments"))["assignments"]
        assert [(UUID(int=parse_id(one["provider_id"]).int), one["assignment_type"]) for one in held] == [
            (adams, "consulting"), (brown, "primary"),
        ]  # fmt: skip
        # Somebody else was quicker: whoever read what was before is told so.
        await clinic.client.post(path, params={"provider_id": str(adams)})
        refused = await clinic.client.post(
            path, params={"provider_id": str(brown)}, headers={"if-match": read.headers["etag"]}
        )
        assert (refused.status_code, refused.json()["code"]) == (412, "precondition-failed")
        assert (await clinic.client.post(path)).status_code == 400

    on_clinic(in_hospital, work)


def test_an_assignment_is_corrected_by_who_knows_its_row(in_hospital: Run) -> None:
    async def work(clinic: Clinic) -> None:
        ids = clinic.ids
        said = {"assignment_type": "attending", "patient": ids["ines"], "provider": ids["dana"]}
        row = (await clinic.json("POST", "/v1/assignments", said, 201))["id"]
        read = await clinic.client.get(f"/v1/assignments/{row}")
        assert (read.headers["etag"], read.json()["superseded_at"]) == (f'"{row}"', None)
        another = {"if-match": f'"{to_text(new_id())}"'}
        late = await clinic.client.patch(f"/v1/assignments/{row}", headers=another, json={"ends_at": SOON})
        assert (late.status_code, late.json()["code"]) == (412, "precondition-failed")
        right = await clinic.client.patch(
            f"/v1/assignments/{row}",
            headers={"if-match": read.headers["etag"]},
            json={"scope": ["read"], "ends_at": SOON},
        )
        fresh = right.json()
        assert (right.status_code, fresh["scope"], fresh["lineage_id"]) == (200, ["read"], row)
        assert right.headers["etag"] == f'"{fresh["id"]}"' != read.headers["etag"]
        # The row that was believed stays on record; it is another version of itself, and nothing can be built on it.
        old = await clinic.client.get(f"/v1/assignments/{row}")
        assert old.json()["superseded_at"] == fresh["recorded_at"]
        assert old.headers["etag"] != read.headers["etag"]
        assert (await clinic.json("PATCH", f"/v1/assignments/{row}", {"ends_at": SOON}, 404))[
            "code"
        ] == "assignment-not-found"
        path = f"/v1/patients/{ids['ines']}/assignments"
        assert [one["id"] for one in (await clinic.json("GET", path))["assignments"]] == [fresh["id"]]
        first = await clinic.json("GET", f"{path}?history=true&limit=1")
        rest = await clinic.json("GET", f"{path}?history=true&after={first['next']}")
        assert [one["id"] for one in (*first["assignments"], *rest["assignments"])] == [row, fresh["id"]]
        assert rest["next"] is None

    on_clinic(in_hospital, work)


def test_roles_and_providers_are_listed_page_by_page(in_hospital: Run) -> None:
    async def work(clinic: Clinic) -> None:
        dana = clinic.ids["dana"]
        roles = f"/v1/providers/{dana}/roles"
        nurse = await clinic.json("POST", roles, {"role_code": "nurse"}, 201)
        assert (await clinic.json("POST", roles, {"role_code": "nurse"}, 201))["id"] == nurse["id"]
        await clinic.json("POST", roles, {"role_code": "midwife", "starts_at": SOON}, 201)
        assert (await clinic.json("POST", roles, {"role_code": "a role"}, 400))["code"] == "invalid-request"
        assert (await clinic.json("POST", roles, {"role_code": "nurse", "unit": "urn:ward|0"}, 404))["code"] == (
            "unit-not-registered"
        )
        await clinic.json("DELETE", f"{roles}/{nurse['id']}")
        await clinic.json("DELETE", f"{roles}/{nurse['id']}", None, 404)
        held = (await clinic.json("GET", roles))["roles"]
        assert [(one["role_code"], one["ends_at"] is None) for one in held] == [("nurse", False), ("midwife", True)]
        assert (await clinic.json("GET", f"{roles}?as_of={SOON.replace('+', '%2B')}"))["roles"] == held[1:]
        seen, address = [], "/v1/providers?limit=3"
        while address:
            page = await clinic.json("GET", address)
            seen += [one["id"] for one in page["providers"]]
            address = page["next"] and f"/v1/providers?limit=3&after={page['next']}"
        assert seen == sorted(clinic.ids[name] for name in ("adams", "brown", "chen", "dana"))

    on_clinic(in_hospital, work)


def test_who_administers_keeps_units_and_specialties(in_hospital: Run) -> None:
    async def work(clinic: Clinic) -> None:
        administering = bearer(clinic.hospital, clinic.hospital.organization, "administer")
        unit, codes = {"identifier": "urn:ward|7", "name": "Ward 7"}, {"specialties": [{"code": "X1", "display": "X"}]}
        for path, said in (("/v1/units", unit), ("/v1/specialties", codes)):
            refused = await clinic.client.post(path, json=said, headers=clinic.bearer("change"))
            assert (refused.status_code, refused.json()["code"]) == (403, "permission-required")
        made = await clinic.client.post("/v1/units", json=unit, headers=administering)
        again = await clinic.client.post("/v1/units", json=unit | {"name": "Other"}, headers=administering)
        assert made.json() == again.json() == (await clinic.json("GET", "/v1/units"))["units"][0]
        loaded = await clinic.client.post("/v1/specialties", json=codes, headers=administering)
        assert loaded.json() == {"added": 1, "changed": 0, "unchanged": 0}
        assert (await clinic.json("GET", "/v1/specialties"))["specialties"] == codes["specialties"]
        spoilt = {"specialties": [{"code": "a b", "display": "X"}]}
        assert (await clinic.client.post("/v1/specialties", json=spoilt, headers=administering)).status_code == 400
        assert (await clinic.json("GET", "/v1/organization"))["slug"] == clinic.hospital.slug
        ward = {"role_code": "nurse", "unit": "urn:ward|7", "specialty_code": "X1"}
        role = await clinic.json("POST", f"/v1/providers/{clinic.ids['dana']}/roles", ward, 201)
        assert (role["unit_id"], role["specialty_code"]) == (made.json()["id"], "X1")

    on_clinic(in_hospital, work)


def test_a_draft_of_a_policy_is_looked_at_and_not_set(in_hospital: Run) -> None:
    async def work(clinic: Clinic) -> None:
        draft = await clinic.json("POST", "/v1/policy/validation", {"document": {"largest_team": 40}})
        assert (draft["valid"], draft["changes"]) == (True, [{"key": "largest_team", "before": 100, "after": 40}])
        wrong = await clinic.json("POST", "/v1/policy/validation", {"document": {"largest_team": 0, "nonsense": 1}})
        assert (wrong["valid"], wrong["document"], wrong["changes"]) == (False, None, [])
        assert all(word in wrong["problem"] for word in ("largest_team", "nonsense"))
        assert (await clinic.json("GET", "/v1/policy"))["version"] == 0
        for most in (40, 50):
            await clinic.json("PUT", "/v1/policy", {"document": {"largest_team": most}})
        first = await clinic.json("GET", "/v1/policy/versions?limit=1")
        rest = await clinic.json("GET", f"/v1/policy/versions?after={first['next']}")
        assert [one["version"] for one in (*first["versions"], *rest["versions"])] == [1, 2]
        assert (await clinic.json("GET", "/v1/policy/versions/1"))["document"]["largest_team"] == 40
        await clinic.json("GET", "/v1/policy/versions/3", None, 404)

    on_clinic(in_hospital, work)


def test_a_preview_leaves_nothing_and_keepers_alone_are_told_of_labels(in_hospital: Run) -> None:
    async def work(clinic: Clinic) -> None:
        ids = clinic.ids
        said = {"assignment_type": "attending", "patient": ids["twin"], "provider": ids["dana"]}
        await clinic.json("POST", "/v1/assignments", said, 201)
        await clinic.json("POST", "/v1/credentials", {"provider": ids["dana"], "kind": "licence", "code": "L"}, 201)
        team = (await clinic.json("POST", "/v1/care-teams", {"name": "Ward"}, 201))["id"]
        before = len(await clinic.entries())
        for path, body in (
            ("/v1/patients/merge", {"patient": ids["twin"], "into": ids["ines"]}),
            ("/v1/credentials/end", {"provider": ids["dana"], "kind": "licence", "code": "L"}),
            (f"/v1/care-teams/{team}/close", None),
        ):
            seen = await clinic.json("POST", f"{path}?preview=true", body)
            assert len(await clinic.entries()) == before, path
            done = await clinic.json("POST", path, body)
            assert {
                key: seen[key] for key in seen if not key.endswith(("merge_id", "since"))
            }.items() <= done.items(), path
            before += 1
        refused = await clinic.client.post(
            "/v1/patients/merge?preview=true", json={"patient": ids["twin"], "into": ids["ines"]},
            headers=clinic.bearer("ask"),
        )  # fmt: skip
        assert refused.status_code == 403
        await clinic.json("POST", "/v1/labels", {"patient": ids["ines"], "label": "CEL"}, 201)
        await clinic.json("POST", "/v1/restrictions", {"kind": "suspension", "provider": ids["dana"]}, 201)
        labels = (await clinic.json("GET", f"/v1/labels?patient={ids['ines']}"))["labels"]
        assert [(one["kind"], one["label"]) for one in labels] == [("sensitivity", "CEL")]
        page = await clinic.json("GET", "/v1/restrictions?limit=1")
        rest = await clinic.json("GET", f"/v1/restrictions?after={page['next']}")
        assert [one["kind"] for one in (*page["restrictions"], *rest["restrictions"])] == ["sensitivity", "suspension"]
        asking = await clinic.client.get("/v1/labels", headers=clinic.bearer("ask"))
        assert asking.status_code == 403

    on_clinic(in_hospital, work)
