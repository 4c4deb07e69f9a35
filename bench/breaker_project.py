"""What the breaker bench calls: a provider that hangs before it fails, and one that serves."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import TYPE_CHECKING

from django_plugin_system import (
    AllPluginsFailed,
    NoPluginAvailable,
    PluginUnavailable,
    failover,
    plugin_item,
    plugin_type,
)

if TYPE_CHECKING:
    from collections.abc import Callable

PAUSE = 0.02
"""Seconds between two calls of one thread."""


@plugin_type(name="call", manager="bench")
class AbstractCall(ABC):
    """What hangs, or does not."""

    @abstractmethod
    def call(self, hang: float) -> None:
        """Serve, or fail after so many seconds."""


@plugin_item(AbstractCall, name="dead", module="bench", priority=0)
class Dead(AbstractCall):
    """A provider that is down."""

    def call(self, hang: float) -> None:
        """Fail."""
        time.sleep(hang)
        raise PluginUnavailable


@plugin_item(AbstractCall, name="healthy", module="bench", priority=1)
class Healthy(AbstractCall):
    """A provider that serves."""

    def call(self, hang: float) -> None:
        """Serve."""


def call_once(cooldown: float, hang: float, note: Callable[[float], None]) -> None:
    """Fail over once, and note when the dead provider is called."""
    with suppress(AllPluginsFailed, NoPluginAvailable):
        for attempt in failover(AbstractCall, cooldown=cooldown):
            with attempt as plugin:
                if isinstance(plugin, Dead):
                    note(time.time())
                plugin.call(hang)
