"""What the page of an instance says of each stored secret: since when it is there, and nothing about its value."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django_plugin_system.admin.columns import show_time
from django_plugin_system.admin.row_config import look_at
from django_plugin_system.config.parts import iter_json
from django_plugin_system.exceptions import FieldProblem, Path
from django_plugin_system.forms.secret import read_placeholder
from django_plugin_system.rows.secret_dates import get_dates

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django_plugin_system.forms.binding import ConfigBinding
    from django_plugin_system.models import PluginInstance


@dataclass(frozen=True)
class SecretNote:
    """One stored secret: how people know it, when it was stored, and what stands for it in the form."""

    title: str
    date: str
    placeholder: str


def list_secret_notes(row: PluginInstance, *, editable: bool) -> list[SecretNote]:
    """Return a note for each secret of ``row`` whose date is known; placeholders are for those who may edit."""
    dates = get_dates(row)
    if not dates:
        return []
    schema = look_at(row).schema
    if schema is None:
        return [SecretNote(" > ".join(path), show_time(date), "") for path, date in dates.items()]
    binding = look_at(row).make_binding(schema)
    placeholders = dict(_iter_placeholders(binding.plain)) if editable else {}
    return [
        SecretNote(_get_title(binding, path), show_time(date), placeholders.get(path, ""))
        for path, date in dates.items()
    ]


def _get_title(binding: ConfigBinding, path: Path) -> str:
    (place,) = binding.to_form_paths([FieldProblem(path, "")], json.loads(binding.get_text()))
    return binding.get_title(place.path)


def _iter_placeholders(plain: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    if read_placeholder(plain):
        yield path, plain
    for key, value in iter_json(plain):
        yield from _iter_placeholders(value, (*path, key))
