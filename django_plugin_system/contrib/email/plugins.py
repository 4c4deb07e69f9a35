"""The type ``email``, and its items: a server that speaks SMTP, and any mail backend that the settings list."""

from __future__ import annotations

import selectors
import smtplib
from collections.abc import Callable
from contextlib import suppress
from operator import methodcaller
from typing import TYPE_CHECKING, Annotated, Any

import django.core.mail
from django.core.mail.backends.smtp import EmailBackend
from django.utils.module_loading import import_string
from pydantic import AfterValidator, BaseModel, Field, SecretStr, model_validator

from django_plugin_system import BoundTo, ConfigurablePlugin, exceptions, plugin_item, plugin_type
from django_plugin_system.conf import get_settings
from django_plugin_system.config.leaks import describe
from django_plugin_system.contrib.email import AbstractEmail, MailNotTaken
from django_plugin_system.schema.values import collect_secret_texts

if TYPE_CHECKING:
    from django.core.mail import EmailMessage

FINAL, TEMPORARY, CLOSING = 500, 400, 421
"""Replies of SMTP: from where on they are final, or for now, and the one of a server that goes away."""
MAIL_REFUSED = (smtplib.SMTPDataError, smtplib.SMTPRecipientsRefused, smtplib.SMTPSenderRefused)
UNAUTHORIZED, TOO_MANY_REQUESTS, GATEWAY_TIMEOUT = 401, 429, 504
NEVER_CONNECTED = {"ConnectionRefusedError", "gaierror", "SSLCertVerificationError", "ConnectTimeoutError"}
"""Names of errors of the socket, and of urllib3, that come before anything is sent."""


def judge(error: Exception, said: str, *, has_mail: bool) -> exceptions.PluginSystemError:
    """Return what ``error`` means, to be raised where no frame holds it: its own frames hold passwords.

    ``said`` is its text as it may be shown. ``has_mail`` says whether the provider may hold the mail if the connection
    broke.
    """
    if isinstance(error, smtplib.SMTPException):
        return _judge_smtp(error, has_mail=has_mail)(said)
    if isinstance(status := getattr(error, "status_code", None), int):
        return _judge_http(status, said, error)
    if not has_mail or _never_connected(error):
        return exceptions.PluginUnavailable(said)
    if type(error).__name__ == "AnymailRecipientsRefused":
        return exceptions.PluginRejected(said)
    return exceptions.PluginOutcomeUnknown(said)


def _judge_smtp(error: smtplib.SMTPException, *, has_mail: bool) -> type[exceptions.PluginSystemError]:
    replies = [code for code, _text in getattr(error, "recipients", {}).values()]
    code = min(replies, default=getattr(error, "smtp_code", None))
    if code is None:
        return exceptions.PluginOutcomeUnknown if has_mail else exceptions.PluginUnavailable
    if isinstance(error, smtplib.SMTPAuthenticationError) and code >= FINAL:
        return exceptions.PluginCredentialsRefused
    if code == CLOSING or not isinstance(error, MAIL_REFUSED):
        return exceptions.PluginUnavailable
    if code >= FINAL and not isinstance(error, smtplib.SMTPSenderRefused):  # another provider may know this sender
        return exceptions.PluginRejected
    return MailNotTaken if code >= TEMPORARY else exceptions.PluginOutcomeUnknown


def _judge_http(status: int, said: str, error: Exception) -> exceptions.PluginSystemError:
    if status == UNAUTHORIZED:
        return exceptions.PluginCredentialsRefused(said)
    if status < TEMPORARY or status == GATEWAY_TIMEOUT:
        return exceptions.PluginOutcomeUnknown(said)
    if status < FINAL and status != TOO_MANY_REQUESTS:
        return MailNotTaken(said)
    seconds = None
    with suppress(AttributeError, LookupError, TypeError, ValueError):  # there is no such header, or it holds a date
        seconds = max(0.0, float(error.response.headers["Retry-After"]))  # type: ignore[attr-defined] # suppressed
    return exceptions.PluginUnavailable(said, retry_after=seconds)


def _never_connected(error: BaseException | None) -> bool:
    """Say whether ``error``, or what led to it, came before anything was sent."""
    while error is not None and type(error).__name__ not in NEVER_CONNECTED:
        error = error.__cause__ or error.__context__
    return error is not None


START_OF_MAIL = 354
ALIAS: dict[str, Any] = {"alias": "django_plugin_system"} if hasattr(django.core.mail, "mailers") else {}
"""From Django 6.1 on, a backend that is given no alias warns, and looks into settings that are going away."""


class _Tracking(smtplib.SMTP):
    """Knows whether the server was given a mail, and has not said what becomes of it."""

    has_mail: bool

    def getreply(self) -> tuple[int, bytes]:
        """Note whether the server has just asked for a mail; every other reply says what becomes of the last one."""
        code, text = super().getreply()
        self.has_mail = code == START_OF_MAIL
        return code, text

    def sendmail(self, *args: Any, **kwargs: Any) -> dict[str, tuple[int, bytes]]:
        """Say what Django's backend passes over: that the server took the mail for some recipients only."""
        if refused := super().sendmail(*args, **kwargs):
            listed = ", ".join(f"{address} ({code})" for address, (code, _text) in refused.items())
            raise exceptions.PluginRejected(
                f"The server does not deliver to {listed}. The other recipients get the mail."
            )
        return refused


class _TrackingSsl(_Tracking, smtplib.SMTP_SSL):
    """The same, encrypted from the first byte."""


class SmtpConnection(EmailBackend):
    """Django's backend for one server, which goes by no settings."""

    connection: _Tracking | None
    _partial_connection: _Tracking | None

    @property
    def connection_class(self) -> type[_Tracking]:
        """What Django connects with."""
        return _TrackingSsl if self.use_ssl else _Tracking

    def open(self) -> bool | None:
        """Connect and log in, unless there is a connection that can be used.

        A server that spoke while it had nothing to answer has said that it closes, as nothing came for too long.
        """
        if self.connection is not None:
            with selectors.DefaultSelector() as selector:
                connected: Any = self.connection
                selector.register(connected.sock, selectors.EVENT_READ)
                if selector.select(0):
                    self.drop()
        return super().open()

    def drop(self) -> None:
        """Close without a word: a server that does not answer would not answer to that, either."""
        partial = getattr(self, "_partial_connection", None)  # Django 4.2 has none
        for connection in filter(None, (partial, self.connection)):
            connection.close()
        self._partial_connection = self.connection = None


HOME = "django_plugin_system.contrib.email"
OF_THE_MAIL = (exceptions.PluginSystemError, TypeError, ValueError)
"""What is raised as it is: a verdict, or a mail that nobody could send, as one with a line break in a header."""

plugin_type(name="email", manager=HOME, description="Sends the mails of this site.")(AbstractEmail)


class _DjangoEmail(AbstractEmail):
    """Sends with a mail backend of Django, which stays open until ``close()``."""

    config: Any
    _backend: Any

    def open(self) -> None:
        """Connect, unless that was done already."""
        self._run(methodcaller("open"), sending=False)

    def close(self) -> None:
        """Close what was opened. The mails are sent, so it does not matter whether that works."""
        with suppress(Exception):
            self._backend.close()

    def check(self) -> None:
        """Connect, which logs in where a connection is kept, and send nothing."""
        self.open()
        self.close()

    def send(self, message: EmailMessage) -> None:
        """Hand one mail over."""
        self.open()
        if self._run(methodcaller("send_messages", [message]), sending=True) == 0:  # some return None
            raise MailNotTaken("The backend took no mail, and said nothing.")

    def _run(self, do: Callable[[Any], object], *, sending: bool) -> object:
        """Do something with the backend; if that fails, disconnect it and say what the error means."""
        try:
            return do(self._backend)
        except Exception as error:  # noqa: BLE001 - foreign code
            failure = error.with_traceback(None)
            if not sending or isinstance(error, OSError) or not isinstance(error, OF_THE_MAIL):
                said = describe(error, collect_secret_texts(type(self.config), self.config))
                has_mail = getattr(getattr(self._backend, "connection", None), "has_mail", True)
                failure = judge(error, said, has_mail=sending and has_mail)
        with suppress(Exception):
            getattr(self._backend, "drop", self._backend.close)()
        raise failure


class SmtpConfig(BaseModel):
    """A server, and how to log in."""

    host: str = Field(title="Host", min_length=1)
    port: int = Field(587, title="Port", ge=1, le=65535)
    use_tls: bool = Field(default=True, title="Use TLS", description="Encrypt with STARTTLS, usually on port 587.")
    use_ssl: bool = Field(default=False, title="Use SSL", description="Encrypt from the first byte, as on port 465.")
    username: str = ""
    password: Annotated[SecretStr | None, BoundTo("host", "port", "use_tls", "use_ssl")] = None
    timeout: float = Field(10, title="Timeout", description="Seconds to wait for each answer.", gt=0, le=300)

    @model_validator(mode="after")
    def _check_login(self) -> SmtpConfig:
        if bool(self.username) != bool(self.password):
            raise ValueError("A user name and a password go together.")
        return self


@plugin_item(AbstractEmail, name="smtp", module=HOME, priority=10, description="A mail server that speaks SMTP.")
class SmtpEmail(ConfigurablePlugin[SmtpConfig], _DjangoEmail):
    """Sends with one connection to a server."""

    def __init__(self, config: SmtpConfig) -> None:
        """Connect to nothing yet."""
        super().__init__(config)
        options = config.model_dump() | {"use_tls": config.use_tls and not config.use_ssl}
        options["password"] = config.password and config.password.get_secret_value()
        self._backend = SmtpConnection(**options, **ALIAS)


def _check_listed(path: str) -> str:
    """Refuse a backend that the settings do not list."""
    if path not in (listed := get_settings().EMAIL_BACKENDS):
        raise ValueError(f"is not listed in PLUGIN_SYSTEM['EMAIL_BACKENDS']; there are: {', '.join(listed) or 'none'}")
    return path


class BackendConfig(BaseModel):
    """One of the listed classes, and what it is built with."""

    backend: Annotated[str, AfterValidator(_check_listed)] = Field(
        title="Backend", description="One that PLUGIN_SYSTEM['EMAIL_BACKENDS'] lists."
    )
    options: dict[str, bool | int | float | str] = Field({}, title="Options")
    secrets: Annotated[dict[str, SecretStr], BoundTo("backend", "options")] = Field({}, title="Secret options")


@plugin_item(AbstractEmail, name="backend", module=HOME, priority=20, description="Any mail backend of Django.")
class BackendEmail(ConfigurablePlugin[BackendConfig], _DjangoEmail):
    """Sends with a class that the settings list."""

    def __init__(self, config: BackendConfig) -> None:
        """Build the backend."""
        super().__init__(config)
        secrets = {name: secret.get_secret_value() for name, secret in config.secrets.items()}
        self._backend = import_string(config.backend)(**config.options, **secrets, **ALIAS)
