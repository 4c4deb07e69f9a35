"""Shorthands of the form tests."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, create_model

from django_plugin_system.forms.binding import ConfigBinding

if TYPE_CHECKING:
    from django_plugin_system.forms.binding import Submission
    from tests.shapes.table import Shape

SECRET = "hunter2-planted-Secret"
OPENED = "opened-planted-Secret"


def make_schema(annotation: Any, default: Any = ...) -> type[BaseModel]:
    """Return a model with one field, ``value``."""
    return create_model("Config", value=(annotation, default))


def open_all(stored: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], str]:
    """Return a made-up plain secret for every stored one, by path."""
    if isinstance(stored, dict) and "$secret" in stored:
        return {path: f"{OPENED}-{stored['$secret']}"}
    items = stored.items() if isinstance(stored, dict) else enumerate(stored) if isinstance(stored, list) else ()
    return {where: secret for key, value in items for where, secret in open_all(value, (*path, str(key))).items()}


def bind(schema: type[BaseModel], stored: dict[str, Any] | None = None, **options: Any) -> ConfigBinding:
    """Return the form of a row whose secrets can all be read."""
    options.setdefault("opened", open_all(stored or {}))
    return ConfigBinding(schema, stored, row="row-1", **options)


def bind_shape(shape: Shape, value: Any, **options: Any) -> ConfigBinding:
    """Return the form of a row with one field."""
    return bind(make_schema(shape.annotation, shape.default), {"value": value}, **options)


def get_form(binding: ConfigBinding) -> Any:
    """Return the form value that is sent to the browser."""
    return json.loads(binding.get_text())


def post(binding: ConfigBinding, form: Any) -> Submission:
    """Return what the server reads from a posted form value."""
    return binding.read(json.dumps(form))


def edit(binding: ConfigBinding, **values: Any) -> Submission:
    """Return what the server reads when some fields were edited."""
    return post(binding, {**get_form(binding), **values})
