"""Find keys that a model would silently drop: an operator who typed them should hear of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import typing_extensions
from pydantic import RootModel

from django_plugin_system.config.declared import Inner, Step, flatten, iter_fields, iter_inner
from django_plugin_system.config.walk import get_fields, is_sequence
from django_plugin_system.exceptions import FieldProblem, Path

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def find_unknown_keys(value: Any, data: Any, kinds: Sequence[Any] = (), path: Path = ()) -> list[FieldProblem]:
    """Return a problem for each key of the input ``data`` that the validated ``value`` has no field for.

    ``kinds`` are the types that ``value`` was declared with. Classes that rewrite their input (a ``before`` or ``wrap``
    model validator) answer for their own keys.
    """
    while isinstance(value, RootModel):
        value, kinds = value.root, [type(value).__pydantic_fields__["root"].annotation]
    flat = [plain for kind in kinds for plain in flatten(kind)]
    fields = _get_declared(value, flat)
    if fields is not None and isinstance(data, Mapping):
        return [] if _rewrites_input(type(value)) else _find_in_fields(value, data, fields, path)
    inside = [inner.annotation for kind in flat for inner in iter_inner(kind) if inner.step in (Step.ITEM, Step.VALUE)]
    return [
        found
        for key, item, given in _iter_pairs(value, data)
        for found in find_unknown_keys(item, given, inside, (*path, key))
    ]


def _get_declared(value: Any, flat: list[Any]) -> list[Inner] | None:
    if get_fields(value) is not None:
        return iter_fields(type(value))
    typed = [kind for kind in flat if typing_extensions.is_typeddict(typing_extensions.get_origin(kind) or kind)]
    return [inner for kind in typed for inner in iter_inner(kind)] if typed and isinstance(value, Mapping) else None


def _find_in_fields(value: Any, data: Mapping[Any, Any], fields: list[Inner], path: Path) -> list[FieldProblem]:
    problems = []
    kept = get_fields(value) or value
    by_key = {key: inner for inner in fields for key in inner.names}
    for key, given in data.items():
        inner = by_key.get(key)
        if inner is not None:
            name = inner.names[0]
            problems += find_unknown_keys(kept.get(name), given, [inner.annotation], (*path, name))
        elif key not in kept:
            known = ", ".join(inner.names[0] for inner in fields) or "none"
            problems.append(FieldProblem((*path, str(key)), f"no such field; there are: {known}"))
    return problems


def _rewrites_input(cls: type) -> bool:
    decorators = getattr(cls, "__pydantic_decorators__", None)
    validators = decorators.model_validators.values() if decorators is not None else ()
    return any(validator.info.mode != "after" for validator in validators)


def _iter_pairs(value: Any, data: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(value, Mapping) and isinstance(data, Mapping):
        yield from ((str(key), value[key], data[key]) for key in data if key in value)
    elif is_sequence(value) and is_sequence(data):
        yield from ((str(index), item, given) for index, (item, given) in enumerate(zip(value, data, strict=False)))
