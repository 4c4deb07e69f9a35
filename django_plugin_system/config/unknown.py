"""Find keys that a model would silently drop: an operator who typed them should hear of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, RootModel

from django_plugin_system.config.declared import iter_aliases
from django_plugin_system.config.walk import is_sequence
from django_plugin_system.exceptions import FieldProblem, Path


def find_unknown_keys(value: Any, data: Any, path: Path = ()) -> list[FieldProblem]:
    """Return a problem for each key of the input ``data`` that the validated ``value`` has no field for.

    Models that rewrite their input (a ``before`` or ``wrap`` model validator) answer for their own keys.
    """
    if isinstance(value, RootModel):
        return find_unknown_keys(value.root, data, path)
    if isinstance(value, BaseModel) and isinstance(data, Mapping):
        return _find_in_model(value, data, path)
    return [
        found for key, item, given in _iter_pairs(value, data) for found in find_unknown_keys(item, given, (*path, key))
    ]


def _find_in_model(model: BaseModel, data: Mapping[Any, Any], path: Path) -> list[FieldProblem]:
    if _rewrites_input(type(model)):
        return []
    problems = []
    names = {key: name for name, info in type(model).__pydantic_fields__.items() for key in (name, *iter_aliases(info))}
    for key, given in data.items():
        if key in names:
            problems += find_unknown_keys(getattr(model, names[key]), given, (*path, names[key]))
        elif key not in (model.model_extra or {}):
            known = ", ".join(type(model).__pydantic_fields__) or "none"
            problems.append(FieldProblem((*path, str(key)), f"no such field; there are: {known}"))
    return problems


def _rewrites_input(model: type[BaseModel]) -> bool:
    validators = model.__pydantic_decorators__.model_validators.values()
    return any(validator.info.mode != "after" for validator in validators)


def _iter_pairs(value: Any, data: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(value, Mapping) and isinstance(data, Mapping):
        yield from ((str(key), value[key], data[key]) for key in data if key in value)
    elif is_sequence(value) and is_sequence(data):
        yield from ((str(index), item, given) for index, (item, given) in enumerate(zip(value, data, strict=False)))
