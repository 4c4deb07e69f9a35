"""JSON one level at a time, each part with its key as a stored path has it: a position in a list is a text, too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


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
