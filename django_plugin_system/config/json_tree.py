"""Stored JSON as a tree: what stands where. A path goes by keys; a position in a list is a text, too."""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NoReturn

from django_plugin_system.exceptions import ConfigShapeError, Path

MAX_DEPTH = 100
"""How many containers may stand inside one another; half of what pydantic's JSON parser takes."""

TOO_DEEP = f"is nested more than {MAX_DEPTH} levels deep"

_CONTAINERS = (Mapping, list, tuple, set, frozenset, deque)

INSIDE: Any = object()
"""What ``replace_json`` is told where the parts of a value are to be looked at."""


def iter_json(value: Any) -> Iterable[tuple[str, Any]]:
    """Return the parts of an object or a list, with their keys; none for any other value."""
    if isinstance(value, dict):
        return ((str(key), item) for key, item in value.items())
    return ((str(index), item) for index, item in enumerate(value)) if isinstance(value, list) else ()


def map_json(value: Any, convert: Callable[[str, Any], Any]) -> Any:
    """Return a copy of an object or a list with each part as ``convert(key, part)`` has it; another value as it is."""
    if isinstance(value, dict):
        return {key: convert(str(key), item) for key, item in value.items()}
    return [convert(str(index), item) for index, item in enumerate(value)] if isinstance(value, list) else value


def walk_json(tree: Any, enter: Callable[[Path, Any], bool] | None = None) -> Iterator[tuple[Path, Any]]:
    """Yield every value of ``tree``, itself first, with its path; ``enter`` says whether to look inside of one.

    What is nested too deeply is left out.
    """
    pending: list[tuple[Path, Any]] = [((), tree)]
    while pending:
        path, value = pending.pop()
        yield path, value
        if isinstance(value, (dict, list)) and len(path) < MAX_DEPTH and (enter is None or enter(path, value)):
            pending += reversed([((*path, key), item) for key, item in iter_json(value)])


def replace_json(tree: Any, replace: Callable[[Path, Any], Any], path: Path = ()) -> Any:
    """Return a copy of ``tree`` with what ``replace`` returns for a path and a value; for INSIDE, with its parts so.

    :raises ConfigShapeError: if it is nested too deeply to have been stored by this package.
    """
    if len(path) > MAX_DEPTH:
        raise ConfigShapeError(path[:1], TOO_DEEP)
    found = replace(path, tree)
    if found is not INSIDE:
        return found
    return map_json(tree, lambda key, item: replace_json(item, replace, (*path, key)))


def is_deep(value: Any, limit: int = MAX_DEPTH) -> bool:
    """Say whether more than ``limit`` containers, of Python's too, stand inside one another; works for any depth.

    What stands in many places is looked at once for each depth.
    """
    level: Iterable[Any] = [value]
    for _depth in range(limit + 1):
        inside = (
            item
            for one in level
            if isinstance(one, _CONTAINERS)
            for item in (one.values() if isinstance(one, Mapping) else one)
        )
        level = {id(item): item for item in inside}.values()
        if not level:
            return False
    return True


def find_deep(tree: Any) -> Path | None:
    """Return the first field that makes ``tree`` nested too deeply to have been stored by this package, if one does."""
    deep = (key for key, item in iter_json(tree) if is_deep(item, MAX_DEPTH - 1))
    return (next(deep),) if is_deep(tree) else None


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


def get_containers(tree: Any, path: Path) -> list[Any]:
    """Return what each key of ``path`` is looked up in, ``tree`` first; None for each that is not there."""
    containers = []
    for key in path:
        containers.append(tree)
        if isinstance(tree, list):
            tree = tree[int(key)] if key.isdecimal() and int(key) < len(tree) else None
        else:
            tree = tree.get(key) if isinstance(tree, dict) else None
    return containers


def make_loc(path: Path, tree: Any) -> list[str | int]:
    """Return ``path`` with the positions in lists as numbers, as pydantic and our tokens have it."""
    containers = get_containers(tree, path)
    return [int(key) if isinstance(outer, list) else key for key, outer in zip(path, containers, strict=True)]


class LossyJsonError(ValueError):
    """JSON that other parsers read in silence, and lose or invent something; the message quotes nothing of it."""

    key: str | None = None
    """The one that stands twice in one object, if that is it."""


def parse_json(text: str, limit: int = 150) -> Any:
    """Return the value of a JSON text.

    :raises ValueError: if it is none, or nested more than ``limit`` levels deep; a LossyJsonError for NaN, infinite
        numbers, and a key that stands twice in one object, since the first of its values would be lost.
    """
    try:
        value = json.loads(text, object_pairs_hook=_make_object, parse_constant=_refuse_constant)
    except (json.JSONDecodeError, LossyJsonError):
        raise
    except (RecursionError, ValueError) as error:
        reason = explain_unread(error)
    else:
        if not is_deep(value, limit):
            return value
        reason = _TOO_NESTED
    raise ValueError(reason)


_TOO_NESTED = "it is nested too deeply"


def explain_unread(error: Exception) -> str:
    """Return why Python itself gave up on a text that its parser had nothing against."""
    return _TOO_NESTED if isinstance(error, RecursionError) else "it holds a number of more than 4,300 digits"


def _make_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        error = LossyJsonError("a key stands twice in one object")
        keys = [key for key, _value in pairs]
        error.key = Counter(keys).most_common(1)[0][0]
        raise error
    return made


def _refuse_constant(name: str) -> NoReturn:
    raise LossyJsonError(f"{name} is no JSON number")
