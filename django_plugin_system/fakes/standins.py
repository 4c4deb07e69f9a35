"""What answers in the place of a type's plugins while a test says so. In production there is nothing here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django_plugin_system.exceptions import InvalidPluginClass

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, eq=False)
class StandIn:
    """A fake for the plugins of one type, or only for those with a ``name``.

    ``fake`` is the object that everybody gets, or a class or function that is called for each of them.
    """

    type_key: tuple[str, str]
    interface: type
    fake: object
    name: str | None = None

    def __str__(self) -> str:
        return getattr(self.fake, "__qualname__", type(self.fake).__qualname__)

    def check(self) -> None:
        """Check what can be known before the fake is needed.

        :raises InvalidPluginClass: (a TypeError) if it cannot stand in for the interface.
        """
        fake: Any = self.fake
        if isinstance(fake, type) and not (issubclass(fake, self.interface) and not _get_missing(fake)):
            raise self._refuse(f"The class {fake.__qualname__}")
        if not isinstance(fake, self.interface) and not callable(fake):
            raise self._refuse(f"A {type(fake).__qualname__}")

    def build(self) -> Any:
        """Return the fake, or a new one.

        :raises InvalidPluginClass: (a TypeError) if a function made something else.
        """
        if isinstance(self.fake, self.interface):
            return self.fake
        make: Callable[[], object] = self.fake  # type: ignore[assignment] # check() has seen to it
        made = make()
        if not isinstance(made, self.interface):
            raise self._refuse(f"A {type(made).__qualname__}, which {self} returned,")
        return made

    def _refuse(self, what: str) -> InvalidPluginClass:
        interface = self.interface.__qualname__
        message = (
            f"{what} does not implement {interface}: override_plugin needs a plugin, or a class or function for one."
        )
        return InvalidPluginClass(message, registered=self.fake)


def _get_missing(plugin_class: type) -> frozenset[str]:
    return getattr(plugin_class, "__abstractmethods__", frozenset())


stand_ins: list[StandIn] = []
"""Those in force, for all threads of the process; the last one answers first."""


def find_stand_in(type_key: tuple[str, str], name: str | None) -> StandIn | None:
    """Return what answers a request for the type, perhaps by ``name``, or stands in for a row with that name."""
    for stand_in in reversed(stand_ins):
        if stand_in.type_key == type_key and stand_in.name in (None, name):
            return stand_in
    return None
