"""AsyncClient: the same questions and changes for programs on an event loop."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Self, Unpack
from uuid import UUID

import httpx

from carecircle.client.connection import Credential, answered, below, core, failed, place
from carecircle.client.core import AnyId, Circumstances
from carecircle.client.retrying import Limits
from carecircle.client.values import Decision, Listing, Primary, Reply
from carecircle.client.wire import Answer, Pause, Send, T, Talk, Unreached


class AsyncClient:
    """Asks the service at `address` with an API key or a token (or a function that gives the present one).

    Every method raises AccessUnavailable when no answer comes within `timeout` seconds for each step of a request, or none
    that makes sense: let nobody in then. What the service refuses is raised as a Problem of its family. `tls` is a context
    for an authority of your own; `plain_http` allows http to other machines than this one. Belongs to one event loop.
    """

    def __init__(
        self,
        address: str,
        credential: Credential,
        *,
        timeout: float = 10.0,
        limits: Limits | None = None,
        tls: ssl.SSLContext | None = None,
        plain_http: bool = False,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._at = place(address, credential, timeout=timeout, tls=tls, plain_http=plain_http)
        self._core = core(limits or Limits())
        self._http = httpx.AsyncClient(
            auth=self._at.auth, timeout=self._at.timeout, verify=self._at.verify, trust_env=self._at.trust_env,
            follow_redirects=False, transport=transport,
        )  # fmt: skip

    def __repr__(self) -> str:
        return f"AsyncClient({str(self._at.url)!r})"

    async def check(self, provider: AnyId, action: str, patient: AnyId, **said: Unpack[Circumstances]) -> Decision:
        """May this provider do this to this patient? A denial is an answer and is not raised: read `allowed`."""
        return await self._run(self._core.check(provider, action, patient, **said))

    async def check_many(
        self, provider: AnyId, action: str, patients: Iterable[AnyId], **said: Unpack[Circumstances]
    ) -> list[Decision]:
        """The same question about many patients, answered in their order: all of them, or an error."""
        return await self._run(self._core.check_many(provider, action, patients, **said))

    async def list_patients(self, provider: AnyId, action: str = "read", **said: Unpack[Circumstances]) -> Listing:
        """Every patient to whom this provider may do this, all pages of them."""
        return await self._run(self._core.list_patients(provider, action, **said))

    async def list_providers(self, patient: AnyId, action: str = "read", **said: Unpack[Circumstances]) -> Listing:
        """Everybody who may do this to this patient, all pages of them."""
        return await self._run(self._core.list_providers(patient, action, **said))

    async def actions(self, provider: AnyId, patient: AnyId, **said: Unpack[Circumstances]) -> tuple[str, ...]:
        """What this provider may do to this patient."""
        return await self._run(self._core.actions(provider, patient, **said))

    async def assign_primary_provider(
        self, patient: UUID | str, provider: UUID | str, *, idempotency_key: str | None = None
    ) -> Primary:
        """Make a provider the patient's primary; both by carecircle's ids, since they stand in the address."""
        return await self._run(self._core.assign_primary_provider(patient, provider, idempotency_key=idempotency_key))

    async def request(
        self,
        method: str,
        path: str,
        json: Any = None,
        *,
        params: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
        if_match: str | None = None,
        request_id: str | None = None,
    ) -> Reply:
        """Any route of /v1. A change gets an Idempotency-Key of its own unless you give one, so that it may be sent again.

        Raises Problem, AccessUnavailable, InvalidRequest.
        """
        return await self._run(
            self._core.request(
                method, path, json, params=params, idempotency_key=idempotency_key, if_match=if_match,
                request_id=request_id,
            )
        )  # fmt: skip

    async def close(self) -> None:
        """Let the connections go."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _run(self, talk: Talk[T]) -> T:
        heard: Answer | Unreached | None = None
        while True:
            try:
                step = talk.send(heard)
            except StopIteration as done:
                said: T = done.value
                return said
            if isinstance(step, Pause):
                await asyncio.sleep(step.seconds)
                heard = None
            else:
                heard = await self._send(step)

    async def _send(self, request: Send) -> Answer | Unreached:
        try:
            return answered(
                await self._http.request(
                    request.method, below(self._at, request), content=request.body, headers=dict(request.headers)
                )
            )
        except httpx.HTTPError as error:
            return failed(error)
