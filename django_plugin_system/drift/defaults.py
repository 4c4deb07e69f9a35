"""The default of a field as a snapshot may show it: never one that is, or may hold, a secret."""

from __future__ import annotations

import collections.abc
import dataclasses
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import PydanticUndefined

from django_plugin_system.config.declared import SECRET_TYPES, holds_secret
from django_plugin_system.drift.metadata import get_name, to_json

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

_DEEPEST = 50


def describe_default(annotation: Any, info: FieldInfo | dataclasses.Field[Any], *, in_secret: bool) -> dict[str, Any]:
    """Return ``required``, ``default``, ``default_factory`` or ``default_withheld`` of a field, whichever holds."""
    if info.default_factory not in (None, dataclasses.MISSING):
        return {"default_factory": get_name(info.default_factory)}
    if info.default is PydanticUndefined or info.default in (dataclasses.MISSING, ...):
        return {"required": True}
    if info.default is None:
        return {}
    if _is_empty(info.default):
        return {"default": to_json(info.default)}
    if in_secret or holds_secret(annotation) or may_hold_secret(info.default):
        return {"default_withheld": True}
    return {"default": to_json(info.default)}


def refuses_default(cls: type, info: FieldInfo) -> bool:
    """Say whether a field of ``cls`` validates its default and does not take it: then the field has to be given."""
    validated = info.validate_default
    if validated is None:
        validated = getattr(cls, "model_config", {}).get("validate_default")
    if not validated or info.default in (PydanticUndefined, ...):
        return False
    annotation: Any = Annotated[(info.annotation, *info.metadata)] if info.metadata else info.annotation
    try:
        TypeAdapter(annotation).validate_python(info.default)
    except ValidationError:
        return True
    except Exception:  # noqa: BLE001 - foreign code; whether the default is taken cannot be told
        return False
    return False


def _is_empty(value: Any) -> bool:
    return type(value) in (list, tuple, dict, set, frozenset) and not value


def may_hold_secret(value: Any, depth: int = 0) -> bool:
    """Say whether a secret stands in ``value``, at any depth, or whether that cannot be told."""
    if isinstance(value, SECRET_TYPES) or depth > _DEEPEST:
        return True
    if isinstance(value, BaseModel) or (dataclasses.is_dataclass(value) and not isinstance(value, type)):
        extra = getattr(value, "__pydantic_extra__", None)
        names: Any = getattr(value, "__dict__", None) or getattr(value, "__dataclass_fields__", ())
        inner = [extra, *(getattr(value, name, None) for name in names)]
        return holds_secret(type(value)) or any(may_hold_secret(item, depth + 1) for item in inner)
    if isinstance(value, collections.abc.Mapping):
        return any(may_hold_secret(item, depth + 1) for pair in value.items() for item in pair)
    if isinstance(value, (list, tuple, set, frozenset, collections.deque)):
        return any(may_hold_secret(item, depth + 1) for item in value)
    return False
