"""Walk a validated value: as JSON with each secret handed to a callback, and as a comparison of two values."""

from __future__ import annotations

import collections
import dataclasses
import json
import math
import re
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, RootModel
from pydantic_core import to_jsonable_python

from django_plugin_system.config.declared import SECRET_TYPES, holds_secret
from django_plugin_system.exceptions import FieldProblem, Path, UnstorableConfig

if TYPE_CHECKING:
    from typing_extensions import TypeIs

MAX_DEPTH = 100
"""How many containers may stand inside one another; half of what pydantic's JSON parser takes."""
MAX_BITS = 14_000
"""How long a whole number may be: Python's own limit is 4,300 digits."""

MISSING: Any = object()
"""No dump of this value is at hand."""

EmitSecret = Callable[[Path, Any], Any]
"""Called with the path and the plain JSON (or bytes) of a secret; returns what stands for it."""

Given = Mapping[Path, Any]
NOTHING_GIVEN: Given = types.MappingProxyType({})


def encode(value: Any, dump: Any, path: Path, emit: EmitSecret, given: Given = NOTHING_GIVEN) -> Any:
    """Return ``value`` as JSON by field names, each secret replaced by what ``emit`` returns for it.

    ``dump`` is what ``model_dump(mode="json")`` made of the value; where it has no counterpart (a serializer changed
    the shape, a field is excluded), the value is written by its type. ``given`` holds what is written instead, by path.

    :raises UnstorableConfig: if a value has no JSON form, or a set or a dict's keys hold a secret.
    """
    if len(path) > MAX_DEPTH:
        raise refuse(path[:1], f"is nested more than {MAX_DEPTH} levels deep")
    while isinstance(value, RootModel):
        value = value.root
    if path in given:
        return given[path]
    if isinstance(value, SECRET_TYPES):
        return emit(path, _encode_plain(value.get_secret_value(), path))
    if isinstance(dump, str) and not isinstance(value, str) and not any(True for _secret in iter_secrets(value)):
        return dump  # a value that is written as text, as Json[...] is
    if isinstance(value, Mapping) or get_fields(value) is not None:
        members = _pair_members(value, dump, path)
        return {key: encode(item, its_dump, (*path, key), emit, given) for key, item, its_dump in members}
    if is_sequence(value):
        dumps = dump if isinstance(dump, list) and len(dump) == len(value) else [MISSING] * len(value)
        return [encode(item, dumps[index], (*path, str(index)), emit, given) for index, item in enumerate(value)]
    return _encode_leaf(value, dump, path)


def _encode_plain(value: Any, path: Path) -> Any:
    """Return a secret as JSON or bytes. What is refused of it is refused as a whole, since its keys are secret, too."""
    try:
        return value if isinstance(value, bytes) else encode(value, MISSING, path, _emit_inner)
    except UnstorableConfig as error:
        (problem,) = error.errors
    raise refuse(path, problem.message)


def _emit_inner(path: Path, plain: Any) -> Any:
    """Return a secret inside another one as JSON."""
    try:
        return plain.decode() if isinstance(plain, bytes) else plain
    except UnicodeDecodeError:
        pass
    raise refuse(path, "bytes that are no UTF-8 text cannot stand inside another secret")


def _pair_members(value: Any, dump: Any, path: Path) -> Iterable[tuple[str, Any, Any]]:
    """Return the fields of ``value``, or its items if it is a dict, each with its key and its part of the dump."""
    fields = get_fields(value)
    if fields is None:
        return _pair_items(value, dump, path)
    by_name = dump if isinstance(dump, dict) else {}
    return [(name, item, by_name.get(name, MISSING)) for name, item in fields.items()]


def _pair_items(value: Mapping[Any, Any], dump: Any, path: Path) -> Iterable[tuple[str, Any, Any]]:
    dumped = isinstance(dump, dict) and len(dump) == len(value)
    keys = list(dump) if dumped else [_encode_key(key, path) for key in value]
    dumps = list(dump.values()) if dumped else [MISSING] * len(keys)
    if any(isinstance(key, SECRET_TYPES) for key in value):
        raise refuse(path, "a secret cannot be the key of a dict")
    if len(set(keys)) != len(value):
        raise refuse(path, "two keys of this dict look the same as JSON")
    return zip(keys, value.values(), dumps, strict=True)


def _encode_key(key: Any, path: Path) -> str:
    text = key if isinstance(key, str) else _to_json(key, path)
    return text if isinstance(text, str) else json.dumps(text)


def _encode_leaf(value: Any, dump: Any, path: Path) -> Any:
    if isinstance(value, (set, frozenset)):
        if any(isinstance(item, SECRET_TYPES) for item in value):
            raise refuse(path, "a set cannot hold secrets: use a list")
        items = dump if isinstance(dump, list) else _to_json(value, path)
        return sorted(items, key=lambda item: json.dumps(item, sort_keys=True))
    return _to_json(value, path) if dump is MISSING else dump


def _to_json(value: Any, path: Path) -> Any:
    try:
        return to_jsonable_python(value, inf_nan_mode="constants")
    except Exception:  # noqa: BLE001, S110 - foreign code; refused below, outside the handler
        pass
    raise refuse(path, f"a value of type {type(value).__name__} has no JSON form")


def iter_secrets(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield each secret of a validated value with the path it is stored at."""
    while isinstance(value, RootModel):
        value = value.root
    if isinstance(value, SECRET_TYPES):
        yield path, value
        return
    for key, item in iter_parts(value, path):
        yield from iter_secrets(item, (*path, key))


def iter_parts(value: Any, path: Path = ()) -> Iterable[tuple[str, Any]]:
    """Return what a validated value consists of, each part with the key it is stored under."""
    fields = get_fields(value)
    if fields is not None:
        return fields.items()
    if isinstance(value, Mapping):
        return [(_encode_key(key, path), item) for key, item in value.items()]
    return [(str(index), item) for index, item in enumerate(value)] if is_sequence(value) else ()


def get_part(value: Any, path: Path) -> Any:
    """Return the part of a validated value that is stored at ``path``, or MISSING."""
    for key in path:
        while isinstance(value, RootModel):
            value = value.root
        value = dict(iter_parts(value)).get(key, MISSING)
    return value


def check_storable(value: Any, path: Path = ()) -> None:
    """Check that every database stores this JSON value as it is.

    :raises UnstorableConfig: for infinite numbers, NaN, and text that PostgreSQL's jsonb refuses.
    """
    if isinstance(value, dict):
        for key, item in value.items():
            check_storable(key, path)
            check_storable(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            check_storable(item, (*path, str(index)))
    elif isinstance(value, float) and not math.isfinite(value):
        raise refuse(path, "not a finite number")
    elif isinstance(value, int) and value.bit_length() > MAX_BITS:
        raise refuse(path, "a number of more than 4,200 digits")
    elif isinstance(value, str) and _UNSTORABLE_TEXT.search(value):
        raise refuse(path, "text with a NUL character or half a surrogate pair cannot be stored in every database")


_UNSTORABLE_TEXT = re.compile("[\x00\ud800-\udfff]")


def refuse(path: Path, reason: str) -> UnstorableConfig:
    """Return the error that says why the value at ``path`` cannot be stored."""
    return UnstorableConfig("this value", [FieldProblem(path, reason)])


def get_fields(value: Any) -> dict[str, Any] | None:
    """Return the fields (and extra values) of a model or dataclass by name; None for any other value."""
    if isinstance(value, BaseModel):
        names = [name for name in type(value).__pydantic_fields__ if name in value.__dict__]  # others were never set
        return {**{name: value.__dict__[name] for name in names}, **(value.model_extra or {})}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: field.init for field in dataclasses.fields(value)}
        extra = _find_dataclass_extra(value, fields)
        return {**{name: getattr(value, name) for name, init in fields.items() if init}, **extra}
    return None


def _find_dataclass_extra(value: Any, fields: Mapping[str, bool]) -> dict[str, Any]:
    if getattr(value, "__pydantic_config__", {}).get("extra") != "allow":
        return {}
    return {name: item for name, item in value.__dict__.items() if name not in fields}


def is_sequence(value: Any) -> TypeIs[list[Any] | tuple[Any, ...] | collections.deque[Any]]:
    """Say whether ``value`` is an ordered container that JSON writes as an array."""
    return isinstance(value, (list, tuple, collections.deque))


def find_changed_fields(one: BaseModel, other: BaseModel) -> list[str]:
    """Return the names of the fields in which two models of one class differ.

    A default that nobody set does not count unless it can hold a secret: pydantic does not validate it, so that
    ``timeout: float = 5`` stays an int and ``url: HttpUrl = "https://..."`` a str, and what is read back is validated.
    """
    ours, theirs = get_fields(one) or {}, get_fields(other) or {}
    free = {
        name
        for name, info in type(one).__pydantic_fields__.items()
        if name not in one.model_fields_set & other.model_fields_set and not holds_secret(info.annotation)
    }
    names = [name for name in dict.fromkeys([*ours, *theirs]) if name not in free]
    return [name for name in names if not is_same(ours.get(name, MISSING), theirs.get(name, MISSING))]


def is_same(one: Any, other: Any) -> bool:
    """Say whether two validated values are equal in type and content; private attributes do not count."""
    if type(one) is not type(other):
        return False
    if isinstance(one, BaseModel):
        return not find_changed_fields(one, other)
    ours, theirs = _get_parts(one), _get_parts(other)
    if ours is None or theirs is None:
        return bool(one == other)
    return ours.keys() == theirs.keys() and all(is_same(ours[key], theirs[key]) for key in ours)


def _get_parts(value: Any) -> Mapping[Any, Any] | None:
    """Return what a value consists of, by name, key or position; None for a plain value."""
    if isinstance(value, SECRET_TYPES):
        return {"secret": value.get_secret_value()}
    if isinstance(value, Mapping):
        return value
    return dict(enumerate(value)) if is_sequence(value) else get_fields(value)
