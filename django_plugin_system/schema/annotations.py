"""Annotations as they are written: with names as text, type variables, and qualifiers of typed dicts."""

from __future__ import annotations

import sys
import types
from contextlib import suppress
from typing import Annotated, Any, ForwardRef, TypeVar, Union

import typing_extensions

_QUALIFIERS: tuple[Any, ...] = (typing_extensions.Required, typing_extensions.NotRequired, typing_extensions.ReadOnly)


def is_root_model(value: Any) -> bool:
    """Say whether ``value`` is a root model, class or object, without the import of ``RootModel``: it builds a model.

    That takes a fifth of the time in which a small project starts.
    """
    return getattr(value, "__pydantic_root_model__", False) is True


def get_hints(cls: type) -> dict[str, Any]:
    """Return the types of what a class declares, by name."""
    hints = typing_extensions.get_type_hints(cls, include_extras=True)
    for name in hints:
        while typing_extensions.get_origin(hints[name]) in _QUALIFIERS:
            hints[name] = typing_extensions.get_args(hints[name])[0]
    return hints


def get_given(origin: Any, args: tuple[Any, ...]) -> dict[Any, Any]:
    """Return what the brackets of ``origin[args]`` say for each type variable of ``origin``."""
    parameters = getattr(origin, "__parameters__", None) or getattr(origin, "__type_params__", None)
    return dict(zip(parameters or (), args, strict=False))


def fill_in(annotation: Any, given: dict[Any, Any]) -> Any:
    """Return ``annotation`` with what is ``given`` for its type variables."""
    if isinstance(annotation, TypeVar):
        return given.get(annotation, annotation)
    parameters = getattr(annotation, "__parameters__", ()) if typing_extensions.get_origin(annotation) else ()
    return annotation[tuple(given.get(parameter, parameter) for parameter in parameters)] if parameters else annotation


def resolve_alias(alias: Any, owner: Any) -> Any:
    """Return what ``alias`` is where it is text, as that of a recursive type, in the module of its ``owner``."""
    holder = types.SimpleNamespace(__annotations__={"alias": alias})
    names = vars(sys.modules[owner.__module__])
    with suppress(NameError):
        return typing_extensions.get_type_hints(holder, names, include_extras=True)["alias"]
    return alias


def settle(annotation: Any, owner: type) -> Any:
    """Return the type of a field of ``owner`` with the names in it looked up: Python 3.10 leaves some as text."""
    if isinstance(annotation, (str, ForwardRef)):
        return resolve_alias(annotation, owner)
    args, origin = typing_extensions.get_args(annotation), typing_extensions.get_origin(annotation)
    if not args or origin is typing_extensions.Literal:
        return annotation
    named = args[:1] if origin is Annotated else args
    settled = (*(settle(arg, owner) for arg in named), *args[len(named) :])
    if all(new is old for new, old in zip(settled, args, strict=True)):
        return annotation
    if origin in (Union, types.UnionType):
        return Union[settled]  # noqa: UP007 - as many as there are
    return Annotated[settled] if origin is Annotated else origin[settled]
