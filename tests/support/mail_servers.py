"""Mail servers on the loopback address, each with a behaviour of its own."""

from __future__ import annotations

import contextlib
import socket
import threading
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from typing import TYPE_CHECKING, Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator
    from email.message import EmailMessage

    from aiosmtpd.smtp import Envelope, Session

HOST = "127.0.0.1"


@dataclass
class Server:
    """What a server does, and what it took. ``replies`` maps a recipient to what the server says to it."""

    user: str = ""
    password: str = ""
    replies: dict[str, str] = field(default_factory=dict)
    sender_reply: str = ""
    data_reply: str = "250 Taken"
    breaks_after_data: bool = False
    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    connections: int = 0

    @property
    def config(self) -> dict[str, Any]:
        """What an instance of ``smtp`` needs to reach this server."""
        login = {"username": self.user, "password": self.password} if self.user else {}
        return {"host": HOST, "port": self.port, "use_tls": False, "timeout": 5, **login}

    # What aiosmtpd calls

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        """Count the connections."""
        del server, envelope
        self.connections += 1
        session.host_name = hostname
        return responses

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take the sender, or not."""
        del server, options
        envelope.mail_from = address
        return self.sender_reply or ("530 Log in first" if self.user and not session.authenticated else "250 OK")

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take a recipient, or not."""
        del server, session, options
        reply = self.replies.get(address, "250 OK")
        if reply.startswith("2"):
            envelope.rcpt_tos.append(address)
        return reply

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Keep the mail."""
        del session
        if self.data_reply.startswith("2"):
            self.mails.append(message_from_bytes(envelope.original_content or b"", policy=policy.default))
            self.recipients.append(list(envelope.rcpt_tos))
        if self.breaks_after_data:
            server.transport.abort()  # type: ignore[union-attr] # it is connected
        return self.data_reply

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, login: Any
    ) -> AuthResult:
        """Let in who knows the password."""
        del server, session, envelope, mechanism
        wanted = LoginPassword(self.user.encode(), self.password.encode())
        return AuthResult(success=login == wanted, handled=False)


@contextlib.contextmanager
def running_mail_server(
    tls: ssl.SSLContext | None = None, *, from_the_first_byte: bool = False, **behaviour: Any
) -> Iterator[Server]:
    """Serve while the block lasts."""
    server = Server(**behaviour)
    options: dict[str, Any] = {} if from_the_first_byte else {"tls_context": tls}
    if server.user:
        options |= {"authenticator": server.authenticate, "auth_require_tls": False}
    ssl_context = tls if from_the_first_byte else None
    controller = Controller(server, HOST, server.port or _find_port(), ssl_context=ssl_context, **options)
    controller.start()
    server.port = controller.port
    try:
        yield server
    finally:
        controller.stop()


def _find_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def listening(greeting: bytes = b"") -> Iterator[Server]:
    """Accept connections, say ``greeting`` and then nothing: a server that hangs."""
    held: list[socket.socket] = []

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _address = listener.accept()
                held.append(connection)
                connection.sendall(greeting)

    with socket.create_server((HOST, 0)) as listener:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield Server(port=listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()
    for connection in held:
        connection.close()


def dead() -> Server:
    """Return a server at whose port nobody listens."""
    return Server(port=_find_port())
