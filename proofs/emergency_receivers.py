"""What the proof `emergency` sends notices to: a real mail server and a real receiver of webhooks, in its own process.

Both keep every key by which a notice is known again, can hold what comes (so that its sender is killed meanwhile), and
can be killed, with everybody's connections, and started again on the same port.
"""

from __future__ import annotations

import asyncio
import base64
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes

from aiosmtpd.smtp import SMTP, Envelope, Session

from proofs.emergency_practice import free_port

HERE = "127.0.0.1"
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
SENDER = "carecircle@proof.example"


class Receiver:
    """`taken` counts each notice by its key. It is taken before it is answered: a sender who dies in between sends it again."""

    def __init__(self) -> None:
        self.port = free_port()
        self.taken: Counter[str] = Counter()
        self.deaths = 0
        self._connections: set[asyncio.BaseTransport] = set()
        self._server: asyncio.Server | None = None
        self._came = asyncio.Event()
        self._go = asyncio.Event()
        self._go.set()

    async def start(self) -> None:
        """Listen, as before."""
        self._server = await asyncio.get_running_loop().create_server(self._protocol, HERE, self.port)

    def kill(self) -> None:
        """Listen no more, and cut off everybody who is talking."""
        self.deaths += 1
        if self._server is not None:
            self._server.close()
            self._server = None
        for one in list(self._connections):
            if isinstance(one, asyncio.Transport):
                one.abort()

    @asynccontextmanager
    async def holding(self) -> AsyncIterator[asyncio.Event]:
        """Nobody is answered in the block; the event is set by the first notice that comes."""
        self._came.clear()
        self._go.clear()
        try:
            yield self._came
        finally:
            self._go.set()

    async def take(self, key: str) -> None:
        self.taken[key] += 1
        self._came.set()
        await self._go.wait()

    def _protocol(self) -> asyncio.Protocol:
        raise NotImplementedError

    def connected(self, transport: asyncio.BaseTransport) -> None:
        self._connections.add(transport)

    def left(self, transport: asyncio.BaseTransport | None) -> None:
        if transport is not None:
            self._connections.discard(transport)


class MailServer(Receiver):
    """Takes all mail; a message's key is what stands before the @ of its Message-ID."""

    @property
    def url(self) -> str:
        return f"smtp://{HERE}:{self.port}"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802  aiosmtpd's name
        message = message_from_bytes(envelope.original_content or b"")
        await self.take(str(message["Message-ID"]).strip("<>").partition("@")[0])
        return "250 OK"

    def _protocol(self) -> asyncio.Protocol:
        return _Conversation(self)


class _Conversation(SMTP):
    """aiosmtpd's side of one connection, which its server can cut."""

    def __init__(self, receiver: MailServer) -> None:
        super().__init__(receiver, hostname="mail.proof.example", loop=asyncio.get_running_loop())
        self._receiver = receiver
        self._line: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._line = transport
        self._receiver.connected(transport)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._receiver.left(self._line)
        super().connection_lost(error)


class HookReceiver(Receiver):
    """Answers every POST with 204; an event's key is its webhook-id."""

    @property
    def url(self) -> str:
        return f"http://{HERE}:{self.port}/hook"

    def _protocol(self) -> asyncio.Protocol:
        return asyncio.StreamReaderProtocol(asyncio.StreamReader(), self._answer)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connected(writer.transport)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
            said = dict(line.split(": ", 1) for line in head[1:] if line)
            await reader.readexactly(int(said["content-length"]))
            await self.take(said["webhook-id"].upper())
            writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
            await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            pass  # the sender, or this receiver, was killed
        finally:
            self.left(writer.transport)
            writer.close()
