"""assign specialist: a consulting assignment that rests on a specialty and a referral, and ends with either."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from carecircle.cli.careful import changed, command, unchanged, until
from carecircle.cli.circle import at_desk
from carecircle.cli.options import OrganizationOption, OutputOption, Patient, Provider, instant
from carecircle.cli.output import Output
from carecircle.identifiers import parse_id

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from carecircle.assignments.tables import PatientAssignment


def specialist(
    patient: Patient,
    provider: Provider,
    specialty: Annotated[str, typer.Option(metavar="CODE", help="A specialty the provider holds, such as 207RC0000X.")],
    referral: Annotated[
        str | None, typer.Option(metavar="REFERRAL", help="The referral's id, where several would do.")
    ] = None,
    from_: Annotated[str | None, typer.Option("--from", metavar="INSTANT", help="Starts at; now.")] = None,
    until_: Annotated[
        str | None, typer.Option("--until", metavar="INSTANT", help="Ends at; with the referral.")
    ] = None,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Assign a specialist by a referral. It lets in only while specialty and referral hold. A refusal names every rule.

    Example: carecircle assign specialist N-0001 yilmaz --specialty 207RC0000X --until 2030-01-31 --organization north-hospital
    """
    from carecircle.assignments.service import history_of
    from carecircle.staffing.specialist_service import assign_specialist

    referral_id = parse_id(referral) if referral is not None else None
    starts_at, ends_at = instant(from_), instant(until_)

    async def work(session: AsyncSession) -> tuple[PatientAssignment, bool]:
        known = {row.id for row in await history_of(session, patient=patient)}
        row = await assign_specialist(
            session,
            patient=patient,
            provider=provider,
            specialty=specialty,
            referral_id=referral_id,
            starts_at=starts_at,
            ends_at=ends_at,
        )
        return row, row.id in known

    row, known = at_desk(organization, lambda desk: desk.change(work))
    told = {
        "assignment": row.id,
        "type": row.assignment_type,
        "patient": row.patient_id,
        "provider": row.provider_id,
        "starts_at": row.starts_at,
        "ends_at": row.ends_at,
        "scope": row.scope,
        "rests_on": row.rests_on,
        "referral": row.referral_id,
    }
    if known:
        unchanged(told, output)
        return
    # It ends every consulting assignment of theirs: one cannot be named alone.
    undo = command(organization, "assign", "end", row.patient_id, row.provider_id, "--type", "consulting")
    sentence = f"Assigned as consulting provider {until(row.ends_at)}, as long as the referral and {', '.join(row.rests_on)} hold."
    changed(sentence, told, [undo], output)
