"""How code declares plugins: as a dict, or by decorating the class."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from django.utils.functional import Promise

from django_plugin_system import compat  # RemovedInPluginSystem30Warning
from django_plugin_system.exceptions import InvalidRegistration
from django_plugin_system.registry import (
    Identity,
    ItemSpec,
    PluginItemRegistry,
    PluginTypeRegistry,
    TypeKey,
    TypeSpec,
    registry,
)

logger = logging.getLogger("django_plugin_system")

ClassT = TypeVar("ClassT", bound=type)

load_plugin_item = compat.load_plugin_item  # RemovedInPluginSystem30Warning
load_plugin_type = compat.load_plugin_type  # RemovedInPluginSystem30Warning

NAME_LENGTH = 100
"""Characters that the name, manager and module columns hold."""
_SLUG = re.compile(rf"[-A-Za-z0-9_]{{1,{NAME_LENGTH}}}\Z")
PRIORITIES = range(-32768, 32768)
"""What a small integer column holds on every database."""


def register_plugin_type(plugin_type: PluginTypeRegistry) -> None:
    """Register a plugin type: ``name``, ``manager``, ``interface``; perhaps ``description``, ``get_plugin``, ``names``.

    ``names`` lists what code asks for: ``manage.py plugins doctor`` tells when nobody serves one of them.

    :raises InvalidRegistration: if a key is missing or a value does not fit its column.
    :raises InvalidInterface: (a TypeError) unless the interface is an ABC with an abstract method.
    :raises RegistrationConflict: (a ValueError) if the name already has another interface.
    :raises InvalidPluginClass: (a TypeError) if an item that waited for this type does not implement it.
    """
    _check_keys("plugin type", plugin_type, PluginTypeRegistry.__annotations__, ("name", "manager", "interface"))
    _check_names(plugin_type, ("name", "manager"))
    name, manager, interface = plugin_type["name"], plugin_type["manager"], plugin_type["interface"]
    description = plugin_type.get("description") or ""
    names = plugin_type.get("names", ())
    if not isinstance(names, (list, tuple)) or not all(isinstance(one, str) and _SLUG.match(one) for one in names):
        message = f"names of plugin type {name} must be a list of names of letters, digits, - and _, as instances have."
        raise InvalidRegistration(message, registered=plugin_type)
    get_plugin = plugin_type.get("get_plugin")
    registry.add_type(TypeSpec(name, manager, interface, description, get_plugin, tuple(names)))


def register_plugin_item(plugin_item: PluginItemRegistry) -> None:
    """Register a plugin item; its type may come later.

    Keys: ``name``, ``module``, ``type_name``, ``manager_name``, ``plugin_class``, and optionally ``description``,
    ``priority`` (lower is better, 0 by default), and how people know it: ``label``, ``icon`` (the path of a static
    file, or a character or two), ``docs_url`` and ``category``.

    :raises InvalidRegistration: if a key is missing or a value does not fit its column.
    :raises InvalidPluginClass, InvalidConfigSchema: (TypeErrors) if the class cannot serve.
    :raises RegistrationConflict: (a ValueError) if the name already has another class.
    """
    required = ("name", "module", "type_name", "manager_name", "plugin_class")
    _check_keys("plugin item", plugin_item, PluginItemRegistry.__annotations__, required)
    _check_names(plugin_item, required[:-1])
    _add_item(plugin_item, (plugin_item["type_name"], plugin_item["manager_name"]))


def plugin_type(
    *,
    name: str,
    manager: str,
    description: str = "",
    get_plugin: Callable[..., Any] | None = None,
    names: Sequence[str] = (),
) -> Callable[[ClassT], ClassT]:
    """Register the decorated ABC as the interface of a plugin type; see ``register_plugin_type``."""

    def register(interface: ClassT) -> ClassT:
        given: Any = {"name": name, "manager": manager, "interface": interface, "description": description}
        register_plugin_type(given | {"get_plugin": get_plugin, "names": names})
        return interface

    return register


def plugin_item(  # noqa: PLR0913 - what there is to say about an item
    interface: type,
    *,
    name: str,
    module: str,
    priority: int = 0,
    description: str = "",
    label: str = "",
    icon: str = "",
    docs_url: str = "",
    category: str = "",
) -> Callable[[ClassT], ClassT]:
    """Register the decorated class as an item of the type with this ``interface``; see ``register_plugin_item``."""

    def register(plugin_class: ClassT) -> ClassT:
        given = {"name": name, "module": module, "plugin_class": plugin_class}
        _check_names(given, ("name", "module"))
        identity = {"label": label, "icon": icon, "docs_url": docs_url, "category": category}
        _add_item({**given, **identity, "priority": priority, "description": description}, None, interface)
        return plugin_class

    return register


def _check_keys(what: str, given: Mapping[str, Any], known: Mapping[str, Any], required: tuple[str, ...]) -> None:
    missing = [key for key in required if key not in given]
    if missing:
        message = f"A {what} needs {', '.join(required)}; {given.get('name', 'this one')!r} lacks {', '.join(missing)}."
        raise InvalidRegistration(message, registered=given)
    if unknown := sorted(set(given) - set(known)):
        logger.warning("%s %r is registered with keys that nothing reads: %s", what, given["name"], ", ".join(unknown))


def _check_names(given: Mapping[str, Any], keys: tuple[str, ...]) -> None:
    for key in keys:
        value = given[key]
        if not isinstance(value, str) or not 0 < len(value) <= NAME_LENGTH:
            message = f"{key} of a plugin must be text of 1 to {NAME_LENGTH} characters, not {value!r}."
            raise InvalidRegistration(message, registered=given)


def _add_item(given: Mapping[str, Any], type_key: TypeKey | None, interface: type | None = None) -> None:
    name, module, plugin_class = given["name"], given["module"], given["plugin_class"]
    priority, description = given.get("priority") or 0, given.get("description") or ""
    if not isinstance(priority, int) or priority not in PRIORITIES:
        message = f"priority of plugin item {name!r} must be an int from {PRIORITIES[0]} to {PRIORITIES[-1]}."
        raise InvalidRegistration(message, registered=given)
    identity = _read_identity(given)
    registry.add_item(ItemSpec(name, module, plugin_class, type_key, interface, priority, description, identity))


def _read_identity(given: Mapping[str, Any]) -> Identity:
    values = {key: given[key] for key in ("label", "icon", "docs_url", "category") if given.get(key)}
    if wrong := [key for key, value in values.items() if not isinstance(value, (str, Promise))]:
        message = f"{wrong[0]} of plugin item {given['name']!r} must be text, not {values[wrong[0]]!r}."
        raise InvalidRegistration(message, registered=given)
    if not str(values.get("docs_url", "https://")).startswith(("https://", "http://")):
        message = f"docs_url of plugin item {given['name']!r} must be a web address, not {values['docs_url']!r}."
        raise InvalidRegistration(message, registered=given)
    return Identity(**values)
