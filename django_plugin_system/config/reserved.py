"""What must not be stored: keys with a meaning of ours in somebody's data, and what a reference gave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django_plugin_system.config.bound import look_up
from django_plugin_system.config.references import RESERVED
from django_plugin_system.config.tokens import MARKER
from django_plugin_system.exceptions import FieldProblem, Path

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from django_plugin_system.config.references import Reference

KEYS = RESERVED | {MARKER}
"""Keys that no stored object may use, other than a stored secret or a reference."""
_SHORT = 4


def find_misplaced(tree: Any, references: Mapping[Path, Reference]) -> list[FieldProblem]:
    """Return a problem for each reserved key in ``tree`` that is user data, and for each reference that is not there.

    ``tree`` is what would be stored, before its secrets are filled in.
    """
    problems = [
        FieldProblem(path, f'"{key}" cannot be used as a key')
        for path, value in iter_objects(tree)
        if path not in references
        for key in sorted(KEYS & value.keys())
    ]
    lost = [path for path, reference in references.items() if look_up(tree, path) != [reference.to_json()]]
    reason = "a reference cannot stand here: give the whole value of a field, of a list's item or of a dict's value"
    return problems or [FieldProblem(path, reason) for path in lost]


def iter_objects(tree: Any, path: Path = ()) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield every object in ``tree`` with its path."""
    if isinstance(tree, dict):
        yield path, tree
    for key, item in _iter_items(tree):
        yield from iter_objects(item, (*path, str(key)))


def _iter_items(tree: Any) -> Iterable[tuple[Any, Any]]:
    if isinstance(tree, dict):
        return tree.items()
    return enumerate(tree) if isinstance(tree, list) else ()


def find_carried(texts: Iterable[tuple[Path, str]], given: Iterable[str], known: Collection[str]) -> list[FieldProblem]:
    """Return a problem for each of ``texts``, what would be stored by path, that quotes what a reference gave.

    A validator may have copied it there. ``given`` is what the references gave; what it says is no news if it also is
    part of a ``known`` text, one that was typed or is a default.
    """
    news = [text for text in given if len(text) >= _SHORT and not any(text in one for one in known)]
    reason = "would store what a reference stands for: a validator copies that value here"
    return [FieldProblem(path, reason) for path, text in texts if any(one in text for one in news)]


def iter_texts(tree: Any, skipped: Collection[Path], path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Yield every text in ``tree`` with its path, but for what stands at the ``skipped`` paths."""
    if path in skipped:
        return
    if isinstance(tree, str):
        yield path, tree
    for key, item in _iter_items(tree):
        yield from iter_texts(item, skipped, (*path, str(key)))
