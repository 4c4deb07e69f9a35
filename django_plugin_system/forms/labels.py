"""How a field presents itself: title, help text, example, default."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from pydantic_core import to_jsonable_python

from django_plugin_system.config.bound import BoundTo
from django_plugin_system.forms.controls import MISSING, Label, Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def humanize(name: str) -> str:
    """Return a field's name as a title: ``account_sid`` as ``Account sid``."""
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def get_model_title(model: type[BaseModel]) -> str:
    """Return the title in the model's config, or its name in words: ``CardPayment`` as ``Card payment``."""
    title = model.model_config.get("title")
    if title:
        return title
    words = _WORD_START.sub(" ", model.__name__).split(" ")
    return humanize(" ".join(word if word.isupper() else word.lower() for word in words))


def make_label(name: str, info: FieldInfo, model: type[BaseModel]) -> Label:
    """Return how field ``name`` of ``model`` presents itself.

    ``json_schema_extra`` may hold ``readOnly`` (never taken from the browser), ``multiline`` (an area of text) and
    ``group`` (a heading for it and others).
    """
    generate = info.field_title_generator or model.model_config.get("field_title_generator")
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    return Label(
        title=info.title or (generate(name, info) if generate else humanize(name)),
        help_text=info.description or "",
        placeholder=_get_example(info),
        required=info.is_required(),
        read_only=bool(extra.get("readOnly")),
        multiline=bool(extra.get("multiline")) or extra.get("format") == "textarea",
        group=_get_group(extra),
        default=get_default(info),
    )


def add_bound_hint(label: Label, metadata: Iterable[Any]) -> Label:
    """Return ``label`` with a word on what the secret belongs to, if it is bound to anything."""
    names = [humanize(name) for item in metadata if isinstance(item, BoundTo) for name in item.names]
    if not names:
        return label
    hint = _("Belongs to %(fields)s: when that changes, type it again.") % {"fields": ", ".join(names)}
    return replace(label, help_text=f"{label.help_text} {hint}" if label.help_text else hint)


def _get_group(extra: Mapping[str, Any]) -> Text:
    group = extra.get("group")
    return group if isinstance(group, (str, Promise)) else ""


def _get_example(info: FieldInfo) -> str:
    example = (info.examples or [""])[0]
    return str(example) if isinstance(example, (str, int, float)) else ""


def get_default(info: FieldInfo) -> Any:
    """Return a field's default as JSON, secrets masked; MISSING where there is none, or none that JSON can say."""
    if info.is_required() or info.default_factory_takes_validated_data:
        return MISSING
    try:
        default = to_jsonable_python(info.get_default(call_default_factory=True), by_alias=False)
        json.dumps(default, allow_nan=False)
    except Exception:  # noqa: BLE001 - factories and serializers are foreign code; the form just starts empty
        return MISSING
    return default
