"""What the proof `phi` does to a running carecircle: every way in which a patient's data comes to it, rightly and wrongly.

`over_http` and `over_commands` drive the real server and the real command. What answers an authorised reader may hold
canaries, and is left out; every other byte is given to `seen(where, bytes)`.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from carecircle import Actor, to_text
from proofs.emergency_practice import Practice
from proofs.phi_canaries import ADDRESSES, BIRTH_DATES, MRNS, NAMES, PHONES, REASONS

Seen = Callable[[str, bytes], None]

SOON = (datetime.now(UTC) + timedelta(days=20)).isoformat()
EARLIER = (datetime.now(UTC) - timedelta(hours=2)).isoformat()
LATER = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
ABOUT_PATIENTS = frozenset({"patient", "into", "words", "as_of", "resource"})
CODES = frozenset({"kind", "relation", "verdict", "duty", "assignment_type", "coverage_type", "label", "reason"})


def bundle() -> dict[str, Any]:
    """A FHIR bundle in which canaries stand wherever a sender may write something."""

    def patient(number: int, **more: Any) -> dict[str, Any]:
        system, _, value = MRNS[number].partition("|")
        given, _, family = NAMES[number].partition(" ")
        return {
            "resourceType": "Patient", "id": f"p{number}", "identifier": [{"system": system, "value": value}],
            "name": [{"given": [given], "family": family, "text": NAMES[number]}],
            "birthDate": BIRTH_DATES[number % 3], "gender": "female",
            "address": [{"line": [ADDRESSES[number % 2]], "text": ADDRESSES[number % 2]}],
            "telecom": [{"system": "phone", "value": PHONES[number % 2]}],
            "contact": [{"name": {"text": NAMES[7]}, "telecom": [{"value": PHONES[1]}]}],
            "text": {"status": "generated", "div": f"<div>{NAMES[number]} {BIRTH_DATES[number % 3]}</div>"}, **more,
        }  # fmt: skip

    def provider(name: str) -> dict[str, Any]:
        return {
            "resourceType": "Practitioner", "id": name, "name": [{"family": name}],
            "identifier": [{"system": "urn:staff", "value": name}],
        }  # fmt: skip

    system, _, value = MRNS[3].partition("|")
    resources = [
        provider("amber"), provider("bruno"), patient(2), patient(3), patient(4, birthDate=f"{BIRTH_DATES[1]}T25:00"),
        {
            "resourceType": "Encounter", "id": "e1", "status": "in-progress", "class": {"code": "IMP"},
            "subject": {"reference": "Patient/p2", "display": NAMES[2]}, "period": {"start": EARLIER},
            "reasonCode": [{"text": REASONS[0]}],
            "participant": [{"individual": {"reference": "Practitioner/amber"}, "period": {"start": EARLIER}}],
        },
        {
            "resourceType": "Encounter", "id": "e2", "status": "in-progress", "class": {"code": "IMP"},
            "subject": {"reference": f"Patient?identifier={MRNS[3]}", "display": NAMES[3]},
            "participant": [{"individual": {"display": NAMES[5]}}],
        },
        {
            "resourceType": "CareTeam", "id": "t1", "status": "active", "name": f"Care team of {NAMES[4]}",
            "subject": {"identifier": {"system": system, "value": value}, "display": NAMES[3]},
            "participant": [{"member": {"reference": "Practitioner/bruno"}, "role": [{"text": NAMES[6]}]}],
            "note": [{"text": REASONS[1]}],
        },
        {
            "resourceType": "CareTeam", "id": "t2", "status": "active", "name": f"Care team of {NAMES[4]}",
            "subject": {"reference": "Patient/p3"}, "participant": [{"member": {"reference": "Practitioner/bruno"}}],
        },
    ]  # fmt: skip
    entries = [{"fullUrl": f"urn:uuid:{n:032x}", "resource": one} for n, one in enumerate(resources)]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


class OverHttp:
    """A client of the running server, and everything it answered that is not an answer to an authorised reader."""

    def __init__(self, practice: Practice, address: str, seen: Seen) -> None:
        self.practice, self.seen, self.asked = practice, seen, 0
        self.client = httpx.AsyncClient(base_url=address, timeout=30)

    async def send(self, who: Any, method: str, path: str, body: Any = None, **more: Any) -> httpx.Response:
        headers = self.practice.bearer(who, may=("ask", "change")) | more.pop("headers", {})
        content = more.pop("content", None) or (None if body is None else json.dumps(body).encode())
        if content is not None:
            headers = {"content-type": "application/json"} | headers
        said = {name: one.encode() for name, one in headers.items()}
        answer = await self.client.request(method, path, content=content, headers=said, **more)
        self.asked += 1
        # What the caller calls a request comes back to the caller as it is, as AuthZEN asks.
        head = b"\n".join(name + b": " + one for name, one in answer.headers.raw if one != said.get("x-request-id"))
        self.seen(f"headers of {method} {path[:40]}", head)
        if answer.status_code >= 400:
            self.seen(f"error body of {method} {path[:40]}", answer.content)
        return answer

    async def emergencies(self) -> None:
        """Broken glass from opening to review, with words at every step, denied too, and as of downtime."""
        doctor, supervisor = self.practice.clinicians[0], self.practice.supervisors[0]
        for number, decision in ((0, "approval"), (1, "denial")):
            wish = self.practice.wish(self.practice.patients[0]) | {
                "patient": MRNS[number], "words": f"{REASONS[number]}, and nobody else is here", "scope": ["read"],
            }  # fmt: skip
            opened = await self.send(doctor, "POST", "/v1/break-glass", wish)
            if opened.status_code != 201:
                raise RuntimeError(f"the glass was not broken: {opened.text}")
            own = opened.json()["id"]
            steps = (
                (supervisor, "question", {"words": REASONS[2]}), (doctor, "answer", {"words": REASONS[3]}),
                (supervisor, decision, {} if decision == "approval" else {"words": REASONS[4]}),
                (doctor, "extension", {"reason": REASONS[0], "hours": 2, "words": REASONS[1]}),
                (doctor, "end", None), (self.practice.office, "review", {"verdict": "justified", "words": REASONS[5]}),
            )  # fmt: skip
            for who, step, said in steps:
                await self.send(who, "POST", f"/v1/break-glass/{own}/{step}", said)
            for path in (f"/v1/break-glass/{own}", f"/v1/break-glass/{own}/report", "/v1/break-glass"):
                await self.send(self.practice.office, "GET", path)

    async def questions(self) -> None:
        """Evaluations by identifiers, right and wrong, with canaries where none belong."""
        doctor = to_text(self.practice.clinicians[0])
        for mrn, name in zip(MRNS, NAMES, strict=False):
            for asked in (
                {"subject": {"type": "user", "id": doctor}, "action": {"name": "read"}, "resource": {"type": "patient", "id": mrn}},
                {"subject": {"type": "user", "id": name}, "action": {"name": name}, "resource": {"type": name, "id": mrn}},
                {"subject": {"type": "user", "id": doctor}, "action": {"name": "read"}, "resource": {"type": "patient", "id": mrn},
                 "context": {"purpose": name, "as_of": BIRTH_DATES[0]}},
                {"subject": name, name: mrn},
            ):  # fmt: skip
                label = {"x-request-id": name, "referer": "http://x/", "user-agent": "phi"}
                await self.send("service:phi", "POST", "/access/v1/evaluation", asked, headers=label)

    async def every_route(self, *, deep: bool) -> None:
        """Every route, with its own example about a canary patient, and then with canaries in odd places."""
        described = (await self.send("service:phi", "GET", "/openapi.json")).json()
        for path, operations in described["paths"].items():
            for method, operation in operations.items():
                if path.startswith("/v1/") and not path.endswith("/events"):
                    await self._one_route(method.upper(), path, _example(described, operation), deep=deep)
        for odd in (
            f"/v1/{NAMES[0]}",
            f"/v1/care-teams/{MRNS[1].partition('|')[2]}",
            f"/{MRNS[2].partition('|')[2]}/x",
        ):
            await self.send("service:phi", "GET", odd)
        for token in (NAMES[3], f"Bearer {MRNS[5].partition('|')[2]}"):
            await self.send("service:phi", "GET", "/v1/care-teams", headers={"Authorization": token})
        await self.client.get("/metrics", headers=self.practice.bearer("service:phi"))

    async def _one_route(self, method: str, path: str, example: Mapping[str, Any] | None, *, deep: bool) -> None:
        mrn = MRNS[5]
        named, odd = (_filled(path, one) for one in (to_text(self.practice.clinicians[1]), mrn))
        bodies: list[Any] = [None]
        if example is not None:
            bodies = [self._about(example, MRNS[3]), _spoilt(example, ABOUT_PATIENTS), _spoilt(example, CODES)]
            bodies.append({**example, NAMES[6]: MRNS[6], "note": REASONS[7]})
        for body in bodies if deep else bodies[1:3] or bodies:
            await self.send("service:phi", method, named, body)
        await self.send("service:phi", method, odd, bodies[-1])
        await self.send("service:phi", method, named, bodies[0], params={"name": NAMES[0], "patient": mrn})
        await self.send("service:phi", method, named, content=f'{{"patient": "{NAMES[1]}'.encode())
        if deep:
            await self.send(
                "service:phi", method, named, content=NAMES[2].encode(), headers={"content-type": "text/plain"}
            )

    def _about(self, example: Mapping[str, Any], mrn: str) -> dict[str, Any]:
        people = iter([*self.practice.clinicians, *self.practice.supervisors])
        roles = ("provider", "covered", "covering", "reports_to", "referring", "approver")
        return {
            key: mrn
            if key == "patient"
            else REASONS[6]
            if key == "words"
            else to_text(next(people))
            if key in roles
            else said
            for key, said in example.items()
        }


def _filled(path: str, value: str) -> str:
    return "/".join(value.replace("/", "%2F") if part.startswith("{") else part for part in path.split("/"))


def _spoilt(example: Mapping[str, Any], keys: frozenset[str]) -> dict[str, Any]:
    wrong = iter((NAMES[0], REASONS[1], MRNS[4], NAMES[4], PHONES[0], ADDRESSES[0]) * 3)
    return {key: next(wrong) if key in keys else said for key, said in example.items()}


def _example(described: Mapping[str, Any], operation: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The example body of an operation, or of the first of several it takes."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    schema = None if content is None else content["schema"]
    while schema is not None and "example" not in schema:
        if "$ref" in schema:
            schema = described["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
            continue
        choices = schema.get("oneOf") or schema.get("anyOf") or schema.get("allOf")
        schema = choices[0] if choices else None
        if schema is None:
            return {}
    return None if schema is None else schema["example"]


class OverCommands:
    """The command, each run in a process of its own; its stderr must be clean, and its stdout wherever it is no answer."""

    def __init__(self, practice: Practice, folder: Path, seen: Seen, more: Mapping[str, str]) -> None:
        self.practice, self.folder, self.seen, self.ran = practice, folder, seen, 0
        self.environment = practice.site.environment({**more, "CARECIRCLE_LOG_LEVEL": "debug"})

    def run(self, *arguments: str, answers: bool = False, stdin: str = "") -> subprocess.CompletedProcess[bytes]:
        """`answers` says that stdout tells an authorised reader about a patient."""
        done = subprocess.run(
            [sys.executable, "-c", "from carecircle.cli.main import run; run()", *arguments],
            input=stdin.encode(), env=self.environment, capture_output=True, check=False, timeout=120,
        )  # fmt: skip
        self.ran += 1
        what = " ".join(arguments[:2])
        self.seen(f"stderr of {what}", done.stderr)
        if not (answers and done.returncode in (0, 10, 11)):
            self.seen(f"stdout of {what}", done.stdout)
        return done

    def registering(self, *, deep: bool) -> None:
        """Patients the other flows are about, and what cannot be registered or imported."""
        for numbers in ((0,), (1,)) if deep else ((0, 1),):
            known = [word for number in numbers for word in ("--identifier", MRNS[number])]
            self.must(
                "patient", "add", *known, "--name", NAMES[numbers[0]], "--birth-date", BIRTH_DATES[numbers[-1]],
                "--sex", "female",
            )  # fmt: skip
        if deep:
            self.run("patient", "add", "--identifier", MRNS[5], "--birth-date", f"{BIRTH_DATES[2]} {NAMES[3]}")
            self.must("patient", "add", "--identifier", MRNS[5], "--identifier", MRNS[6], "--name", NAMES[5])
            self.run("patient", "add", "--identifier", MRNS[0], "--identifier", MRNS[1])
        good, broken = self.folder / "bundle.json", self.folder / "broken.json"
        good.write_text(json.dumps(bundle()), "utf-8")
        broken.write_text(json.dumps(bundle())[:700] + NAMES[0], "utf-8")
        self.must("import", "fhir", str(good))
        if deep:
            self.run("import", "fhir", str(broken))

    def must(self, *arguments: str) -> None:
        done = self.run(*arguments)
        if done.returncode:
            raise RuntimeError(f"{' '.join(arguments[:2])} failed: {done.stderr.decode()}")

    def everything(self) -> None:
        """Every family of commands once or more, with patients named by canaries."""
        doctor, other = (to_text(one) for one in self.practice.clinicians[:2])
        first, second, third = MRNS[0], MRNS[1], MRNS[5]
        for arguments in (
            ("assign", "primary", first, doctor), ("assign", "primary", first, NAMES[6]),
            ("assign", "primary", MRNS[4] + "x", other),
            ("assign", "add", second, other, "--type", "attending", "--until", SOON[:10]),
            ("assign", "add", second, other, "--type", NAMES[1]), ("assign", "end", second, other),
            ("assign", "end", second, other),
            ("assign", "specialist", first, other, "--specialty", "207RC0000X", "--until", SOON[:10]),
            ("team", "create", "Ward 9"), ("team", "add", "Ward 9", doctor, "--role", "nurse"),
            ("team", "give", "Ward 9", first, third), ("team", "take", "Ward 9", third), ("team", "take", NAMES[0], third),
            ("coverage", "add", doctor, other, "--until", SOON[:10]), ("coverage", "forecast", "--days", "5"),
            ("referral", "add", first, "--from-provider", doctor, "--specialty", "207RC0000X"), ("referral", "add", NAMES[0]),
            ("restrict", "object", first, other), ("restrict", "label", second, "vip"), ("restrict", "unlabel", second, "vip"),
            ("related", "add", other, third, "family"), ("related", "add", other, third, NAMES[2]),
            ("break-glass", "request", third, "--as", doctor, "--reason", "life-threat", "--attest", "--words", REASONS[0]),
            ("break-glass", "request", third, "--as", doctor, "--reason", REASONS[1], "--attest"),
            ("break-glass", "request", third, "--as", NAMES[3], "--reason", "life-threat", "--attest"),
            ("break-glass", "record-downtime", second, "--as", doctor, "--from", EARLIER, "--until", LATER,
             "--reason", "life-threat", "--words", REASONS[6]),
            ("break-glass", "discharge", third), ("break-glass", "figures"),
            ("patient", "merge", MRNS[2], "--into", first, "--yes"), ("patient", "unmerge", MRNS[2]),
            ("patient", "merge", third, "--into", third), ("policy", "show"), ("policy", "set", str(self.folder / "bundle.json")),
            ("duty", "gaps"), ("credential", "add", doctor, "licence", "MD-1"), ("credential", "lapsing"),
            ("reassign", "plan", doctor, "--to", other), ("reassign", "status"), ("offboard", other, "--dry-run"),
            ("quality", "gaps"), ("quality", "findings", "-o", "json"), ("token",), ("doctor",), ("db", "status"),
            ("keys", "status"),
            ("audit", "hold", "place", "--patient", first, "--reason", REASONS[7]), ("audit", "months"),
            ("audit", "search", "-o", "json"), ("audit", "search", "--patient", first, "-o", "csv"),
            ("audit", "export", "--to", str(self.folder / "export.ndjson")), ("audit", "tail"),
 ("check", doctor, "read", MRNS[3] + "?"),
        ):  # fmt: skip
            self.run(*arguments)
        for arguments in (
            ("check", doctor, "read", first, "--explain"), ("who-can", first), ("assign", "history", first),
            ("panel", doctor), ("team", "show", "Ward 9"), ("coverage", "responsible", first), ("referral", "list", first),
            ("restrict", "list", "--patient", first), ("related", "list", "--provider", other), ("break-glass", "list"),
            ("audit", "hold", "list"), ("audit", "patient-report", first),
            ("audit", "disclosures", first, "-o", "json"),
        ):  # fmt: skip
            self.run(*arguments, answers=True)
        for file in self.folder.glob("export*"):
            self.seen("audit export", file.read_bytes())


async def in_process(practice: Practice, seen: Seen) -> None:
    """What a host does that embeds carecircle: services in its own session, with canaries in what it passes."""
    from carecircle import CareTeamService, EmergencyAccessManager

    circle, own = practice.circle, practice.organization
    for said in (
        {"provider_id": practice.clinicians[0], "patient_id": MRNS[6]},
        {"provider_id": NAMES[5], "patient_id": MRNS[4]},
    ):
        for work in (
            lambda db, said=said: CareTeamService.assign_primary_provider(db, own, actor="host:phi", **said),
            lambda db, said=said: CareTeamService.remove_from_care_team(db, own, actor="host:phi", **said),
        ):
            try:
                async with practice.change() as db:
                    await work(db)
            except Exception as error:  # noqa: BLE001  whatever it is, it must not say whom it is about
                seen("error of a service", f"{error} {error!r}".encode())
    manager = EmergencyAccessManager(circle.engine, organization=own, actor=Actor.provider(practice.clinicians[0]))
    try:
        await manager.request_emergency_access(practice.clinicians[0], MRNS[4] + "y", REASONS[2])
    except Exception as error:  # noqa: BLE001  the same
        seen("error of a service", f"{error} {error!r}".encode())


async def all_of_http(practice: Practice, address: str, seen: Seen, *, deep: bool) -> int:
    """Every flow over HTTP; how many requests that was."""
    driver = OverHttp(practice, address, seen)
    try:
        await driver.emergencies()
        await asyncio.gather(driver.questions(), driver.every_route(deep=deep))
    finally:
        await driver.client.aclose()
    return driver.asked
