"""Values: what they consist of, by the keys it is stored under; where their secrets are; whether two are the same."""

from __future__ import annotations

import collections
import dataclasses
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined, to_jsonable_python
from typing_extensions import TypeIs

from django_plugin_system.schema.annotations import is_root_model
from django_plugin_system.schema.tree import SECRET_TYPES, Node, Part, Step, get_tree, iter_models

if TYPE_CHECKING:
    from django_plugin_system.exceptions import Path

MISSING: Any = object()
"""There is no such value."""


def get_fields(value: Any) -> dict[str, Any] | None:
    """Return the fields (and extra values) of a model or dataclass by name; None for any other value."""
    if isinstance(value, BaseModel):
        names = [name for name in type(value).__pydantic_fields__ if name in value.__dict__]  # others were never set
        return {**{name: value.__dict__[name] for name in names}, **(value.model_extra or {})}
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return None
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


# Where secrets are, by the schema, and their texts, as a message might quote them


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
