"""RemovedInPluginSystem30Warning: classes that, called without arguments, give a plugin to who knows no instances."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django_plugin_system.guard import guard

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_plugin_system.standins import StandIn


class _NoSubclassHook:
    """Keeps a plugin class's own ``__init_subclass__`` from hearing of the classes made here."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        pass


def bind_class(plugin_class: type, build_configured: Callable[[], object]) -> type:
    """Return a subclass of ``plugin_class`` that, called without arguments, gives what ``build_configured`` gives."""

    def build(_cls: type, *args: Any, **kwargs: Any) -> object:
        return plugin_class(*args, **kwargs) if args or kwargs else build_configured()

    namespace = {"__new__": build, "__module__": plugin_class.__module__, "__qualname__": plugin_class.__qualname__}
    return type(plugin_class)(plugin_class.__name__, (_NoSubclassHook, plugin_class), namespace)


def get_plain_class(plugin_class: type) -> type:
    """Return a class that takes no configuration, in a form that asks the guard of tests if that is on."""
    return bind_class(plugin_class, lambda: guard.build(plugin_class)) if guard.armed else plugin_class


def get_stand_in_class(stand_in: StandIn) -> type:
    """Return a class that gives the fake of a test."""
    return stand_in.fake if isinstance(stand_in.fake, type) else bind_class(stand_in.interface, stand_in.build)
