"""What a pydantic model declares that could not be stored safely: told from the types, so at registration."""

from __future__ import annotations

import collections.abc
from collections.abc import Iterator
from contextlib import suppress
from typing import Annotated, Any

import typing_extensions
from pydantic import BaseModel, SkipValidation, TypeAdapter, ValidationError
from pydantic_core import PydanticUndefined

from django_plugin_system.conf import get_settings
from django_plugin_system.schema.tree import Kind, Node, Part, Step, get_tree, iter_models, iter_nodes
from django_plugin_system.schema.values import find_secrets


def get_reserved_keys() -> frozenset[str]:
    """Return the keys that no stored object may use, other than a stored secret or a reference."""
    return get_settings().reference_kinds | {"$secret"}


_BY_CODE = {"value_error", "assertion_error"}
"""The kinds of error that an author's validator raises."""

_SKIP: type[Any] = SkipValidation  # a class at run time, a special form to a type checker


def find_unstorable(schema: type[BaseModel]) -> list[str]:
    """Return what keeps values of ``schema`` from being stored safely: one sentence each, with its path."""
    root = get_tree(schema)
    found = [] if root.kind is Kind.MODEL else [f"{schema.__qualname__}.root: {one}" for one in _find_problems(root)]
    return found + [
        f"{model.cls.__qualname__}.{part.name}: {problem}"
        for model in iter_models(root)
        for part in model.fields.values()
        for problem in _find_field_problems(model, part)
    ]


def _find_field_problems(model: Node, part: Part) -> Iterator[str]:
    aliases = {path[0] for path in part.alias_paths if len(path) == 1}
    for other in model.fields.values():
        if other is not part and other.name in aliases:
            yield f"its alias is the name of another field, {other.name}: stored configs go by name"
    for name in sorted(get_reserved_keys().intersection(part.names)):
        yield f'"{name}" means something else in a stored config: give the field another name or alias'
    yield from _find_bound_problems(model, part)
    yield from _find_problems(part.node)
    yield from _find_default_problems(part)


def _find_default_problems(part: Part) -> Iterator[str]:
    if _refuses(part.node, part.default):
        yield f"its own type refuses the default{' None: add None to the type' if part.default is None else ''}"
    if part.node.holds_secret and not part.validates_default:
        values = [value for _path, value in find_secrets(part.node, part.default)]
        if any(isinstance(value, (str, bytes, int, float)) for value in values):
            yield "the default of a secret is plain text: wrap it, as in SecretStr(...)"


def _refuses(node: Node, default: Any) -> bool:
    """Say whether pydantic, which takes a default unseen, would refuse it as input; authors' own validators may."""
    is_plain = type(default) is node.annotation and not node.metadata
    if default is PydanticUndefined or is_plain or (default is None and node.nullable):
        return False
    with suppress(Exception):  # types that are no schema on their own, foreign validators
        annotation: Any = Annotated[(node.annotation, *node.metadata, None)]
        adapter: TypeAdapter[Any] = TypeAdapter(annotation)
        try:
            adapter.validate_python(default)
        except ValidationError as invalid:
            kinds = {item["type"] for item in invalid.errors(include_input=False, include_context=False)}
            return not any(kind in _BY_CODE or kind.startswith("path_") for kind in kinds)  # files may come later
    return False


def _find_bound_problems(model: Node, part: Part) -> Iterator[str]:
    if part.bound_to and typing_extensions.is_typeddict(model.cls):
        yield "BoundTo works in models and dataclasses only"
        return
    if part.bound_to and not part.node.holds_secret:
        yield "BoundTo belongs on a secret"
    for name in part.bound_to:
        if name not in model.fields:
            yield f'BoundTo("{name}") names no field beside it'
        elif model.fields[name].node.holds_secret:
            yield f'BoundTo("{name}") names a field that is, or holds, a secret itself'


def _find_problems(root: Node) -> Iterator[str]:
    """Look at one field's type, down to (not into) the models it names."""
    for node in iter_nodes(root, into_models=False) if root.kind is not Kind.MODEL else [root]:
        if node.holds_secret:
            yield from _find_secret_problems(node)


def _find_secret_problems(node: Node) -> Iterator[str]:
    key, content = node.get_inner(Step.KEY), node.get_inner(Step.CONTENT)
    if content and any(one.is_json_string for one in iter_nodes(content, into_models=False)):
        yield "a secret is JSON already where it is stored: declare what the JSON string holds"
    if node.is_json_string:
        yield "a JSON string cannot hold a secret: declare the model itself"
    if any(isinstance(item, _SKIP) for item in node.metadata):
        yield "SkipValidation would leave a secret in plain text"
    if node.kind is Kind.LIST and issubclass(node.cls, collections.abc.Set):
        yield "a set cannot hold secrets: use a list"
    if key and key.holds_secret:
        yield "a secret cannot be the key of a dict"
    is_told = node.kind is not Kind.UNION or node.discriminator is not None
    if not is_told and not all(part.node.holds_secret for part in node.parts):
        yield "a union of a secret and a plain type cannot be told apart once stored: use a discriminator"
