"""pydantic's errors as ours: located by stored path, without input, context or any secret."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from pydantic_core.core_schema import ErrorType

from django_plugin_system.config.location import locate
from django_plugin_system.config.quoting import quotes
from django_plugin_system.config.texts import collect_default_texts, collect_secret_texts, makes_unknown_secrets
from django_plugin_system.exceptions import FieldProblem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic import BaseModel, ValidationError

WITHHELD = "Invalid value (the message is withheld because it quotes a secret)."
_OWN = set(get_args(ErrorType)) - {"value_error", "assertion_error"}
"""The kinds of error whose text is pydantic's own."""


def describe_validation_error(
    error: ValidationError, schema: type[BaseModel], data: Any, secrets: Iterable[str] = ()
) -> list[FieldProblem]:
    """Return what ``error`` says, safe to show.

    ``data`` is the input; ``secrets`` are further texts that must not be quoted.
    """
    texts = {text for text in (*secrets, *collect_secret_texts(schema, data), *collect_default_texts(schema)) if text}
    is_unknown = makes_unknown_secrets(schema)
    found = []
    for item in error.errors(include_input=False, include_context=False, include_url=False):
        authored = item["type"] not in _OWN
        message = WITHHELD if authored and is_unknown else scrub(item["msg"], texts, authored=authored)
        found.append(FieldProblem(locate(item["loc"], schema, data), message))
    return list(dict.fromkeys(found))  # the members of a union may say the same


def scrub(message: str, secrets: Iterable[str], *, authored: bool = True) -> str:
    """Return ``message``, or a notice in its place if it quotes one of ``secrets``; see ``quotes``."""
    return WITHHELD if quotes(message, secrets, authored=authored) else message
