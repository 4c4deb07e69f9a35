"""Find plain text where a schema declares a secret: rows stored before the field became one.

Quick, for rotations over many rows, and on the safe side: where the branches of a union declare one place differently,
it may point at a plain value that is rightly plain. ``configuration.find_plain_secrets`` tells for certain.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from django_plugin_system.config.declared import Step, holds_secret, is_secret_type, iter_inner
from django_plugin_system.config.references import read_reference
from django_plugin_system.config.tokens import is_marker

if TYPE_CHECKING:
    from collections.abc import Iterable


class _Part(NamedTuple):
    """A type inside another one that is, or holds, a secret; ``name`` is the field's, or the position in a tuple."""

    step: Step
    name: str
    annotation: Any
    is_secret: bool


def may_hold_plain_secret(annotation: Any, stored: Any) -> bool:
    """Say whether ``stored``, JSON of a value of type ``annotation``, has neither marker nor reference for a secret."""
    return any(
        _is_plain(item) if part.is_secret else may_hold_plain_secret(part.annotation, item)
        for part in _get_parts(annotation)
        for item in _reach(part, stored)
    )


def _is_plain(stored: Any) -> bool:
    return stored is not None and not is_marker(stored) and read_reference(stored) is None


def _get_parts(annotation: Any) -> tuple[_Part, ...]:
    try:
        return _get_parts_cached(annotation)
    except TypeError:  # an annotation with unhashable metadata, or one that is not complete
        return _find_parts(annotation)


@lru_cache(maxsize=1024)
def _get_parts_cached(annotation: Any) -> tuple[_Part, ...]:
    parts = _find_parts(annotation)
    if getattr(annotation, "__pydantic_complete__", True):
        return parts
    raise TypeError  # so that the answer is not remembered: what is not defined yet may be a secret


def _find_parts(annotation: Any) -> tuple[_Part, ...]:
    return tuple(
        _Part(inner.step, (*inner.names, "")[0], inner.annotation, is_secret_type(inner.annotation))
        for inner in iter_inner(annotation)
        if holds_secret(inner.annotation)
    )


def _reach(part: _Part, stored: Any) -> Iterable[Any]:
    if part.step is Step.SAME:
        return (stored,)
    if isinstance(stored, dict):
        return (stored.get(part.name),) if part.step is Step.FIELD else stored.values()
    if not isinstance(stored, list):
        return ()
    return stored[int(part.name) :][:1] if part.step is Step.FIELD and part.name.isdigit() else stored
