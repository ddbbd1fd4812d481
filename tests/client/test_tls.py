"""Certificates are verified: a service whose authority or name is not the expected one is no service. Over real sockets."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from carecircle.client import AsyncClient, Client
from carecircle.errors import AccessUnavailable
from tests.client.servers import CREDENTIAL, QUICK, YES


def certificate(folder: Path, host: str) -> Path:
    """A certificate for this host that vouches for itself, and its key, in one file."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "carecircle test")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    unprotected = serialization.NoEncryption()
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    file = folder / f"{host}.pem"
    file.write_bytes(made.public_bytes(pem) + key.private_bytes(pem, pkcs8, unprotected))
    return file


@contextmanager
def secured(file: Path, heard: list[bytes]) -> Iterator[str]:
    """A service that says yes to whoever believes this certificate; what it hears."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    body = json.dumps(YES).encode()
    head = (
        f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    plain, _ = listener.accept()
                except OSError:
                    return
                with plain:
                    plain.settimeout(5)
                    try:
                        with context.wrap_socket(plain, server_side=True) as connection:
                            heard.append(request_of(connection))
                            connection.sendall(head.encode() + body)
                    except OSError:
                        continue

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"https://localhost:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def request_of(connection: ssl.SSLSocket) -> bytes:
    """The whole of it: what is closed with something unread is reset, and the answer lost."""
    whole = b""
    while True:
        whole += (more := connection.recv(65536))
        head, found, body = whole.partition(b"\r\n\r\n")
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        if not more or (found and len(body) >= int(length or 0)):
            return whole


def blocking(address: str, tls: ssl.SSLContext | None) -> Any:
    with Client(address, CREDENTIAL, tls=tls, limits=QUICK) as client:
        return client.check("okafor", "read", "1")


def waiting(address: str, tls: ssl.SSLContext | None) -> Any:
    async def body() -> Any:
        async with AsyncClient(address, CREDENTIAL, tls=tls, limits=QUICK) as client:
            return await client.check("okafor", "read", "1")

    return asyncio.run(body())


@pytest.mark.parametrize("ask", [blocking, waiting])
def test_only_a_service_that_proves_itself_is_asked(
    ask: Callable[[str, ssl.SSLContext | None], Any], tmp_path: Path
) -> None:
    right, other = certificate(tmp_path, "localhost"), certificate(tmp_path, "elsewhere.test")
    heard: list[bytes] = []
    with secured(right, heard) as address:
        with pytest.raises(AccessUnavailable):
            ask(address, None)
        with pytest.raises(AccessUnavailable):
            ask(address, ssl.create_default_context(cafile=other))
        assert heard == []
        assert ask(address, ssl.create_default_context(cafile=right)).allowed is True
    with secured(other, heard) as address, pytest.raises(AccessUnavailable):
        ask(address, ssl.create_default_context(cafile=other))
    assert len(heard) == 1
    assert CREDENTIAL.encode() in heard[0]
