"""A real mail server and a real receiver of webhooks, on a port each keeps while it is stopped and started again."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import socket
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

HERE = "127.0.0.1"
KEY = bytes(range(32))
SECRET = "whsec_" + base64.b64encode(KEY).decode()
USER, PASSWORD = "carecircle", "sesame & salt"
TOLERANCE = 300


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HERE, 0))
        port: int = probe.getsockname()[1]
        return port


class MailServer:
    """Takes mail, or says no. `inbox` holds what it took: the recipient and the message as it came."""

    def __init__(self, *, tls: ssl.SSLContext | None = None, wrapped: bool = False, login: bool = False) -> None:
        self.port = free_port()
        self.inbox: list[tuple[str, Message]] = []
        self.raw: list[bytes] = []
        self.says: str | None = None
        self.slow = 0.0
        self._tls, self._wrapped, self._login = tls, wrapped, login
        self._controller: Controller | None = None

    def start(self) -> None:
        options: dict[str, Any] = {}
        if self._wrapped:
            options["ssl_context"] = self._tls
        elif self._tls is not None:
            options |= {"tls_context": self._tls, "require_starttls": True}
        if self._login:
            options |= {"authenticator": self._known, "auth_required": True, "auth_require_tls": not self._wrapped}
        self._controller = Controller(self, hostname=HERE, port=self.port, **options)
        self._controller.start()

    def stop(self) -> None:
        if self._controller is not None:
            self._controller.stop()
            self._controller = None

    def to(self, recipient: str) -> list[Message]:
        return [message for to, message in self.inbox if to == recipient]

    def about(self, words: str) -> list[Message]:
        """The messages with these words in them, whoever got them."""
        return [message_from_bytes(raw) for raw in self.raw if words.encode() in raw]

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802  aiosmtpd's name
        await asyncio.sleep(self.slow)
        if self.says is not None:
            return self.says
        raw = envelope.original_content or b""
        self.raw.append(raw)
        self.inbox += [(to, message_from_bytes(raw)) for to in envelope.rcpt_tos]
        return "250 OK"

    @staticmethod
    def _known(server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: LoginPassword) -> AuthResult:
        return AuthResult(handled=False, success=(given.login, given.password) == (USER.encode(), PASSWORD.encode()))


class HookReceiver:
    """Takes events whose signature is right, refuses others. `taken` holds id and body, `seen` counts every request."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.port = free_port()
        self.taken: list[tuple[str, dict[str, Any]]] = []
        self.raw: list[bytes] = []
        self.seen: list[str] = []
        self.answers = 204
        self.slow = 0.0
        self._tls = tls
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://{HERE}:{self.port}/hook"

    def ids(self) -> list[str]:
        return [known for known, _ in self.taken]

    def types(self, emergency: str) -> list[str]:
        """Which events about an emergency access came, in their order."""
        return [told["type"] for _, told in self.taken if told["emergency_id"] == emergency]

    def start(self) -> None:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer.seen.append(self.path)
                body = self.rfile.read(int(self.headers["content-length"]))
                time.sleep(outer.slow)
                status = outer.answers if is_signed(self.headers, body) else 401
                if status == 204:
                    outer.raw.append(body)
                    outer.taken.append((self.headers["webhook-id"], json.loads(body)))
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("location", f"{outer.url}/elsewhere")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class's name
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, request: Any, client_address: Any) -> None:
                pass  # a client that hangs up, as one does that trusts no certificate of ours

        self._server = Server((HERE, self.port), Handler)
        if self._tls is not None:
            self._server.socket = self._tls.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


def is_signed(headers: Message, body: bytes, key: bytes = KEY) -> bool:
    """What the Standard Webhooks specification asks of a receiver, written apart from the sender."""
    if abs(time.time() - int(headers["webhook-timestamp"])) > TOLERANCE:
        return False
    signed = b".".join((headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body))
    right = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return any(
        version == "v1" and hmac.compare_digest(signature, right)
        for version, _, signature in (one.partition(",") for one in headers["webhook-signature"].split(" "))
    )


def certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's TLS with a certificate of its own making for 127.0.0.1, and the file by which it can be trusted."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HERE)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(HERE))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "server.crt", folder / "server.key"
    public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(public, private)
    return context, public
