"""JSON to data and back, without what JSON parsers let pass in silence: a key given twice, NaN, endless nesting."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from django_plugin_system.exceptions import InvalidDocument


def read_json(text: str) -> Any:
    """Return the data that ``text`` holds.

    :raises InvalidDocument: if it is no JSON; the message quotes nothing of it but names of keys.
    """
    try:
        return json.loads(text, object_pairs_hook=_make_object, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        reason = f"line {error.lineno}, column {error.colno}: this is not JSON: {error.msg}"
    except RecursionError:
        reason = "it is nested too deeply"
    except InvalidDocument:
        raise
    except ValueError:
        reason = "it holds a number of more than 4,300 digits"
    raise InvalidDocument(reason)


def _make_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        keys = [key for key, _value in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise InvalidDocument(f"the key {json.dumps(twice)} stands twice in one object")
    return made


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidDocument(f"{name} is no JSON number")


def write_json(data: Any) -> str:
    """Return ``data`` as JSON text, one value a line."""
    return json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
