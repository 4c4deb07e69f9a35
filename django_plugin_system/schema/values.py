"""Validated values: what they consist of, by the keys it is stored under, and whether two of them are the same."""

from __future__ import annotations

import collections
import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel
from pydantic_core import to_jsonable_python
from typing_extensions import TypeIs

from django_plugin_system.schema.annotations import is_root_model
from django_plugin_system.schema.tree import SECRET_TYPES, get_tree

if TYPE_CHECKING:
    from django_plugin_system.exceptions import Path

MISSING: Any = object()
"""There is no such value."""


def get_fields(value: Any) -> dict[str, Any] | None:
    """Return the fields (and extra values) of a model or dataclass by name; None for any other value."""
    if isinstance(value, BaseModel):
        names = [name for name in type(value).__pydantic_fields__ if name in value.__dict__]  # others were never set
        return {**{name: value.__dict__[name] for name in names}, **(value.model_extra or {})}
    is_object = dataclasses.is_dataclass(value) and not isinstance(value, type)
    return _get_dataclass_fields(value) if is_object else None


def _get_dataclass_fields(value: Any) -> dict[str, Any]:
    fields = {field.name: field.init for field in dataclasses.fields(value)}
    is_open = getattr(value, "__pydantic_config__", {}).get("extra") == "allow"
    extra = {name: item for name, item in value.__dict__.items() if name not in fields} if is_open else {}
    return {**{name: getattr(value, name) for name, init in fields.items() if init}, **extra}


def is_sequence(value: Any) -> TypeIs[list[Any] | tuple[Any, ...] | collections.deque[Any]]:
    """Say whether ``value`` is an ordered container that JSON writes as an array."""
    return isinstance(value, (list, tuple, collections.deque))


def encode_key(key: Any) -> str:
    """Return the key of a dict as JSON has it.

    :raises Exception: if it has no JSON form.
    """
    text = key if isinstance(key, str) else to_jsonable_python(key, inf_nan_mode="constants")
    return text if isinstance(text, str) else json.dumps(text)


def iter_parts(value: Any) -> Iterable[tuple[str, Any]]:
    """Return what a value consists of, each part with the key it is stored under."""
    fields = get_fields(value)
    if fields is not None:
        return fields.items()
    if isinstance(value, Mapping):
        return [(encode_key(key), item) for key, item in value.items()]
    return [(str(index), item) for index, item in enumerate(value)] if is_sequence(value) else ()


def look_through(value: Any) -> Any:
    """Return what a root model, or a root model in one, holds; any other value as it is."""
    while is_root_model(value):
        value = value.root
    return value


def iter_secrets(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield each secret of a validated value with the path it is stored at."""
    value = look_through(value)
    if isinstance(value, SECRET_TYPES):
        yield path, value
        return
    for key, item in iter_parts(value):
        yield from iter_secrets(item, (*path, key))


def get_part(value: Any, path: Path) -> Any:
    """Return the part of a validated value that is stored at ``path``, or MISSING."""
    for key in path:
        value = dict(iter_parts(look_through(value))).get(key, MISSING)
    return value


def find_changed_fields(one: BaseModel, other: BaseModel) -> list[str]:
    """Return the names of the fields in which two models of one class differ.

    A default that nobody set does not count unless it can hold a secret: pydantic does not validate it, so that
    ``timeout: float = 5`` stays an int and ``url: HttpUrl = "https://..."`` a str, and what is read back is validated.
    """
    ours, theirs = get_fields(one) or {}, get_fields(other) or {}
    set_in_both = one.model_fields_set & other.model_fields_set
    fields = get_tree(type(one)).fields
    free = {name for name, part in fields.items() if name not in set_in_both and not part.node.holds_secret}
    names = [name for name in dict.fromkeys([*ours, *theirs]) if name not in free]
    return [name for name in names if not is_same(ours.get(name, MISSING), theirs.get(name, MISSING))]


def is_same(one: Any, other: Any) -> bool:
    """Say whether two validated values are equal in type, content and order; private attributes do not count."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return repr(one) == repr(other)  # tells 0.0 from -0.0
    if isinstance(one, BaseModel) and not is_root_model(one):
        return not find_changed_fields(one, other)
    ours, theirs = _get_parts(one), _get_parts(other)
    if ours is None or theirs is None:
        return bool(one == other)
    return [*ours] == [*theirs] and all(is_same(ours[key], theirs[key]) for key in ours)


def _get_parts(value: Any) -> Mapping[Any, Any] | None:
    """Return what a value consists of, by name, key or position; None for a plain value."""
    if isinstance(value, SECRET_TYPES):
        return {"secret": value.get_secret_value()}
    if isinstance(value, Mapping):
        return value
    return dict(enumerate(value)) if is_sequence(value) else get_fields(value)
