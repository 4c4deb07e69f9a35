"""What a pydantic model declares: where its secrets are, and which of them could not be stored safely.

Decided from the Python types, since a JSON schema marks neither ``Secret[int]`` nor ``Secret[Model]``.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import types
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, Union

import typing_extensions
from pydantic import AliasChoices, AliasPath, BaseModel, Discriminator, Json, RootModel, Secret, SecretBytes, SecretStr

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pydantic.fields import FieldInfo

SECRET_TYPES: tuple[type[Any], ...] = (SecretStr, SecretBytes, Secret)
"""The types whose values are encrypted."""


class Step(Enum):
    """How a type inside another one is reached from a value of the outer type."""

    SAME = "same"
    FIELD = "field"
    ITEM = "item"
    KEY = "key"
    VALUE = "value"


class Inner(NamedTuple):
    """A type inside another one. ``names`` are the field's name and its aliases, or the position in a tuple."""

    step: Step
    annotation: Any
    names: tuple[str, ...] = ()
    field: FieldInfo | None = None


def is_secret_type(annotation: Any) -> bool:
    """Say whether values of this type are secrets: ``SecretStr``, ``SecretBytes``, ``Secret[T]``, or a subclass."""
    origin = typing_extensions.get_origin(annotation) or annotation
    return isinstance(origin, type) and issubclass(origin, SECRET_TYPES)


@lru_cache(maxsize=1024)
def _holds_secret_cached(annotation: Any) -> bool:
    return any(is_secret_type(inner) for inner in _walk(annotation, set()))


def holds_secret(annotation: Any) -> bool:
    """Say whether a value of this type is, or can hold at any depth, a secret."""
    try:
        return _holds_secret_cached(annotation)
    except TypeError:  # an annotation with unhashable metadata
        return any(is_secret_type(inner) for inner in _walk(annotation, set()))


def find_models(annotation: Any) -> list[type]:
    """Return every class with fields (models, dataclasses, typed dicts) that this type is made of."""
    return [inner for inner in _walk(annotation, set()) if isinstance(inner, type) and _iter_fields(inner)]


def _walk(annotation: Any, seen: set[int]) -> Iterator[Any]:
    if id(annotation) in seen:
        return
    seen.add(id(annotation))
    yield annotation
    if not is_secret_type(annotation):
        for inner in iter_inner(annotation):
            yield from _walk(inner.annotation, seen)


def iter_inner(annotation: Any) -> list[Inner]:
    """Return the types that ``annotation`` is directly made of; none for a plain value."""
    origin = typing_extensions.get_origin(annotation)
    args = typing_extensions.get_args(annotation)
    if origin is Annotated:
        return [Inner(Step.SAME, args[0])]
    if is_union(annotation):
        return [Inner(Step.SAME, arg) for arg in args]
    alias = getattr(origin or annotation, "__value__", None) or getattr(annotation, "__supertype__", None)
    if alias is not None:  # type X = ..., NewType("X", ...)
        return [Inner(Step.SAME, alias)]
    if isinstance(annotation, type) and origin is None:
        return _iter_fields(annotation)
    return _iter_container(origin, args)


def is_union(annotation: Any) -> bool:
    """Say whether this is ``A | B`` or ``Union[A, B]``, without looking into Annotated or aliases."""
    return typing_extensions.get_origin(annotation) in (Union, types.UnionType)


def _iter_container(origin: Any, args: tuple[Any, ...]) -> list[Inner]:
    if not isinstance(origin, type):
        return []
    if issubclass(origin, collections.abc.Mapping):
        return [Inner(Step.KEY, args[0]), *(Inner(Step.VALUE, arg) for arg in args[1:])]
    if issubclass(origin, tuple) and Ellipsis not in args:
        return [Inner(Step.FIELD, arg, (str(position),)) for position, arg in enumerate(args)]
    if issubclass(origin, collections.abc.Iterable):
        return [Inner(Step.ITEM, arg) for arg in args if arg is not Ellipsis]
    return _iter_fields(origin)


def _iter_fields(cls: type) -> list[Inner]:
    infos = getattr(cls, "__pydantic_fields__", None)
    if isinstance(infos, dict):
        if issubclass(cls, RootModel):
            return [Inner(Step.SAME, infos["root"].annotation, (), infos["root"])]
        return [Inner(Step.FIELD, info.annotation, (name, *iter_aliases(info)), info) for name, info in infos.items()]
    if dataclasses.is_dataclass(cls) or typing_extensions.is_typeddict(cls) or hasattr(cls, "_fields"):
        hints = typing_extensions.get_type_hints(cls, include_extras=True)
        return [Inner(Step.FIELD, _strip_qualifier(hint), (name,)) for name, hint in hints.items()]
    return []


def _strip_qualifier(hint: Any) -> Any:
    while typing_extensions.get_origin(hint) in _QUALIFIERS:
        hint = typing_extensions.get_args(hint)[0]
    return hint


_QUALIFIERS = (typing_extensions.Required, typing_extensions.NotRequired, typing_extensions.ReadOnly)


def iter_aliases(info: FieldInfo) -> Iterator[str]:
    """Yield each key, other than the field's name, that a field may be given by."""
    for alias in (info.alias, info.validation_alias):
        choices = alias.choices if isinstance(alias, AliasChoices) else [alias]
        for choice in choices:
            key = choice.path[0] if isinstance(choice, AliasPath) else choice
            if isinstance(key, str):
                yield key


def find_unstorable(schema: type[BaseModel]) -> list[str]:
    """Return what keeps secrets of ``schema`` from being stored safely: one sentence each, with its path."""
    problems: list[str] = []
    for cls in find_models(schema):
        for inner in _iter_fields(cls):
            where = f"{cls.__qualname__}.{inner.names[0] if inner.names else 'root'}"
            if holds_secret(inner.annotation):
                problems += [f"{where}: {problem}" for problem in _find_problems(inner.annotation, inner.field)]
                if problem := _find_default_problem(inner):
                    problems.append(f"{where}: {problem}")
    return problems


def _find_problems(annotation: Any, field: FieldInfo | None) -> Iterator[str]:
    """Look at one field's type, down to (not into) the models it names."""
    metadata = [*(field.metadata if field else ()), *getattr(annotation, "__metadata__", ())]
    if any(item is Json or isinstance(item, Json) for item in metadata):  # type: ignore[misc] # a class at run time
        yield "a JSON string cannot hold a secret: declare the model itself"
    origin = typing_extensions.get_origin(annotation)
    if isinstance(origin, type) and issubclass(origin, collections.abc.Set):
        yield "a set cannot hold secrets: use a list"
    if is_union(annotation) and not _is_discriminated(metadata, field):
        yield from _find_union_problem(typing_extensions.get_args(annotation))
    for inner in iter_inner(annotation):
        if not holds_secret(inner.annotation):
            continue
        if inner.step is Step.KEY:
            yield "a secret cannot be the key of a dict"
        elif not (isinstance(annotation, type) and _iter_fields(annotation)) and not is_secret_type(annotation):
            yield from _find_problems(inner.annotation, None)


def _is_discriminated(metadata: Sequence[Any], field: FieldInfo | None) -> bool:
    if field is not None and field.discriminator is not None:
        return True
    return any(isinstance(item, Discriminator) or getattr(item, "discriminator", None) for item in metadata)


def _find_union_problem(members: Sequence[Any]) -> Iterator[str]:
    plain = [member for member in members if member is not types.NoneType and not holds_secret(member)]
    if plain:
        yield "a union of a secret and a plain type cannot be told apart once stored: use a discriminator"


def _find_default_problem(inner: Inner) -> str | None:
    field = inner.field
    if field is None or field.is_required() or field.default_factory is not None or field.validate_default:
        return None
    if _holds_plain_secret(inner.annotation, field.default):
        return "the default of a secret is plain text: wrap it, as in SecretStr(...)"
    return None


def _holds_plain_secret(annotation: Any, default: Any) -> bool:
    if isinstance(default, SECRET_TYPES):
        return False
    if is_secret_type(annotation):
        return isinstance(default, (str, bytes, int, float))
    return any(
        _holds_plain_secret(inner.annotation, value)
        for inner in (iter_inner(annotation) if holds_secret(annotation) else ())
        for value in _reach(inner, default)
    )


def collect_secret_texts(annotation: Any, data: Any) -> set[str]:
    """Return every text in ``data``, input that may not fit, that stands where ``annotation`` declares a secret."""
    if isinstance(data, SECRET_TYPES):
        return set(_iter_texts(data.get_secret_value()))
    if is_secret_type(annotation):
        return set(_iter_texts(data))
    found: set[str] = set()
    if holds_secret(annotation):
        for inner in iter_inner(annotation):
            for value in _reach(inner, data):
                found |= collect_secret_texts(inner.annotation, value)
    return found


def _reach(inner: Inner, data: Any) -> list[Any]:
    if inner.step is Step.SAME:
        return [data]
    if isinstance(data, BaseModel):
        data = data.__dict__
    if isinstance(data, collections.abc.Mapping):
        if inner.step is Step.FIELD:
            return [data[name] for name in inner.names if name in data]
        return list(data) if inner.step is Step.KEY else list(data.values())
    if not isinstance(data, (list, tuple, set, frozenset)):
        return []
    if inner.step is Step.FIELD:
        return [item for position, item in enumerate(data) if str(position) in inner.names]
    return list(data)


def _iter_texts(value: Any) -> Iterator[str]:
    if isinstance(value, BaseModel):
        value = value.__dict__
    if isinstance(value, SECRET_TYPES):
        yield from _iter_texts(value.get_secret_value())
    elif isinstance(value, collections.abc.Mapping):
        for item in value.values():
            yield from _iter_texts(item)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for item in value:
            yield from _iter_texts(item)
    elif isinstance(value, bytes):
        yield value.decode(errors="replace")
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def find_names_by_alias(schema: type[BaseModel]) -> dict[str, str]:
    """Return the field name for each alias that ``schema`` and the models inside it use."""
    return {
        alias: inner.names[0] for cls in find_models(schema) for inner in _iter_fields(cls) for alias in inner.names[1:]
    }
