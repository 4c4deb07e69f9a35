"""The error of a connection test as text that may be stored and shown."""

from __future__ import annotations

import unicodedata
from contextlib import suppress
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

from django_plugin_system.config.quoting import quotes
from django_plugin_system.config.texts import iter_secret_texts
from django_plugin_system.config.walk import iter_secrets
from django_plugin_system.exceptions import PluginSystemError
from django_plugin_system.rows.config import collect_hidden_texts

if TYPE_CHECKING:
    from collections.abc import Collection

    from pydantic import BaseModel

    from django_plugin_system.models import PluginInstance

MAX_LENGTH = 500
"""Characters of an error that are kept."""


@sensitive_variables()
def find_secret_texts(config: BaseModel | None, *rows: PluginInstance | None) -> set[str]:
    """Return every text that must not be shown: the secrets of ``config`` and of ``rows``, and what references gave."""
    found = set(iter_secret_texts([secret for _path, secret in iter_secrets(config)]))
    for row in rows:
        with suppress(PluginSystemError):
            found |= collect_hidden_texts(row) if row else set()
    return {text for text in found if text}


@sensitive_variables()
def describe(error: BaseException, secrets: Collection[str]) -> str:
    """Return the type and text of ``error``; only the type if the text quotes one of ``secrets``.

    Neither causes nor contexts nor the members of a group are looked at, so what they quote is never shown.
    """
    name = type(error).__name__
    try:
        text = f"{name}: {error}".removesuffix(": ")
    except BaseException:  # noqa: BLE001 - foreign code: a __str__ may do anything
        text = name
    if quotes(text, secrets):
        withheld = _("the message quotes a secret, so it is withheld")
        text = withheld if quotes(name, secrets) else f"{name}: {withheld}"
    shown = "".join(char if _is_harmless(char) else " " for char in text[:MAX_LENGTH])
    return shown if len(text) <= MAX_LENGTH else f"{shown[:-1]}…"


def _is_harmless(char: str) -> bool:
    """Say whether a character can be stored and shown: no control character, no half of a surrogate pair."""
    return char == "\n" or unicodedata.category(char) not in {"Cc", "Cs"}
