"""Where a pydantic error belongs: its ``loc`` goes by aliases and union members, a stored config by field names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from django_plugin_system.config.declared import Inner, Step, flatten, is_secret_type, iter_alias_paths, iter_inner

if TYPE_CHECKING:
    from django_plugin_system.exceptions import Path

Loc = tuple["int | str", ...]


class _Move(NamedTuple):
    """One step down: the key it is stored under, the parts of the loc it takes, the types that may be found there."""

    key: str
    taken: int
    kinds: list[Any]


def make_loc(path: Path, data: Any) -> Loc:
    """Return the ``loc`` that pydantic has for the value at ``path`` of ``data``: list positions are numbers."""
    loc: list[int | str] = []
    for key in path:
        part = int(key) if isinstance(data, (list, tuple)) else key
        loc.append(part)
        data = data[part] if _has(data, part) else None
    return tuple(loc)


def locate(loc: Loc, annotation: Any, data: Any) -> Path:
    """Return the stored path for an error's ``loc`` in ``data``, which was validated as ``annotation``.

    What names no place of a stored config is left out: the members of a union, and the inside of a secret.
    """
    path: list[str] = []
    kinds = [annotation]
    while loc and loc != ("[key]",):
        move = _find_move(kinds, loc, data)
        if move is None:
            loc = loc[1:]
            continue
        path.append(move.key)
        kinds = move.kinds
        for part in loc[: move.taken]:
            data = data[part] if _has(data, part) else None
        loc = loc[move.taken :]
    return tuple(path)


def _find_move(kinds: list[Any], loc: Loc, data: Any) -> _Move | None:
    flat = [plain for kind in kinds for plain in flatten(kind)]
    inners = [inner for kind in flat for inner in iter_inner(kind)]
    found = [(_count_parts(inner, loc, data, in_union=len(flat) > 1), inner) for inner in inners]
    taken = max((count for count, _inner in found), default=0)
    best = [inner for count, inner in found if count == taken]
    if taken:
        key = _get_key(best[0], loc)
        return _Move(key, taken, [inner.annotation for inner in best if _get_key(inner, loc) == key])
    undeclared = _has(data, loc[0]) and not any(map(is_secret_type, flat))
    return _Move(str(loc[0]), 1, []) if undeclared else None


def _count_parts(inner: Inner, loc: Loc, data: Any, *, in_union: bool) -> int:
    """Return how many parts of ``loc`` lead to ``inner``; 0 if they do not."""
    if inner.step is Step.EXTRA and str(loc[0]) in inner.names:
        return 0
    if inner.step in (Step.VALUE, Step.EXTRA):
        return int(isinstance(data, dict) and str(loc[0]) in map(str, data))
    if inner.step is Step.ITEM:
        return int(isinstance(loc[0], int) and isinstance(data, (list, tuple)))
    if inner.step is not Step.FIELD:
        return 0
    places = iter_alias_paths(inner.field) if inner.field is not None else ()
    taken = max([len(place) for place in places if loc[: len(place)] == place], default=0)
    taken = taken or int(str(loc[0]) in inner.names)
    is_member = in_union and taken < len(loc) and isinstance(data, dict) and loc[0] not in data
    return 0 if is_member else taken


def _get_key(inner: Inner, loc: Loc) -> str:
    return inner.names[0] if inner.names and inner.step is not Step.EXTRA else str(loc[0])


def _has(data: Any, part: int | str) -> bool:
    if isinstance(data, (list, tuple)):
        return isinstance(part, int) and 0 <= part < len(data)
    return isinstance(data, dict) and part in data
