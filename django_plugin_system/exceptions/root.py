"""The root of every error of the package, and how an error names a place in a configuration."""

from __future__ import annotations

from typing import Any

Path = tuple[str, ...]
"""Where a value stands in a configuration: the JSON keys from the root, list positions as digits."""


def show_path(path: Path) -> str:
    """Return ``path`` as people write it: ``smtp.hosts.0``, or ``(root)`` for the whole."""
    return ".".join(path) or "(root)"


class PluginSystemError(Exception):
    """The root of every error this package raises. They all pickle, for task queues."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (_restore, (type(self), self.args, self.__dict__))


def _restore(cls: type[PluginSystemError], args: tuple[Any, ...], state: dict[str, Any]) -> PluginSystemError:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error
