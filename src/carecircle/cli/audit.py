"""audit: searching, exporting and verifying the audit trail; what else there is of it registers itself here (main.py)."""

from __future__ import annotations

import typer

from carecircle.cli import audit_exporting, audit_proving, audit_reports, audit_searching, audit_verifying

app = typer.Typer(
    no_args_is_help=True, help="The audit trail: who saw and changed what, and the proof that it is whole."
)

audit_searching.register(app)
audit_exporting.register(app)
audit_verifying.register(app)
audit_proving.register(app)
audit_reports.register(app)
