"""The front door: what application code calls to get a plugin."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar, overload
from uuid import UUID

from asgiref.sync import sync_to_async
from django.db import router
from typing_extensions import TypeForm, Unpack

from django_plugin_system import (
    changes,
    compat,  # RemovedInPluginSystem30Warning
)
from django_plugin_system.changes import announce_instances, changing, get_place
from django_plugin_system.exceptions import PluginBuildError
from django_plugin_system.models import PluginInstance
from django_plugin_system.overrides import overrides
from django_plugin_system.querysets import add_health, move_health
from django_plugin_system.selection import attempts, choosing
from django_plugin_system.selection.cache import is_known, recall, remember
from django_plugin_system.selection.candidates import ById, Request, Wanted, Where, get_alias, make_request

T = TypeVar("T")

get_plugin_class = compat.get_plugin_class  # RemovedInPluginSystem30Warning
get_plugin_instance = compat.get_plugin_instance  # RemovedInPluginSystem30Warning

failover = attempts.failover
report_failure, areport_failure = attempts.report_failure, attempts.areport_failure
report_success, areport_success = attempts.report_success, attempts.areport_success


@overload
def get_plugin(ref: TypeForm[T], /, **wanted: Unpack[Wanted]) -> T: ...
@overload
def get_plugin(ref: str, manager: str, /, **wanted: Unpack[Wanted]) -> Any: ...
def get_plugin(
    ref: object,
    manager: str | None = None,
    /,
    *,
    name: str | None = None,
    scope: str | None = None,
    shared: bool = True,
    using: str | None = None,
) -> Any:
    """Return a new plugin, built from the best usable instance of a type.

    The type is given by its interface class, or by its name and manager. With ``name``, only instances of that name
    count. ``scope`` says for whom: what is theirs comes first, then, if it may be ``shared``, what is everybody's;
    without it only that. ``using`` names the database, the router's choice by default.

    :raises PluginTypeNotFound: (a LookupError) if nobody registered the type.
    :raises NoPluginAvailable: (a LookupError) if no instance is usable, with the reason for each.
    :raises TypeError: if the scope is no text.
    """
    alias = using or get_alias()
    key = (get_place(alias), ref, manager, name, scope, shared)

    def request() -> Request:
        return make_request(ref, manager, name, alias, scope=scope, shared=shared)

    ready = recall(key)
    if ready is None and is_known(key) and not overrides:  # what was asked before need not be understood again
        ready = remember(alias, key, lambda: choosing.look_for_first(request()))
    try:
        if ready is not None:
            return ready.build()
    except PluginBuildError:
        pass  # there may be another one
    return choosing.get_best(request())


@overload
def get_plugins(ref: TypeForm[T], /, **wanted: Unpack[Wanted]) -> list[T]: ...
@overload
def get_plugins(ref: str, manager: str, /, **wanted: Unpack[Wanted]) -> list[Any]: ...
def get_plugins(ref: object, manager: str | None = None, /, **wanted: Unpack[Wanted]) -> list[Any]:
    """Return a new plugin for each usable instance of a type, best first; see ``get_plugin``. The list may be empty.

    :raises PluginTypeNotFound: (a LookupError) if nobody registered the type.
    """
    return choosing.get_all(make_request(ref, manager, **wanted))


@overload
def get_plugin_by_id(ref: TypeForm[T], instance_id: UUID | str, /, **which: Unpack[ById]) -> T: ...
@overload
def get_plugin_by_id(ref: str, manager: str, instance_id: UUID | str, /, **which: Unpack[ById]) -> Any: ...
def get_plugin_by_id(ref: object, *args: Any, disabled: bool = False, **where: Unpack[Where]) -> Any:
    """Return a new plugin built from exactly one instance, whatever its place in the order.

    If a ``scope`` is given, the instance has to be of it, or everybody's if that may be ``shared``; else of any. With
    ``disabled``, one that is disabled will do: for what belongs to it from before, as the refund of a payment.

    :raises PluginTypeNotFound: (a LookupError) if nobody registered the type.
    :raises PluginInstanceNotFound: (a LookupError) if the type has no such instance, or none for the scope.
    :raises NoPluginAvailable: (a LookupError) if the instance, or its item, is disabled.
    :raises ConfigError: (a ValueError) if its configuration cannot be read.
    """
    *manager, instance_id = args
    request = make_request(ref, manager[0] if manager else None, **where)
    return choosing.get_by_id(request, instance_id, disabled=disabled)


def explain_selection(ref: object, manager: str | None = None, /, **wanted: Unpack[Wanted]) -> choosing.Selection:
    """Return why ``get_plugin`` chooses as it does: every candidate in order, with its reason; ``str()`` reads well.

    :raises PluginTypeNotFound: (a LookupError) if nobody registered the type.
    """
    return choosing.explain(make_request(ref, manager, **wanted))


async def _ask_in_thread(get: Callable[..., Any], *args: Any, **options: Any) -> Any:
    return await sync_to_async(get)(*args, **options)


@overload
async def aget_plugin(ref: TypeForm[T], /, **wanted: Unpack[Wanted]) -> T: ...
@overload
async def aget_plugin(ref: str, manager: str, /, **wanted: Unpack[Wanted]) -> Any: ...
async def aget_plugin(ref: object, manager: str | None = None, /, **wanted: Unpack[Wanted]) -> Any:
    """Return what ``get_plugin`` returns, from asynchronous code; in another thread if the database has to be asked."""
    place = get_place(wanted.get("using") or get_alias())
    if not place[2:] and not changes.uncommitted:  # a schema and an open transaction would be the other thread's
        asked = (wanted.get("name"), wanted.get("scope"), wanted.get("shared", True))
        ready = recall((place, ref, manager, *asked))
        with suppress(PluginBuildError):
            if ready is not None:
                return ready.build()
    return await _ask_in_thread(get_plugin, ref, manager, **wanted)


@overload
async def aget_plugins(ref: TypeForm[T], /, **wanted: Unpack[Wanted]) -> list[T]: ...
@overload
async def aget_plugins(ref: str, manager: str, /, **wanted: Unpack[Wanted]) -> list[Any]: ...
async def aget_plugins(ref: object, manager: str | None = None, /, **wanted: Unpack[Wanted]) -> list[Any]:
    """Return what ``get_plugins`` returns, from asynchronous code."""
    plugins: list[Any] = await _ask_in_thread(get_plugins, ref, manager, **wanted)
    return plugins


@overload
async def aget_plugin_by_id(
    ref: TypeForm[T], instance_id: UUID | str, /, *, disabled: bool = False, **where: Unpack[Where]
) -> T: ...
@overload
async def aget_plugin_by_id(
    ref: str, manager: str, instance_id: UUID | str, /, *, disabled: bool = False, **where: Unpack[Where]
) -> Any: ...
async def aget_plugin_by_id(ref: object, *args: Any, **which: Unpack[ById]) -> Any:
    """Return what ``get_plugin_by_id`` returns, from asynchronous code."""
    return await _ask_in_thread(get_plugin_by_id, ref, *args, **which)


def refresh_plugins(using: str | None = None) -> None:
    """Let every process look again at its next selection: for changes made with raw SQL, which note no change."""
    alias = using or router.db_for_write(PluginInstance)
    with changing(alias):
        add_health(PluginInstance, alias)
        move_health(PluginInstance, alias)
        announce_instances(PluginInstance, alias, None)
