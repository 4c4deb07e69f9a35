"""Run pydantic over a configuration, in its JSON mode where JSON can say the data; no error gets out but ours.

Ours are located by stored path, without input, context or any secret.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any, get_args

from pydantic import ValidationError
from pydantic_core.core_schema import ErrorType

from django_plugin_system.config.leaks import WITHHELD, scrub
from django_plugin_system.exceptions import FieldProblem
from django_plugin_system.schema.errors import locate
from django_plugin_system.schema.secrets import (
    collect_default_texts,
    collect_secret_texts,
    iter_texts,
    makes_unknown_secrets,
)

if TYPE_CHECKING:
    from collections.abc import Collection

    from pydantic import BaseModel


_OWN = set(get_args(ErrorType)) - {"value_error", "assertion_error"}
"""The kinds of error whose text is pydantic's own."""

MOST_PROBLEMS = 100
"""Errors that are told, the first ones: more than that nobody reads at once."""
_MOST_EFFORT = 100_000
"""Times that 100 characters of a secret are looked for in 1,000 of a message, before messages are withheld unread."""


def validate(
    schema: type[BaseModel], data: Any, hidden: Collection[Any], *, by_alias: bool
) -> tuple[BaseModel | None, list[FieldProblem]]:
    """Return the model for ``data``; or None and what is wrong with it, which quotes none of the ``hidden`` values."""
    text = _as_json(data)
    try:
        if text is not None:
            return schema.model_validate_json(text, by_name=True, by_alias=by_alias), []
        strict = None if by_alias else False
        return schema.model_validate(data, strict=strict, by_name=True, by_alias=by_alias), []
    except ValidationError as invalid:
        problems = _describe(invalid, schema, data, hidden)
    except Exception as foreign:  # noqa: BLE001 - foreign code
        problems = [FieldProblem((), f"validation raised {type(foreign).__name__}")]
    return None, problems


def _describe(
    error: ValidationError, schema: type[BaseModel], data: Any, hidden: Collection[Any]
) -> list[FieldProblem]:
    """Return what ``error`` says about the input ``data``, which quotes no secret and none of the ``hidden`` values."""
    found_in_data = collect_secret_texts(schema, data)
    texts = {text for text in (*iter_texts([*hidden]), *found_in_data, *collect_default_texts(schema)) if text}
    is_unknown = makes_unknown_secrets(schema)
    said: dict[tuple[str, bool], str] = {}
    found = []
    size, effort = sum(1 + len(text) // 100 for text in texts), 0
    for item in error.errors(include_input=False, include_context=False, include_url=False)[:MOST_PROBLEMS]:
        text, authored = message = item["msg"], item["type"] not in _OWN
        if message not in said:
            effort += size * (1 + len(text) // 1000)
            is_safe = effort <= _MOST_EFFORT and not (authored and is_unknown)
            said[message] = scrub(text, texts, authored=authored) if is_safe else WITHHELD
        found.append(FieldProblem(locate(item["loc"], schema, data), said[message]))
    return list(dict.fromkeys(found))  # the members of a union may say the same


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
