"""Secrets that belong to other fields: ``Annotated[SecretStr, BoundTo("endpoint")]`` goes to that endpoint only.

A stored secret carries a digest of what it is bound to, inside its encryption. So it opens only beside those values,
whoever wrote them.
"""

from __future__ import annotations

import decimal
import json
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import typing_extensions
from pydantic import RootModel
from pydantic.fields import FieldInfo

from django_plugin_system.config.declared import (
    SECRET_TYPES,
    Inner,
    find_models,
    holds_secret,
    iter_fields,
    iter_inner,
)
from django_plugin_system.config.tokens import Tie
from django_plugin_system.config.walk import iter_parts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pydantic import BaseModel

    from django_plugin_system.exceptions import Path


@dataclass(frozen=True, init=False)
class BoundTo:
    """Says, in ``Annotated``, that a secret belongs to fields of the same model: change one, and it must be typed anew.

    The field may also be a list, a dict or a model with secrets inside: all of them are bound.
    """

    names: tuple[str, ...]

    def __init__(self, name: str, *names: str) -> None:
        """Name the fields, as the model calls them."""
        object.__setattr__(self, "names", (name, *names))


Endpoints = tuple["Path", ...]
"""Where the values stand that a secret is bound to."""


def iter_bound(value: Any, path: Path = (), endpoints: Endpoints = ()) -> Iterator[tuple[Path, Endpoints]]:
    """Yield the path of each bound secret of a validated value, with what it is bound to."""
    if isinstance(value, SECRET_TYPES):
        if endpoints:
            yield path, endpoints
        return
    while isinstance(value, RootModel):
        value = value.root
    cls: Any = type(value)
    bound = _get_bound(cls)
    for key, item in iter_parts(value):
        own = tuple((*path, name) for name in bound.get(key, ()))
        yield from iter_bound(item, (*path, key), (*endpoints, *own))


@lru_cache(maxsize=1024)
def _get_bound(cls: type) -> dict[str, tuple[str, ...]]:
    """Return, by field, what the secrets in it are bound to."""
    found = {inner.names[0]: get_bound_names(inner) for inner in iter_fields(cls) if inner.names}
    return {name: names for name, names in found.items() if names}


def get_bound_names(inner: Inner) -> tuple[str, ...]:
    """Return the names of the fields that the secrets in a field are bound to."""
    metadata = inner.field.metadata if inner.field is not None else ()
    return tuple(dict.fromkeys(_iter_names(inner.annotation, metadata, [])))


def _iter_names(annotation: Any, metadata: Iterable[Any], seen: list[Any]) -> Iterator[str]:
    """Yield what stands around a type and the types in it, down to (not into) the classes with fields."""
    for item in (*metadata, *getattr(annotation, "__metadata__", ())):
        if isinstance(item, BoundTo):
            yield from item.names
        elif isinstance(item, FieldInfo):
            yield from _iter_names(None, item.metadata, seen)
    if any(annotation is one for one in seen) or _has_fields(annotation):
        return
    seen.append(annotation)
    for inner in iter_inner(annotation):
        yield from _iter_names(inner.annotation, (), seen)


def _has_fields(annotation: Any) -> bool:
    origin = typing_extensions.get_origin(annotation) or annotation
    return isinstance(origin, type) and bool(iter_fields(origin))


@lru_cache(maxsize=1024)
def declares_bound(schema: type[BaseModel]) -> bool:
    """Say whether ``schema``, or a model inside it, has bound secrets."""
    return any(_get_bound(cls) for cls in find_models(schema))


def find_bound_problems(cls: type, inner: Inner) -> Iterator[str]:
    """Yield what is wrong with what ``BoundTo`` says on one field of ``cls``."""
    names = get_bound_names(inner)
    others = {other.names[0]: other.annotation for other in iter_fields(cls) if other.names}
    if names and not hasattr(cls, "__pydantic_fields__") and not hasattr(cls, "__dataclass_fields__"):
        yield "BoundTo works in models and dataclasses only"
        return
    if names and not holds_secret(inner.annotation):
        yield "BoundTo belongs on a secret"
    for name in names:
        if name not in others:
            yield f'BoundTo("{name}") names no field beside it'
        elif holds_secret(others[name]):
            yield f'BoundTo("{name}") names a field that is, or holds, a secret itself'


# What a secret is bound to, as JSON


Bonds = tuple[tuple[int, str], ...]
"""The same, seen from the secret: how many levels up the object is, and the value's key in it."""


def get_bonds(path: Path, endpoints: Endpoints) -> Bonds:
    """Return ``endpoints`` as they are seen from the secret at ``path``."""
    return tuple((len(path) - len(endpoint) + 1, endpoint[-1]) for endpoint in endpoints)


def make_tie(tree: Any, path: Path, endpoints: Endpoints) -> Tie:
    """Return what ties the secret at ``path`` of the stored ``tree`` to its endpoints as they stand there."""
    bonds = get_bonds(path, endpoints)
    return Tie(bonds, digest(tree, path, bonds))


def is_intact(tie: Tie, tree: Any, path: Path) -> bool:
    """Say whether what the secret at ``path`` is tied to still is in ``tree`` what it was."""
    return tie.digest == digest(tree, path, tie.bonds)


def digest(tree: Any, path: Path, bonds: Bonds) -> str:
    """Return a digest of what stands in ``tree`` where ``bonds``, seen from ``path``, point to."""
    values = [look_up(tree, (*path[: len(path) - up], name)) if up <= len(path) else [] for up, name in bonds]
    return sha256(json.dumps(_normalize(values), sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def look_up(tree: Any, path: Path) -> list[Any]:
    """Return the value that stands at ``path`` of stored JSON, in a list; an empty list if there is none."""
    for key in path:
        if isinstance(tree, list) and key.isdecimal() and int(key) < len(tree):
            tree = tree[int(key)]
        elif isinstance(tree, dict) and key in tree:
            tree = tree[key]
        else:
            return []
    return [tree]


def _normalize(value: Any) -> Any:
    """Return ``value`` with its numbers in one form: PostgreSQL gives ``1e+22`` back as digits."""
    if isinstance(value, dict):
        return {key: _normalize(item) for key, item in value.items()}
    if isinstance(value, list):
        return ["list", *map(_normalize, value)]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        sign, digits, exponent = decimal.Decimal(repr(value)).as_tuple()
        text = "".join(map(str, digits)).lstrip("0")
        kept = text.rstrip("0")
        return ["number", sign, kept, int(exponent) + len(text) - len(kept)] if kept else ["number", 0, "", 0]
    return value
