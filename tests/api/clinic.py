"""Two organizations behind one server, and every /v1 route with a request that succeeds, in an order in which it does."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx

from carecircle import Actor, to_text
from carecircle.api.tokens import Permission, mint
from carecircle.identifiers import new_id
from tests.api.test_service import serving
from tests.conftest import Hospital, open_hospital

SOON = (datetime.now(UTC) + timedelta(days=30)).isoformat()
LATER = (datetime.now(UTC) + timedelta(days=60)).isoformat()
EARLIER = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
CARDIOLOGY = "207RC0000X"


@dataclass(frozen=True)
class Route:
    """A request to one route. `{name}` in path and body stands for the id of that name; `gives` names what it makes.

    `changes` says that it needs a token that may change; `entry` is the code of the entry it leaves, if any.
    """

    method: str
    path: str
    body: Mapping[str, Any] | None = None
    status: int = 200
    changes: bool = True
    entry: str | None = None
    gives: str | None = None
    key: str = "id"

    @property
    def template(self) -> str:
        """The path as OpenAPI lists it, with the parameters' names left out."""
        return f"{self.method} " + re.sub(r"\{\w+\}|(?<=/)\d+$", "{}", self.path.partition("?")[0])

    @property
    def names_somebody(self) -> bool:
        return re.search(r"\{\w+\}", f"{self.path} {self.body}") is not None


def _read(path: str, *, changes: bool = False, entry: str | None = None) -> Route:
    return Route("GET", path, changes=changes, entry=entry)


TEAM = "/v1/care-teams/{team}"
ROTA = {
    "covered": "{adams}", "covering": ["{brown}", "{chen}"], "rule": "FREQ=DAILY;COUNT=4", "first": "2090-01-31T18:00",
    "lasts": "08:00", "time_zone": "Europe/Berlin", "coverage_type": "on_call",
}  # fmt: skip

ROUTES = (
    Route("POST", "/v1/care-teams", {"name": "Ward 4"}, 201, entry="care-team-created", gives="team"),
    _read("/v1/care-teams"),
    _read(TEAM),
    Route("PATCH", TEAM, {"name": "Ward 5"}, entry="care-team-renamed"),
    Route("POST", f"{TEAM}/members", {"provider": "{dana}", "member_role": "nurse"}, 201, entry="member-added"),
    Route("PATCH", f"{TEAM}/members/{{dana}}", {"scope": ["read"]}, entry="member-changed"),
    Route("POST", f"{TEAM}/patients", {"patient": "{ines}"}, 201, entry="team-patient-added"),
    _read(f"{TEAM}/patients?limit=5", entry="team-patients-read"),
    Route("DELETE", f"{TEAM}/patients/{{ines}}", entry="team-patient-removed"),
    Route("DELETE", f"{TEAM}/members/{{dana}}", entry="member-removed"),
    Route("POST", f"{TEAM}/close", entry="care-team-closed"),
    Route("POST", f"{TEAM}/reopen", entry="care-team-reopened"),
    Route(
        "POST", "/v1/assignments", {"assignment_type": "primary", "patient": "{ines}", "provider": "{adams}"}, 201,
        entry="primary-assigned",
    ),
    Route(
        "POST", "/v1/assignments",
        {"assignment_type": "primary", "patient": "{ines}", "provider": "{brown}", "starts_at": SOON}, 201,
        entry="primary-assigned",
    ),
    Route("POST", "/v1/assignments/cancel-handover", {"patient": "{ines}"}, entry="handover-cancelled"),
    Route(
        "POST", "/v1/credentials",
        {"provider": "{chen}", "kind": "specialty", "code": CARDIOLOGY, "ends_at": SOON}, 201, entry="credential-added",
    ),
    _read("/v1/credentials?provider={chen}"),
    Route(
        "POST", "/v1/credentials/renew",
        {"provider": "{chen}", "kind": "specialty", "code": CARDIOLOGY, "ends_at": LATER}, entry="credential-renewed",
    ),
    _read("/v1/credentials/lapsing?days=90"),
    Route(
        "POST", "/v1/referrals", {"patient": "{ines}", "referring": "{adams}", "specialty_code": CARDIOLOGY}, 201,
        entry="referred", gives="referral",
    ),
    _read("/v1/referrals?patient={ines}", changes=True, entry="referrals-read"),
    Route("POST", "/v1/referrals/{referral}/redirect", {"provider": "{chen}"}, entry="referral-redirected"),
    Route("POST", "/v1/referrals/{referral}/prolong", {"ends_at": SOON}, entry="referral-prolonged"),
    Route(
        "POST", "/v1/validations",
        {"kind": "specialist", "patient": "{ines}", "provider": "{chen}", "specialty": CARDIOLOGY},
    ),
    Route("POST", "/v1/validations", {"kind": "primary", "patient": "{ines}", "provider": "{brown}"}),
    Route("POST", "/v1/validations", {"kind": "care-team", "care_team": "{team}", "provider": "{brown}", "member_role": "nurse"}),
    Route(
        "POST", "/v1/assignments",
        {"assignment_type": "specialist", "patient": "{ines}", "provider": "{chen}", "specialty": CARDIOLOGY}, 201,
        entry="assignment-added",
    ),
    Route("POST", "/v1/referrals/{referral}/end", entry="referral-ended"),
    _read("/v1/suspended", entry="suspended-read"),
    Route(
        "POST", "/v1/credentials/end", {"provider": "{chen}", "kind": "specialty", "code": CARDIOLOGY},
        entry="credential-ended",
    ),
    Route(
        "POST", "/v1/assignments",
        {"assignment_type": "attending", "patient": "{ines}", "provider": "{dana}", "ends_at": SOON, "scope": ["read"]},
        201, entry="assignment-added",
    ),
    Route("POST", "/v1/assignments/end", {"patient": "{ines}", "provider": "{dana}"}, entry="assignment-ended"),
    Route(
        "POST", "/v1/coverage-arrangements",
        {"covered": "{adams}", "covering": "{brown}", "starts_at": EARLIER, "ends_at": SOON, "patients": ["{ines}"]},
        201, entry="coverage-arranged", gives="arrangement", key="arrangement_id",
    ),
    _read("/v1/coverage-arrangements?provider={adams}&days=30", entry="coverage-read"),
    Route("POST", "/v1/responsible", {"patient": "{ines}"}, changes=False, entry="responsible-asked"),
    Route("POST", "/v1/rotas?preview=true", ROTA, changes=False),
    Route("POST", "/v1/rotas", ROTA, 201, entry="coverage-arranged"),
    Route("DELETE", "/v1/coverage-arrangements/{arrangement}", entry="coverage-ended"),
    Route("POST", "/v1/absences", {"provider": "{adams}", "starts_at": EARLIER, "ends_at": SOON}, 201, entry="absence-recorded"),
    _read("/v1/absences?provider={adams}"),
    _read("/v1/coverage-forecast?days=14"),
    Route("DELETE", "/v1/absences?provider={adams}", entry="absence-ended"),
    Route(
        "POST", "/v1/restrictions", {"kind": "objection", "patient": "{ines}", "provider": "{dana}"}, 201,
        entry="objection-recorded", gives="objection",
    ),
    Route(
        "POST", "/v1/restrictions", {"kind": "suspension", "provider": "{dana}", "ends_at": SOON}, 201,
        entry="provider-suspended",
    ),
    Route("POST", "/v1/labels", {"patient": "{ines}", "label": "CEL"}, 201, entry="patient-labelled", gives="label"),
    _read("/v1/restrictions?patient={ines}", changes=True, entry="restrictions-read"),
    Route("DELETE", "/v1/restrictions/{objection}", entry="objection-lifted"),
    Route("DELETE", "/v1/labels/{label}", entry="patient-unlabelled"),
    Route("PUT", "/v1/policy", {"document": {"actions": ["discharge"]}}, entry="policy-set"),
    _read("/v1/policy"),
    _read("/v1/policy/versions"),
    Route("POST", "/v1/patients/merge", {"patient": "{twin}", "into": "{ines}"}, entry="patients-merged"),
    Route("POST", "/v1/patients/unmerge", {"patient": "{twin}"}, entry="patients-unmerged"),
    Route("POST", "/v1/patients/{ines}/discharge"),
    _read("/v1/break-glass/figures", changes=True),
    Route("POST", "/v1/duties", {"duty": "supervisor", "provider": "{dana}"}, 201, entry="duty-added", gives="duty"),
    _read("/v1/duties?provider={dana}", changes=True),
    Route("DELETE", "/v1/duties/{duty}", entry="duty-ended"),
    Route(
        "POST", "/v1/reporting-lines", {"provider": "{dana}", "reports_to": "{chen}"}, 201, entry="reporting-line-added"
    ),
    _read("/v1/reporting-lines?provider={dana}", changes=True),
    Route("DELETE", "/v1/reporting-lines?provider={dana}&reports_to={chen}", entry="reporting-line-ended"),
    Route(
        "POST", "/v1/personal-relations", {"provider": "{dana}", "patient": "{ines}", "relation": "family"}, 201,
        entry="relation-added",
    ),
    _read("/v1/personal-relations?patient={ines}", changes=True, entry="relations-read"),
    Route("DELETE", "/v1/personal-relations?patient={ines}&provider={dana}", entry="relation-ended"),
    Route("POST", "/v1/patients", {"identifiers": ["urn:mrn|nova"], "name": "Nova"}, 201, entry="patient-registered"),
    Route("POST", "/v1/patients/look-up", {"identifier": "urn:mrn|ines"}, changes=False, entry="patient-looked-up"),
    _read("/v1/patients/{ines}", entry="patient-read"),
    _read("/v1/patients/{ines}/circle?limit=5", entry="listed"),
    Route("POST", "/v1/patients/{ines}/primary-provider?provider_id={brown}", entry="primary-assigned"),
    _read("/v1/patients/{ines}/primary-provider", entry="primary-read"),
    Route(
        "POST", "/v1/assignments", {"assignment_type": "consulting", "patient": "{ines}", "provider": "{chen}"}, 201,
        entry="assignment-added", gives="assignment",
    ),
    _read("/v1/assignments/{assignment}", entry="assignment-read"),
    Route("PATCH", "/v1/assignments/{assignment}", {"ends_at": SOON}, entry="assignment-corrected"),
    _read("/v1/patients/{ines}/assignments?limit=5", entry="assignments-read"),
    _read("/v1/labels?patient={ines}", changes=True, entry="labels-read"),
    Route("POST", "/v1/providers", {"identifiers": ["staff|nova"]}, 201, entry="provider-registered"),
    Route("POST", "/v1/providers/look-up", {"identifier": "staff|dana"}, changes=False),
    _read("/v1/providers?limit=2"),
    _read("/v1/providers/{dana}"),
    Route("POST", "/v1/providers/{dana}/roles", {"role_code": "nurse"}, 201, entry="provider-role-added", gives="role"),
    _read("/v1/providers/{dana}/roles"),
    Route("DELETE", "/v1/providers/{dana}/roles/{role}", entry="provider-role-ended"),
    _read("/v1/organization"),
    _read("/v1/units"),
    _read("/v1/specialties"),
    _read("/v1/policy/versions/1"),
    Route("POST", "/v1/policy/validation", {"document": {"largest_team": 40}}, changes=False),
    Route("POST", "/v1/check", {"provider": "{chen}", "patient": "{ines}"}, changes=False, entry="allowed"),
    Route("POST", "/v1/check-many", {"provider": "{chen}", "patients": ["{twin}"]}, changes=False, entry="no-relationship"),
    Route("POST", "/v1/explain", {"provider": "{chen}", "patient": "{twin}"}, changes=False, entry="no-relationship"),
    Route("POST", "/v1/list-patients", {"provider": "{chen}"}, changes=False, entry="listed"),
    Route("POST", "/v1/list-providers", {"patient": "{ines}"}, changes=False, entry="listed"),
)  # fmt: skip

# What is done by a person as themselves, or told to them; test_break_glass.py and test_live.py go through it.
BY_PERSONS = frozenset(
    {"POST /v1/break-glass", "GET /v1/break-glass", "GET /v1/break-glass/events"}
    | {f"GET /v1/break-glass/{{}}{what}" for what in ("", "/report")}
    | {
        f"POST /v1/break-glass/{{}}/{what}"
        for what in ("acknowledgement", "answer", "approval", "denial", "end", "extension", "question", "review")
    }
)

# What only tokens that may audit read; test_audit_routes.py goes through it.
BY_AUDITORS = frozenset(f"GET /v1/audit/{what}" for what in ("entries", "entries/{}", "entries/{}/proof", "checkpoint"))

# What only tokens that may administer do; test_people_routes.py goes through it.
BY_ADMINISTRATORS = frozenset({"POST /v1/units", "POST /v1/specialties"})

# So are these, with ids by name; test_account_routes.py goes through them.
_ACCOUNT = "/v1/accounts/{account}"
ADMINISTERED = (
    Route("GET", "/v1/accounts"),
    Route("POST", "/v1/accounts", {"issuer": "https://i.example", "subject": "c"}, 201),
    Route("GET", _ACCOUNT),
    Route("PATCH", _ACCOUNT, {"label": "x"}),
    Route("GET", f"{_ACCOUNT}/roles"),
    Route("POST", f"{_ACCOUNT}/roles", {"role": "auditor"}, 201),
    Route("DELETE", f"{_ACCOUNT}/roles/{{role}}"),
    Route("DELETE", _ACCOUNT),
    Route("GET", "/v1/api-keys"),
    Route("POST", "/v1/api-keys", {"name": "x", "may": ["read"]}, 201),
    Route("POST", "/v1/api-keys/{key}/rotate", {}, 201),
    Route("DELETE", "/v1/api-keys/{key}"),
    Route("GET", "/v1/sign-ins"),
    Route("DELETE", "/v1/sign-ins?account={account}"),
    Route("DELETE", "/v1/sign-ins/{sign_in}"),
    Route("GET", "/v1/visits"),
    Route("POST", "/v1/visits", {"organization": "north", "reason": "Restoring the ward list"}, 201),
    Route("DELETE", "/v1/visits/{visit}"),
)
BY_ADMINISTRATORS |= {"GET /v1/roles", *(route.template for route in ADMINISTERED)}

PEOPLE = ("adams", "brown", "chen", "dana")
PATIENTS = ("ines", "twin")
MADE = tuple(route.gives for route in ROUTES if route.gives)


@dataclass
class Clinic:
    """An organization, a client of its own, and its ids by name: people, patients, and what routes made."""

    hospital: Hospital
    client: httpx.AsyncClient
    ids: dict[str, str] = field(default_factory=dict)

    async def fill(self) -> None:
        for name in PEOPLE:
            self.ids[name] = to_text(await self.hospital.provider(f"staff|{name}"))
        for name in PATIENTS:
            self.ids[name] = to_text(await self.hospital.patient(f"urn:mrn|{name}"))

    async def send(
        self, route: Route, ids: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        named = self.ids if ids is None else ids
        body = None if route.body is None else _filled(route.body, named)
        return await self.client.request(route.method, route.path.format_map(named), json=body, headers=headers)

    async def carry_out(self, until: Route | None = None) -> None:
        """Every route in turn, or those before `until`, remembering what they make."""
        for route in ROUTES:
            if route is until:
                return
            answer = await self.send(route)
            assert answer.status_code == route.status, (route, answer.text)
            if route.gives:
                self.ids[route.gives] = answer.json()[route.key]

    async def json(self, method: str, path: str, body: Any = None, status: int = 200) -> Any:
        """The JSON of an answer that must have this status."""
        answer = await self.client.request(method, path, json=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def entries(self, kind: str | None = None) -> list[asyncpg.Record]:
        return await entries(self.hospital, kind)

    def bearer(self, may: Permission) -> dict[str, str]:
        return bearer(self.hospital, self.hospital.organization, may)


async def entries(hospital: Hospital, kind: str | None = None) -> list[asyncpg.Record]:
    """What the auditor reads of an organization, oldest first; sign-ins only when asked for."""
    connection = await asyncpg.connect(hospital.circle.reach.dsn("auditor"))
    try:
        await connection.execute(f"set carecircle.organization_id = '{hospital.organization}'")
        found = await connection.fetch(
            "select kind, code, actor, provider_id, patient_id, detail from carecircle.audit_events"
            " where kind = coalesce($1, kind) and (kind <> 'sign-in' or $1 is not null) order by xid, recorded_at, id",
            kind,
        )
        return list(found)
    finally:
        await connection.close()


def bearer(hospital: Hospital, organization: UUID, *may: Permission) -> dict[str, str]:
    token = mint(hospital.circle.keyring, organization_id=organization, actor=Actor.service("test"), hours=1, may=may)
    return {"Authorization": f"Bearer {token}"}


@asynccontextmanager
async def open_clinic(hospital: Hospital) -> AsyncIterator[Clinic]:
    """A filled organization with a client that may change and administer."""
    async with serving(hospital, may=("change", "administer")) as client:
        clinic = Clinic(hospital, client)
        await clinic.fill()
        yield clinic


@asynccontextmanager
async def open_neighbour(clinic: Clinic) -> AsyncIterator[Clinic]:
    """Another organization behind the same server."""
    async with open_hospital(clinic.hospital.circle) as hospital:
        headers = bearer(hospital, hospital.organization, "change", "administer")
        async with httpx.AsyncClient(base_url=clinic.client.base_url, headers=headers) as client:
            neighbour = Clinic(hospital, client)
            await neighbour.fill()
            yield neighbour


def made_up() -> dict[str, str]:
    """Ids of nobody and nothing, by the same names."""
    return {name: to_text(new_id()) for name in (*PEOPLE, *PATIENTS, *MADE)}


def _filled(said: Any, ids: Mapping[str, str]) -> Any:
    if isinstance(said, str):
        return said.format_map(ids)
    if isinstance(said, list):
        return [_filled(one, ids) for one in said]
    if isinstance(said, Mapping):
        return {key: _filled(value, ids) for key, value in said.items()}
    return said
