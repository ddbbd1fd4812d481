"""A FastAPI application whose charts open only to those who take part in the patient's care.

CARECIRCLE_URL and CARECIRCLE_KEY say where the service is. Run it with `uvicorn --app-dir examples fastapi_app:app`.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request

from carecircle.client import AsyncClient, Decision
from carecircle.hosts.fastapi import RESPONSES, install, require

CHARTS = {"heart": "Sinus rhythm"}


def who_is_signed_in(request: Request) -> str | None:
    """The provider's id. A real application takes it from its session or a token it has verified, never from a plain header."""
    return request.headers.get("X-Demo-User")


@asynccontextmanager
async def connected(app: FastAPI) -> AsyncIterator[None]:
    async with AsyncClient(os.environ["CARECIRCLE_URL"], os.environ["CARECIRCLE_KEY"]) as circle:
        install(app, circle, identify=who_is_signed_in)
        yield


app = FastAPI(lifespan=connected)

Readable = Annotated[Decision, Depends(require("read", patient="patient_id"))]


@app.get("/patients/{patient_id}/chart", responses=RESPONSES)
async def chart(patient_id: str, decision: Readable) -> dict[str, Any]:
    return {"patient": patient_id, "chart": CHARTS, "because": decision.bases[0].kind}


@app.post("/notes", dependencies=[Depends(require("write", header="X-Patient"))], responses=RESPONSES, status_code=201)
async def note() -> dict[str, str]:
    return {"status": "written"}
