"""The type ``email``, and its items: a server that speaks SMTP, and any mail backend that the settings list."""

from __future__ import annotations

from contextlib import suppress
from operator import methodcaller
from typing import TYPE_CHECKING, Annotated, Any

from django.utils.module_loading import import_string
from pydantic import AfterValidator, BaseModel, Field, SecretStr, model_validator

from django_plugin_system import BoundTo, ConfigurablePlugin, PluginSystemError, plugin_item, plugin_type
from django_plugin_system.conf import get_settings
from django_plugin_system.config.leaks import describe
from django_plugin_system.contrib.email.backend import AbstractEmail, MailNotTaken
from django_plugin_system.contrib.email.judging import judge
from django_plugin_system.contrib.email.smtp import ALIAS, SmtpConnection
from django_plugin_system.schema.secrets import collect_secret_texts

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.core.mail import EmailMessage

HOME = "django_plugin_system.contrib.email"
OF_THE_MAIL = (PluginSystemError, TypeError, ValueError)
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

    backend: Annotated[str, AfterValidator(_check_listed)] = Field(title="Backend", description="The path of a class.")
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
