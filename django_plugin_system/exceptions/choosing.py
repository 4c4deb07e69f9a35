"""Errors of looking up a type, an item or an instance, and of building a plugin from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django_plugin_system.exceptions.root import PluginSystemError

if TYPE_CHECKING:
    from collections.abc import Sequence


class _Named(KeyError):
    """A KeyError whose text is its message; the builtin would show the message's ``repr``."""

    def __str__(self) -> str:
        return str(self.args[0])


class PluginTypeNotFound(PluginSystemError, _Named):
    """Nobody registered the plugin type that was asked for."""

    def __init__(self, wanted: str, close: Sequence[str] = ()) -> None:
        """Name what was ``wanted`` and the ``close`` matches, best first."""
        hint = f" Did you mean {' or '.join(close)}?" if close else " Register it in a plugins.py of an installed app."
        super().__init__(f"No plugin type {wanted} is registered.{hint}")
        self.wanted = wanted
        self.close = tuple(close)


class AmbiguousPluginType(PluginSystemError, LookupError):
    """An interface class serves more than one plugin type, so it names none of them."""

    def __init__(self, interface: type, names: Sequence[str]) -> None:
        """List the ``names`` of the types that share ``interface``."""
        super().__init__(f"{interface.__qualname__} is the interface of {', '.join(names)}: ask by name and manager.")
        self.interface = interface
        self.names = tuple(names)


class InvalidPluginChoice(PluginSystemError, TypeError):
    """A type's own ``get_plugin`` returned something that is no item or instance of the type."""

    def __init__(self, type_name: str, choice: object) -> None:
        """Name the type, and what was returned."""
        kind = type(choice).__qualname__
        shown = (
            f"{kind} {choice}" if kind in {"PluginItem", "PluginInstance"} else getattr(choice, "__qualname__", kind)
        )
        super().__init__(
            f"get_plugin of plugin type {type_name} returned {shown}: return an item or an instance of this very type, "
            "or None."
        )
        self.type_name = type_name
        self.choice = choice


class PluginItemNotFound(PluginSystemError, _Named):
    """No class is registered for a plugin item."""

    def __init__(self, wanted: str) -> None:
        """Name the item that was ``wanted``."""
        super().__init__(f"No class is registered for plugin item {wanted}. Is its app installed?")
        self.wanted = wanted


class PluginInstanceNotFound(PluginSystemError, LookupError):
    """No plugin instance of the type has the id that was asked for."""

    def __init__(self, type_name: str, instance_id: object) -> None:
        """Name the type and the ``instance_id``."""
        super().__init__(f"Plugin type {type_name} has no instance with id {instance_id}.")
        self.type_name = type_name
        self.instance_id = instance_id


_LISTED = 20
_NONE_AT_ALL = "there is none. Add one in the admin; manage.py pluginsync adds those that need no configuration."


class NoPluginAvailable(PluginSystemError, LookupError):
    """No instance can be used now; ``candidates`` holds each one that was looked at, with its reason."""

    def __init__(self, wanted: str, candidates: Sequence[Any] = ()) -> None:
        """Say for each of ``candidates`` (objects whose ``str()`` names the row and the reason) why it was skipped."""
        lines = [f"\n- {candidate}" for candidate in candidates[:_LISTED]]
        if len(candidates) > _LISTED:
            lines.append(f"\n- and {len(candidates) - _LISTED} more")
        detail = "".join(lines) or f" {_NONE_AT_ALL}"
        super().__init__(f"No usable instance of {wanted}:{detail}")
        self.wanted = wanted
        self.candidates = tuple(candidates)


class PluginBuildError(PluginSystemError, RuntimeError):
    """The constructor of a plugin class raised; the message names the class and the error, without its text."""

    def __init__(self, plugin_class: type, error_name: str) -> None:
        """Name the class and the exception type."""
        super().__init__(f"{plugin_class.__qualname__} could not be built: its constructor raised {error_name}.")
        self.plugin_class = plugin_class
        self.error_name = error_name
