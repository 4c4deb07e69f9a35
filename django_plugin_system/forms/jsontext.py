"""The control of last resort: one value as JSON text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from django_plugin_system.forms.controls import (
    MISSING,
    Control,
    Reading,
    Schema,
    Seen,
    UnfitError,
    is_reference,
    parse_json,
    show_json,
)
from django_plugin_system.forms.scalars import MASK_PROBLEM, RETYPE, SecretControl, is_mask

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from django_plugin_system.exceptions import Path

JOIN = "\u00a7"
"""What django-jsonform puts between the parts of a path."""


@dataclass(frozen=True)
class JsonTextControl(Control):
    """Any JSON value as text; for types that no other control can show without changing them."""

    may_hold_secret: bool = False
    """What is typed here may be a secret, so it is not shown again after a refusal."""

    def describe(self, seen: Seen) -> Schema:
        """Say that JSON is expected."""
        text, hint = self.label.help_text, _("JSON.")
        schema = super().describe(seen)
        return {**schema, "widget": "textarea", "help_text": f"{text} {hint}" if text else hint}

    def get_default_form(self) -> Any:
        """Show no default that may hold a secret."""
        return MISSING if self.may_hold_secret else super().get_default_form()

    def encode(self, plain: Any) -> str:
        """Show any value."""
        return show_json(plain)

    def decode(self, form: Any, old: Any, reading: Reading, at: Path) -> Any:
        """Read the text, or refuse it saying where it stops being JSON. No text at all is no value."""
        del old
        if form is None or (isinstance(form, str) and not form.strip()):
            return None if self.nullable else MISSING
        try:
            plain = parse_json(form) if isinstance(form, str) else form
        except ValueError as error:
            reading.refuse(at, _("This is not valid JSON: %(reason)s.") % {"reason": error})
            return MISSING
        if self.may_hold_secret and any(map(is_mask, iter_texts(plain))):
            reading.refuse(at, MASK_PROBLEM)
        return plain

    def conform(self, form: Any, known: Container[str]) -> str:
        """Show the text again; where it may hold a secret, without anything that is not a known placeholder."""
        if not isinstance(form, str):
            return self.conform(show_json(form), known)
        if not self.may_hold_secret:
            return form
        try:
            return show_json(hide_texts(parse_json(form), known))
        except ValueError:
            return ""


def hide_texts(value: Any, known: Container[str]) -> Any:
    """Return JSON with every text and number that is not in ``known`` replaced by a request to type it again."""
    if is_reference(value):
        return value
    if isinstance(value, dict):
        return {key: hide_texts(item, known) for key, item in value.items()}
    if isinstance(value, list):
        return [hide_texts(item, known) for item in value]
    return value if value is None or isinstance(value, bool) or value in known else RETYPE


def iter_texts(value: Any) -> Iterator[str]:
    """Yield every text in the JSON ``value``."""
    if isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from iter_texts(item)
    elif isinstance(value, str):
        yield value


def fall_back(control: Control) -> JsonTextControl:
    """Return JSON text in the place of ``control``."""
    return JsonTextControl(control.label, nullable=control.nullable, may_hold_secret=holds_secret(control))


def adapt_or_fall_back(control: Control, plain: Any) -> Control:
    """Return a control that shows ``plain`` without changing it: ``control`` adapted to it, or JSON text."""
    try:
        return control.adapt(plain)
    except UnfitError:
        return fall_back(control)


def holds_secret(control: Control) -> bool:
    """Say whether a secret may be typed into ``control`` or a control inside it."""
    return any(
        isinstance(inner, SecretControl) or (isinstance(inner, JsonTextControl) and inner.may_hold_secret)
        for _key, inner in iter_controls(control)
    )


def iter_controls(control: Control, key: str = "", above: tuple[Control, ...] = ()) -> Iterator[tuple[str, Control]]:
    """Yield ``control`` and every control inside it, each with its form path as django-jsonform writes it.

    A model inside itself is entered once; ``**`` then stands for any way to it.
    """
    key = "**" if control.is_recursive else key
    yield key, control
    if not any(control is outer for outer in above):
        for name, child in control.iter_children():
            inner = JOIN.join(part for part in (key, name) if part)
            yield from iter_controls(child, inner, (*above, control))
