"""The carecircle command: its tree of commands, and the one place where errors become sentences and exit codes."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NoReturn

import typer
from typer.main import get_command

from carecircle.cli import (
    account,
    account_role,
    adopt,
    api_key,
    ask,
    assign,
    audit,
    audit_explain,
    audit_retention,
    break_glass,
    coverage,
    credential,
    credential_watch,
    db,
    demo,
    doctor,
    duty,
    imports,
    keys,
    leaving,
    merging,
    policy,
    quality,
    quality_primary,
    reassign,
    referral,
    registering,
    related,
    restrict,
    serving,
    sign_in,
    specialist,
    team,
    visit,
    working,
)
from carecircle.cli.exits import UNEXPECTED, UNREAD, exit_code
from carecircle.cli.options import Invocation
from carecircle.cli.output import SCHEMA_VERSION, Output, json_text, printable, say
from carecircle.cli.unsaid import DiscreetGroup
from carecircle.errors import CareCircleError, RulesViolated, Violation

app = typer.Typer(
    name="carecircle",
    cls=DiscreetGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Each patient's circle of care: who may see whom, why, and the proof.",
    epilog="Exits 0 allowed or done, 10 denied, 11 findings, 2 usage, 3 unreachable, 4 not permitted, "
    "or a rule forbids it, 5 not found, 6 conflict, 7 bad input, 1 unexpected.",
)

ASKING, KEEPING, PROVING, RUNNING = "Ask", "Keep", "Prove", "Run"
app.command(rich_help_panel=ASKING)(ask.check)
app.command("who-can", rich_help_panel=ASKING)(ask.who_can)
app.command(rich_help_panel=ASKING)(ask.panel)
assign.app.command()(specialist.specialist)
app.add_typer(assign.app, name="assign", rich_help_panel=KEEPING)
app.add_typer(reassign.app, name="reassign", rich_help_panel=KEEPING)
app.command(rich_help_panel=KEEPING)(leaving.offboard)
app.add_typer(referral.app, name="referral", rich_help_panel=KEEPING)
app.add_typer(restrict.app, name="restrict", rich_help_panel=KEEPING)
app.add_typer(break_glass.app, name="break-glass", rich_help_panel=KEEPING)
app.add_typer(duty.app, name="duty", rich_help_panel=KEEPING)
app.add_typer(related.app, name="related", rich_help_panel=KEEPING)
credential.app.command()(credential_watch.lapsing)
credential.app.command()(credential_watch.suspended)
app.add_typer(credential.app, name="credential", rich_help_panel=KEEPING)
app.add_typer(policy.app, name="policy", rich_help_panel=KEEPING)
registering.patient_app.command()(merging.merge)
registering.patient_app.command()(merging.unmerge)
app.add_typer(registering.patient_app, name="patient", rich_help_panel=KEEPING)
app.add_typer(registering.provider_app, name="provider", rich_help_panel=KEEPING)
app.add_typer(team.app, name="team", rich_help_panel=KEEPING)
app.add_typer(coverage.app, name="coverage", rich_help_panel=KEEPING)
app.add_typer(registering.organization_app, name="organization", rich_help_panel=KEEPING)
app.add_typer(account.app, name="account", rich_help_panel=KEEPING)
app.add_typer(account_role.app, name="role", rich_help_panel=KEEPING)
app.add_typer(api_key.app, name="api-key", rich_help_panel=KEEPING)
app.add_typer(sign_in.app, name="sign-in", rich_help_panel=KEEPING)
app.add_typer(visit.app, name="visit", rich_help_panel=KEEPING)
app.add_typer(imports.app, name="import", rich_help_panel=KEEPING)
quality.app.command()(leaving.gaps)
quality.app.command()(leaving.resolve)
app.add_typer(quality.app, name="quality", rich_help_panel=KEEPING)
quality.app.command("primary-providers")(quality_primary.primary_providers)
app.add_typer(adopt.app, name="adopt", rich_help_panel=KEEPING)
audit.app.command()(audit_explain.explain)
audit_retention.register(audit.app)
app.add_typer(audit.app, name="audit", rich_help_panel=PROVING)
app.command(rich_help_panel=RUNNING)(demo.demo)
app.command(rich_help_panel=RUNNING)(serving.serve)
app.command(rich_help_panel=RUNNING)(serving.token)
app.command(rich_help_panel=RUNNING)(working.worker)
app.command(rich_help_panel=RUNNING)(doctor.doctor)
app.add_typer(db.app, name="db", rich_help_panel=RUNNING)
app.add_typer(keys.app, name="keys", rich_help_panel=RUNNING)


@app.command(rich_help_panel=RUNNING)
def version() -> None:
    """Print the version.

    Example: carecircle version
    """
    from importlib.metadata import version as installed

    print(installed("carecircle"))


def run(arguments: Sequence[str] | None = None) -> NoReturn:
    """The command's entry point; ends the process with its exit code."""
    code: int | str | None
    try:
        try:
            code = _ran(arguments)
        except SystemExit as ended:
            # typer ends a command that nobody reads any more with 1.
            code = UNREAD if ended.code == UNEXPECTED and _unread() else ended.code
        sys.stdout.flush()
    except BrokenPipeError:
        code = UNREAD
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in _unread():  # what is still to be written at the interpreter's end must not fail again
            os.dup2(nowhere, stream)
    sys.exit(code)


def _unread() -> list[int]:
    """Those of stdout and stderr whose reader has gone, as `head` does."""
    streams = select.poll()
    for stream in (1, 2):
        streams.register(stream, 0)
    return [stream for stream, event in streams.poll(0) if event & select.POLLERR]


def _ran(arguments: Sequence[str] | None) -> int:
    said = Invocation()
    try:
        _tree()(args=None if arguments is None else list(arguments), obj=said)
    except CareCircleError as error:
        _tell(said, error.message, error.code, error.violations if isinstance(error, RulesViolated) else ())
        return exit_code(type(error))
    except Exception as error:  # noqa: BLE001  # the last door: a traceback's values may be a patient's
        _tell(
            said,
            f"Something unexpected happened ({_names(error)}); nothing more is printed, because it could hold patient "
            "data. Please report this name, the command without its ids, and the output of: carecircle version.",
            CareCircleError.code,
        )
        return UNEXPECTED
    return 0


@cache
def _tree() -> Callable[..., object]:
    """The commands as they are run. To make them takes longer than most of them do: once in a process."""
    return get_command(app)


def _tell(said: Invocation, message: str, code: str, violations: Sequence[Violation] = ()) -> None:
    """One sentence; where rules speak against it, each of them with its code on a line of its own."""
    if said.output is Output.json:
        error: dict[str, Any] = {"code": code, "message": message}
        if violations:
            error["violations"] = [{"code": one.code, "sentence": one.sentence} for one in violations]
        say(json_text({"schema_version": SCHEMA_VERSION, "error": error}))
    elif violations:
        say(
            f"error: {'A rule speaks' if len(violations) == 1 else f'{len(violations)} rules speak'} against this [{code}]"
        )
        for one in violations:
            say(f"  {printable(one.sentence)} [{printable(one.code)}]")
    else:
        say(f"error: {printable(message)} [{code}]")


def _names(error: BaseException) -> str:
    """The error's class and where in carecircle it came from: neither holds a value."""
    where, trace = "", error.__traceback__
    while trace is not None:
        module = trace.tb_frame.f_globals.get("__name__", "")
        if module.startswith("carecircle"):
            where = f" at {module}:{trace.tb_lineno}"
        trace = trace.tb_next
    return f"{type(error).__module__}.{type(error).__qualname__}{where}"
