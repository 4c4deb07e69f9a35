"""Where the secrets of data are, told by the schema; and the texts of secrets, as a message might quote them."""

from __future__ import annotations

import collections
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from django_plugin_system.schema.tree import SECRET_TYPES, Node, Part, Step, get_tree, iter_models
from django_plugin_system.schema.values import get_fields

if TYPE_CHECKING:
    from django_plugin_system.exceptions import Path


_MASK = re.compile(r"""(?:\w+\()?(?:b?['"])?(?:•{8}|[*]{8}|[*]{10}|[*]{20})['"]?\)?""")
"""What pydantic writes in the place of a secret, its ``repr`` too; Django and our own pages, in their lengths."""
PLACEHOLDERS = ("[stored secret ", "[typed, not saved yet: ", "[type this secret again]")
"""How the texts begin that forms show in the place of a secret."""


def is_mask(secret: Any) -> bool:
    """Say whether a secret's value is, or has inside, a text that only stands for a secret."""
    return any(_MASK.fullmatch(text) or text.startswith(PLACEHOLDERS) for text in iter_texts(secret))


def find_secrets(node: Node, data: Any, skip: Callable[[Any], object] | None = None) -> Iterator[tuple[Path, Any]]:
    """Yield what stands in ``data`` where ``node`` declares a secret, with its path.

    ``data`` may be input, JSON or a value, of any shape and not valid. Where the members of a union disagree about a
    place, what stands there counts. What ``skip`` says yes to is not looked into.
    """
    pending: list[tuple[Node, Path, Any]] = [(node, (), data)]
    seen: set[tuple[Node, Path]] = set()  # where the members of a union that holds itself say the same
    while pending:
        node, path, value = pending.pop()
        if (node, path) in seen:
            continue
        seen.add((node, path))
        if skip is not None and skip(value):
            continue
        if node.is_secret or isinstance(value, SECRET_TYPES):
            yield path, value
        elif node.holds_secret:
            inner = [(part.node, (*path, *key), item) for part in node.parts for key, item in reach(node, part, value)]
            pending += reversed(inner)


def reach(node: Node, part: Part, data: Any) -> Iterable[tuple[Path, Any]]:
    """Return what ``part`` of ``node`` speaks of in ``data``, each with the key that leads to it."""
    if part.step is Step.MEMBER:
        return [((), data)]
    data = get_fields(data) or data
    if isinstance(data, Mapping):
        return _reach_by_key(node, part, data)
    if not isinstance(data, (list, tuple, set, frozenset, collections.deque)):
        return []
    items = [((str(index),), item) for index, item in enumerate(data)]
    return [found for found in items if found[0][0] == part.name] if part.step is Step.FIELD else items


def _reach_by_key(node: Node, part: Part, data: Mapping[Any, Any]) -> Iterable[tuple[Path, Any]]:
    if part.step is Step.FIELD:
        return [((name,), data[name]) for name in part.names if name in data]
    if part.step is Step.EXTRA:
        return [((str(key),), item) for key, item in data.items() if key not in node.names]
    return [((str(key),), key if part.step is Step.KEY else item) for key, item in data.items()]


# Texts


def iter_texts(value: Any) -> Iterator[str]:
    """Yield every text inside a secret's value, at any depth, as a message might quote it."""
    if isinstance(value, BaseModel):
        value = value.__dict__
    if isinstance(value, SECRET_TYPES):
        yield from iter_texts(value.get_secret_value())
    elif isinstance(value, (Mapping, list, tuple, set, frozenset)):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from iter_texts(item)
    elif isinstance(value, bytes):
        yield value.decode(errors="replace")
        yield value.decode(errors="surrogateescape")
        yield repr(value)[2:-1]
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def collect_secret_texts(schema: Any, data: Any, skip: Callable[[Any], object] | None = None) -> set[str]:
    """Return every text in ``data`` that stands where ``schema`` declares a secret; see ``find_secrets``."""
    return {text for _path, value in find_secrets(get_tree(schema), data, skip) for text in iter_texts(value)}


def _iter_defaults(schema: Any) -> Iterator[tuple[Part, Any]]:
    for model in iter_models(get_tree(schema)):
        for part in model.fields.values():
            default = part.make_default()
            if default is not PydanticUndefined:
                yield part, default


def iter_default_texts(schema: Any) -> Iterator[str]:
    """Yield every text in the defaults of ``schema`` and of the models inside it."""
    for _part, default in _iter_defaults(schema):
        yield from iter_texts(default)


def iter_default_secrets(schema: Any) -> Iterator[Any]:
    """Yield every secret that ``schema``, or a model inside it, has as a default."""
    for part, default in _iter_defaults(schema):
        yield from (value for _path, value in find_secrets(part.node, default))


def collect_default_texts(schema: Any) -> set[str]:
    """Return the text of every secret that ``schema``, or a model inside it, has as a default."""
    return {text for value in iter_default_secrets(schema) for text in iter_texts(value)}


def makes_unknown_secrets(schema: Any) -> bool:
    """Say whether a default factory makes secrets that nobody knows: another each time, or one from other fields."""
    parts = [part for model in iter_models(get_tree(schema)) for part in model.parts if part.node.holds_secret]
    derives = any(part.field is not None and part.field.default_factory_takes_validated_data for part in parts)
    return derives or collect_default_texts(schema) != collect_default_texts(schema)
