"""A validated value as JSON by field names, with a placeholder for each secret; and what each secret is bound to."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from django_plugin_system.config.json_tree import MAX_DEPTH, walk_json
from django_plugin_system.exceptions import FieldProblem, Path, UnstorableConfig
from django_plugin_system.schema.tree import SECRET_TYPES, Node, get_tree
from django_plugin_system.schema.values import (
    MISSING,
    encode_key,
    get_fields,
    is_sequence,
    iter_parts,
    iter_secrets,
    look_through,
)

if TYPE_CHECKING:
    from django_plugin_system.config.tokens import Bonds

MAX_BITS = 14_000
"""How long a whole number may be: Python's own limit is 4,300 digits."""

_UNSTORABLE_TEXT = re.compile("[\x00\ud800-\udfff]")


@dataclass
class Encoded:
    """A model as JSON, an empty object in the place of each secret."""

    tree: Any
    secrets: dict[Path, Any] = field(repr=False)
    """Plain JSON, or bytes, by path."""


def encode_model(model: BaseModel, dump: Any, given: Mapping[Path, Any], *, only_set: bool = False) -> Encoded:
    """Return ``model`` as JSON by field names.

    ``dump`` is what ``model_dump(mode="json")`` made of it; where that has no counterpart of a value (a serializer
    changed the shape, a field is excluded), the value is written by its type; with ``only_set``, so is a default that
    nobody set, whose return is not proved. ``given`` holds what is written instead of some values, by path.

    :raises UnstorableConfig: if a value has no JSON form that every database stores, or if a set or a dict's keys hold
        a secret.
    """
    encoder = _Encoder(given, only_set)
    encoded = Encoded(encoder.encode(model, dump, ()), encoder.secrets)
    _check_storable(encoded.tree)
    return encoded


def refuse(path: Path, reason: str) -> UnstorableConfig:
    """Return the error that says why the value at ``path`` cannot be stored."""
    return UnstorableConfig("this value", [FieldProblem(path, reason)])


@dataclass
class _Encoder:
    given: Mapping[Path, Any]
    only_set: bool = False
    secrets: dict[Path, Any] = field(default_factory=dict)

    def encode(self, value: Any, dump: Any, path: Path) -> Any:  # noqa: PLR0911 - one for each shape of a value
        if len(path) > MAX_DEPTH:
            raise refuse(path[:1], f"is nested more than {MAX_DEPTH} levels deep")
        value = look_through(value)
        if path in self.given:
            return self.given[path]
        if isinstance(value, SECRET_TYPES):
            return self._take_secret(value.get_secret_value(), path)
        if isinstance(dump, str) and not any(True for _secret in iter_secrets(value)):
            return dump  # a value that is written as text, as Json[...] is
        fields = get_fields(value)
        if fields is not None:
            return self._encode_fields(value, fields, dump, path)
        if isinstance(value, Mapping):
            members = _pair_items(value, dump, path)
            return {key: self.encode(item, its_dump, (*path, key)) for key, item, its_dump in members}
        if is_sequence(value):
            return self._encode_items(value, dump, path)
        return _encode_leaf(value, dump, path)

    def _encode_items(self, items: Collection[Any], dump: Any, path: Path) -> list[Any]:
        dumps = dump if isinstance(dump, list) and len(dump) == len(items) else [MISSING] * len(items)
        return [self.encode(item, dumps[index], (*path, str(index))) for index, item in enumerate(items)]

    def _encode_fields(self, value: Any, fields: Mapping[str, Any], dump: Any, path: Path) -> dict[str, Any]:
        by_name = dump if isinstance(dump, dict) else {}
        if self.only_set and isinstance(value, BaseModel):
            by_name = {name: item for name, item in by_name.items() if name in value.model_fields_set}
        return {name: self.encode(item, by_name.get(name, MISSING), (*path, name)) for name, item in fields.items()}

    def _take_secret(self, plain: Any, path: Path) -> Any:
        self.secrets[path] = encode_plain(plain, path)
        return {}


def encode_plain(plain: Any, path: Path) -> Any:
    """Return a secret as JSON, or bytes. What is refused of it is refused as a whole, as its keys are secret, too."""
    if isinstance(plain, bytes):
        return plain
    try:
        encoded = _SecretEncoder({}).encode(plain, MISSING, path)
        json.dumps(encoded, allow_nan=False)
    except UnstorableConfig as error:
        (problem,) = error.errors
        reason = problem.message
    except ValueError:  # infinity, NaN, thousands of digits
        reason = "a number that JSON cannot write"
    else:
        return encoded
    raise refuse(path, reason)


class _SecretEncoder(_Encoder):
    """Encodes what is inside of one secret, where another one is a value like any."""

    def _take_secret(self, plain: Any, path: Path) -> Any:
        with suppress(UnicodeDecodeError):
            return plain.decode() if isinstance(plain, bytes) else plain
        raise refuse(path, "bytes that are no UTF-8 text cannot stand inside another secret")


def _pair_items(value: Mapping[Any, Any], dump: Any, path: Path) -> Iterable[tuple[str, Any, Any]]:
    dumped = isinstance(dump, dict) and len(dump) == len(value)
    keys = list(dump) if dumped else [key if isinstance(key, str) else encode_key(_to_json(key, path)) for key in value]
    dumps = list(dump.values()) if dumped else [MISSING] * len(keys)
    if any(isinstance(key, SECRET_TYPES) for key in value):
        raise refuse(path, "a secret cannot be the key of a dict")
    if len(set(keys)) != len(value):
        raise refuse(path, "two keys of this dict look the same as JSON")
    return zip(keys, value.values(), dumps, strict=True)


def _encode_leaf(value: Any, dump: Any, path: Path) -> Any:
    if isinstance(value, (set, frozenset)):
        if any(isinstance(item, SECRET_TYPES) for item in value):
            raise refuse(path, "a set cannot hold secrets: use a list")
        items = dump if isinstance(dump, list) else _to_json(value, path)
        return sorted(items, key=lambda item: json.dumps(item, sort_keys=True))
    return _to_json(value, path) if dump is MISSING else dump


def _to_json(value: Any, path: Path) -> Any:
    with suppress(Exception):  # foreign code; refused below, outside the handler
        return to_jsonable_python(value, inf_nan_mode="constants")
    raise refuse(path, f"a value of type {type(value).__name__} has no JSON form")


def _check_storable(tree: Any) -> None:
    """Check that every database stores ``tree`` as it is.

    :raises UnstorableConfig: for infinite numbers, NaN, and text that PostgreSQL's jsonb refuses.
    """
    for path, value in walk_json(tree):
        texts = value if isinstance(value, dict) else [value] if isinstance(value, str) else ()
        if any(_UNSTORABLE_TEXT.search(text) for text in texts):
            raise refuse(path, "text with a NUL character or half a surrogate pair cannot be stored in every database")
        if isinstance(value, float) and not math.isfinite(value):
            raise refuse(path, "not a finite number")
        if isinstance(value, int) and value.bit_length() > MAX_BITS:
            raise refuse(path, "a number of more than 4,200 digits")


# What a secret belongs to


class Belonging(NamedTuple):
    """What one secret is bound to: fields that ``BoundTo`` names, and what tells the members of its union apart."""

    endpoints: Bonds = ()
    tags: Bonds = ()

    @property
    def bonds(self) -> Bonds:
        """All of it, as the token has it."""
        return (*self.endpoints, *self.tags)


UNBOUND = Belonging()


def find_belongings(model: Any, root: Node) -> dict[Path, Belonging]:
    """Return what each secret of a validated value is bound to, by path; ``root`` is the node of its schema."""
    return dict(_iter_belongings(model, root, (), (), ())) if root.is_bound or root.tags else {}


_Named = tuple[tuple[int, "str | None"], ...]
"""Keys of objects, each with how deep the object is."""


def _iter_belongings(
    value: Any, root: Node, path: Path, endpoints: _Named, tags: _Named
) -> Iterator[tuple[Path, Belonging]]:
    value = look_through(value)
    if isinstance(value, SECRET_TYPES):
        yield path, Belonging(*(tuple((len(path) - depth, key) for depth, key in named) for named in (endpoints, tags)))
        return
    parts = {} if get_fields(value) is None else get_tree(type(value)).fields
    if type(value) in root.tags:
        tags = (*tags, (len(path), root.tags[type(value)]))
    for key, item in iter_parts(value):
        own = parts[key].bound_to if key in parts else ()
        inner = (*endpoints, *((len(path), name) for name in own))
        yield from _iter_belongings(item, root, (*path, key), inner, tags)
