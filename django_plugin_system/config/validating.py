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


def validate(
    schema: type[BaseModel], data: Any, texts: Iterable[str], *, by_alias: bool
) -> tuple[BaseModel | None, list[FieldProblem]]:
    """Return the model for ``data``; or None and what is wrong with it. ``texts`` must not be quoted."""
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
