"""A host's own endpoint that sets a patient's primary provider, in the host's own transaction.

CARECIRCLE_ORGANIZATION is the organization's id, CARECIRCLE_DATABASE_URL its database. Run it with
`uvicorn --app-dir examples primary_provider_endpoint:app`.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle import CareTeamService, Settings, assemble, reach
from carecircle.errors import Conflict, NotFound
from carecircle.identifiers import parse_id

router = APIRouter()


async def get_db(request: Request) -> AsyncIterator[AsyncSession]:
    """The host's session: what it changes itself commits together with the assignment, or not at all."""
    async with AsyncSession(request.app.state.circle.engine) as session, session.begin():
        yield session


def get_current_org() -> UUID:
    return parse_id(os.environ["CARECIRCLE_ORGANIZATION"])


@router.post("/patients/{patient_id}/primary-provider")
async def set_primary_provider(
    patient_id: UUID,
    provider_id: UUID,
    organization_id: Annotated[UUID, Depends(get_current_org)],
    db: Annotated[AsyncSession, Depends(get_db, scope="function")],
) -> dict[str, str]:
    """Who was primary before becomes consulting. A real endpoint also asks who is signed in, and whether they may do this."""
    try:
        await CareTeamService.assign_primary_provider(
            db=db,
            organization_id=organization_id,
            patient_id=patient_id,
            provider_id=provider_id,
            actor="service:ward-app",
        )
    except NotFound as error:
        raise HTTPException(404, error.code) from None
    except Conflict as error:
        raise HTTPException(409, error.code) from None
    return {"status": "success", "primary_provider_id": str(provider_id)}


@asynccontextmanager
async def connected(app: FastAPI) -> AsyncIterator[None]:
    settings = Settings.read()
    with reach(settings) as at:
        async with assemble(settings, at) as circle:
            app.state.circle = circle
            yield


app = FastAPI(lifespan=connected)
app.include_router(router)
