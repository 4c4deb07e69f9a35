"""The texts of secrets, as a message might quote them: in input, in values, in defaults."""

from __future__ import annotations

import collections.abc
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from django_plugin_system.config.declared import (
    SECRET_TYPES,
    find_models,
    holds_secret,
    is_secret_type,
    iter_fields,
    iter_inner,
    reach,
)
from django_plugin_system.config.references import read_reference

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo


def collect_secret_texts(annotation: Any, data: Any) -> set[str]:
    """Return every text in ``data``, input that may not fit, that stands where ``annotation`` declares a secret."""
    if read_reference(data):
        return set()
    if isinstance(data, SECRET_TYPES):
        return set(iter_secret_texts(data.get_secret_value()))
    if is_secret_type(annotation):
        return set(iter_secret_texts(data))
    found: set[str] = set()
    if holds_secret(annotation):
        for inner in iter_inner(annotation):
            for value in reach(inner, data):
                found |= collect_secret_texts(inner.annotation, value)
    return found


def iter_secret_texts(value: Any) -> Iterator[str]:
    """Yield every text inside a secret's value, at any depth, as a message might quote it."""
    if isinstance(value, BaseModel):
        value = value.__dict__
    if isinstance(value, SECRET_TYPES):
        yield from iter_secret_texts(value.get_secret_value())
    elif isinstance(value, collections.abc.Mapping):
        for item in value.values():
            yield from iter_secret_texts(item)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for item in value:
            yield from iter_secret_texts(item)
    elif isinstance(value, bytes):
        yield value.decode(errors="replace")
        yield repr(value)[2:-1]
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def collect_default_texts(schema: type[BaseModel]) -> set[str]:
    """Return the text of every secret that ``schema``, or a model inside it, has as a default."""
    defaults = _iter_defaults(schema)
    return {text for annotation, default in defaults for text in collect_secret_texts(annotation, default)}


def makes_unknown_secrets(schema: type[BaseModel]) -> bool:
    """Say whether a default factory makes secrets that nobody knows: another each time, or one from other fields."""
    fields = [
        inner.field for cls in find_models(schema) for inner in iter_fields(cls) if holds_secret(inner.annotation)
    ]
    derives = any(field is not None and field.default_factory_takes_validated_data for field in fields)
    return derives or collect_default_texts(schema) != collect_default_texts(schema)


def iter_default_texts(schema: type[BaseModel]) -> Iterator[str]:
    """Yield every text in the defaults of ``schema`` and of the models inside it."""
    for _annotation, default in _iter_defaults(schema):
        yield from iter_secret_texts(default)


def _iter_defaults(schema: type[BaseModel]) -> list[tuple[Any, Any]]:
    inners = [inner for cls in find_models(schema) for inner in iter_fields(cls)]
    return [(inner.annotation, _get_default(inner.field)) for inner in inners if inner.field is not None]


def _get_default(field: FieldInfo) -> Any:
    """Return a field's default; what its factory makes, if it has one that needs nothing."""
    if field.default_factory is None:
        return field.default
    factory: Any = field.default_factory
    try:
        return factory()
    except Exception:  # noqa: BLE001 - foreign code, or a factory that looks at other fields
        return None
