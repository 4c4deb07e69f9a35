"""E-mail through instances that operators configure: every mail of Django goes out, with failover.

``"django_plugin_system.contrib.email"`` in ``INSTALLED_APPS``, and ``EMAIL_BACKEND`` (or the ``BACKEND`` of one of
``MAILERS``) ``= "django_plugin_system.contrib.email.EmailBackend"``.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from operator import methodcaller
from typing import TYPE_CHECKING, Any

from django.core.mail.backends.base import BaseEmailBackend
from django.db import DatabaseError

import django_plugin_system
from django_plugin_system.exceptions import PluginSystemError

if TYPE_CHECKING:
    from django.core.mail import EmailMessage

    from django_plugin_system.selection.attempts import Attempt

__all__ = ["AbstractEmail", "EmailBackend", "MailNotTaken"]


class AbstractEmail(ABC):
    """Hands mails to one provider."""

    @abstractmethod
    def send(self, message: EmailMessage) -> None:
        """Hand one mail over, to all of its recipients.

        :raises PluginUnavailable: if this provider cannot serve now. Nobody got the mail.
        :raises PluginRejected: if no provider can take this mail, or deliver it to one of its recipients.
        :raises PluginOutcomeUnknown: if the mail may have been taken.
        :raises MailNotTaken: if nobody got the mail, and the fault may be the provider's or the mail's.
        """

    def open(self) -> None:  # noqa: B027 - a provider that keeps no connection has nothing to do
        """Connect now rather than with the first mail."""

    def close(self) -> None:  # noqa: B027 - as above
        """Close what was opened. Must not raise: the mails are sent."""


class MailNotTaken(PluginSystemError, RuntimeError):
    """A provider did not take a mail. Another one may, so that says nothing of the provider by itself."""


FAILURES = (PluginSystemError, OSError)
"""What leads on to the next provider. An error of another kind, as a line break in a header, is the mail's own."""
MOST_NESTED = 2
"""So deep, mails are sent while one is sent, and fail silently: else a log handler that mails what a failing mail logs
would go on for ever, or keep that mail from the next provider."""

_nested = threading.local()
_last_used: dict[tuple[tuple[str, Any], ...], Attempt[AbstractEmail]] = {}
"""The attempt that served last, by what was asked for: for mails about a database that cannot be asked."""


class EmailBackend(BaseEmailBackend):
    """Sends each mail with the best instance of the type ``email``.

    Which ones count is said by ``name``, ``scope`` and ``shared``, as to ``failover``; ``using`` is a database.

    ``fail_silently`` covers what it covers with Django's SMTP backend: a mail that cannot be handed over, not one that
    is malformed. Threads that share an object wait for each other.
    """

    def __init__(self, fail_silently: bool = False, **options: Any) -> None:  # noqa: FBT001, FBT002 - as in Django
        """Keep what was asked for; ``options`` that say nothing of instances are Django's own."""
        self._wanted = {key: options.pop(key) for key in ("name", "scope", "shared", "using") if key in options}
        super().__init__(**options)
        self.fail_silently = fail_silently
        self._lock = threading.RLock()
        self._stays_open = False
        self._connected: list[AbstractEmail] = []

    def open(self) -> bool | None:
        """Connect to the best provider, and stay connected until ``close()``.

        Return whether that was needed, or None if it failed silently.
        """
        if self._stays_open:
            return False
        self._stays_open = self._succeeds(methodcaller("open"))
        return self._stays_open or None

    def close(self) -> None:
        """Close every connection."""
        self._stays_open = False
        while self._connected:
            self._connected.pop().close()

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Send mails one after the other, and return how many were sent."""
        depth = getattr(_nested, "depth", 0)
        if depth == MOST_NESTED:
            return 0
        _nested.depth = depth + 1
        try:
            with self._lock:
                return sum(self._succeeds(methodcaller("send", mail)) for mail in email_messages if mail.recipients())
        finally:
            _nested.depth = depth
            if not self._stays_open:
                self.close()

    def _succeeds(self, do: Callable[[AbstractEmail], object]) -> bool:
        try:
            self._serve(do)
        except (*FAILURES, DatabaseError):
            if not self.fail_silently and getattr(_nested, "depth", 0) <= 1:
                raise
            return False
        return True

    def _serve(self, do: Callable[[AbstractEmail], object]) -> None:
        """Have the first provider that can ``do`` it."""
        made, wanted = None, tuple(self._wanted.items())
        try:
            # By attribute: settings name this module before models can be imported.
            for attempt in django_plugin_system.failover(AbstractEmail, retry_on=FAILURES, **self._wanted):
                with attempt as made:
                    do(self._find_connected(made))
                _last_used[wanted] = attempt
        except DatabaseError:
            if made is not None or wanted not in _last_used:
                raise
            do(self._find_connected(_last_used[wanted].instance.load_plugin()))

    def _find_connected(self, made: AbstractEmail) -> AbstractEmail:
        """Return a provider that is connected already, if there is one of the same class and configuration."""
        for known in self._connected:
            if type(known) is type(made) and getattr(known, "config", None) == getattr(made, "config", None):
                return known
        self._connected.append(made)
        return made
