"""The control of a secret: write-only. It shows a placeholder, and takes it back as "keep"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_plugin_system.config.tokens import MARKER
from django_plugin_system.forms.controls import MISSING, Control, Reading, Schema, Seen, UnfitError, parse_json
from django_plugin_system.forms.reference import is_reference, read_typed, show_reference

if TYPE_CHECKING:
    from collections.abc import Container

    from django_plugin_system.exceptions import Path

PLACEHOLDER = "[stored secret {}]"
"""What stands for a stored secret on its way to the browser and back; the id is opaque."""

RETYPE = "[type this secret again]"
"""What stands for a secret that was typed into a form that was refused; the server never accepts it."""

MASK_PROBLEM = gettext_lazy("This is a mask, not a secret. Type the secret itself.")

_ID = re.compile(r"\[stored secret ([0-9a-f]{16})\]\Z")
_OPENING = PLACEHOLDER.partition("{}")[0]
_MASK = re.compile(r"[\s*\u2022\u25cf\u2219\u00b7\u2024\u2027\uff0a\u30fb]+\Z")


def read_placeholder(text: Any) -> str | None:
    """Return the id in ``text`` if it is a placeholder and nothing else."""
    found = _ID.match(text) if isinstance(text, str) else None
    return found.group(1) if found else None


def find_marker_problem(text: Any) -> str | None:
    """Say why ``text`` cannot be taken as it is, wherever it was typed: it holds a marker of ours and is not one."""
    if not isinstance(text, str) or read_placeholder(text):
        return None
    if RETYPE in text:
        return _("The form was refused, so what you typed here was not kept. Type the secret again.")
    if _OPENING in text:
        return _("Text was added to the stored secret. Empty the field, then type the whole new secret.")
    return None


def is_mask(text: str) -> bool:
    """Say whether ``text`` consists of the dots or stars that other programs show in the place of a secret."""
    return bool(_MASK.match(text))


@dataclass(frozen=True)
class SecretControl(Control):
    """A secret. Drawn as a masked area of text, since a password input would drop the line breaks of a PEM key."""

    structured: bool = False
    """The secret is no text (``Secret[int]``, ``Secret[Model]``): it is typed as JSON."""

    def describe(self, seen: Seen) -> Schema:
        """Say what can be done with a stored secret. Limits of length are left out: they would cut the placeholder."""
        del seen
        hint = _(
            "Write-only. Leave a stored secret as it is to keep it, type over it to replace it, empty it to clear it."
        )
        text = self.label.help_text
        return {
            **self.describe_label(),
            "type": "string",
            "widget": "textarea",
            "help_text": f"{text} {hint}" if text else hint,
        }

    def encode(self, plain: Any) -> str:
        """Show a placeholder or a reference, or nothing where nothing is stored. Anything else would be a secret."""
        if is_reference(plain):
            return show_reference(plain)
        if isinstance(plain, list) or (isinstance(plain, dict) and MARKER not in plain):
            raise UnfitError
        return plain if read_placeholder(plain) else ""

    def decode(self, form: Any, old: Any, reading: Reading, at: Path) -> Any:
        """Pass on placeholders (keep) and text (replace); read an empty text as clear."""
        del old
        if form in ("", None):
            return None if self.nullable else MISSING
        if not isinstance(form, str):
            reading.refuse(at, _("A secret must be typed as text."))
            return MISSING
        if read_placeholder(form):
            return form
        if reference := read_typed(form):
            return reference
        if problem := find_marker_problem(form) or (MASK_PROBLEM if is_mask(form) else None):
            reading.refuse(at, problem)
            return MISSING
        return self._read_structure(form, reading, at) if self.structured else form

    def _read_structure(self, text: str, reading: Reading, at: Path) -> Any:
        try:
            return parse_json(text)
        except ValueError:
            reading.refuse(at, _("This secret is not a plain text: type it as JSON."))
            return MISSING

    def conform(self, form: Any, known: Container[str]) -> str:
        """Show a placeholder or a reference again; ask for anything else to be typed again."""
        if form in ("", None):
            return ""
        if is_reference(read_typed(form)):
            return str(form)
        return form if read_placeholder(form) and form in known else RETYPE
