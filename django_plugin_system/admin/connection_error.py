"""The error of a connection test as text that may be stored and shown."""

from __future__ import annotations

import base64
import unicodedata
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

from django.utils.html import escape
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

from django_plugin_system.config.problems import scrub
from django_plugin_system.config.texts import iter_secret_texts
from django_plugin_system.config.walk import iter_secrets
from django_plugin_system.configuration import collect_hidden_texts
from django_plugin_system.exceptions import PluginSystemError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from pydantic import BaseModel

    from django_plugin_system.models import PluginInstance

MAX_LENGTH = 500
"""Characters of an error that are kept."""

_SHORT = 6
"""Bytes of a secret from which on it is looked for in encoded form; shorter ones encode to what stands anywhere."""


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
    if _quotes(text, secrets):
        withheld = _("the message quotes a secret, so it is withheld")
        text = withheld if _quotes(name, secrets) else f"{name}: {withheld}"
    shown = "".join(char if _is_harmless(char) else " " for char in text[:MAX_LENGTH])
    return shown if len(text) <= MAX_LENGTH else f"{shown[:-1]}…"


def _is_harmless(char: str) -> bool:
    """Say whether a character can be stored and shown: no control character, no half of a surrogate pair."""
    return char == "\n" or unicodedata.category(char) not in {"Cc", "Cs"}


def _quotes(text: str, secrets: Collection[str]) -> bool:
    if scrub(text, secrets) != text:
        return True
    shown, lower = (text, "".join(text.split())), text.lower()
    for secret in secrets:
        if any(form in one for form in _iter_encoded(secret) for one in shown):
            return True
        raw = secret.encode(errors="surrogatepass")
        if len(raw) >= _SHORT and raw.hex() in lower:
            return True
    return False


def _iter_encoded(secret: str) -> Iterator[str]:
    """Yield ``secret`` as URLs, HTML, bytes and base64 write it, also in the middle of something longer."""
    raw = secret.encode(errors="surrogatepass")
    yield from (quote(raw), quote(raw, safe=""), quote_plus(raw), escape(secret), repr(raw)[2:-1])
    if len(raw) < _SHORT:
        return
    for lead in range(3):
        text = base64.b64encode(b"\0" * lead + raw).decode().rstrip("=")
        whole = text[-(-lead * 4 // 3) : (lead + len(raw)) * 4 // 3]  # without what depends on the neighbours
        yield whole
        yield whole.translate(str.maketrans("+/", "-_"))
