"""Whether a plugin class keeps the contract of plugins, in one call and without a database."""

from __future__ import annotations

import copy
import inspect
import os
import traceback
import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import product
from typing import TYPE_CHECKING, Any

from django_plugin_system.config.codec import Codec
from django_plugin_system.config.keyring import KEY_BYTES, KeyRing
from django_plugin_system.config.leaks import quotes
from django_plugin_system.config.tokens import Place
from django_plugin_system.config.validation import unwrap_secrets, upgrade
from django_plugin_system.exceptions import ConfigError, ContractBroken, RegistrationError
from django_plugin_system.plugin import ConfigurablePlugin, get_item_config, has_check, has_steps
from django_plugin_system.registry import ItemSpec, check_plugin_class
from django_plugin_system.rows.traceback_safety import leaving_frames_behind
from django_plugin_system.schema.values import iter_secrets, iter_texts

if TYPE_CHECKING:
    from pydantic import BaseModel

Config = Mapping[str, Any]
Problems = Iterator[str]


@leaving_frames_behind
def check_contract(
    plugin_class: type, config: Config | BaseModel | None = None, *, stored: Mapping[int, Config] | None = None
) -> None:
    """Check that a class can serve as a plugin: its declaration, methods, configuration, and what building it does.

    ``config`` is an example of a configuration. Without one, a class whose fields all have defaults is built with
    those; of another class only the declaration is checked. ``stored`` has examples of what former versions stored, by
    ``config_version``; a secret may be plain or in one of pydantic's secret types.

    :raises ContractBroken: (an AssertionError) with all ``problems``.
    """
    problems = list(_check_declaration(plugin_class))
    if not problems:
        problems += [*_check_methods(plugin_class), *_check_check(plugin_class)]
        problems += [*_check_upgrades(plugin_class, stored or {}), *_check_building(plugin_class, config)]
    if problems:
        raise ContractBroken(plugin_class, problems)


# The class


def _check_declaration(cls: type) -> Problems:
    if missing := sorted(getattr(cls, "__abstractmethods__", ())):
        yield f"It does not implement {', '.join(missing)}."
    try:
        check_plugin_class(ItemSpec(cls.__qualname__, cls.__module__, cls, type_key=None))
    except RegistrationError as error:
        yield str(error)


def _check_methods(cls: type) -> Problems:
    """Find methods that cannot be called as the interface says."""
    for base in cls.__mro__[1:]:
        for name in sorted(vars(base).get("__abstractmethods__", ())):
            declared, own = getattr(base, name), getattr(cls, name)
            if not inspect.isfunction(declared):
                continue
            shown = f"{base.__qualname__}.{name}{inspect.signature(declared)}"
            bound = _is_static(cls, name) and not _is_static(base, name)
            if not callable(own) and not hasattr(own, "__get__"):
                yield f"{name} is no method, and cannot be called as {shown}."
            elif inspect.isfunction(own) and not _accepts(own, declared, bound=bound):
                yield f"{name}{inspect.signature(own)} cannot be called as {shown}."
            elif inspect.iscoroutinefunction(own) and not _may_be_awaited(declared):
                yield f"{name} is async, {shown} is not: its callers would get a coroutine."


def _is_static(cls: type, name: str) -> bool:
    return isinstance(inspect.getattr_static(cls, name), staticmethod)


def _may_be_awaited(declared: Any) -> bool:
    """Say whether callers of ``declared`` may be awaiting what it returns."""
    returned = str(inspect.signature(declared).return_annotation)
    return inspect.iscoroutinefunction(declared) or any(word in returned for word in ("Awaitable", "Coroutine", "Any"))


def _accepts(own: Any, declared: Any, *, bound: bool) -> bool:
    """Say whether ``own`` takes all arguments of ``declared``, by place and by name, and no more than the needed.

    ``bound`` says that it takes them without the object itself, as static methods do.
    """
    first, *given = inspect.signature(declared).parameters.values()
    this = [] if bound else [first]
    needed = [one for one in given if one.default is one.empty]
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    with suppress(TypeError):
        for by_place, taken in product((positional, positional[:1]), (given, needed)):
            kwargs = {one.name: one for one in taken if one.kind in named and one.kind not in by_place}
            inspect.signature(own).bind(*this, *(one for one in taken if one.kind in by_place), **kwargs)
        return True
    return False


def _check_check(cls: type) -> Problems:
    if getattr(cls, "check", None) is not None and not has_check(cls):
        yield "check must be a method that can be called without arguments."


# Configurations


def _make_codec(cls: type, schema: type[BaseModel]) -> Codec:
    place = Place("django_plugin_system.check_contract", str(uuid.uuid4()), "", "", get_item_config(cls).version)
    return Codec(schema, place, KeyRing([os.urandom(KEY_BYTES)]), cls.__qualname__)


def _check_upgrades(cls: type, stored: Mapping[int, Config]) -> Problems:
    _, schema, version = get_item_config(cls)
    if schema is None:
        return
    if version > 1 and not has_steps(cls):
        yield f"config_version is {version}, but there is no migrate_config that brings former versions there."
        return
    for former, example in sorted(stored.items()):
        if not 1 <= former <= version:
            yield f"There is an example of version {former}, but config_version is {version}."
            continue
        try:
            opened, secrets = unwrap_secrets(upgrade(cls, dict(example), former, version))
            _make_codec(cls, schema).restore_data(opened, secrets)
        except ConfigError as error:
            yield f"The example of version {former}: {error}"


def _check_building(cls: type, config: Config | BaseModel | None) -> Problems:
    schema = get_item_config(cls).schema
    if schema is None:
        if config:
            yield "It takes no configuration, but an example is given."
        yield from _check_instances(cls, ())
        return
    codec = _make_codec(cls, schema)
    try:
        model = codec.parse({} if config is None else config)
    except ConfigError as error:
        if config is not None:
            yield f"The example: {error}"
        return
    try:
        restored = codec.restore(codec.open(codec.store(model).stored)).model
    except ConfigError as error:
        yield f"The example: {error}"
        return
    yield from _check_instances(cls, (restored,))


# Objects


def _check_instances(cls: type, args: tuple[BaseModel, ...]) -> Problems:
    before, given = _get_class_state(cls), copy.deepcopy(args)
    try:
        plugins = [cls(*args), cls(*args)]
    except Exception as error:  # noqa: BLE001 - foreign code
        frame = traceback.extract_tb(error.__traceback__)[-1]
        yield f"Its constructor raised {type(error).__name__} in {frame.filename}, line {frame.lineno}."
        return
    changed = sorted(name for name, state in _get_class_state(cls).items() if before.get(name) != state)
    if changed:
        yield f"Building it changes the class, so plugins would share: {', '.join(changed)}."
    if args != given:
        yield "Its constructor changes the configuration that it is given."
    yield from _check_object(plugins[0], args)


def _get_class_state(cls: type) -> dict[str, Any]:
    """Return the attributes of ``cls`` and its bases: containers as copies, anything else by identity."""
    state: dict[str, Any] = {}
    for base in reversed(cls.__mro__[:-1]):
        for name, value in vars(base).items():
            if not name.startswith("__"):
                mutable = isinstance(value, (list, dict, set))
                state[f"{base.__qualname__}.{name}"] = copy.copy(value) if mutable else id(value)
    return state


def _check_object(plugin: object, args: tuple[BaseModel, ...]) -> Problems:
    if isinstance(plugin, ConfigurablePlugin) and getattr(plugin, "config", None) != args[0]:
        yield "self.config is not the configuration it was built with: call super().__init__(config)."
    texts = {text for model in args for _path, secret in iter_secrets(model) for text in iter_texts(secret)}
    if quotes(f"{plugin!r} {plugin}", texts, authored=False):
        yield "Its repr or str shows a secret."
