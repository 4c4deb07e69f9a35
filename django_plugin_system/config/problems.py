"""pydantic's errors as ours: located by stored path, without input, context or any secret."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django_plugin_system.config.declared import collect_secret_texts, find_names_by_alias
from django_plugin_system.exceptions import FieldProblem, Path

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic import BaseModel, ValidationError

WITHHELD = "Invalid value (the message is withheld because it quotes a secret)."
_AUTHORED = {"value_error", "assertion_error"}
_SHORT = 4


def describe_validation_error(
    error: ValidationError, schema: type[BaseModel], data: Any, secrets: Iterable[str] = ()
) -> list[FieldProblem]:
    """Return what ``error`` says, safe to show.

    ``data`` is the input; ``secrets`` are further texts that must not be quoted.
    """
    texts = {text for text in (*secrets, *collect_secret_texts(schema, data)) if text}
    names = find_names_by_alias(schema)
    return [
        FieldProblem(locate(item["loc"], data, names), scrub(item["msg"], texts, authored=item["type"] in _AUTHORED))
        for item in error.errors(include_input=False, include_context=False, include_url=False)
    ]


def scrub(message: str, secrets: Iterable[str], *, authored: bool = True) -> str:
    """Return ``message``, or a notice in its place if it quotes one of ``secrets``.

    A secret of up to three characters counts only in messages that a plugin author wrote: pydantic's own quote no
    input, and such a text stands in every other word.
    """
    for secret in secrets:
        if (authored or len(secret) >= _SHORT) and any(form in message for form in _written_forms(secret)):
            return WITHHELD
    return message


def _written_forms(secret: str) -> tuple[str, ...]:
    return (secret, repr(secret)[1:-1], json.dumps(secret)[1:-1], secret.strip() or secret)


def locate(loc: tuple[int | str, ...], data: Any, names_by_alias: dict[str, str]) -> Path:
    """Return the stored path for pydantic's ``loc``: field names for aliases, and no union tags."""
    path: list[str] = []
    for position, part in enumerate(loc):
        last = position == len(loc) - 1
        if isinstance(data, dict):
            name = names_by_alias.get(str(part), str(part))
            key = str(part) if str(part) in data else name
            if key in data or last:
                path.append(name)
                data = data.get(key)
        elif isinstance(data, (list, tuple)) and isinstance(part, int):
            path.append(str(part))
            data = data[part] if part < len(data) else None
    return tuple(path)
