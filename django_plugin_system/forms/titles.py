"""How people know a value of a form: by the titles on the way to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_plugin_system.forms.containers import ListControl, PairsControl
from django_plugin_system.forms.variants import VariantsControl

if TYPE_CHECKING:
    from django_plugin_system.exceptions import Path
    from django_plugin_system.forms.controls import Control


def get_titles(control: Control, path: Path) -> list[str]:
    """Return the titles of the controls on a form path; list positions count from 1."""
    if not path:
        return []
    part, rest = path[0], path[1:]
    if isinstance(control, (ListControl, PairsControl)) and part.isdigit():
        return [str(int(part) + 1), *_get_titles_in_item(control, rest)]
    child = _find_child(control, part)
    if child is None:
        return list(path)
    return [str(child.label.title) or part, *get_titles(child, rest)]


def _get_titles_in_item(control: ListControl | PairsControl, path: Path) -> list[str]:
    if isinstance(control, ListControl):
        return get_titles(control.item, path)
    return get_titles(control.value, path[1:]) if path[:1] == ("value",) else list(path)


def _find_child(control: Control, part: str) -> Control | None:
    options = control.options if isinstance(control, VariantsControl) else (control,)
    for option in options:
        for key, child in option.iter_children():
            if key == part:
                return child
    return None
