"""What a registration must fulfil: each check raises an error that names both sides."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from django_plugin_system.config.unstorable import find_unstorable
from django_plugin_system.exceptions import InvalidConfigSchema, InvalidInterface, InvalidPluginClass
from django_plugin_system.plugin import ConfigurablePlugin, get_config_schema, get_config_version, takes_config

if TYPE_CHECKING:
    from django_plugin_system.registry import ItemSpec, TypeSpec


def check_interface(spec: TypeSpec) -> None:
    """Check that the interface can be implemented.

    :raises InvalidInterface: unless it is an abstract base class with at least one abstract method.
    """
    interface: Any = spec.interface
    if not isinstance(interface, type) or not inspect.isabstract(interface):
        name = getattr(interface, "__qualname__", repr(interface))
        message = f"The interface {name} of plugin type {spec} must be an ABC with at least one @abstractmethod."
        raise InvalidInterface(message, registered=interface)


def check_plugin_class(spec: ItemSpec) -> None:
    """Check that the class can be built and, if it is configurable, that its secrets can be stored.

    :raises InvalidPluginClass, InvalidConfigSchema: if not.
    """
    cls: Any = spec.plugin_class
    if not isinstance(cls, type):
        message = f"The plugin_class of plugin item {spec} must be a class, not {cls!r}."
        raise InvalidPluginClass(message, registered=cls)
    schema = get_config_schema(cls)
    if schema is None:
        _check_unconfigurable(spec)
        return
    version = get_config_version(cls)
    if type(version) is not int or version < 1:
        message = f"config_version of {cls.__qualname__} must be a whole number of 1 or more, not {version!r}."
        raise InvalidPluginClass(message, registered=cls)
    if problems := find_unstorable(schema):
        detail = "; ".join(problems)
        message = f"{cls.__qualname__} of plugin item {spec} has a config_schema that cannot be stored: {detail}."
        raise InvalidConfigSchema(message, registered=cls)
    if not takes_config(cls):
        message = (
            f"{cls.__qualname__} of plugin item {spec} has a config_schema, but cannot be called with one argument: "
            "derive from ConfigurablePlugin, or give __init__ exactly one required argument."
        )
        raise InvalidPluginClass(message, registered=cls)


def _check_unconfigurable(spec: ItemSpec) -> None:
    cls = spec.plugin_class
    if issubclass(cls, ConfigurablePlugin):
        message = (
            f"{cls.__qualname__} of plugin item {spec} is a ConfigurablePlugin without a model: derive from "
            "ConfigurablePlugin[Model], where Model is a pydantic class that is defined before this one."
        )
        raise InvalidConfigSchema(message, registered=cls)


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
    raise InvalidPluginClass(message, registered=cls)
