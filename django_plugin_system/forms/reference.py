"""References in forms: typed and shown as the JSON that is stored, in inputs of text and in the place of any other."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from django_plugin_system.conf import get_settings
from django_plugin_system.config.references import ENV, FILE, claims_reference, read_reference

if TYPE_CHECKING:
    from collections.abc import Sequence


def is_reference(plain: Any) -> bool:
    """Say whether a stored or plain value is a reference; it is no secret itself."""
    return read_reference(plain) is not None


def show_reference(plain: Any) -> str:
    """Return the text of a reference in an input."""
    return json.dumps(plain, ensure_ascii=False)


def read_typed(text: Any) -> dict[str, Any] | None:
    """Return what was typed as a reference, well-formed or not; None for any other text."""
    if not isinstance(text, str) or not text.lstrip().startswith("{"):
        return None
    try:
        plain = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return plain if claims_reference(plain) else None


def describe_references(text_url: str = "") -> SafeString:
    """Return what the settings allow, in words for operators; nothing where they allow none.

    ``text_url`` leads to the same configuration as one JSON text.
    """
    settings = get_settings()
    parts = [
        _describe(ENV, "NAME", _("an environment variable (%(listed)s)"), settings.ENV_REFERENCES),
        _describe(FILE, "/path/to/file", _("a file (below %(listed)s)"), settings.FILE_REFERENCES),
    ]
    ways = [part for part in parts if part]
    if not ways:
        return mark_safe("")
    said = _("A value may also stand on the server, in the place of a text, a secret or any part of JSON:")
    text = format_html("{} {}.", said, mark_safe(" / ".join(ways)))  # noqa: S308 - escaped above
    if not text_url:
        return text
    link = _("Edit the configuration as JSON to refer to the server from any other field.")
    return format_html('{} <a href="{}">{}</a>', text, text_url, link)


def _describe(kind: str, example: str, words: str, allowed: Sequence[str]) -> str:
    if not allowed:
        return ""
    return format_html("<code>{}</code> {}", json.dumps({kind: example}), words % {"listed": ", ".join(allowed)})
