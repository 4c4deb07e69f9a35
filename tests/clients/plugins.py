"""Plugins whose clients note what is done with them."""

from __future__ import annotations

import threading
from typing import ClassVar

from django_plugin_system import ConfigurablePlugin, shared_client
from tests.support.plugins import AbstractSms, ProviderConfig


class Client:
    """A client that knows whether it is open; the class keeps all that were made."""

    made: ClassVar[list[Client]] = []
    closed: ClassVar[list[Client]] = []
    most_open: ClassVar[int] = 0
    report: bool = False
    """Whether to say so on the standard output when it is closed."""
    _lock = threading.Lock()

    def __init__(self, config: ProviderConfig, name: str = "client") -> None:
        """Note that it was made, and of what."""
        self.account, self.token, self.name = config.account, config.token.get_secret_value(), name
        with self._lock:
            self.made.append(self)
            Client.most_open = max(self.most_open, self.count_open())

    @classmethod
    def count_open(cls) -> int:
        """Return how many are open."""
        return len(cls.made) - len(cls.closed)

    @classmethod
    def forget(cls) -> None:
        """Begin anew."""
        cls.most_open = 0
        cls.made.clear()
        cls.closed.clear()

    @property
    def is_closed(self) -> bool:
        """Whether it was closed."""
        return self in self.closed

    def call(self) -> str:
        """Return what a provider would see."""
        assert not self.is_closed
        return f"{self.account} {self.token}"

    def close(self) -> None:
        """Note that it was closed."""
        assert not self.is_closed
        self.closed.append(self)
        if self.report:
            print("closed", flush=True)  # noqa: T201 - another process reads it


class SharingSms(ConfigurablePlugin[ProviderConfig], AbstractSms):
    """A provider with a client."""

    @shared_client
    def client(self) -> Client:
        """Make a client."""
        return Client(self.config)

    def send(self, text: str) -> str:
        """Say what the client says."""
        return f"{text} {self.client.call()}"
