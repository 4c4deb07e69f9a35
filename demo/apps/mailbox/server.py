"""A real SMTP server on the loopback address, in a thread of its own."""

from __future__ import annotations

import asyncio
import email
import socket
from email import policy
from threading import Thread
from typing import TYPE_CHECKING

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from asgiref.sync import sync_to_async
from django.conf import settings

from apps.mailbox.models import Mail
from project.digest import matches

if TYPE_CHECKING:
    from email.message import EmailMessage
    from types import TracebackType

    from aiosmtpd.smtp import Envelope, Session
    from typing_extensions import Self

HOST = "127.0.0.1"


class MailServer:
    """Takes mails while its ``with`` block lasts, and keeps them as ``Mail`` rows.

    ``port`` is the wanted port, then the one that is served: another one if the wanted port is taken.
    """

    def __init__(self, port: int) -> None:
        """Take hold of the port, so that nobody else can."""
        self._socket = _bind(port)
        self.port: int = self._socket.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._serve, name="smtp", daemon=True)

    def __enter__(self) -> Self:
        """Start to serve; connections made from now on are answered."""
        self._thread.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop, and wait until the thread has ended."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(self._loop.create_server(self._new_session, sock=self._socket))
        try:
            self._loop.run_forever()
        finally:
            server.close()
            self._loop.close()

    def _new_session(self) -> SMTP:
        return SMTP(
            _Handler(),
            hostname="mail.demo.example",
            authenticator=_authenticate,
            auth_required=True,
            auth_require_tls=False,
            loop=self._loop,
        )


class _Handler:
    """What aiosmtpd asks when a mail has come in."""

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Keep the mail, once for each recipient."""
        del server, session
        await sync_to_async(_keep)(envelope)
        return "250 Message accepted"


def _keep(envelope: Envelope) -> None:
    content = envelope.content or b""
    mail = email.message_from_bytes(content.encode() if isinstance(content, str) else content, policy=policy.default)
    for recipient in envelope.rcpt_tos:
        Mail.objects.create(
            sender=mail.get("From", envelope.mail_from or ""),
            recipient=recipient,
            reply_to=mail.get("Reply-To", ""),
            subject=mail.get("Subject", ""),
            text=_text_of(mail),
        )


def _text_of(mail: EmailMessage) -> str:
    part = mail.get_body(preferencelist=("plain",))
    return str(part.get_content()).rstrip() if part else ""


def _authenticate(server: SMTP, session: Session, envelope: Envelope, mechanism: str, auth_data: object) -> AuthResult:
    del server, session, envelope, mechanism
    user, digest = settings.MAILBOX_LOGIN
    known = (
        isinstance(auth_data, LoginPassword)
        and auth_data.login == user.encode()
        and matches(auth_data.password.decode(errors="replace"), digest)
    )
    return AuthResult(success=known, handled=False)


def _bind(port: int) -> socket.socket:
    for wanted in (port, 0):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, wanted))
        except OSError:
            listener.close()
        else:
            return listener
    message = "No free port for the mail server."
    raise OSError(message)
