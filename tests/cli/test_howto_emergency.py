"""The how-to pages about emergencies: every command is run, in the page's order, and every line they show is seen.

The hospital has the people, duties and policy of the demo's. `# exit=` after a command is its exit code; `BG-7K2M4Q` and `01KC…`
stand for the reference and the duty that were shown last. A ```text block shows lines that the commands before it print, in
that order; … stands for anything.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from carecircle.cli.circle import Desk, at_desk
from carecircle.database.session import instant
from carecircle.demo.emergency_service import prepare
from carecircle.demo.people import NORTH
from carecircle.identifiers import OrganizationId
from tests.cli.conftest import Command, Place
from tests.cli.test_break_glass_watch import watching
from tests.docs.test_howto_emergency import HOW_TO, defined_in
from tests.docs.test_primary_provider_doc import missing_line
from tests.notices.receivers import HERE, MailServer

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

FENCE = re.compile(r"^```(sh|text)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PATIENTS = ("N-0001", "N-0002", "N-0003", "N-2201")
STANDS_FOR = {"BG-7K2M4Q": r"\b(BG-[0-9A-Z]{6})\b", "01KC…": r"duty end ([0-9A-Z]{26})$"}
"""What a page writes, and where in the output the latest of it is found."""


@pytest.fixture
def hospital(carecircle: Command, own: str) -> str:
    """The slug of an organization with the demo's people, duties and policy, and a few of its patients."""

    async def work(desk: Desk) -> None:
        async def made(session: AsyncSession) -> None:
            house = replace(NORTH, slug=own)
            await prepare(session, OrganizationId(desk.organization), house, await instant(session))

        await desk.change(made)

    at_desk(own, work)
    for patient in PATIENTS:
        assert carecircle("patient", "add", "--identifier", patient, organization=own).code == 0
    assert carecircle("restrict", "label", "N-2201", "vip", organization=own).code == 0
    return own


def unfolded(text: str) -> str:
    """Without the folds of long lines: before midnight, an instant is told with its day, and its line is longer."""
    return re.sub(r"\n {13}(?=\S)", " ", text)


class Page:
    """A page that is being worked through: what was exported, what was printed, and what stands for what."""

    def __init__(self, carecircle: Command, place: Place, organization: str) -> None:
        self.carecircle, self.place, self.organization = carecircle, place, organization
        self.exported: dict[str, str] = {}
        self.latest: dict[str, str] = {}
        self.commands = 0

    def follow(self, page: str, **here: str) -> None:
        """Run all of it; `here` says, for settings whose value cannot be the page's, what it is."""
        printed = ""
        for language, text in FENCE.findall((HOW_TO / page).read_text()):
            if language == "text":
                wanted, seen = unfolded(text), unfolded(printed)
                assert missing_line(wanted, seen) is None, f"{missing_line(wanted, seen)}\nwas: {printed}"
                continue
            printed = "".join(self.run(line, here) for line in text.splitlines())

    def run(self, line: str, here: dict[str, str]) -> str:
        """One line of the page; what it printed."""
        if line.startswith("export "):
            name = line.removeprefix("export ").partition("=")[0]
            said = subprocess.run(["bash", "-c", f'{line}; printf %s "${name}"'], capture_output=True, check=True)
            self.exported[name] = here.get(name, said.stdout.decode())
            return ""
        command, _, comment = line.partition("   # ")
        name, *words = shlex.split(command)
        assert name == "carecircle", line
        words = [self.latest.get(word, word) for word in words]
        self.commands += 1
        if words[:2] == ["break-glass", "watch"]:
            with watching(self.place, self.organization, *words[2:]) as seen:
                seen.until(self.latest["BG-7K2M4Q"])
                assert seen.interrupted() == 130
            return seen.text
        ran = self.carecircle(*words, organization=self.organization, **self.exported)
        assert ran.code == int(comment.removeprefix("exit=") or 0), f"{line}\n{ran.out}{ran.err}"
        for stand_in, pattern in STANDS_FOR.items():
            if found := re.findall(pattern, ran.out + ran.err, re.MULTILINE):
                self.latest[stand_in] = found[-1]
        return ran.out + ran.err


@pytest.fixture
def page(carecircle: Command, place: Place, hospital: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Page:
    monkeypatch.chdir(tmp_path)
    return Page(carecircle, place, hospital)


@contextmanager
def receiver() -> Iterator[tuple[HTTPServer, list[tuple[Any, bytes]]]]:
    """Takes whatever is posted."""
    taken: list[tuple[Any, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.append((self.headers, self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class's name
            pass

    with HTTPServer((HERE, 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield server, taken
        finally:
            server.shutdown()


def test_breaking_the_glass(page: Page, tmp_path: Path) -> None:
    page.follow("break-glass.md")
    assert page.commands > 15
    assert "Dr. Marisol Reyes" in (tmp_path / "report.html").read_text()


def test_who_decides_and_how_they_are_told(page: Page) -> None:
    request = ("break-glass", "request", "N-0001", "--as", "reyes", "--reason", "consult", "--attest", "-o", "json")
    reference = page.carecircle(*request, organization=page.organization).json["reference"]
    mail = MailServer()
    mail.start()
    try:
        with receiver() as (server, taken):
            page.follow(
                "who-decides.md",
                CARECIRCLE_SMTP_URL=f"smtp://{HERE}:{mail.port}",
                CARECIRCLE_WEBHOOK_URL=f"http://{HERE}:{server.server_port}/hook",
            )
    finally:
        mail.stop()
    assert page.commands > 15
    [message] = mail.about(reference)
    assert "https://care.hospital.example/break-glass/" in str(message.get_payload())
    is_ours, secret = defined_in("who-decides.md")["is_ours"], page.exported["CARECIRCLE_WEBHOOK_SECRET"]
    assert taken
    assert all(is_ours(headers, body, secret) for headers, body in taken)
    assert any(reference.encode() in body for _, body in taken)


def test_what_is_entered_after_a_downtime(page: Page) -> None:
    page.follow("downtime.md")
    assert page.commands == 1
    queue = page.carecircle("break-glass", "list", "--to-review", "-o", "json", organization=page.organization).json
    assert [one["mode"] for one in queue["emergencies"]] == ["downtime"]
    assert page.carecircle("check", "rossi", "read", "N-0003", organization=page.organization).code == 10


def test_who_leaves_holds_nothing_open(page: Page) -> None:
    carecircle, own = page.carecircle, page.organization
    opened = ("break-glass", "request", "N-0001", "--as", "reyes", "--reason", "consult", "--attest", "-o", "json")
    reference = carecircle(*opened, organization=own).json["reference"]
    assert carecircle("check", "reyes", "read", "N-0001", organization=own).code == 0
    assert carecircle("offboard", "lehmann", "--yes", organization=own).code == 0
    refused = carecircle("break-glass", "approve", reference, "--as", "lehmann", organization=own)
    assert (refused.code, "not among those who may decide" in refused.err) == (4, True)
    left = carecircle("offboard", "reyes", "--yes", "-o", "json", organization=own)
    assert left.json["ended"] == {"provider-role": 1, "duty": 1, "emergency-access": 1}
    assert carecircle("check", "reyes", "read", "N-0001", organization=own).code == 10
    assert reference in carecircle("break-glass", "list", "--to-review", organization=own).out


def test_the_page_about_policies_names_every_key() -> None:
    from carecircle.policy import Policy

    named = set(re.findall(r"`([a-z_]+)`", (HOW_TO / "set-policy.md").read_text()))
    assert {one.name for one in fields(Policy)} - {"version"} <= named


def test_the_tables_name_what_there_is() -> None:
    from carecircle.cli.duty_words import WORDS
    from carecircle.emergency.rules import REASONS, VERDICTS
    from carecircle.policy import EMERGENCY_MODES
    from carecircle.settings import Settings

    def first_column(page: str, heading: str) -> list[str]:
        [rows] = re.findall(
            rf"^\| {heading} \|[^\n]*\n\|[-|]+\n((?:\|[^\n]*\n)+)", (HOW_TO / page).read_text(), re.MULTILINE
        )
        return re.findall(r"^\| `([^`]+)`", rows, re.MULTILINE)

    assert first_column("break-glass.md", "`--reason`") == list(REASONS)
    assert set(first_column("break-glass.md", "`emergency_mode`")) == set(EMERGENCY_MODES)
    assert set(first_column("who-decides.md", "duty")) == set(WORDS)
    settings = {f"CARECIRCLE_{name}".upper() for name in Settings.model_fields}
    assert set(first_column("who-decides.md", "setting")) <= settings
    assert all(f"`{one}`" in (HOW_TO / "break-glass.md").read_text() for one in VERDICTS)
