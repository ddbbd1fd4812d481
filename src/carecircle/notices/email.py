"""Notices by mail: over STARTTLS or SMTPS with verified certificates, each message with an id that a repeat keeps."""

from __future__ import annotations

import asyncio
import smtplib
import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from urllib.parse import parse_qs, unquote

from carecircle.errors import InvalidSetting
from carecircle.identifiers import to_text
from carecircle.notices.addresses import is_here, split_url
from carecircle.notices.words import Notice
from carecircle.policy import is_mail_address
from carecircle.settings import Settings

TIMEOUT = 10.0
"""Seconds that one answer of the mail server may take."""
LONGEST = 30.0
"""Seconds that the whole conversation may take: a transaction is open meanwhile."""
WRITTEN = "smtp://user:password@host:port or smtps://user:password@host:port"


@dataclass(frozen=True)
class Mail:
    """A mail server, how to speak to it, and from whom notices come."""

    host: str
    port: int
    wrapped: bool
    """TLS from the first byte (smtps)."""
    starttls: bool
    user: str
    password: str = field(repr=False)
    sender: str
    shown_sender: str
    _threads: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(8, thread_name_prefix="mail"), repr=False, compare=False
    )

    @classmethod
    def of(cls, settings: Settings) -> Mail | None:
        """The configured mail server, or None. Raises InvalidSetting."""
        if settings.smtp_url is None:
            return None
        name = "CARECIRCLE_SMTP_URL"
        url = settings.smtp_url.get_secret_value()
        parts, host, port = split_url(name, url, ("smtp", "smtps"), WRITTEN)
        wrapped = parts.scheme == "smtps"
        said = parse_qs(parts.query, keep_blank_values=True)
        asked = said.pop("starttls", ["never" if wrapped or is_here(host) else "required"])
        if (
            parts.path not in ("", "/")
            or said
            or asked not in (["required"], ["never"])
            or (wrapped and asked != ["never"])
        ):
            raise InvalidSetting(
                f"{name}: write it as {WRITTEN}; after smtp:// it may end in ?starttls=required or =never."
            )
        starttls = asked == ["required"]
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        if bool(user) != bool(password):
            raise InvalidSetting(f"{name}: give both a user and a password, or neither.")
        if user and not (wrapped or starttls or is_here(host)):
            raise InvalidSetting(
                f"{name}: a password is not sent without TLS; take ?starttls=never out, or use smtps://."
            )
        shown = settings.mail_from or ""
        _, sender = parseaddr(shown)
        if not is_mail_address(sender) or not shown.isprintable():
            raise InvalidSetting(
                "CARECIRCLE_MAIL_FROM: say from which address notices are sent, such as carecircle@hospital.example."
            )
        return cls(
            host,
            port or (465 if wrapped else 587 if starttls else 25),
            wrapped,
            starttls,
            user,
            password,
            sender,
            shown,
        )

    def message(self, notice: Notice, recipient: str) -> EmailMessage:
        """The message; the same notice gives the same bytes every time."""
        message = EmailMessage(policy=SMTP)
        message["Message-ID"] = f"<{to_text(notice.id)}@{self.sender.partition('@')[2]}>"
        message["Date"] = format_datetime(notice.occurred_at)
        message["From"] = self.shown_sender
        message["To"] = recipient
        message["Subject"] = notice.subject
        message["Auto-Submitted"] = "auto-generated"  # nobody's out-of-office reply is wanted
        message.set_content(notice.body)
        return message

    async def send(self, notice: Notice, recipient: str) -> str:
        """Hand one message to the server; `sent` once it has taken it.

        Otherwise `unusable-address`, `unreachable`, `untrusted` (no TLS, or a certificate that does not verify) or
        `refused`. A server that takes it too late gets it again.
        """
        if not is_mail_address(recipient):
            return "unusable-address"
        message = self.message(notice, recipient)
        opened: list[smtplib.SMTP] = []
        try:
            async with asyncio.timeout(LONGEST):
                return await asyncio.get_running_loop().run_in_executor(
                    self._threads, self._converse, message, recipient, opened
                )
        except TimeoutError:
            return "unreachable"
        finally:
            for client in opened:
                _hang_up(client)

    def _converse(self, message: EmailMessage, recipient: str, opened: list[smtplib.SMTP]) -> str:
        try:
            with self._connected(opened) as client:
                if self.user:
                    client.login(self.user, self.password)
                client.send_message(message, self.sender, [recipient])
        except (smtplib.SMTPServerDisconnected, smtplib.SMTPConnectError):
            return "unreachable"
        except _UntrustedError:
            return "untrusted"
        except smtplib.SMTPException:  # an OSError too, so it stands first
            return "refused"
        except ssl.SSLError:
            return "untrusted"
        except OSError:
            return "unreachable"
        return "sent"

    @contextmanager
    def _connected(self, opened: list[smtplib.SMTP]) -> Iterator[smtplib.SMTP]:
        # Named by the caller: asking the name service what this machine is called may take longer than the mail.
        me = socket.gethostname()
        if self.wrapped:
            trusted = ssl.create_default_context()
            client: smtplib.SMTP = smtplib.SMTP_SSL(
                self.host, self.port, local_hostname=me, timeout=TIMEOUT, context=trusted
            )
        else:
            client = smtplib.SMTP(self.host, self.port, local_hostname=me, timeout=TIMEOUT)
        opened.append(client)
        try:
            if self.starttls:
                try:
                    client.starttls(context=ssl.create_default_context())
                except (smtplib.SMTPNotSupportedError, smtplib.SMTPResponseException):
                    raise _UntrustedError from None
            yield client
            # Taken is taken: a server that is slow to say goodbye must not make it look otherwise.
            with suppress(smtplib.SMTPException, OSError):
                client.putcmd("quit")
        finally:
            client.close()


class _UntrustedError(Exception):
    """The server does not offer the protection that it must."""


def _hang_up(client: smtplib.SMTP) -> None:
    """End a conversation that a thread may still be waiting in."""
    line: socket.socket | None = client.sock
    if line is not None:
        with suppress(OSError):
            socket.socket.shutdown(line, socket.SHUT_RDWR)
