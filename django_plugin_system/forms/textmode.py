"""The whole configuration as one JSON text, for projects without django-jsonform and schemas that no form can show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django_plugin_system.config.parts import map_json
from django_plugin_system.forms.containers import PairsControl
from django_plugin_system.forms.controls import MISSING, Control, Reading
from django_plugin_system.forms.groups import GroupControl
from django_plugin_system.forms.jsontext import JsonTextControl, hide_texts, holds_secret, iter_texts
from django_plugin_system.forms.reference import is_reference
from django_plugin_system.forms.scalars import TextControl
from django_plugin_system.forms.secret import MASK_PROBLEM, SecretControl, is_mask
from django_plugin_system.forms.variants import VariantsControl

if TYPE_CHECKING:
    from collections.abc import Container

    from django_plugin_system.exceptions import Path

_EMPTY: dict[str, Any] = {"string": "", "boolean": False, "array": []}


def outline(control: Control) -> Any:
    """Return what the text of a new configuration starts with: every field with its default, or empty."""
    if not isinstance(control, GroupControl):
        return {}
    return {name: _outline_field(child) for name, child in control.children.items()}


def _outline_field(control: Control) -> Any:
    if control.label.default is not MISSING and not holds_secret(control):
        return control.label.default
    if isinstance(control, GroupControl):
        return outline(control)
    if isinstance(control, PairsControl):
        return {}
    return None if control.nullable else _EMPTY.get(control.kind)


def take_text(control: Control | None, plain: Any, old: Any, reading: Reading, at: Path) -> Any:
    """Return typed JSON without empty fields that must be filled; refuse masks in the place of secrets.

    What stood there before, in ``old``, may be empty.
    """
    control = _resolve(control, plain)
    if isinstance(plain, dict):
        past = old if isinstance(old, dict) else {}
        return {
            key: take_text(_get_child(control, key, plain), value, past.get(key), reading, (*at, key))
            for key, value in plain.items()
            if past.get(key) == value or not _is_unfilled(_get_child(control, key, plain), value)
        }
    if isinstance(plain, list):
        before = dict(enumerate(old)) if isinstance(old, list) else {}
        return [
            take_text(_get_child(control, str(index), plain), item, before.get(index), reading, (*at, str(index)))
            for index, item in enumerate(plain)
        ]
    secret = isinstance(control, SecretControl) or (isinstance(control, JsonTextControl) and control.may_hold_secret)
    if secret and any(map(is_mask, iter_texts(plain))):
        reading.refuse(at, MASK_PROBLEM)
    return plain


def _is_unfilled(control: Control | None, value: Any) -> bool:
    return value == "" and (
        isinstance(control, SecretControl) or (isinstance(control, TextControl) and control.label.required)
    )


def hide_typed(control: Control, plain: Any, known: Container[str]) -> Any:
    """Return typed JSON as it may be shown again: nothing that was typed where a secret or nothing belongs."""
    return _hide(control, plain, known) if holds_secret(control) else plain


def _hide(control: Control | None, plain: Any, known: Container[str]) -> Any:
    if is_reference(plain):
        return plain
    control = _resolve(control, plain)
    if control is None or isinstance(control, (SecretControl, JsonTextControl)):
        harmless = isinstance(control, JsonTextControl) and not control.may_hold_secret
        return plain if harmless else hide_texts(plain, known)
    return map_json(plain, lambda key, item: _hide(control.get_child(key, plain), item, known))


def _resolve(control: Control | None, plain: Any) -> Control | None:
    return control.pick_plain(plain) if isinstance(control, VariantsControl) else control


def _get_child(control: Control | None, key: str, plain: Any) -> Control | None:
    return control.get_child(key, plain) if control else None
