"""What a pydantic model declares that could not be stored safely: told from the types, so at registration."""

from __future__ import annotations

import collections.abc
import types
from typing import TYPE_CHECKING, Any

import typing_extensions
from pydantic import Discriminator, Json, SkipValidation

from django_plugin_system.config.bound import find_bound_problems
from django_plugin_system.config.declared import (
    SECRET_TYPES,
    Inner,
    Step,
    find_models,
    holds_secret,
    is_secret_type,
    is_union,
    iter_alias_paths,
    iter_fields,
    iter_inner,
    reach,
)
from django_plugin_system.config.reserved import KEYS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pydantic import BaseModel


_JSON: type[Any] = Json
_SKIP: type[Any] = SkipValidation  # a class at run time, a special form to a type checker


def find_unstorable(schema: type[BaseModel]) -> list[str]:
    """Return what keeps values of ``schema`` from being stored safely: one sentence each, with its path."""
    return [
        f"{cls.__qualname__}.{inner.names[0] if inner.names else 'root'}: {problem}"
        for cls in find_models(schema)
        for inner in iter_fields(cls)
        for problem in _find_field_problems(cls, inner)
    ]


def _find_field_problems(cls: type, inner: Inner) -> Iterator[str]:
    aliases = {path[0] for path in iter_alias_paths(inner.field) if len(path) == 1} if inner.field else set()
    for other in iter_fields(cls):
        if other.names[:1] != inner.names[:1] and other.names[0] in aliases:
            yield f"its alias is the name of another field, {other.names[0]}: stored configs go by name"
    for name in sorted(KEYS.intersection(inner.names)):
        yield f'"{name}" means something else in a stored config: give the field another name or alias'
    yield from find_bound_problems(cls, inner)
    if holds_secret(inner.annotation):
        yield from _find_problems(inner.annotation, [inner.field, *inner.field.metadata] if inner.field else ())
        if _has_plain_default(cls, inner):
            yield "the default of a secret is plain text: wrap it, as in SecretStr(...)"


def _find_problems(annotation: Any, metadata: Sequence[Any], outer: tuple[Any, ...] = ()) -> Iterator[str]:
    """Look at one field's type, down to (not into) the models it names.

    ``metadata`` is what stands around it, ``outer`` are the types that it is inside of.
    """
    metadata = [*metadata, *getattr(annotation, "__metadata__", ())]
    yield from _find_metadata_problems(metadata)
    if is_secret_type(annotation) and any(map(_is_json_string, typing_extensions.get_args(annotation))):
        yield "a secret is JSON already where it is stored: declare what the JSON string holds"
    origin = typing_extensions.get_origin(annotation)
    if isinstance(origin, type) and issubclass(origin, collections.abc.Set):
        yield "a set cannot hold secrets: use a list"
    if is_union(annotation) and not _is_discriminated(metadata):
        yield from _find_union_problem(typing_extensions.get_args(annotation))
    for inner in iter_inner(annotation):
        if not holds_secret(inner.annotation) or inner.annotation in outer:
            continue
        if inner.step is Step.KEY:
            yield "a secret cannot be the key of a dict"
        elif not (isinstance(annotation, type) and iter_fields(annotation)) and not is_secret_type(annotation):
            around = metadata if inner.step is Step.SAME else ()
            yield from _find_problems(inner.annotation, around, (*outer, annotation))


def _is_json_string(annotation: Any) -> bool:
    return any(
        item is Json or isinstance(item, _JSON) for item in (annotation, *getattr(annotation, "__metadata__", ()))
    )


def _find_metadata_problems(metadata: Sequence[Any]) -> Iterator[str]:
    if any(map(_is_json_string, metadata)):
        yield "a JSON string cannot hold a secret: declare the model itself"
    if any(isinstance(item, _SKIP) for item in metadata):
        yield "SkipValidation would leave a secret in plain text"


def _is_discriminated(metadata: Sequence[Any]) -> bool:
    return any(isinstance(item, Discriminator) or getattr(item, "discriminator", None) for item in metadata)


def _find_union_problem(members: Sequence[Any]) -> Iterator[str]:
    plain = [member for member in members if member is not types.NoneType and not holds_secret(member)]
    if plain:
        yield "a union of a secret and a plain type cannot be told apart once stored: use a discriminator"


def _has_plain_default(cls: type, inner: Inner) -> bool:
    field = inner.field
    if field is None or field.is_required() or field.default_factory is not None:
        return False
    validated = field.validate_default
    if validated is None:
        validated = getattr(cls, "model_config", {}).get("validate_default")
    return not validated and _holds_plain_secret(inner.annotation, field.default)


def _holds_plain_secret(annotation: Any, default: Any) -> bool:
    if isinstance(default, SECRET_TYPES):
        return False
    if is_secret_type(annotation):
        return isinstance(default, (str, bytes, int, float))
    return any(
        _holds_plain_secret(inner.annotation, value)
        for inner in (iter_inner(annotation) if holds_secret(annotation) else ())
        for value in reach(inner, default)
    )
