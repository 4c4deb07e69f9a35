"""What a test puts in the place of plugins, and what keeps it from building real ones. In production there is neither.

A request for a plugin asks ``find_override``; whatever builds a plugin asks ``check_may_be_built``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django_plugin_system.conf import get_settings
from django_plugin_system.exceptions import InvalidPluginClass, PluginBlocked


@dataclass(frozen=True, eq=False)
class Override:
    """A fake for the plugins of one type, or only for those with a ``name`` or asked for in a ``scope``.

    ``fake`` is the object that everybody gets, or a class or function that is called for each of them.
    """

    type_key: tuple[str, str]
    interface: type
    fake: object
    name: str | None = None
    scope: str | None = None
    rows: dict[str, Any] = field(default_factory=dict)
    """What callers see in the place of the instance, by the scope that they asked for: a row without an item."""

    def __str__(self) -> str:
        return getattr(self.fake, "__qualname__", type(self.fake).__qualname__)

    def check(self) -> None:
        """Check what can be known before the fake is needed.

        :raises InvalidPluginClass: (a TypeError) if it cannot stand in for the interface.
        """
        fake: Any = self.fake
        if isinstance(fake, type):
            if not issubclass(fake, self.interface) or getattr(fake, "__abstractmethods__", None):
                raise self._refuse(f"The class {fake.__qualname__}")
        elif not isinstance(fake, self.interface) and not callable(fake):
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


overrides: list[Override] = []
"""Those in force, for all threads of the process; the last one answers first."""

allowed: list[tuple[type, ...]] = []
"""The classes that may be built although ``PLUGIN_SYSTEM["BLOCK_IN_TESTS"]`` is on."""


def find_override(type_key: tuple[str, str], name: str | None, scope: str) -> Override | None:
    """Return what answers a request for the type, perhaps by ``name``, or stands in for a row with that name."""
    for override in reversed(overrides):
        if override.type_key == type_key and override.name in (None, name) and override.scope in (None, scope):
            return override
    return None


def check_may_be_built(plugin_class: type) -> None:
    """Let a real plugin be built, or not.

    :raises PluginBlocked: in a test run, if ``PLUGIN_SYSTEM["BLOCK_IN_TESTS"]`` is on and the class is not allowed.
    """
    if (
        get_settings().BLOCK_IN_TESTS
        and is_test_run()
        and not any(issubclass(plugin_class, classes) for classes in allowed)
    ):
        raise PluginBlocked(plugin_class)


def is_test_run() -> bool:
    """Say whether a test runner has set Django up for tests: ``manage.py test``, pytest-django and others do."""
    utils = sys.modules.get("django.test.utils")  # never imported for the sake of this question
    return hasattr(getattr(utils, "_TestState", None), "saved_data")


@contextmanager
def allowing(classes: tuple[type, ...]) -> Iterator[None]:
    """Let subclasses of ``classes`` be built inside the block, by all threads."""
    allowed.append(classes)
    try:
        yield
    finally:
        allowed.remove(classes)
