"""RemovedInPluginSystem30Warning: the 1.1.0 API, which knows plugin items but no instances of them.

3.0 deletes each file whose first line has that name, and each line that has it in a comment.

An item is chosen by its status and priority. If its class is configurable, the caller gets a plugin built from the
item's best instance.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

from django.apps import apps
from django.conf import settings

from django_plugin_system.conf import get_settings
from django_plugin_system.exceptions import ConfigError, NoPluginAvailable, PluginBuildError, PluginItemNotFound
from django_plugin_system.overrides import Override, find_override
from django_plugin_system.plugin import build_plugin
from django_plugin_system.registry import PluginItemRegistry, PluginTypeRegistry, registry
from django_plugin_system.rows.fields import PluginStatus
from django_plugin_system.rows.reasons import find_reason, find_row_reason

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from django_plugin_system.models import PluginInstance, PluginItem, PluginType


class RemovedInPluginSystem30Warning(DeprecationWarning):
    """Something that django-plugin-system 3.0 removes was used."""


_INTERNAL = {__name__, "collections.abc"}
"""Modules whose frames are not the caller's: this one, and that of the methods that ``Mapping`` provides."""


def _warn(old: str, new: str) -> None:
    """Warn at the caller's line, if ``PLUGIN_SYSTEM["WARN_LEGACY"]`` is on."""
    if settings.configured and get_settings().WARN_LEGACY:
        message = f"{old} is removed in django-plugin-system 3.0; use {new}."
        warnings.warn(message, RemovedInPluginSystem30Warning, stacklevel=_count_internal_frames() + 1)


def _count_internal_frames() -> int:
    frame, count = sys._getframe(1), 0  # noqa: SLF001 - documented, and what warnings themselves go by
    while frame.f_globals.get("__name__") in _INTERNAL and frame.f_back is not None:
        frame, count = frame.f_back, count + 1
    return count


def hand_on(path: str, home: ModuleType, *names: str) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of a legacy module: it takes ``names`` from ``home``, where they live now."""

    def get_attribute(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {path!r} has no attribute {name!r}")
        # "from package import name" asks for the name twice; the import system asks first, the caller's line second.
        if sys._getframe(1).f_globals.get("__name__") != "importlib._bootstrap":  # noqa: SLF001 - as above
            _warn(f"{path}.{name}", f"{home.__name__}.{name}")
        return getattr(home, name)

    return get_attribute


# django_plugin_system.register


def load_plugin_type(type_name: str, manager: str) -> PluginTypeRegistry:
    """Return a registered type as the dict it was registered with.

    :raises PluginTypeNotFound: (a KeyError) if there is none.
    """
    _warn("load_plugin_type()", "django_plugin_system.registry.registry.get_type()")
    spec = registry.get_type(type_name, manager)
    return cast("PluginTypeRegistry", {key: getattr(spec, key) for key in PluginTypeRegistry.__annotations__})


def load_plugin_item(plugin_name: str, module_name: str, type_name: str) -> PluginItemRegistry:
    """Return a registered item as the dict it was registered with.

    :raises PluginItemNotFound: (a KeyError) if there is none.
    """
    _warn("load_plugin_item()", "django_plugin_system.registry.registry.get_item()")
    for (name, module, type_key), spec in registry.items.items():
        if (name, module, type_key[0]) == (plugin_name, module_name, type_name):
            given = {"name": name, "module": module, "type_name": type_key[0], "manager_name": type_key[1]}
            further = {key: getattr(spec, key) for key in ("plugin_class", "description", "priority")}
            return cast("PluginItemRegistry", given | further)
    raise PluginItemNotFound(f"{plugin_name} ({module_name}) of type {type_name}")


# django_plugin_system.models


def _in_item_order(plugin_type: PluginType, **filters: Any) -> QuerySet[PluginItem]:
    items: QuerySet[PluginItem] = plugin_type.pluginitem_set.filter(**filters).order_by("priority", "name", "module")
    return items


def _choose(plugin_type: PluginType) -> PluginItem | None:
    """Return the first active item by priority, else the first reserve one."""
    for status in (PluginStatus.ACTIVE, PluginStatus.RESERVED):
        if (item := _in_item_order(plugin_type, status=status).first()) is not None:
            return item
    return None


def _choose_or_override(plugin_type: PluginType, *args: Any, **kwargs: Any) -> PluginItem | None:
    spec = registry.types.get(plugin_type.key)
    if spec is None:
        return None
    return _choose(plugin_type) if spec.get_plugin is None else spec.get_plugin(plugin_type, *args, **kwargs)


class LegacyTypeMethods:
    """The 1.1.0 methods of ``PluginType``."""

    def get_single_plugin(self, *args: Any, **kwargs: Any) -> PluginItem | None:
        """Return what the type's own ``get_plugin`` gives, else the best active item, else the best reserve one."""
        _warn("PluginType.get_single_plugin()", "get_plugin(Interface)")
        return _choose_or_override(cast("PluginType", self), *args, **kwargs)

    def get_active_plugins(self) -> list[PluginItem]:
        """Return the active items by priority."""
        _warn("PluginType.get_active_plugins()", "get_plugins(Interface)")
        return list(_in_item_order(cast("PluginType", self), status=PluginStatus.ACTIVE))

    def get_all_plugins(self) -> dict[str, list[PluginItem]]:
        """Return the items by status, each list by priority."""
        _warn("PluginType.get_all_plugins()", "explain_selection(Interface)")
        return _group_by_status(cast("PluginType", self))

    def get_plugin_by_name(self, name: str) -> PluginItem | None:
        """Return the active item with this name, or None."""
        _warn("PluginType.get_plugin_by_name()", "get_plugin(Interface, name=...)")
        return next(iter(_in_item_order(cast("PluginType", self), status=PluginStatus.ACTIVE, name=name)), None)


def _group_by_status(plugin_type: PluginType) -> dict[str, list[PluginItem]]:
    grouped: dict[str, list[PluginItem]] = {}
    for item in _in_item_order(plugin_type):
        grouped.setdefault(item.status, []).append(item)
    return grouped


class LegacyItemMethods:
    """The 1.1.0 methods of ``PluginItem``."""

    def load_class(self) -> type | None:
        """Return the registered class, or None. Called without arguments it gives a plugin, configurable or not."""
        _warn("PluginItem.load_class()", "get_plugin(Interface) or instance.load_plugin()")
        return _load_class(cast("PluginItem", self))

    @staticmethod
    def default_get_single_plugin(plugin_type: PluginType) -> PluginItem | None:
        """Return the best active item of the type, else the best reserve one."""
        _warn("PluginItem.default_get_single_plugin()", "get_plugin(Interface)")
        return _choose(plugin_type)

    @staticmethod
    def get_all_plugins(plugin_type: PluginType) -> dict[str, list[PluginItem]]:
        """Return the items of the type by status, each list by priority."""
        _warn("PluginItem.get_all_plugins()", "explain_selection(Interface)")
        return _group_by_status(plugin_type)

    @staticmethod
    def get_available_plugins(plugin_type: PluginType) -> list[PluginItem]:
        """Return the active items of the type by priority."""
        _warn("PluginItem.get_available_plugins()", "get_plugins(Interface)")
        return list(_in_item_order(plugin_type, status=PluginStatus.ACTIVE))


# django_plugin_system.helpers


def get_plugin_instance(type_name: str, manager: str) -> Any:
    """Return a plugin of the item that 1.1.0 would choose, or None if there is none or it cannot be used."""
    _warn("get_plugin_instance()", "get_plugin(Interface)")
    plugin_class = _find_chosen_class(type_name, manager)
    try:
        return None if plugin_class is None else plugin_class()
    except NoPluginAvailable:
        return None


def get_plugin_class(type_name: str, manager: str) -> Any:
    """Return the class of the item that 1.1.0 would choose, or None if there is none or it cannot be used."""
    _warn("get_plugin_class()", "get_plugin(Interface)")
    return _find_chosen_class(type_name, manager)


def _find_chosen_class(type_name: str, manager: str) -> type | None:
    if override := find_override((type_name, manager), None, ""):
        return _make_class_of_fake(override)
    plugin_type = apps.get_model("django_plugin_system", "PluginType")
    row = plugin_type.objects.filter(name=type_name, manager=manager).first()
    chosen = None if row is None else _choose_or_override(row)
    if chosen is None:
        return None
    if isinstance(chosen, plugin_type.pluginitem_set.rel.related_model):
        has_plugin = chosen.config_schema is None or next(_iter_usable(chosen), None) is not None
        return _load_class(chosen) if has_plugin else None
    return _load_class_of_instance(cast("PluginInstance", chosen))


def _load_class_of_instance(instance: PluginInstance) -> type | None:
    """Serve a type whose own ``get_plugin`` returns an instance rather than an item."""
    plugin_class = instance.item.plugin_class
    if plugin_class is None or instance.scope or find_reason(instance) is not None:
        return None
    return _make_class(plugin_class, lambda: _build_first([instance], f"plugin instance {instance}", [instance]))


# django_plugin_system.services


class ReadsAsDict(Mapping[str, int]):
    """Base of the dataclass that the sync returns: 1.1.0 returned a dict of counts."""

    def __getitem__(self, key: str) -> int:
        return self._counts[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._counts)

    def __len__(self) -> int:
        return len(self._counts)

    @property
    def _counts(self) -> dict[str, int]:
        _warn("The result of a sync as a dict", "its attributes, as in result.types_created")
        return {name: value for name, value in self.__dict__.items() if isinstance(value, int)}


# Classes that give a configured plugin when they are called without arguments


def _load_class(item: PluginItem) -> type | None:
    """Return a class that gives a plugin of ``item`` when it is called without arguments; None if its code is gone."""
    plugin_class = item.plugin_class
    if plugin_class is None:
        return None
    if override := find_override(item.plugin_type.key, None, ""):
        return _make_class_of_fake(override)
    if item.config_schema is not None:
        return _make_class(plugin_class, lambda: _build_best(item))
    is_blocked = get_settings().BLOCK_IN_TESTS
    return _make_class(plugin_class, lambda: build_plugin(plugin_class, None)) if is_blocked else plugin_class


def _build_best(item: PluginItem) -> object:
    return _build_first(_iter_usable(item), f"plugin item {item}", item.instances.in_scope(None).in_order())


def _iter_usable(item: PluginItem) -> Iterator[PluginInstance]:
    """Yield the item's usable instances, best first. The item's own status does not count: the caller chose it."""
    for instance in item.instances.in_scope(None).exclude(status=PluginStatus.DISABLED).in_order():
        instance.item = item
        if find_row_reason(instance) is None:
            yield instance


def _build_first(usable: Iterable[PluginInstance], wanted: str, candidates: Iterable[PluginInstance]) -> object:
    for instance in usable:
        with suppress(ConfigError, PluginBuildError):
            return instance.load_plugin()
    raise NoPluginAvailable(wanted, [f"{row}: {find_reason(row) or 'could not be built'}" for row in candidates])


class _NoSubclassHook:
    """Keeps the ``__init_subclass__`` of a plugin class from being called for the subclasses made here."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        pass


def _make_class(plugin_class: type, build: Callable[[], object]) -> type:
    """Return a subclass of ``plugin_class`` that returns ``build()`` when it is called without arguments."""

    def new(_cls: type, *args: Any, **kwargs: Any) -> object:
        return plugin_class(*args, **kwargs) if args or kwargs else build()

    namespace = {"__new__": new, "__module__": plugin_class.__module__, "__qualname__": plugin_class.__qualname__}
    return type(plugin_class)(plugin_class.__name__, (_NoSubclassHook, plugin_class), namespace)


def _make_class_of_fake(override: Override) -> type:
    return override.fake if isinstance(override.fake, type) else _make_class(override.interface, override.build)
