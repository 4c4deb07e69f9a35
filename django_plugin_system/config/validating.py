"""Run pydantic over a configuration, in its JSON mode where JSON can say the data; no error gets out but ours."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from django_plugin_system.config.problems import describe_validation_error
from django_plugin_system.exceptions import FieldProblem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic import BaseModel


_BIG = 63
"""Bits from which on a whole number may be what PostgreSQL made of a float: it gives ``1e+300`` back as digits."""


def validate(
    schema: type[BaseModel], data: Any, texts: Iterable[str], *, by_alias: bool
) -> tuple[BaseModel | None, list[FieldProblem]]:
    """Return the model for ``data``; or None and what is wrong with it. ``texts`` must not be quoted."""
    hidden = list(texts)
    model, problems = _run(schema, data, hidden, by_alias=by_alias)
    if problems and _has_big_number(data):  # before pydantic 2.12, a float is not read from so many digits
        model, _still = _run(schema, _write_big_numbers_as_floats(data), hidden, by_alias=by_alias)
    return model, [] if model is not None else problems


def _run(
    schema: type[BaseModel], data: Any, texts: Iterable[str], *, by_alias: bool
) -> tuple[BaseModel | None, list[FieldProblem]]:
    text = _as_json(data)
    try:
        if text is not None:
            return schema.model_validate_json(text, by_name=True, by_alias=by_alias), []
        strict = None if by_alias else False
        return schema.model_validate(data, strict=strict, by_name=True, by_alias=by_alias), []
    except ValidationError as invalid:
        problems = describe_validation_error(invalid, schema, data, texts)
    except Exception as foreign:  # noqa: BLE001 - foreign code
        problems = [FieldProblem((), f"validation raised {type(foreign).__name__}")]
    return None, problems


def _has_big_number(data: Any) -> bool:
    if isinstance(data, (dict, list)):
        return any(map(_has_big_number, data.values() if isinstance(data, dict) else data))
    return isinstance(data, int) and data.bit_length() >= _BIG


def _write_big_numbers_as_floats(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _write_big_numbers_as_floats(value) for key, value in data.items()}
    if isinstance(data, list):
        return [_write_big_numbers_as_floats(value) for value in data]
    with suppress(OverflowError):
        return float(data) if _has_big_number(data) else data
    return data


def _as_json(data: Any) -> bytes | None:
    """Return ``data`` as JSON; None if there is something in it that JSON cannot say."""
    with suppress(ValueError):  # half a surrogate pair, thousands of digits
        return json.dumps(data, ensure_ascii=False).encode() if _is_json(data) else None
    return None


def _is_json(data: Any) -> bool:
    if isinstance(data, dict):
        return all(type(key) is str and _is_json(value) for key, value in data.items())
    if isinstance(data, list):
        return all(map(_is_json, data))
    return data is None or type(data) in (str, int, float, bool)
