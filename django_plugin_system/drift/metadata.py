"""Read what stands around a type (``Annotated[int, Gt(0)]``, ``Field(...)``): limits, validators, serializers."""

from __future__ import annotations

import dataclasses
import re
from functools import partial
from typing import TYPE_CHECKING, Any

import typing_extensions
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from django_plugin_system.config.bound import BoundTo

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pydantic import JsonValue

    from django_plugin_system.drift.shapes import Shape

_LIBRARIES = ("annotated_types", "pydantic", "pydantic_core")
_ONLY_SHOWN = ("Examples", "SkipJsonSchema", "WithJsonSchema")
_DECORATORS = ("validators", "field_validators", "root_validators", "model_validators")
_SERIALIZERS = ("field_serializers", "model_serializers")
_SETTINGS_THAT_DO_NOT_COUNT = {
    "alias_generator",
    "arbitrary_types_allowed",
    "cache_strings",
    "defer_build",
    "field_title_generator",
    "from_attributes",
    "frozen",
    "hide_input_in_errors",
    "json_schema_extra",
    "loc_by_alias",
    "model_title_generator",
    "plugin_settings",
    "populate_by_name",
    "protected_namespaces",
    "serialize_by_alias",
    "title",
    "use_attribute_docstrings",
    "validate_assignment",
    "validate_by_alias",
    "validate_by_name",
}
"""Settings that change neither what a stored configuration looks like nor whether it is taken."""


def split_annotated(annotation: Any) -> tuple[Any, list[Any]]:
    """Return the type inside ``Annotated[...]``, and what else stands there; nothing else for any other type."""
    if typing_extensions.get_origin(annotation) is typing_extensions.Annotated:
        inner, *metadata = typing_extensions.get_args(annotation)
        return inner, metadata
    return annotation, []


def find_field_info(metadata: Iterable[Any]) -> FieldInfo | None:
    """Return the ``Field(...)`` in the metadata of an annotation, if there is one."""
    return next((item for item in metadata if isinstance(item, FieldInfo)), None)


def add_metadata(shape: Shape, metadata: Iterable[Any]) -> Shape:
    """Return ``shape`` with what ``metadata`` says about it."""
    limits, functions = dict(shape.limits), list(shape.functions)
    for item in _expand(metadata):
        found = {name: value for name, value in _iter_attributes(item) if value is not None}
        named = [get_name(value) for value in found.values() if callable(value)]
        plain = {} if named else found
        clash = [f"{name}={to_json(value)}" for name, value in plain.items() if name in limits]
        limits |= {name: to_json(value) for name, value in plain.items() if name not in limits}
        if named or clash or not plain:
            functions.append(" ".join([get_name(item if isinstance(item, type) else type(item)), *clash, *named]))
    return shape.model_copy(update={"limits": limits, "functions": tuple(functions)})


def _expand(metadata: Iterable[Any]) -> Iterator[Any]:
    """Yield each single statement; what neither pydantic nor a validator reads is left out."""
    for item in metadata:
        if isinstance(item, FieldInfo):
            yield from _expand(item.metadata)
            if item.discriminator is not None:
                yield _Discriminated(item.discriminator)
        elif getattr(item, "__is_annotated_types_grouped_metadata__", False) is True and not isinstance(item, type):
            yield from _expand(item)
        elif isinstance(item, BoundTo):
            yield _Bound(item.names)
        elif _counts(item):
            yield item


def _counts(item: Any) -> bool:
    kind = item if isinstance(item, type) else type(item)
    known = kind.__module__.partition(".")[0] in _LIBRARIES and kind.__name__ not in _ONLY_SHOWN
    return known or hasattr(item, "__get_pydantic_core_schema__")


@dataclasses.dataclass
class _Discriminated:
    """The ``discriminator`` of a field, as metadata."""

    discriminator: Any


@dataclasses.dataclass
class _Bound:
    """What a secret belongs to, as metadata."""

    bound_to: Any


def _iter_attributes(item: Any) -> Iterable[tuple[str, Any]]:
    if isinstance(item, type):
        return ()
    if dataclasses.is_dataclass(item):
        return [(field.name, getattr(item, field.name)) for field in dataclasses.fields(item)]
    return [pair for pair in getattr(item, "__dict__", {}).items() if pair[0][0] != "_"]


def get_name(thing: Any) -> str:
    """Return a name for a function or class that is the same in every process."""
    while isinstance(thing, partial):
        thing = thing.func
    name: str = getattr(thing, "__qualname__", type(thing).__qualname__)
    return name.rpartition("<locals>.")[2]


def to_json(value: Any) -> JsonValue:
    """Return ``value`` as JSON can say it; for what it cannot, the name of its class."""
    if isinstance(value, re.Pattern):
        flags = value.flags & ~re.UNICODE
        return f"{value.pattern} (flags {flags})" if flags else str(value.pattern)
    try:
        result: JsonValue = to_jsonable_python(value, inf_nan_mode="strings")
    except Exception:  # noqa: BLE001 - foreign code
        return f"<{get_name(type(value))}>"
    return sort_set(value, result)


def sort_set(value: Any, result: JsonValue) -> JsonValue:
    """Return ``result``, the JSON of ``value``, in an order that is the same in every process."""
    return sorted(result, key=str) if isinstance(value, (set, frozenset)) and isinstance(result, list) else result


def list_functions(cls: type) -> tuple[str, ...]:
    """Return the validators and serializers of a class, by kind and name."""
    decorators = getattr(cls, "__pydantic_decorators__", None)
    found = []
    for group in (*_DECORATORS, *_SERIALIZERS):
        for name, decorator in getattr(decorators, group, {}).items():
            fields = getattr(decorator.info, "fields", ())
            mode = getattr(decorator.info, "mode", "")
            found.append(f"{group[:-1]}({mode}) {name}" + (f" on {', '.join(fields)}" if fields else ""))
    return tuple(sorted(found))


def list_settings(cls: type) -> dict[str, JsonValue]:
    """Return what a class sets in its pydantic configuration, as far as it counts."""
    config: Mapping[str, Any] = getattr(cls, "model_config", None) or getattr(cls, "__pydantic_config__", None) or {}
    return {
        name: get_name(value) if callable(value) else to_json(value)
        for name, value in config.items()
        if name not in _SETTINGS_THAT_DO_NOT_COUNT
    }
