"""Fields that the form shows and never changes, ``readOnly``: also where JSON is typed, other keys or a reference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from django_plugin_system.config.codec import Kept
from django_plugin_system.config.json_tree import iter_json, map_json
from django_plugin_system.config.tokens import is_marker
from django_plugin_system.exceptions import FieldProblem, Path
from django_plugin_system.forms.builder import get_default, is_read_only
from django_plugin_system.forms.controls import freeze, is_reference
from django_plugin_system.forms.placeholders import is_placeholder
from django_plugin_system.schema.tree import SECRET_TYPES, Part, get_tree, iter_models
from django_plugin_system.schema.values import get_fields, iter_parts, look_through

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pydantic import BaseModel

_Place = tuple[str | None, ...]
"""A path with None for list positions and free keys, as entries may move."""


def has_read_only(schema: type[BaseModel]) -> bool:
    """Say whether a field of ``schema``, at any depth, is read-only."""
    return any(is_read_only(part) for model in iter_models(get_tree(schema)) for part in model.parts)


def find_changed(model: BaseModel, given: Mapping[str, Any], before: Mapping[str, Any]) -> list[FieldProblem]:
    """Return a problem for each read-only field of ``model`` that it was ``given`` otherwise than it was ``before``.

    A new entry of a list or a dict has the default, or what another entry has.
    """
    problems = []
    known: dict[_Place, set[Any]] = {}
    for path, place, part, found in _iter_read_only(model, [given], (), ()):
        if place not in known:
            known[place] = {freeze(_conceal(value)) for value in _look_up(before, place)}
        was_there = list(_look_up(before, path))
        is_new = not was_there or None in place
        allowed = {*known[place], *([freeze(get_default(part))] if is_new else [])}
        if (not found and not is_new) or any(freeze(_conceal(value)) not in allowed for value in found):
            problems.append(FieldProblem(path, _("This field is read-only: leave it as it is.")))
    return problems


def _iter_read_only(
    value: Any, given: list[Any], path: Path, place: _Place
) -> Iterator[tuple[Path, _Place, Part, list[Any]]]:
    """Yield each read-only field of a validated value, with all that was given for it."""
    value = look_through(value)
    if isinstance(value, SECRET_TYPES):
        return
    fields = {} if get_fields(value) is None else get_tree(type(value)).fields
    for key, item in iter_parts(value):
        part = fields.get(key)
        found = [inner for one in given for inner in _get_given(one, key, part)]
        at, around = (*path, key), (*place, key if part else None)
        if part and is_read_only(part):
            yield at, around, part, found
        else:
            yield from _iter_read_only(item, found, at, around)


def _get_given(given: Any, key: str, part: Part | None) -> Iterable[Any]:
    """Return what is given for a part, by whichever keys; a reference gives all that is inside of it."""
    if is_reference(given):
        return [given]
    ways = [(key,), *part.alias_paths] if part else [(key,)]
    return [value for way in ways for value in _look_up(given, tuple(map(str, way)))]


def _look_up(tree: Any, place: _Place) -> Iterator[Any]:
    """Yield each value of a JSON ``tree`` at ``place``; a reference that stands on the way."""
    if not place or is_reference(tree):
        yield tree
        return
    for key, part in iter_json(tree):
        if place[0] in (None, key):
            yield from _look_up(part, place[1:])


def _conceal(value: Any) -> Any:
    """Return JSON without its stored secrets: they stayed, or are no longer these."""
    if is_placeholder(value) or is_marker(value) or isinstance(value, Kept):
        return {"stored secret": True}
    return map_json(value, lambda _key, part: _conceal(part))
