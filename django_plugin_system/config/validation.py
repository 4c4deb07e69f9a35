"""From stored data to a validated model: upgrade it step by step, run pydantic over it, hand out copies of it.

No error of pydantic's gets out: ours are located by stored path, without input, context or any secret.
"""

from __future__ import annotations

import copy
import datetime as dt
import json
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from decimal import Decimal
from enum import Enum
from functools import partial
from pathlib import PurePath
from typing import Any, get_args
from uuid import UUID

from pydantic import AnyUrl, BaseModel, Secret, SecretBytes, SecretStr, ValidationError
from pydantic_core.core_schema import ErrorType

from django_plugin_system.config.json_tree import INSIDE, MAX_DEPTH, is_deep, replace_json
from django_plugin_system.config.leaks import WITHHELD, scrub
from django_plugin_system.exceptions import ConfigMigrationFailed, FieldProblem, Path
from django_plugin_system.schema.errors import locate
from django_plugin_system.schema.tree import SECRET_TYPES
from django_plugin_system.schema.values import (
    collect_default_texts,
    collect_secret_texts,
    iter_texts,
    makes_unknown_secrets,
)

# Versions


def wrap_secrets(opened: Any, secrets: Mapping[Path, Any]) -> Any:
    """Return a copy of ``opened`` with ``secrets`` in pydantic's secret types, so that none shows by accident."""
    return replace_json(opened, lambda path, _value: _wrap(secrets[path]) if path in secrets else INSIDE)


def _wrap(plain: Any) -> Any:
    if isinstance(plain, str):
        return SecretStr(plain)
    return SecretBytes(plain) if isinstance(plain, bytes) else Secret[Any](plain)


def unwrap_secrets(wrapped: Any) -> tuple[Any, dict[Path, Any]]:
    """Return ``wrapped`` in the clear, and what was still secret in it by path."""
    secrets: dict[Path, Any] = {}

    def unwrap(path: Path, value: Any) -> Any:
        if isinstance(value, SECRET_TYPES):
            secrets[path] = value.get_secret_value()
            return secrets[path]
        return replace_json([*value], unwrap, path) if isinstance(value, tuple) else INSIDE

    return replace_json(wrapped, unwrap), secrets


def upgrade(plugin_class: Any, config: Any, from_version: int, to_version: int) -> Any:
    """Return ``config`` after the steps from ``from_version`` to ``to_version``; the argument stays as it is.

    :raises ConfigMigrationFailed: if a step raises, returns no dict, or one without end.
    """
    step = getattr(plugin_class, "migrate_config", None)
    config = copy.deepcopy(config)
    for version in range(from_version, to_version if step else from_version):
        try:
            config = step(config, version)  # type: ignore[misc]
            failure = _find_fault(config)
        except Exception as error:  # noqa: BLE001 - foreign code
            failure = type(error).__name__
        if failure is not None:
            raise ConfigMigrationFailed(plugin_class, version, failure)
    return config


def _find_fault(config: Any) -> str | None:
    if not isinstance(config, dict):
        return f"it returned {type(config).__name__}, not a dict"
    return f"it returned more than {MAX_DEPTH} levels of values in values" if is_deep(config) else None


# What pydantic says


_OWN = set(get_args(ErrorType)) - {"value_error", "assertion_error"}
"""The kinds of error whose text is pydantic's own."""

MOST_PROBLEMS = 100
"""Errors that are told, the first ones: more than that nobody reads at once."""
_MOST_EFFORT = 100_000
"""Times that 100 characters of a secret are looked for in 1,000 of a message, before messages are withheld unread."""


def validate(
    schema: type[BaseModel], data: Any, hidden: Collection[Any], *, by_alias: bool
) -> tuple[BaseModel | None, list[FieldProblem]]:
    """Return the model for ``data``; or None and what is wrong with it, which quotes none of the ``hidden`` values."""
    text = _as_json(data)
    try:
        if text is not None:
            return schema.model_validate_json(text, by_name=True, by_alias=by_alias), []
        strict = None if by_alias else False
        return schema.model_validate(data, strict=strict, by_name=True, by_alias=by_alias), []
    except ValidationError as invalid:
        problems = _describe(invalid, schema, data, hidden)
    except Exception as foreign:  # noqa: BLE001 - foreign code
        problems = [FieldProblem((), f"validation raised {type(foreign).__name__}")]
    return None, problems


def _describe(
    error: ValidationError, schema: type[BaseModel], data: Any, hidden: Collection[Any]
) -> list[FieldProblem]:
    """Return what ``error`` says about the input ``data``, which quotes no secret and none of the ``hidden`` values."""
    found_in_data = collect_secret_texts(schema, data)
    texts = {text for text in (*iter_texts([*hidden]), *found_in_data, *collect_default_texts(schema)) if text}
    is_unknown = makes_unknown_secrets(schema)
    said: dict[tuple[str, bool], str] = {}
    found = []
    size, effort = sum(1 + len(text) // 100 for text in texts), 0
    for item in error.errors(include_input=False, include_context=False, include_url=False)[:MOST_PROBLEMS]:
        text, authored = message = item["msg"], item["type"] not in _OWN
        if message not in said:
            effort += size * (1 + len(text) // 1000)
            is_safe = effort <= _MOST_EFFORT and not (authored and is_unknown)
            said[message] = scrub(text, texts, authored=authored) if is_safe else WITHHELD
        found.append(FieldProblem(locate(item["loc"], schema, data), said[message]))
    return list(dict.fromkeys(found))  # the members of a union may say the same


def _as_json(data: Any) -> bytes | None:
    """Return ``data`` as JSON; None if there is something in it that JSON cannot say."""
    with suppress(ValueError):  # half a surrogate pair, thousands of digits
        return json.dumps(data, ensure_ascii=False).encode() if _is_json(data) else None
    return None


def _is_json(data: Any) -> bool:
    if isinstance(data, dict):
        return all(type(key) is str and _is_json(value) for key, value in data.items())
    if isinstance(data, list):
        return all(map(_is_json, data))
    return data is None or type(data) in (str, int, float, bool)


# Copies


_ATOMS = (type(None), str, bytes, int, float, Decimal, dt.date, dt.time, dt.timedelta, UUID, Enum, PurePath, AnyUrl)


def make_copier(config: BaseModel) -> Callable[[], BaseModel]:
    """Return a function that returns copies of ``config``, which share nothing changeable with it.

    Every call for a plugin makes one. So what nobody can change in an ordinary model is shared, which takes a fraction
    of the time of its ``__deepcopy__``.
    """
    is_plain = config.__pydantic_extra__ is None and config.__pydantic_private__ is None
    if not is_plain or type(config).__deepcopy__ is not BaseModel.__deepcopy__:
        return config.__deepcopy__
    cls, values, names = type(config), config.__dict__, config.__pydantic_fields_set__
    changeable = [(name, _make_value_copier(value)) for name, value in values.items() if not _is_atom(value)]

    def copy_config() -> BaseModel:
        made: BaseModel = _new(cls)
        own = values.copy()
        for name, copy_value in changeable:
            own[name] = copy_value()
        _set_values(made, own)
        _set_names(made, names.copy())
        _set_extra(made, None)
        _set_private(made, None)
        return made

    return copy_config


def _make_value_copier(value: Any) -> Callable[[], Any]:
    if isinstance(value, BaseModel):
        return make_copier(value)
    values = value if type(value) is list else value.values() if type(value) is dict else [value]
    return value.copy if all(map(_is_atom, values)) else partial(copy.deepcopy, value)


def _is_atom(value: Any) -> bool:
    """Say whether nobody can change ``value``."""
    if isinstance(value, SECRET_TYPES):
        return _is_atom(value.get_secret_value())
    return isinstance(value, _ATOMS)


_new = object.__new__
_set_values, _set_names, _set_extra, _set_private = (
    BaseModel.__dict__[slot].__set__
    for slot in ("__dict__", "__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__")
)
"""Set what ``BaseModel.__copy__`` sets, in a third of the time."""
