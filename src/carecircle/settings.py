"""Settings, all from the environment (prefix CARECIRCLE_); nothing here grants anybody anything."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from carecircle.errors import InvalidSetting


def _default_home() -> Path:
    data = os.environ.get("XDG_DATA_HOME")
    return (Path(data) if data else Path.home() / ".local" / "share") / "carecircle"


class Settings(BaseSettings):
    """What an installation decides: where its database, its files and its default organization are."""

    model_config = SettingsConfigDict(env_prefix="CARECIRCLE_", extra="ignore", frozen=True, env_ignore_empty=True)

    home: Path = Field(default_factory=_default_home, description="Keys, role passwords and the embedded database.")
    database_url: SecretStr | None = Field(
        default=None, description="A PostgreSQL 15+ of your own; without it an embedded one is started."
    )
    replica_url: SecretStr | None = Field(
        default=None, description="A physical replica of that database, for reading the audit trail and for reports."
    )
    database_tls: Literal["verify", "off"] = Field(
        default="verify",
        description="Whether a database on another machine must prove itself; off accepts an unprotected connection.",
    )
    volume_encrypted: bool = Field(
        default=False, description="An operator's word that the database's volume is encrypted; doctor asks for it."
    )
    organization: str | None = Field(default=None, description="Slug of the organization commands speak about.")
    log_format: Literal["json", "text"] = Field(default="json", description="How the log is written to stderr.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="What the log tells of: this and what is worse."
    )
    lanes: int = Field(default=1, ge=1, le=16, description="Connections on which decisions are made, per process.")
    batch: int = Field(default=128, ge=1, le=1024, description="Questions one deciding statement answers at most.")
    decision_timeout: float = Field(
        default=5.0, gt=0, le=60, description="Seconds a decision may take before nobody gets an answer."
    )
    most_waiting: int = Field(
        default=4096, ge=1, le=1_000_000, description="Questions that may wait for their turn over HTTP, per process."
    )
    longest_wait: float = Field(
        default=1.0,
        gt=0,
        le=60,
        description="Seconds a question may be expected to wait; beyond it is told to come back.",
    )
    most_connections: int = Field(
        default=20_000, ge=1, le=1_000_000, description="Connections open at a time, per process."
    )
    keep_alive: float = Field(default=75.0, gt=0, le=3600, description="Seconds a connection may be idle.")
    slowest_request: float = Field(
        default=20.0, gt=0, le=600, description="Seconds a request may take to arrive, from its first byte to its last."
    )
    drain_notice: float = Field(
        default=0.0, ge=0, le=300, description="Seconds for which a server that stops says so at /readyz, serving on."
    )
    drain: float = Field(
        default=20.0,
        gt=0,
        le=300,
        description="Seconds a server that stops has, after that, to answer what it was asked.",
    )
    oidc: str | None = Field(
        default=None,
        description="The identity providers whose tokens are believed: a JSON list; docs/how-to/sign-in-with-oidc.md.",
    )
    # What sending needs is read where it is sent (notices/): a mistake in it must not keep anybody from an answer.
    smtp_url: SecretStr | None = Field(
        default=None,
        description="The mail server: smtp://user:password@host:port (with STARTTLS) or smtps://user:password@host:port.",
    )
    mail_from: str | None = Field(default=None, description="The address from which notices are sent.")
    webhook_url: str | None = Field(default=None, description="Where every event is posted, signed: https://host/path.")
    webhook_secret: SecretStr | None = Field(
        default=None, description="What it is signed with: whsec_ and 24 to 64 random bytes in base64."
    )
    webhook_over_http: bool = Field(
        default=False, description="Whether events may go over plain http to another machine than this one."
    )
    public_url: str | None = Field(
        default=None, description="Where people open what a notice is about; its links begin with this."
    )
    # Read where checkpoints are published (audit/witness.py).
    witness_file: str | None = Field(
        default=None,
        description="The file to which checkpoints are added, best on another machine's disk; off for none. Without it,"
        " witness.log in CARECIRCLE_HOME.",
    )
    witness_url: str | None = Field(
        default=None, description="Where checkpoints are posted, signed: https://host/path."
    )
    witness_secret: SecretStr | None = Field(
        default=None, description="What those are signed with; without it, the secret of the webhook."
    )
    witness_every: float = Field(
        default=1.0, ge=0, le=60, description="Seconds between two publications of checkpoints, at least."
    )
    seal_every: float = Field(default=0.75, gt=0, le=1, description="Seconds between two passes of the sealer.")

    @classmethod
    def read(cls) -> Settings:
        """Read the environment. Raises InvalidSetting, naming the variable and what is wrong with it."""
        try:
            return cls()
        except ValidationError as error:
            first = error.errors()[0]
            name = "CARECIRCLE_" + "_".join(str(part) for part in first["loc"]).upper()
            raise InvalidSetting(f"{name}: {first['msg']}.") from None
