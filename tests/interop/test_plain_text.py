"""Nothing that names a patient is kept in plain: no name, no identifier, no id or reference that may be an MRN."""

from __future__ import annotations

from carecircle.identifiers import to_text
from tests.interop.conftest import OnWard
from tests.interop.test_people import MRN, OPEN, mrn
from tests.interop.ward import Ward, care_team, encounter, participant, patient, practitioner, to


def test_no_name_or_identifier_of_a_patient_is_kept_in_plain(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        known = patient("p", **mrn("mrn-4711"), birthDate="1977-07-07", generalPractitioner=[to("Practitioner/none")])
        team = care_team("t", to("Practitioner/d"), name="Team of Secretp")
        await ward.take(practitioner("d"), known, team, encounter("e", participant("ATND", to("Practitioner/none"))))
        assert len(await ward.findings()) == 2
        kept = [str([tuple(row) for row in await ward.audit()])]
        for table in (
            "patients",
            "patient_identifiers",
            "findings",
            "care_teams",
            "patient_assignments",
            "source_records",
        ):
            kept.append(str(await ward.rows(f"select t::text from carecircle.{table} t")))  # noqa: PERF401
        for secret in ("Secretp", "mrn-4711", "1977-07-07"):
            assert secret not in "".join(kept)
        # The positive control: a provider's name is there to be read.
        assert "('d'," in str([tuple(row) for row in await ward.rows("select name from carecircle.providers")])

    on_ward(body)


def test_an_id_or_reference_that_is_an_mrn_is_kept_nowhere_in_plain(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        unknown = {"identifier": {"system": MRN, "value": "mrn-4712"}}
        by_query = to(f"Patient?identifier={MRN}|mrn-4713")
        gone = patient(
            "mrn-4714", link=[{"other": to("Patient/mrn-4711"), "type": "replaced-by"}],
            generalPractitioner=[to("Practitioner/d")],
        )  # fmt: skip
        resources = [
            practitioner("d"),
            patient("mrn-4711", generalPractitioner=[to("Practitioner/d"), to("Practitioner/gone"), unknown]),
            patient("mrn-4715", link=[{"other": to("Patient/mrn-4716"), "type": "replaced-by"}]),
            gone,
            encounter("e", participant("ATND", unknown), participant("ATND", to("urn:uuid:mrn-4717"))),
            care_team("t", unknown, by_query, to("Patient/mrn-4718"), subject=to("Patient/mrn-4711"), period=OPEN),
        ]
        await ward.take(*(one | {"link": []} if one is gone else one for one in resources))
        await ward.take(*resources)
        assert len(await ward.findings()) >= 6
        kept = [str([tuple(row) for row in await ward.audit()])]
        for table in ("findings", "patient_assignments", "care_team_patients", "source_records", "patient_identifiers"):
            kept.append(str(await ward.rows(f"select t::text from carecircle.{table} t")))  # noqa: PERF401
        for number in range(4711, 4719):
            assert f"mrn-{number}" not in "".join(kept)
        # The positive control: whoever may look it up still finds the patient, in the audit log by our own id.
        patient_id = await ward.patient("Patient/mrn-4711")
        assert f"Patient/{to_text(patient_id)}" in kept[0]
        assert any("Practitioner/gone" in told for told in kept)
        assert (await ward.take(*resources)).changed_nothing

    on_ward(body)
