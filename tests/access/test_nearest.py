"""Why not, when somebody stands in: what the covered provider's own path rests on counts as lacking too."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from carecircle.assignments.service import add_assignment
from carecircle.care_teams.service import add_member, add_patient, create_team
from carecircle.directory.credential_service import add_credential, end_credential
from carecircle.referrals.service import end_referral, refer
from carecircle.staffing.specialist_service import assign_specialist
from tests.conftest import Hospital
from tests.coverage.clinic import Clinic

Run = Callable[[Callable[[Hospital], Any]], Any]
SPECIALTY = "207RC0000X"


def test_cover_of_an_assignment_or_a_seat_whose_licence_lapsed_is_the_nearest_path(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital)
        assigned, looked_after = await hospital.patient(), await hospital.patient()
        await clinic.do(add_credential, provider=clinic.c, kind="licence", code="L1")
        await clinic.do(add_assignment, patient=assigned, provider=clinic.c, rests_on=["licence"])
        team = await clinic.do(create_team, name="North")
        await clinic.do(add_member, care_team_id=team, provider=clinic.c, rests_on=["licence"])
        await clinic.do(add_patient, care_team_id=team, patient=looked_after)
        [row] = await clinic.cover(clinic.c, clinic.b)
        for patient in (assigned, looked_after):
            assert await clinic.may(clinic.b, patient=patient)
        await clinic.do(end_credential, provider=clinic.c, kind="licence", code="L1")
        # That the one who stands in holds a licence does not help: it is the other's that is asked for.
        await clinic.do(add_credential, provider=clinic.b, kind="licence", code="L2")
        for patient in (assigned, looked_after):
            decision = await clinic.ask(clinic.b, patient=patient)
            assert (decision.allowed, decision.code) == (False, "no-relationship")
            assert decision.nearest is not None
            assert (decision.nearest.lack, decision.nearest.kind, decision.nearest.id) == ("lapsed", "coverage", row.id)
            assert decision.nearest.lacking == ("licence",)
            assert [one.kind for one in decision.remedies] == ["renew-credential"]
        await clinic.do(add_credential, provider=clinic.c, kind="licence", code="L3")
        for patient in (assigned, looked_after):
            assert await clinic.may(clinic.b, patient=patient)

    in_hospital(body)


def test_cover_of_a_specialist_whose_referral_ended_lacks_the_referral(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital)
        until = clinic.now + timedelta(days=30)
        await clinic.do(add_credential, provider=clinic.c, kind="specialty", code=SPECIALTY)
        referral = await clinic.do(
            refer, patient=clinic.patient, referring=clinic.a, specialty_code=SPECIALTY, ends_at=until
        )
        await clinic.do(
            assign_specialist, patient=clinic.patient, provider=clinic.c, specialty=SPECIALTY, ends_at=until
        )
        await clinic.cover(clinic.c, clinic.b)
        assert await clinic.may(clinic.b)
        await clinic.do(end_referral, referral_id=referral.lineage_id)
        decision = await clinic.ask(clinic.b)
        assert decision.nearest is not None
        assert (decision.nearest.lack, decision.nearest.lacking) == ("lapsed", ("referral",))

    in_hospital(body)


def test_cover_that_holds_but_lacks_the_action_says_so(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital)
        await clinic.cover(clinic.a, clinic.b, coverage_type="on_call")
        decision = await clinic.ask(clinic.b, "share")
        assert decision.nearest is not None
        assert (decision.nearest.lack, decision.nearest.lacking) == ("action-not-granted", ())

    in_hospital(body)
