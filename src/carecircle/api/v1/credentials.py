"""Credentials over HTTP: recording, renewing and ending them, what lapses, and what is suspended without them."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import Query
from pydantic import Field

from carecircle.api.v1.door import Asking, Changing, Reading, routes
from carecircle.api.v1.paging import Next, Paging
from carecircle.api.v1.rehearsal import Preview, changing_unless
from carecircle.api.v1.shapes import (
    AN_ID,
    ANOTHER_ID,
    Answer,
    Body,
    Ended,
    Id,
    Instant,
    Moment,
    OwnId,
    Reference,
    Text,
    end_of,
    example,
    id_of,
)
from carecircle.directory import credential_service
from carecircle.directory.credential_service import CredentialKind
from carecircle.directory.tables import ProviderCredential
from carecircle.identifiers import to_text
from carecircle.period import show
from carecircle.restrictions.reading_service import record_reading
from carecircle.staffing.suspended_service import suspended_holdings

router = routes("credentials")

CREDENTIAL = {
    "id": AN_ID, "provider_id": ANOTHER_ID, "kind": "licence", "code": "MD-1", "system": "",
    "starts_at": "2026-01-31T00:00:00Z", "ends_at": "2028-01-31T00:00:00Z",
}  # fmt: skip
LAPSING = {
    "provider_id": ANOTHER_ID, "kind": "licence", "code": "MD-1", "ends_at": "2026-02-14T00:00:00Z", "assignments": 12,
    "seats": 1, "arrangements": 0,
}  # fmt: skip
SUSPENDED = {
    "kind": "care-team-seat", "id": AN_ID, "provider_id": ANOTHER_ID, "patient_id": None, "care_team_id": AN_ID,
    "lacking": ["licence"],
}  # fmt: skip


class NewCredential(Body):
    """Without a start, from now on; without an end, open. The same one again changes nothing."""

    model_config = example(provider="npi|1234567893", kind="licence", code="MD-1", ends_at="2028-01-31T00:00:00Z")
    provider: Reference
    kind: CredentialKind
    code: Text
    system: Annotated[str, Field(max_length=200, pattern=r"^[ -~]*$")] = ""
    starts_at: Instant | None = None
    ends_at: Instant | None = None


class Renewal(Body):
    """Until `ends_at`, or open."""

    model_config = example(provider="npi|1234567893", kind="licence", code="MD-1", ends_at="2030-01-31T00:00:00Z")
    provider: Reference
    kind: CredentialKind
    code: Text
    ends_at: Instant | None = None


class CredentialToEnd(Body):
    model_config = example(provider="npi|1234567893", kind="licence", code="MD-1")
    provider: Reference
    kind: CredentialKind
    code: Text


class Credential(Answer):
    model_config = example(**CREDENTIAL)
    id: Id
    provider_id: Id
    kind: str
    code: str
    system: str
    starts_at: Moment
    ends_at: Moment | None


class Credentials(Answer):
    model_config = example(credentials=[CREDENTIAL], next=None)
    credentials: list[Credential]
    next: Next


class Lapsing(Answer):
    """A credential that ends with nothing to follow it, and how many rows rest on it."""

    model_config = example(**LAPSING)
    provider_id: Id
    kind: str
    code: str
    ends_at: Moment
    assignments: int
    seats: int
    arrangements: int


class AllLapsing(Answer):
    model_config = example(lapsing=[LAPSING], next=None)
    lapsing: list[Lapsing]
    next: Next


class SuspendedHolding(Answer):
    """A row that lets nobody in as long as something is lacking: kinds and codes of credentials, or `referral`."""

    model_config = example(**SUSPENDED)
    kind: str
    id: Id
    provider_id: Id
    patient_id: Id | None
    care_team_id: Id | None
    lacking: list[str]


class AllSuspended(Answer):
    model_config = example(suspended=[SUSPENDED], next=None)
    suspended: list[SuspendedHolding]
    next: Next


@router.post("/credentials", status_code=201)
async def add_credential(door: Changing, body: NewCredential) -> Credential:
    async with door.change() as db:
        return _credential(
            await credential_service.add_credential(
                db, provider=body.provider, kind=body.kind, code=body.code, system=body.system,
                starts_at=body.starts_at, ends_at=body.ends_at,
            )
        )  # fmt: skip


@router.get("/credentials")
async def list_credentials(door: Asking, page: Paging, provider: OwnId, as_of: Instant | None = None) -> Credentials:
    """What a provider holds at an instant, or, without one, all on record. Everybody reads their own."""
    await door.require_read(provider)
    async with door.read() as db:
        found = await credential_service.credentials_of(db, provider=provider, as_of=as_of)
    shown, onwards = page.pick(found, lambda one: (one.starts_at, one.id))
    return Credentials(credentials=[_credential(one) for one in shown], next=onwards)


@router.post("/credentials/renew")
async def renew_credential(door: Changing, body: Renewal) -> Credential:
    async with door.change() as db:
        return _credential(
            await credential_service.renew_credential(
                db, provider=body.provider, kind=body.kind, code=body.code, ends_at=body.ends_at
            )
        )


@router.post("/credentials/end")
async def end_credential(door: Changing, body: CredentialToEnd, preview: Preview = False) -> Ended:
    """End a credential now; what rests on it is suspended, and told by GET `suspended`."""
    async with changing_unless(preview, door) as db:
        ended = await credential_service.end_credential(db, provider=body.provider, kind=body.kind, code=body.code)
        return Ended(ended=len(ended))


@router.get("/credentials/lapsing")
async def list_lapsing_credentials(
    door: Reading, page: Paging, days: Annotated[int, Query(ge=1, le=3650)] = 30
) -> AllLapsing:
    """What lapses in the days ahead, or lapsed in as many before now."""
    async with door.read() as db:
        found = await credential_service.lapsing(db, within=timedelta(days=days))
    shown, onwards = page.pick(found, lambda one: (one.ends_at, one.provider_id, one.kind, one.code))
    return AllLapsing(
        lapsing=[
            Lapsing(
                provider_id=to_text(one.provider_id), kind=one.kind, code=one.code, ends_at=show(one.ends_at),
                assignments=one.assignments, seats=one.seats, arrangements=one.arrangements,
            )
            for one in shown
        ],
        next=onwards,
    )  # fmt: skip


@router.get("/suspended")
async def list_suspended(door: Reading, page: Paging) -> AllSuspended:
    """What would hold now but for a credential or a referral. Where it names patients, the reading is recorded."""
    async with door.read() as db:
        shown, onwards = page.pick(await suspended_holdings(db), lambda one: (one.kind, one.id))
        if named := {one.patient_id for one in shown if one.patient_id}:
            await record_reading(db, "suspended-read", patients=named, rows=len(shown))
    return AllSuspended(
        suspended=[
            SuspendedHolding(
                kind=one.kind, id=to_text(one.id), provider_id=to_text(one.provider_id),
                patient_id=id_of(one.patient_id), care_team_id=id_of(one.care_team_id), lacking=list(one.lacking),
            )
            for one in shown
        ],
        next=onwards,
    )  # fmt: skip


def _credential(row: ProviderCredential) -> Credential:
    return Credential(
        id=to_text(row.id), provider_id=to_text(row.provider_id), kind=row.kind, code=row.code, system=row.system,
        starts_at=show(row.starts_at), ends_at=end_of(row.ends_at),
    )  # fmt: skip
