"""Short ways to sign in without an identity provider: the rows that a gate makes, and whether what rests on them is live."""

from __future__ import annotations

import time
from uuid import UUID

from sqlalchemy import text

from carecircle.access.bearer import Standing
from carecircle.access.decision import Bearer
from carecircle.actor import Actor
from carecircle.audit.entry import Entry, append
from carecircle.directory.account_reading_service import Signer
from carecircle.directory.signing_in_service import open_sign_in
from carecircle.identifiers import new_id
from tests.conftest import Hospital

ISSUER = "https://login.hospital.example"


async def sign_in(hospital: Hospital, signer: Signer | None, actor: str = "account:test") -> Bearer:
    """What the first request of a session leaves, and what the next ones rest on."""
    own, entry = new_id(), Entry(hospital.organization, "sign-in", Actor(actor), "token-used")
    async with hospital.change() as db:
        await append(db, entry)
        await open_sign_in(
            db, organization_id=hospital.organization, sign_in_id=own, account_id=None if signer is None else signer.id,
            actor=actor, token_id=str(own), ends_at=time.time() + 3600, entry_id=entry.id,
        )  # fmt: skip
    if signer is None:
        return Bearer(hospital.organization, sign_in_id=own)
    return Bearer(hospital.organization, None, own, signer.row_id, signer.id)


async def standing(hospital: Hospital, bearer: Bearer, at: UUID | None = None) -> Standing:
    """What the deciding role reads of it now."""
    return await hospital.circle.access.standing(at or hospital.organization, bearer)


async def count(hospital: Hospital, table: str, where: str = "true") -> int:
    """Rows of the organization, as the app sees them."""
    async with hospital.change() as db:
        return int((await db.execute(text(f"select count(*) from carecircle.{table} where {where}"))).scalar_one())
