"""What plugins raise to say how a request ended, and what a failover raises when all have failed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from django_plugin_system.exceptions.root import PluginSystemError

if sys.version_info >= (3, 11):  # pragma: no cover - which branch runs depends on the interpreter
    from builtins import ExceptionGroup
else:  # pragma: no cover - the backport is installed on Python 3.10 only
    from exceptiongroup import ExceptionGroup

if TYPE_CHECKING:
    from collections.abc import Sequence


class PluginUnavailable(PluginSystemError, RuntimeError):
    """A plugin raises this to say: this provider cannot serve now, try the next one."""


class PluginRejected(PluginSystemError, RuntimeError):
    """A plugin raises this to say: the request itself is bad, no provider will take it."""


class PluginOutcomeUnknown(PluginSystemError, RuntimeError):
    """A plugin raises this to say: it may have happened (a payment that timed out), do not repeat it."""


class AllPluginsFailed(PluginSystemError, ExceptionGroup[Exception]):
    """Every candidate of a failover was tried and failed; ``exceptions`` holds what each said, in order."""

    def derive(self, excs: Sequence[Any], /) -> Any:
        """Return a group of this class for a part of the errors, as ``split()`` and ``except*`` need it."""
        return AllPluginsFailed(self.message, excs)
