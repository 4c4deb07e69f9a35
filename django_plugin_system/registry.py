"""What code declared: plugin types and items in memory, and what each must fulfil.

An item may arrive before its type; it waits.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any, TypeVar

from django.utils.module_loading import autodiscover_modules
from typing_extensions import NotRequired, TypedDict

from django_plugin_system import exceptions
from django_plugin_system.conf import get_settings
from django_plugin_system.plugin import ConfigurablePlugin, ItemConfig, get_item_config, takes_config
from django_plugin_system.schema.checks import find_unstorable

TypeKey = tuple[str, str]
"""(type name, manager)"""
ItemKey = tuple[str, str, TypeKey]
"""(item name, module, type key)"""
WaitingKey = tuple[str, str, "TypeKey | type | None"]
"""(item name, module, type key or interface)"""
KeyT = TypeVar("KeyT")


class PluginTypeRegistry(TypedDict):
    """A plugin type as ``register_plugin_type`` takes it."""

    name: str
    manager: str
    interface: type
    description: NotRequired[str | None]
    get_plugin: NotRequired[Callable[..., Any] | None]
    names: NotRequired[Sequence[str]]


class PluginItemRegistry(TypedDict):
    """A plugin item as ``register_plugin_item`` takes it."""

    name: str
    module: str
    type_name: str
    manager_name: str
    plugin_class: type
    description: NotRequired[str | None]
    priority: NotRequired[int | None]
    label: NotRequired[str]
    icon: NotRequired[str]
    docs_url: NotRequired[str]
    category: NotRequired[str]


@dataclass(frozen=True)
class Identity:
    """How people know a provider; texts may be lazy translations."""

    label: str = ""
    icon: str = ""
    """The path of a static file, such as ``shop/twilio.svg``, or a character or two."""
    docs_url: str = ""
    category: str = ""
    """The heading that the item stands under where one is chosen."""


@dataclass(frozen=True, eq=False)
class TypeSpec:
    """A registered plugin type: a named interface. ``get_plugin`` overrides the choice, as in 1.1.0."""

    name: str
    manager: str
    interface: type
    description: str = ""
    get_plugin: Callable[..., Any] | None = None
    names: tuple[str, ...] = ()
    """What code asks for, as far as it is declared: somebody has to serve each of these names."""

    @property
    def key(self) -> TypeKey:
        """What tells this type from others, in memory and in its table."""
        return (self.name, self.manager)

    def __str__(self) -> str:
        return f"{self.name} ({self.manager})"


@dataclass(frozen=True)
class ItemSpec:
    """A registered plugin item: a class that implements the interface of a type.

    ``type_key`` is None while the item knows its type by interface only and no type has that interface yet.
    """

    name: str
    module: str
    plugin_class: type
    type_key: TypeKey | None
    interface: type | None = None
    priority: int = 0
    description: str = ""
    identity: Identity = Identity()

    def __str__(self) -> str:
        return f"{self.name} ({self.module})"

    @property
    def config(self) -> ItemConfig:
        """What the class declares of its configuration."""
        return get_item_config(self.plugin_class)

    def describe_type(self) -> str:
        """Return the name of the type that this item belongs to, as its author wrote it."""
        if self.type_key is not None:
            return "{} ({})".format(*self.type_key)
        return "with the interface " + (self.interface.__qualname__ if self.interface else "?")


def check_interface(spec: TypeSpec) -> None:
    """Check that the interface can be implemented.

    :raises InvalidInterface: unless it is an abstract base class with at least one abstract method.
    """
    interface: Any = spec.interface
    if not isinstance(interface, type) or not inspect.isabstract(interface):
        name = getattr(interface, "__qualname__", repr(interface))
        message = f"The interface {name} of plugin type {spec} must be an ABC with at least one @abstractmethod."
        raise exceptions.InvalidInterface(message, registered=interface)


def check_plugin_class(spec: ItemSpec) -> None:
    """Check that the class can be built and, if it is configurable, that its secrets can be stored.

    :raises InvalidPluginClass, InvalidConfigSchema: if not.
    """
    cls: Any = spec.plugin_class
    if not isinstance(cls, type):
        message = f"The plugin_class of plugin item {spec} must be a class, not {cls!r}."
        raise exceptions.InvalidPluginClass(message, registered=cls)
    _, schema, version = spec.config
    name = f"{cls.__qualname__} of plugin item {spec}"
    if schema is None:
        if issubclass(cls, ConfigurablePlugin):
            message = (
                f"{name} is a ConfigurablePlugin without a model: derive from ConfigurablePlugin[Model], where Model "
                "is a pydantic class that is defined before this one."
            )
            raise exceptions.InvalidConfigSchema(message, registered=cls)
        return
    if type(version) is not int or version < 1:
        message = f"config_version of {cls.__qualname__} must be a whole number of 1 or more, not {version!r}."
        raise exceptions.InvalidPluginClass(message, registered=cls)
    state = cls.state_schema if issubclass(cls, ConfigurablePlugin) else None
    for attribute, declared in (("config_schema", schema), ("state_schema", state)):
        if problems := find_unstorable(declared) if declared is not None else ():
            message = f"{name} has a {attribute} that cannot be stored: {'; '.join(problems)}."
            raise exceptions.InvalidConfigSchema(message, registered=cls)
    if not takes_config(cls):
        message = (
            f"{name} has a config_schema, but cannot be called with one argument: derive from ConfigurablePlugin, "
            "or give __init__ exactly one required argument."
        )
        raise exceptions.InvalidPluginClass(message, registered=cls)


def check_implements(spec: ItemSpec, interface: type) -> None:
    """Check that the item's class implements ``interface``, all of it.

    :raises InvalidPluginClass: naming the class, the interface and the missing methods.
    """
    cls = spec.plugin_class
    missing = sorted(getattr(cls, "__abstractmethods__", ()))
    if issubclass(cls, interface) and not missing:
        return
    fault = f"does not implement {', '.join(missing)} of" if missing else "is no subclass of"
    message = (
        f"{cls.__qualname__} of plugin item {spec} {fault} {interface.__qualname__}, "
        f"the interface of plugin type {spec.describe_type()}."
    )
    raise exceptions.InvalidPluginClass(message, registered=cls)


@dataclass
class Registry:
    """All that is registered in this process. ``generation`` grows with every change."""

    types: dict[TypeKey, TypeSpec] = field(default_factory=dict)
    items: dict[ItemKey, ItemSpec] = field(default_factory=dict)
    waiting: dict[WaitingKey, ItemSpec] = field(default_factory=dict)
    generation: int = 0

    def add_type(self, spec: TypeSpec) -> None:
        """Register a type, and the items that waited for it; registering the same again is fine.

        :raises InvalidInterface, RegistrationConflict, AmbiguousPluginType, InvalidPluginClass: the registry stays as
        it was.
        """
        check_interface(spec)
        known = self.types.get(spec.key)
        if known is not None and known.interface is not spec.interface:
            raise _conflict(f"Plugin type {spec}", known.interface, spec.interface)
        self._check_told_apart(spec)
        arrived = {key: item for key, item in self.waiting.items() if key[2] in (spec.key, spec.interface)}
        items = dict(self.items)
        for item in arrived.values():
            check_implements(item, spec.interface)
            _place(items, (item.name, item.module, spec.key), replace(item, type_key=spec.key))
        self.types[spec.key] = spec
        self.items = items
        self.waiting = {key: item for key, item in self.waiting.items() if key not in arrived}
        self.generation += 1

    def _check_told_apart(self, spec: TypeSpec) -> None:
        """Refuse a second type for an interface that names the type of some item: which came first must not matter."""
        types = [other for other in self.find_types_of_interface(spec.interface) if other.key != spec.key]
        if types and any(item.interface is spec.interface for item in self.items.values()):
            raise exceptions.AmbiguousPluginType(spec.interface, [str(known) for known in (*types, spec)])

    def add_item(self, spec: ItemSpec) -> None:
        """Register an item, or let it wait for its type; registering the same again is fine.

        :raises InvalidPluginClass, InvalidConfigSchema, RegistrationConflict, AmbiguousPluginType: the registry stays
        as it was.
        """
        check_plugin_class(spec)
        type_spec = self.types.get(spec.type_key) if spec.type_key else self._find_by_interface(spec.interface)
        interface = spec.interface or (type_spec.interface if type_spec else None)
        if interface is not None:
            check_implements(spec, interface)
        if type_spec is not None:
            _place(self.items, (spec.name, spec.module, type_spec.key), replace(spec, type_key=type_spec.key))
        else:
            _place(self.waiting, (spec.name, spec.module, spec.type_key or spec.interface), spec)
        self.generation += 1

    def _find_by_interface(self, interface: type | None) -> TypeSpec | None:
        found = self.find_types_of_interface(interface)
        if len(found) > 1:
            raise exceptions.AmbiguousPluginType(found[0].interface, [str(spec) for spec in found])
        return found[0] if found else None

    def find_types_of_interface(self, interface: type | None) -> list[TypeSpec]:
        """Return the types that have exactly this interface class."""
        return [spec for spec in self.types.values() if spec.interface is interface]

    def get_type(self, ref: object, manager: str | None = None) -> TypeSpec:
        """Return the type for an interface class, or for a name and its manager.

        :raises PluginTypeNotFound: with the closest names.
        :raises AmbiguousPluginType: if several types share the interface.
        :raises TypeError: if it is neither; an interface class and something else, for example.
        """
        if isinstance(ref, str) and manager is not None:
            found = self.types.get((ref, manager))
        elif isinstance(ref, type) and manager is None:
            found = self._find_by_interface(ref)
        else:
            raise TypeError(
                "Ask for a plugin type by its interface class, or by name and manager, "
                f"not by {ref!r} and {manager!r}. The name of an instance is given as name=."
            )
        if found is not None:
            return found
        wanted = f"{ref} ({manager})" if isinstance(ref, str) else f"with the interface {ref.__qualname__}"
        raise exceptions.PluginTypeNotFound(wanted, self._find_close(ref, manager))

    def _find_close(self, ref: object, manager: str | None) -> list[str]:
        types = self.types.values()
        names = {name: str(spec) for spec in types for name in (str(spec), spec.name, spec.interface.__name__)}
        wanted = [f"{ref} ({manager})", ref] if isinstance(ref, str) else [getattr(ref, "__name__", "")]
        close = [match for text in wanted for match in get_close_matches(text, names, cutoff=0.5)]
        return list(dict.fromkeys(names[match] for match in close))

    def get_item(self, name: str, module: str, type_key: TypeKey) -> ItemSpec:
        """Return the registered item.

        :raises PluginItemNotFound: if there is none.
        """
        if (name, module, type_key) not in self.items:
            raise exceptions.PluginItemNotFound(f"{name} ({module}) of type {type_key[0]} ({type_key[1]})")
        return self.items[name, module, type_key]


def _place(items: dict[KeyT, ItemSpec], key: KeyT, spec: ItemSpec) -> None:
    known = items.get(key)
    if known is not None and known.plugin_class is not spec.plugin_class:
        what = f"Plugin item {spec} of type {spec.describe_type()}"
        raise _conflict(what, known.plugin_class, spec.plugin_class)
    items[key] = spec


def _conflict(what: str, first: type, second: type) -> exceptions.RegistrationConflict:
    names = [f"{cls.__module__}.{cls.__qualname__}" for cls in (first, second)]
    message = f"{what} is registered for two classes: {names[0]} and {names[1]}. Rename one of them."
    return exceptions.RegistrationConflict(message, registered=second)


registry = Registry()
"""The registry of this process."""


@contextmanager
def temporary_registry(*, empty: bool = False) -> Iterator[Registry]:
    """Let registrations inside the block end with it; with ``empty``, start from nothing."""
    types, items, waiting = dict(registry.types), dict(registry.items), dict(registry.waiting)
    if empty:
        registry.types, registry.items, registry.waiting = {}, {}, {}
        registry.generation += 1
    try:
        yield registry
    finally:
        registry.types, registry.items, registry.waiting = types, items, waiting
        registry.generation += 1


def discover_plugins() -> None:
    """Import each installed app's ``plugins`` module, unless ``PLUGIN_SYSTEM["AUTODISCOVER"]`` is False.

    An error inside such a module is raised as it is.
    """
    if get_settings().AUTODISCOVER:
        autodiscover_modules("plugins")
