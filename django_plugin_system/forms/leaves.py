"""From the type of a single value to its control, by the JSON that pydantic writes for it."""

from __future__ import annotations

import json
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any

from django.utils.translation import gettext_lazy as _
from pydantic import TypeAdapter
from pydantic_core import to_jsonable_python

from django_plugin_system.forms.jsontext import JsonTextControl
from django_plugin_system.forms.labels import humanize
from django_plugin_system.forms.scalars import (
    MAX_EXACT,
    BooleanControl,
    ChoiceControl,
    ConstantControl,
    FormattedControl,
    NumberControl,
    NumberTextControl,
    TextControl,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django_plugin_system.forms.controls import Control, Label

_YES_NO = ((_("Yes"), "true"), (_("No"), "false"))


def get_json_schema(annotation: Any, metadata: tuple[Any, ...] = ()) -> dict[str, Any]:
    """Return the JSON schema of what pydantic writes for a type; empty if it cannot say."""
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(Annotated[(annotation, *metadata)] if metadata else annotation)
        return adapter.json_schema(mode="serialization")
    except Exception:  # noqa: BLE001 - any type of an author's, with any hook
        return {}


def build_leaf(
    annotation: Any, label: Label, metadata: tuple[Any, ...], *, nullable: bool, in_union: bool = False
) -> Control:
    """Return the control of a single value. ``in_union`` asks for one that the browser can tell from a text."""
    schema = get_json_schema(annotation, metadata)
    kind = schema.get("type")
    if "enum" in schema or "const" in schema:
        return JsonTextControl(label, nullable)
    if kind == "string":
        may_be_empty = any(base in (str, bytes) for base in getattr(annotation, "__mro__", ()))
        return (TextControl if may_be_empty else FormattedControl)(label, nullable)
    if kind == "boolean":
        return ChoiceControl(label, nullable, _YES_NO) if nullable else BooleanControl(label)
    if kind in {"integer", "number"}:
        return _build_number(schema, label, nullable=nullable, in_union=in_union)
    return JsonTextControl(label, nullable)


def _build_number(schema: dict[str, Any], label: Label, *, nullable: bool, in_union: bool) -> Control:
    whole = schema["type"] == "integer"
    minimum = schema.get("minimum", schema.get("exclusiveMinimum"))
    maximum = schema.get("maximum", schema.get("exclusiveMaximum"))
    bounded = all(bound is not None and abs(bound) <= MAX_EXACT for bound in (minimum, maximum))
    if whole and not bounded and not in_union:
        return NumberTextControl(label, nullable)
    bounds = {"minimum": schema.get("minimum"), "maximum": schema.get("maximum")}
    return NumberControl(label, nullable, whole=whole and not in_union, **bounds)


def build_choice(values: Iterable[Any], label: Label, *, nullable: bool) -> Control:
    """Return the control of a Literal's values or an Enum's members; hidden if there is but one."""
    members = list(values)
    plain = [(_get_choice_title(member), to_jsonable_python(member)) for member in members if member is not None]
    nullable = nullable or len(plain) < len(members)
    if len(plain) == 1 and not nullable:
        return ConstantControl(label, value=plain[0][1])
    return ChoiceControl(label, nullable, tuple((title, json.dumps(value)) for title, value in plain))


def _get_choice_title(member: Any) -> str:
    if not isinstance(member, Enum):
        return str(member)
    title = getattr(member, "label", None) or member.value
    return str(title) if isinstance(title, str) else humanize(member.name.lower())
