"""The question route below uvicorn's request cycle: no task, no events, no messages. Whatever is unusual goes the ordinary way.

The parser, the pipeline and everything a request may look like stay uvicorn's. Only a POST to the hot route over HTTP/1.1
that comes alone is kept from it until its body is whole; what the application then does not take at once, uvicorn gets as
if it had just come.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from carecircle.api.cork import CorkedProtocol
from carecircle.api.problems import headers_of, problem
from carecircle.errors import CareCircleError
from carecircle.errors.service import HeadTooLarge, TooBusy

LARGEST_HEAD = 32768
"""Bytes a request's line and headers may have."""
LARGEST_BODY = 65536
"""Bytes of a body that are waited for here; of more, the application says that they are too many."""

Headers = list[tuple[bytes, bytes]]
Done = Callable[[int, bytes, bytes], None]
"""Takes an answer: status, the lines of its head, body."""
TakesAtOnce = Callable[[Headers, "tuple[str, int] | None", bytes, Done], bool]
"""Takes a question and calls back with its answer in a later turn of the loop, or says False: nothing was begun."""


class AnswersAtOnce(Protocol):
    """What an application offers whose hot route is answered here."""

    hot_route: bytes
    at_once: TakesAtOnce
    draining: bool
    """Whether the process is about to stop: then every answer is its connection's last."""


class HotCycle:
    """Stands where uvicorn's protocol expects a cycle, until the body is whole and the application takes the question."""

    __slots__ = (
        "_protocol", "_taken", "body", "disconnected", "keep_alive", "message_event", "more_body", "response_complete",
        "response_started",
    )  # fmt: skip

    def __init__(self, protocol: HotProtocol, *, keep_alive: bool) -> None:
        self._protocol = protocol
        self._taken = False
        self.message_event = self  # set() is called when some of the body, its end or the caller's leaving is there
        self.body = bytearray()
        self.more_body = True
        self.keep_alive = keep_alive
        self.disconnected = self.response_started = self.response_complete = False

    @classmethod
    def over(cls, protocol: HotProtocol) -> HotCycle:
        """One that takes no notice of anything that comes."""
        cycle = cls(protocol, keep_alive=False)
        cycle.response_started = cycle.response_complete = True
        return cycle

    def set(self) -> None:
        if self._taken or self.disconnected:
            return  # a question that was never whole is not decided
        if self.more_body:
            if len(self.body) > LARGEST_BODY:
                self._protocol.go_on_ordinarily(self)
            return
        self._taken = True
        protocol = self._protocol
        if not protocol.service.at_once(protocol.headers, protocol.client, bytes(self.body), self.answer):
            protocol.go_on_ordinarily(self)

    def answer(self, status: int, head: bytes, body: bytes) -> None:
        """Send it, unless the caller has left."""
        protocol = self._protocol
        transport = protocol.transport
        if transport.is_closing():
            return
        self.response_started = self.response_complete = True
        end = b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n"
        transport.write(b"".join((STATUS_LINE[status], head, end, body)))
        if not self.keep_alive:
            transport.close()
        protocol.on_response_complete()


class HotProtocol(CorkedProtocol):
    """uvicorn's protocol, with the hot route, limits, and times counted in ticks of the server instead of a timer each."""

    service: AnswersAtOnce
    most_connections = 20_000
    keep_alive_ticks = 75.0
    slowest_request_ticks = 20.0

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.service = self.config.loaded_app
        self._chunk = 0  # bytes that came last
        self._head = 0  # bytes that came before them, of a head that has not come to its end
        self._in_head = self._receiving = False
        self._ticks = 0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if len(self.connections) > self.most_connections:
            self._refuse(TooBusy("This server has all the connections it takes; try again in a moment."))

    def data_received(self, data: bytes) -> None:
        self._chunk = len(data)
        super().data_received(data)
        if self._in_head:
            self._head += self._chunk
            if self._head > LARGEST_HEAD and not self.transport.is_closing():
                self._refuse(HeadTooLarge())

    def on_message_begin(self) -> None:
        # The scope is made where it is needed, by `_go_on`.
        self.url = b""
        self.expect_100_continue = False
        self.headers = []
        self._in_head = self._receiving = True
        self._head = -self._chunk  # it may have begun at the chunk's last byte
        self._ticks = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        # A field behind a chunked body is none of the head's, which whoever stands in front has looked at.
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self._chunk > LARGEST_HEAD or self._head > 0:
            size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
            if size > LARGEST_HEAD and not self.transport.is_closing():
                self._refuse(HeadTooLarge())
        if self.transport.is_closing():
            self.cycle = HotCycle.over(self)  # type: ignore[assignment]  # nothing more is begun for this caller
            return
        parser, cycle = self.parser, self.cycle
        if (
            self.url == self.service.hot_route
            and (cycle is None or cycle.response_complete)
            and not self.expect_100_continue
            and parser.get_method() == b"POST"
            and parser.get_http_version() == "1.1"
            and not parser.should_upgrade()
        ):
            hot = HotCycle(self, keep_alive=parser.should_keep_alive() and not self.service.draining)
            self.cycle = hot  # type: ignore[assignment]  # it has all that uvicorn's protocol uses of a cycle
        else:
            self._go_on()

    def on_message_complete(self) -> None:
        self._receiving = False
        super().on_message_complete()

    def go_on_ordinarily(self, hot: HotCycle) -> None:
        """Give uvicorn the request in whose parsing we are, with what there is of its body."""
        self.cycle = None  # type: ignore[assignment]  # nothing is under way, as before this request
        self._go_on()
        self.cycle.body += hot.body
        self.cycle.more_body = hot.more_body
        self.cycle.message_event.set()

    def _go_on(self) -> None:
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers.extend(headers)
        super().on_headers_complete()
        if self.service.draining and self.cycle is not None:
            self.cycle.keep_alive = False

    def on_response_complete(self) -> None:
        # As uvicorn does it, but for a timer at each answer.
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self._ticks = 0
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())

    def tick(self) -> None:
        """A second has passed: let go who sends nothing, or sends a request too slowly."""
        if self._receiving:
            longest = self.slowest_request_ticks
        elif self._idle():
            longest = self.keep_alive_ticks
        else:
            return
        self._ticks += 1
        if self._ticks > longest:
            self.transport.close()

    def drain(self) -> None:
        """The server is about to stop: what is being answered is the last here, or else what comes next."""
        if not self._idle() and not self._receiving:
            self.shutdown()

    def leave_if_idle(self) -> None:
        if self._idle():
            self.transport.close()

    def _idle(self) -> bool:
        return not self._receiving and (self.cycle is None or self.cycle.response_complete)

    def _refuse(self, error: CareCircleError) -> None:
        status, body = problem(error)
        lines = [(b"content-type", b"application/problem+json"), (b"content-length", b"%d" % len(body))]
        lines += [(name.encode(), said.encode()) for name, said in headers_of(error).items()]
        lines += [(b"cache-control", b"no-store"), (b"connection", b"close")]
        self.transport.write(STATUS_LINE[status] + b"".join(b"%b: %b\r\n" % line for line in lines) + b"\r\n" + body)
        self.transport.close()
