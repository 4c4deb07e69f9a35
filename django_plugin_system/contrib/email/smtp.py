"""A connection to a mail server: Django's own backend, which tells where it broke."""

from __future__ import annotations

import selectors
import smtplib
from typing import Any

import django.core.mail
from django.core.mail.backends.smtp import EmailBackend

from django_plugin_system.exceptions import PluginRejected

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
            raise PluginRejected(f"The server does not deliver to {listed}. The other recipients get the mail.")
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
                selector.register(self.connection.sock, selectors.EVENT_READ)  # type: ignore[arg-type] # it is connected
                if selector.select(0):
                    self.drop()
        return super().open()

    def drop(self) -> None:
        """Close without a word: a server that does not answer would not answer to that, either."""
        partial = getattr(self, "_partial_connection", None)  # Django 4.2 has none
        for connection in filter(None, (partial, self.connection)):
            connection.close()
        self._partial_connection = self.connection = None
