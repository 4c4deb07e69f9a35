"""A stored configuration for people who may only look: fields by their titles, and no secret."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _

from django_plugin_system.config.json_tree import is_deep, iter_json
from django_plugin_system.config.references import read_reference
from django_plugin_system.forms.binding import TOO_DEEP, blot
from django_plugin_system.forms.scalars import ChoiceControl

if TYPE_CHECKING:
    from pydantic import BaseModel

    from django_plugin_system.forms.controls import Control


def show_fields(stored: Mapping[str, Any], schema: type[BaseModel]) -> str:
    """Return a stored configuration as HTML: each field with its title, lists and models inside of it as lists."""
    if is_deep(dict(stored)):
        return TOO_DEEP
    control, plain = blot(stored, schema)
    return _show(control, plain)


def _show(control: Control | None, plain: Any) -> str:
    if not isinstance(plain, (dict, list)) or not plain or read_reference(plain):
        return _show_value(control, plain)
    parts = [(_get_title(control, key), _find(control, key, part)) for key, part in iter_json(plain)]
    if isinstance(plain, dict):
        return format_html(
            '<dl class="dps-fields">{}</dl>', format_html_join("", "<div><dt>{}</dt><dd>{}</dd></div>", parts)
        )
    return format_html("<ol>{}</ol>", format_html_join("", "<li>{}</li>", ((text,) for _title, text in parts)))


def _show_value(control: Control | None, plain: Any) -> str:
    if reference := read_reference(plain):
        return str(reference)
    if plain is None or plain in ("", [], {}):
        return _("Not set")
    if isinstance(plain, bool):
        return _("Yes") if plain else _("No")
    return control.get_choice_title(plain) if isinstance(control, ChoiceControl) else str(plain)


def _find(control: Control | None, key: str, part: Any) -> str:
    return _show(control and control.find(key, part), part)


def _get_title(control: Control | None, key: str) -> str:
    child = control and not control.has_free_keys and control.get_child(key)
    return str(child.label.title) if child and child.label.title else key
