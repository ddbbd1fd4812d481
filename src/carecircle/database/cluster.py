"""The files of one embedded server: where they are, how the data directory is made, and what its state says."""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from carecircle.database.binaries import Binaries
from carecircle.database.placement import Account
from carecircle.errors import DatabaseUnavailable

ADMIN = "carecircle_admin"
DATABASE = "carecircle"
HOST = "127.0.0.1"
LONGEST_SOCKET_PATH = 100
WAL_SEGMENT = 16 * 1024 * 1024
SSL_REQUEST = struct.pack("!II", 8, 80877103)


@dataclass(frozen=True)
class Cluster:
    """The paths, programs and account of one server."""

    folder: Path
    place: Path
    binaries: Binaries
    account: Account
    settings: Mapping[str, str]

    @property
    def data(self) -> Path:
        return self.place / "data"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @property
    def socket_dir(self) -> Path | None:
        """The private socket directory, or None where its path would exceed what the operating system allows."""
        path = self.place / "socket"
        return path if len(os.fsencode(path / ".s.PGSQL.65535")) <= LONGEST_SOCKET_PATH else None

    @property
    def password(self) -> str:
        try:
            return (self.folder / "password").read_text("utf-8").strip()
        except FileNotFoundError:
            raise DatabaseUnavailable(
                f"The password file {self.folder / 'password'} of an existing database is missing: restore it from a backup."
            ) from None

    def pid_file(self) -> list[str]:
        """The lines of postmaster.pid: [0] process, [3] port, [7] status; padded with "" when there is no such file yet."""
        try:
            lines = (self.data / "postmaster.pid").read_text("utf-8").splitlines()
        except FileNotFoundError:
            lines = []
        return [line.strip() for line in lines] + [""] * 8

    def ready_port(self, pid: int | None = None) -> int | None:
        """The port of the server (of process `pid`, if given) when it says it is ready and answers there."""
        lines = self.pid_file()
        if lines[7] != "ready" or (pid is not None and lines[0] != str(pid)):
            return None
        return int(lines[3]) if answers(int(lines[3])) else None

    def supervised(self) -> bool:
        """Whether a supervisor of this server is alive."""
        with open_lock(self.folder, "supervisor") as file:
            return not try_lock(file)


def create_data(cluster: Cluster) -> None:
    """Make the data directory with the administrator and the database, or leave no trace; nothing to do when it is there."""
    if (cluster.data / "PG_VERSION").exists():
        return
    account, program = cluster.account, cluster.binaries.program
    password = secrets.token_hex(24)
    password_file = cluster.place / "password.initdb"
    making = cluster.place / "data.making"
    try:
        _write_private(password_file, password)
        account.give(password_file)
        command = [
            program("initdb"),
            "-D",
            str(making),
            "-U",
            ADMIN,
            "-A",
            "scram-sha-256",
            "--pwfile",
            str(password_file),
        ]
        command += ["-E", "UTF8", "--data-checksums"]
        if cluster.settings.get("fsync") == "off":
            command.append("--no-sync")
        for locale in ("C.UTF-8", "C"):
            shutil.rmtree(making, ignore_errors=True)  # left by a start that was killed
            account.make_directory(making)
            done = account.run(*command, "--locale", locale)
            if done.returncode == 0 or "locale" not in done.stdout:
                break
        if done.returncode == 0:
            single = [
                program("postgres"),
                "--single",
                "-D",
                str(making),
                "-c",
                "exit_on_error=on",
                "template1",
            ]
            done = account.run(*single, text=f"CREATE DATABASE {DATABASE}\n")
        if done.returncode != 0:
            shutil.rmtree(making, ignore_errors=True)
            if disk_full(cluster.place, done.stdout):
                raise DatabaseUnavailable(
                    f"The disk of {cluster.place} is full: free some space (about 100 MB) and try again."
                )
            raise DatabaseUnavailable(
                f"The data directory {cluster.data} cannot be made: {main_complaint(done.stdout)}."
            )
    finally:
        password_file.unlink(missing_ok=True)
    _write_private(cluster.folder / "password", password)
    making.rename(cluster.data)


def disk_full(path: Path, output: str) -> bool:
    """Whether a failure came from a full disk; on one, even the message about it may be cut off, so the free space counts too."""
    return "No space left" in output or "wrote only" in output or shutil.disk_usage(path).free < WAL_SEGMENT


def main_complaint(output: str) -> str:
    """The line of a program's output that says what went wrong: its first fatal one, else its last error, else its last line."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    fatal = [line for line in lines if re.search(r"\b(FATAL|PANIC):", line)]
    errors = [line for line in lines if re.search(r"\b(ERROR|error):", line)]
    line = fatal[0] if fatal else (errors or lines or ["it said nothing"])[-1]
    return re.sub(r"^.*?\b(FATAL|PANIC|ERROR|LOG|error): +", "", line).rstrip(".")


def open_lock(folder: Path, name: str) -> IO[bytes]:
    """A lock file, made if absent; closing it gives up its lock."""
    return open(os.open(folder / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+b")


def try_lock(file: IO[bytes]) -> bool:
    """Take the exclusive lock if nobody holds the file's lock."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def answers(port: int) -> bool:
    """Whether a PostgreSQL server answers on the port: it replies to a request for encryption with one letter."""
    try:
        with socket.create_connection((HOST, port), timeout=2) as connection:
            connection.sendall(SSL_REQUEST)
            return connection.recv(1) in (b"N", b"S")
    except OSError:
        return False


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with open(
        os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600),
        "w",
        encoding="utf-8",
    ) as file:
        file.write(text)
