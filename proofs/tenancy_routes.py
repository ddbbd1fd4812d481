"""Every route, asked by every role of one organization with ids of another: no row of the other, and no oracle.

Requests are made from the service's own description. An answer shows a row when it holds a text of the other organization
that nobody of this one has said: a refused question is on record with the ids it asked about, and a report of it tells them
again. It is an oracle when it differs, in status or bytes, from the answer to an id of nobody. The
control asks the same as the other organization itself: there its texts must be seen.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import uvicorn

from carecircle import Actor, Settings, to_text
from carecircle.api.app import Service
from carecircle.api.tokens import mint
from carecircle.api.v1.shapes import A_THIRD_ID, AN_ID, ANOTHER_ID
from carecircle.database.crypto import Keyring
from carecircle.database.reach import Reach, dsn
from carecircle.directory.permissions import PERMISSIONS, ROLES
from carecircle.identifiers import parse_id
from proofs.tenancy_tenants import Tenants

EXAMPLES = (AN_ID, ANOTHER_ID, A_THIRD_ID)
# They never end, or tell of the server and nobody's organization.
LEFT_OUT = ("/v1/break-glass/events", "/metrics", "/healthz", "/readyz", "/openapi.json", "/docs")
COMMON = ("providers", "patients", "patient_assignments", "audit_events", "care_teams", "emergency_access")
_GENERATED = re.compile(
    r"[0-9A-HJKMNP-TV-Z]{26}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32,}"
    r"|\d{4}-\d\d-\d\dT[\d:.]+(?:Z|\+00:00)"
)


@dataclass(frozen=True)
class Operation:
    """A method and path of the description, with an example of its body and of its query."""

    method: str
    path: str
    body: str | None
    query: Mapping[str, str]

    def request(self, own: str) -> tuple[str, str, bytes | None]:
        """Method, address and body, with `own` wherever an id may stand."""
        path = re.sub(r"\{\w+\}", own, self.path)
        query = "&".join(f"{name}={own if said in EXAMPLES else said}" for name, said in self.query.items())
        body = self.body
        for example in EXAMPLES:
            body = body and body.replace(example, own)
        return self.method, path + (f"?{query}" if query else ""), None if body is None else body.encode()


@dataclass
class Matrix:
    """How many requests were made, by how many routes and roles; what was seen; what the control saw."""

    requests: int = 0
    operations: int = 0
    roles: int = 0
    rows: list[str] = field(default_factory=list)
    oracles: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    said: set[str] = field(default_factory=set)
    control: int = 0


def operations(described: Mapping[str, Any]) -> Iterator[Operation]:
    for path, methods in described["paths"].items():
        if path.startswith(LEFT_OUT):
            continue
        for method, said in methods.items():
            if method not in ("get", "post", "put", "patch", "delete"):
                continue
            query = {
                one["name"]: _example(one, described)
                for one in (_resolved(given, described) for given in said.get("parameters", []))
                if one["in"] == "query" and (one.get("required") or _is_id(one))
            }
            content = said.get("requestBody", {}).get("content", {}).get("application/json")
            body = None if content is None else json.dumps(_body(content, described))
            yield Operation(method.upper(), path, body, query)


def _resolved(given: Any, described: Mapping[str, Any]) -> Any:
    while isinstance(given, Mapping) and "$ref" in given:
        found: Any = described
        for step in given["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        given = found
    return given


def _is_id(parameter: Mapping[str, Any]) -> bool:
    return parameter["name"] in ("patient", "provider", "unit", "entry", "emergency", "care_team", "account")


def _example(parameter: Mapping[str, Any], described: Mapping[str, Any]) -> str:
    schema = _resolved(parameter.get("schema", {}), described)
    found = parameter.get("example", schema.get("example"))
    if found is not None and not _is_id(parameter):
        return str(found)
    return AN_ID if schema.get("type", "string") == "string" or "anyOf" in schema else "1"


def _body(content: Mapping[str, Any], described: Mapping[str, Any]) -> Any:
    if "example" in content:
        return content["example"]
    if "examples" in content:
        return next(iter(content["examples"].values()))["value"]
    schema = _resolved(content.get("schema", {}), described)
    for one in (schema, *(_resolved(part, described) for part in schema.get("oneOf", schema.get("anyOf", [])))):
        if "example" in one:
            return one["example"]
        if "examples" in one:
            return one["examples"][0]
    return {}


async def ask_all(settings: Settings, at: Reach, tenants: Tenants) -> Matrix:
    """The whole matrix; one server, in this process."""
    ids, told = await _ids(at, tenants.other), Matrix()
    slug = tenants.real["staff"].rpartition("-")[0]  # what its people are called begins with it, patients too
    marks = frozenset(tenants.marks | {to_text(UUID(mark)) for mark in tenants.marks if _is_uuid(mark)} | {slug})
    async with serving(settings, at) as client:
        described = (await client.get("/openapi.json")).json()
        every = list(operations(described))
        told.operations = len(every)
        for name, headers in bearers(settings, tenants.own, tenants.own_provider):
            told.roles += 1
            wanted = ids if name == "everything" else {table: ids[table] for table in COMMON if table in ids}
            await _ask(client, every, headers, name, wanted, marks, told)
        *_, (_, headers) = bearers(settings, tenants.other, UUID(tenants.real["provider"]))
        blank = Matrix()
        await _ask(client, [one for one in every if one.method == "GET"], headers, "control", ids, marks, blank)
        told.control = len(blank.rows)
    return told


async def _ask(
    client: httpx.AsyncClient, every: Sequence[Operation], headers: Mapping[str, str], name: str,
    ids: Mapping[str, str], marks: frozenset[str], told: Matrix,
) -> None:  # fmt: skip
    turn = asyncio.Semaphore(16)

    async def one(operation: Operation) -> None:
        async with turn:
            blank = await _answer(client, operation, to_text(uuid4()), headers, told)
            for table, real in ids.items():
                told.said |= {real, str(parse_id(real))}
                method, address, body = operation.request(real)
                said = f"{address} {body!r}"
                answer = await _answer(client, operation, real, headers, told)
                shown = [mark for mark in marks - told.said if mark in answer[2] and mark not in said]
                if shown:
                    told.rows.append(f"{name}: {method} {operation.path} with an id of {table}: {shown[0][:60]}")
                if real not in said or answer[:2] == blank[:2]:
                    continue
                # Something else may have changed meanwhile: only what differs again is an oracle.
                blank = await _answer(client, operation, to_text(uuid4()), headers, told)
                again = await _answer(client, operation, real, headers, told)
                if again[:2] != blank[:2]:
                    what = f"{name}: {method} {operation.path} with an id of {table}"
                    told.oracles.append(f"{what}: {again[:2]!r:.300} for nobody's {blank[:2]!r:.300}")

    await asyncio.gather(*map(one, every))


async def _answer(
    client: httpx.AsyncClient, operation: Operation, own: str, headers: Mapping[str, str], told: Matrix
) -> tuple[int, str, str]:
    """Status, body without what is generated anew for every answer, and the whole body."""
    method, address, body = operation.request(own)
    kind = {"content-type": "application/json"} if body is not None else {}
    answer = await client.request(method, address, content=body, headers={**headers, **kind})
    told.requests += 1
    if answer.status_code >= 500:
        told.failed.append(f"{method} {operation.path}: {answer.status_code}")
    return answer.status_code, _GENERATED.sub("?", answer.text.replace(own, "?")), answer.text


def bearers(settings: Settings, organization: UUID, provider: UUID) -> Iterator[tuple[str, dict[str, str]]]:
    """A token for every role's permissions, one of a person, and one that may everything."""
    ring = Keyring.open(settings.home)
    who: list[tuple[str, Actor, Any]] = [
        *((role, Actor.service(role), sorted(may)) for role, may in ROLES.items()),
        ("person", Actor.provider(provider), ["ask"]),
        ("everything", Actor.provider(provider), [one for one in PERMISSIONS if one != "all-organizations"]),
    ]
    for name, actor, may in who:
        token = mint(ring, organization_id=organization, actor=actor, hours=2, may=may)
        yield name, {"authorization": f"Bearer {token}"}


async def _ids(at: Reach, organization: UUID) -> dict[str, str]:
    """An id of each table of an organization, as people see it."""
    admin = await asyncpg.connect(dsn(at.admin))
    try:
        tables = await admin.fetch(
            "select distinct table_name::text from information_schema.columns where table_schema = 'carecircle'"
            " and column_name = 'id' and table_name not like 'audit\\_events\\_%' and table_name <> 'organizations' order by 1"
        )
        found = {}
        for (table,) in tables:
            row = await admin.fetchval(
                f"select id from carecircle.{table} where organization_id = $1 limit 1", organization
            )
            if isinstance(row, UUID):
                found[table] = to_text(row)
        return found | {"organizations": to_text(organization)}
    finally:
        await admin.close()


def _is_uuid(text: str) -> bool:
    return re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text) is not None


@asynccontextmanager
async def serving(settings: Settings, at: Reach) -> AsyncIterator[httpx.AsyncClient]:
    """The service on a free port, in this process, and a client that names nobody."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # a body does not wait for the receipt of its head
    server = uvicorn.Server(uvicorn.Config(Service(settings, at), log_level="error", proxy_headers=False))
    running = asyncio.create_task(server.serve([listener]))
    try:
        while not server.started:  # noqa: ASYNC110 - uvicorn has a flag, not an event
            await asyncio.sleep(0.01)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=60) as client:
            yield client
    finally:
        server.should_exit = True
        await running
        listener.close()
