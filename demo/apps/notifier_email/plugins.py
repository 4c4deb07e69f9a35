"""E-mail over SMTP, as a notifier."""

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from email.utils import make_msgid

from django.views.decorators.debug import sensitive_variables

from apps.notifier.interface import AbstractNotifier
from apps.notifier_email.config import EmailConfig
from django_plugin_system import (
    ConfigurablePlugin,
    PluginOutcomeUnknown,
    PluginRejected,
    PluginUnavailable,
    plugin_item,
)


@plugin_item(
    AbstractNotifier, name="email", module="apps.notifier_email", priority=10, description="Sends e-mail over SMTP."
)
class EmailNotifier(ConfigurablePlugin[EmailConfig], AbstractNotifier):
    """Sends plain text mails."""

    def send(self, recipient: str, subject: str, text: str) -> str:
        """Send one mail; the receipt is its Message-ID."""
        message = self._compose(recipient, subject, text)
        with self._connect() as server:
            _transmit(server, message)
        return str(message["Message-ID"])

    def check(self) -> None:
        """Connect and log in, and send nothing."""
        with self._connect() as server:
            server.noop()

    def _compose(self, recipient: str, subject: str, text: str) -> EmailMessage:
        message = EmailMessage()
        try:
            message["To"], message["Subject"] = recipient, subject
        except ValueError:  # a line break, which would forge a header
            raise PluginRejected("The recipient or the subject is not fit for a mail header.") from None
        message["From"] = self.config.sender
        message["Reply-To"] = self.config.reply_to or self.config.sender
        message["Message-ID"] = make_msgid(domain=self.config.sender.rpartition("@")[2])
        message.set_content(text)
        return message

    @contextmanager
    def _connect(self) -> Iterator[smtplib.SMTP]:
        """Open a connection that is logged in, and close it in the end."""
        try:
            server = _open(self.config)
        except (smtplib.SMTPException, OSError) as error:
            reason = _explain(error, f"{self.config.host}:{self.config.port}")
        else:
            with server:
                yield server
            return
        raise PluginUnavailable(reason)


@sensitive_variables()
def _open(config: EmailConfig) -> smtplib.SMTP:
    context = ssl.create_default_context()
    if config.security == "tls":
        server: smtplib.SMTP = smtplib.SMTP_SSL(config.host, config.port, timeout=config.timeout, context=context)
    else:
        server = smtplib.SMTP(config.host, config.port, timeout=config.timeout)
    try:
        if config.security == "starttls":
            server.starttls(context=context)
        if config.login is not None:
            server.login(config.login.user, config.login.password.get_secret_value())
    except BaseException:
        server.close()
        raise
    return server


def _transmit(server: smtplib.SMTP, message: EmailMessage) -> None:
    try:
        server.send_message(message)
    except smtplib.SMTPRecipientsRefused:
        raise PluginRejected(f"The mail server does not deliver to {message['To']}.") from None
    except smtplib.SMTPResponseException as error:
        raise PluginUnavailable(f"The mail server did not take the mail ({error.smtp_code}).") from None
    except (smtplib.SMTPServerDisconnected, OSError):
        raise PluginOutcomeUnknown("The mail server went away in the middle of a mail.") from None


def _explain(error: Exception, address: str) -> str:
    """Say what went wrong at ``address`` without the server's words, which may echo the password."""
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return f"The mail server {address} refused the login ({error.smtp_code}). Enter the right one in the admin."
    if isinstance(error, smtplib.SMTPException):
        return f"The mail server {address} does not serve us ({type(error).__name__})."
    return f"The mail server {address} cannot be reached ({type(error).__name__})."
