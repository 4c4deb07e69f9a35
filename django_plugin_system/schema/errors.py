"""Where a pydantic error belongs, whose ``loc`` goes by aliases and union members; and keys that nobody knows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import typing_extensions

from django_plugin_system.exceptions import FieldProblem, Path
from django_plugin_system.schema.annotations import is_root_model
from django_plugin_system.schema.tree import Kind, Node, Part, Step, get_tree
from django_plugin_system.schema.values import get_fields, is_sequence

Loc = tuple["int | str", ...]


class _Move(NamedTuple):
    """One step down: the key it is stored under, the parts of the loc it takes, what may be found there."""

    key: str
    taken: int
    nodes: list[Node]


def locate(loc: Loc, schema: Any, data: Any) -> Path:
    """Return the stored path for an error's ``loc`` in ``data``, which was validated as ``schema``.

    What names no place of a stored config is left out: the members of a union, and the inside of a secret.
    """
    path: list[str] = []
    nodes = [get_tree(schema)]
    while loc and loc != ("[key]",):
        move = _find_move([*dict.fromkeys(member for node in nodes for member in node.members)], loc, data)
        if move is None:
            loc = loc[1:]
            continue
        path.append(move.key)
        nodes = move.nodes
        for part in loc[: move.taken]:
            data = data[part] if _has(data, part) else None
        loc = loc[move.taken :]
    return tuple(path)


def _find_move(nodes: list[Node], loc: Loc, data: Any) -> _Move | None:
    by_count: dict[int, list[tuple[str, Node]]] = {}
    for owner, part in [(node, part) for node in nodes for part in node.parts]:
        count = _count_parts(owner, part, loc, data, in_union=len(nodes) > 1)
        by_count.setdefault(count, []).append((part.name or str(loc[0]), part.node))
    if taken := max(by_count, default=0):
        key = by_count[taken][0][0]
        return _Move(key, taken, [node for name, node in by_count[taken] if name == key])
    undeclared = _has(data, loc[0]) and not any(node.is_secret for node in nodes)
    return _Move(str(loc[0]), 1, []) if undeclared else None


def _count_parts(node: Node, part: Part, loc: Loc, data: Any, *, in_union: bool) -> int:
    """Return how many parts of ``loc`` lead to ``part``; 0 if they do not."""
    if part.step is Step.EXTRA and str(loc[0]) in node.names:
        return 0
    if part.step in (Step.VALUE, Step.EXTRA):
        return int(isinstance(data, dict) and str(loc[0]) in map(str, data))
    if part.step is Step.ITEM:
        return int(isinstance(loc[0], int) and isinstance(data, (list, tuple)))
    return _count_of_field(part, loc, data, in_union=in_union) if part.step is Step.FIELD else 0


def _count_of_field(part: Part, loc: Loc, data: Any, *, in_union: bool) -> int:
    taken = max([len(place) for place in part.alias_paths if loc[: len(place)] == place], default=0)
    taken = taken or int(str(loc[0]) in part.names)
    is_member = in_union and taken < len(loc) and isinstance(data, dict) and loc[0] not in data
    return 0 if is_member else taken


def _has(data: Any, part: int | str) -> bool:
    if isinstance(data, (list, tuple)):
        return isinstance(part, int) and 0 <= part < len(data)
    return isinstance(data, dict) and part in data


def find_unknown_keys(value: Any, data: Any, nodes: Sequence[Node] = (), path: Path = ()) -> Iterator[FieldProblem]:
    """Yield a problem for each key of the input ``data`` that the validated ``value`` has no field for.

    ``nodes`` are what ``value`` was declared as. Classes that rewrite their input (a ``before`` or ``wrap`` model
    validator) answer for their own keys.
    """
    while is_root_model(value):
        value, nodes = value.root, [get_tree(type(value))]
    members = list(chain.from_iterable(node.members for node in nodes))
    fields = _get_declared(value, members)
    if fields is not None and isinstance(data, Mapping):
        yield from () if rewrites_input(type(value)) else _find_in_fields(value, data, fields, path)
        return
    inside = [part.node for node in members for part in node.parts if part.step in (Step.ITEM, Step.VALUE)]
    once = [*dict.fromkeys(inside)]  # a union that holds itself would have twice as many a level further down
    for key, item, given in _iter_pairs(value, data):
        yield from find_unknown_keys(item, given, once, (*path, key))


def _get_declared(value: Any, members: list[Node]) -> Mapping[str, Part] | None:
    """Return the fields of ``value`` by each key that input may use; None if it has none."""
    if get_fields(value) is not None:
        return get_tree(type(value)).names
    typed = [node for node in members if node.kind is Kind.MODEL and typing_extensions.is_typeddict(node.cls)]
    is_dict = isinstance(value, Mapping)
    return {name: part for node in typed for name, part in node.names.items()} if typed and is_dict else None


def _find_in_fields(
    value: Any, data: Mapping[Any, Any], fields: Mapping[str, Part], path: Path
) -> Iterator[FieldProblem]:
    kept = get_fields(value) or value
    for key, given in data.items():
        part = fields.get(key)
        if part is not None:
            yield from find_unknown_keys(kept.get(part.name), given, [part.node], (*path, part.name))
        elif key not in kept:
            known = ", ".join(dict.fromkeys(part.name for part in fields.values())) or "none"
            yield FieldProblem((*path, str(key)), f"no such field; there are: {known}")


def rewrites_input(cls: Any, key: str | None = None) -> bool:
    """Say whether validators of ``cls`` that run before pydantic's own see its input, or what is given for ``key``."""
    decorators: Any = getattr(cls, "__pydantic_decorators__", None)
    validators = (
        () if decorators is None else (decorators.field_validators if key else decorators.model_validators).values()
    )
    infos = [one.info for one in validators if key is None or not {key, "*"}.isdisjoint(one.info.fields)]
    return any(info.mode != "after" for info in infos)


def _iter_pairs(value: Any, data: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(value, Mapping) and isinstance(data, Mapping):
        yield from ((str(key), value[key], data[key]) for key in data if key in value)
    elif is_sequence(value) and is_sequence(data):
        yield from ((str(index), item, given) for index, (item, given) in enumerate(zip(value, data, strict=False)))
