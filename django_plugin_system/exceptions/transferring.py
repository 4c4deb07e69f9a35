"""Errors of documents that instances are exported to and imported from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_plugin_system.exceptions.root import PluginSystemError

if TYPE_CHECKING:
    from collections.abc import Sequence


class InvalidDocument(PluginSystemError, ValueError):
    """A document of instances cannot be read or written as a whole; nothing was written."""

    def __init__(self, reason: str) -> None:
        """Say in ``reason`` what is wrong and where, without quoting values."""
        super().__init__(reason)
        self.reason = reason


class ImportRefused(PluginSystemError, ValueError):
    """Something in a document cannot be imported, so nothing was; ``problems`` names each entry and the reason."""

    def __init__(self, problems: Sequence[object]) -> None:
        """Keep the ``problems``, whose ``str()`` is safe to show."""
        self.problems = tuple(map(str, problems))
        super().__init__("Nothing was imported:" + "".join(f"\n- {problem}" for problem in self.problems))
