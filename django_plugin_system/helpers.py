"""The front door: what application code calls to get a plugin."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar, overload

from asgiref.sync import sync_to_async
from django.db import router

from django_plugin_system import changes
from django_plugin_system.changes import announce_instances, changing, get_place
from django_plugin_system.compat import get_plugin_class, get_plugin_instance  # RemovedInPluginSystem30Warning
from django_plugin_system.exceptions import PluginBuildError
from django_plugin_system.models import PluginInstance
from django_plugin_system.querysets import add_health
from django_plugin_system.selection import choosing
from django_plugin_system.selection.attempts import failover
from django_plugin_system.selection.cache import recall
from django_plugin_system.selection.candidates import get_alias, make_request
from django_plugin_system.selection.choosing import Selection

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from typing_extensions import TypeForm

__all__ = [
    "Selection",
    "aget_plugin",
    "aget_plugin_by_id",
    "aget_plugins",
    "explain_selection",
    "failover",
    "get_plugin",
    "get_plugin_by_id",
    "get_plugin_class",  # RemovedInPluginSystem30Warning
    "get_plugin_instance",  # RemovedInPluginSystem30Warning
    "get_plugins",
    "refresh_plugins",
]

T = TypeVar("T")


@overload
def get_plugin(ref: TypeForm[T], /, *, name: str | None = None, using: str | None = None) -> T: ...
@overload
def get_plugin(ref: str, manager: str, /, *, name: str | None = None, using: str | None = None) -> Any: ...
def get_plugin(ref: object, manager: str | None = None, /, *, name: str | None = None, using: str | None = None) -> Any:
    """Return a new plugin, built from the best usable instance of a type.

    The type is given by its interface class, or by its name and manager. With ``name``, only instances of that name
    count. ``using`` names the database, the router's choice by default.

    :raises PluginTypeNotFound: (a LookupError) if nobody registered the type.
    :raises NoPluginAvailable: (a LookupError) if no instance is usable, with the reason for each.
    """
    alias = using or get_alias()
    ready = recall((get_place(alias), ref, manager, name))
    try:
        if ready is not None:
            return ready.build()
    except PluginBuildError:
        pass  # there may be another one
    return choosing.get_best(make_request(ref, manager, name, alias))


@overload
def get_plugins(ref: TypeForm[T], /, *, name: str | None = None, using: str | None = None) -> list[T]: ...
@overload
def get_plugins(ref: str, manager: str, /, *, name: str | None = None, using: str | None = None) -> list[Any]: ...
def get_plugins(
    ref: object, manager: str | None = None, /, *, name: str | None = None, using: str | None = None
) -> list[Any]:
    """Return a new plugin for each usable instance of a type, best first; see ``get_plugin``. The list may be empty.

    :raises PluginTypeNotFound: (a LookupError) if nobody registered the type.
    """
    return choosing.get_all(make_request(ref, manager, name, using))


@overload
def get_plugin_by_id(ref: TypeForm[T], instance_id: UUID | str, /, *, using: str | None = None) -> T: ...
@overload
def get_plugin_by_id(ref: str, manager: str, instance_id: UUID | str, /, *, using: str | None = None) -> Any: ...
def get_plugin_by_id(ref: object, *args: Any, using: str | None = None) -> Any:
    """Return a new plugin built from exactly one instance, whatever its place in the order.

    :raises PluginTypeNotFound: (a LookupError) if nobody registered the type.
    :raises PluginInstanceNotFound: (a LookupError) if the type has no such instance.
    :raises NoPluginAvailable: (a LookupError) if the instance, or its item, is disabled.
    :raises ConfigError: (a ValueError) if its configuration cannot be read.
    """
    *manager, instance_id = args
    return choosing.get_by_id(make_request(ref, manager[0] if manager else None, None, using), instance_id)


def explain_selection(
    ref: object, manager: str | None = None, /, *, name: str | None = None, using: str | None = None
) -> Selection:
    """Return why ``get_plugin`` chooses as it does: every candidate in order, with its reason; ``str()`` reads well.

    :raises PluginTypeNotFound: (a LookupError) if nobody registered the type.
    """
    return choosing.explain(make_request(ref, manager, name, using))


async def _ask_in_thread(get: Callable[..., Any], *args: Any, **options: Any) -> Any:
    return await sync_to_async(get)(*args, **options)


@overload
async def aget_plugin(ref: TypeForm[T], /, *, name: str | None = None, using: str | None = None) -> T: ...
@overload
async def aget_plugin(ref: str, manager: str, /, *, name: str | None = None, using: str | None = None) -> Any: ...
async def aget_plugin(
    ref: object, manager: str | None = None, /, *, name: str | None = None, using: str | None = None
) -> Any:
    """Return what ``get_plugin`` returns, from asynchronous code; in another thread if the database has to be asked."""
    alias = using or get_alias()
    place = get_place(alias)
    if not place[2:] and not changes.uncommitted:  # a schema and an open transaction would be the other thread's
        ready = recall((place, ref, manager, name))
        with suppress(PluginBuildError):
            if ready is not None:
                return ready.build()
    return await _ask_in_thread(get_plugin, ref, manager, name=name, using=using)


@overload
async def aget_plugins(ref: TypeForm[T], /, *, name: str | None = None, using: str | None = None) -> list[T]: ...
@overload
async def aget_plugins(
    ref: str, manager: str, /, *, name: str | None = None, using: str | None = None
) -> list[Any]: ...
async def aget_plugins(
    ref: object, manager: str | None = None, /, *, name: str | None = None, using: str | None = None
) -> list[Any]:
    """Return what ``get_plugins`` returns, from asynchronous code."""
    plugins: list[Any] = await _ask_in_thread(get_plugins, ref, manager, name=name, using=using)
    return plugins


@overload
async def aget_plugin_by_id(ref: TypeForm[T], instance_id: UUID | str, /, *, using: str | None = None) -> T: ...
@overload
async def aget_plugin_by_id(ref: str, manager: str, instance_id: UUID | str, /, *, using: str | None = None) -> Any: ...
async def aget_plugin_by_id(ref: object, *args: Any, using: str | None = None) -> Any:
    """Return what ``get_plugin_by_id`` returns, from asynchronous code."""
    return await _ask_in_thread(get_plugin_by_id, ref, *args, using=using)


def refresh_plugins(using: str | None = None) -> None:
    """Let every process look again at its next selection: for changes made with raw SQL, which note no change."""
    alias = using or router.db_for_write(PluginInstance)
    with changing(alias):
        add_health(PluginInstance, alias)
        announce_instances(PluginInstance, alias, None)
