"""Controls of single values: text, numbers, yes/no, choices, constants, secrets."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_plugin_system.config.tokens import MARKER
from django_plugin_system.forms.controls import (
    MISSING,
    Control,
    Reading,
    Schema,
    Seen,
    Text,
    UnfitError,
    is_reference,
    parse_json,
    read_typed,
    show_reference,
)

if TYPE_CHECKING:
    from collections.abc import Container

    from django_plugin_system.exceptions import Path


MAX_EXACT = 2**53 - 1
"""The largest whole number that a browser does not round."""

_INTEGER = re.compile(r"[+-]?[0-9]{1,1000}\Z")


@dataclass(frozen=True)
class TextControl(Control):
    """A text that is stored as a JSON string: str, Decimal, dates and times, URLs, UUIDs, ..."""

    def describe(self, seen: Seen) -> Schema:
        """Draw an area of text where a line would lose line breaks."""
        schema = super().describe(seen)
        if self.label.multiline or any("\n" in text or "\r" in text for text in seen or () if isinstance(text, str)):
            schema["widget"] = "textarea"
        return schema

    def encode(self, plain: Any) -> str:
        """Show None as an empty text, and a reference as it is stored."""
        if plain is None and self.nullable:
            return ""
        if is_reference(plain):
            return show_reference(plain)
        if not isinstance(plain, str) or read_typed(plain):
            raise UnfitError
        return plain

    def decode(self, form: Any, old: Any, reading: Reading, at: Path) -> Any:
        """Read an empty text as None, or as missing where something must be filled in."""
        del old, reading, at
        if form in ("", None):
            return self._decode_empty()
        return read_typed(form) or form

    def _decode_empty(self) -> Any:
        if self.nullable:
            return None
        return MISSING if self.label.required else ""

    def conform(self, form: Any, known: Container[str]) -> str:
        """Show any text as it was typed."""
        del known
        return form if isinstance(form, str) else ""


@dataclass(frozen=True)
class FormattedControl(TextControl):
    """A text that cannot be empty: a date, a Decimal, a URL. An empty one counts as not filled in."""

    def _decode_empty(self) -> Any:
        return None if self.nullable else MISSING


@dataclass(frozen=True)
class NumberTextControl(TextControl):
    """A number in a text input, for numbers that a browser's number input would round or retype."""

    whole: bool = True

    def encode(self, plain: Any) -> str:
        """Show the digits as they are stored."""
        if is_reference(plain) or (plain is None and self.nullable):
            return super().encode(plain)
        if isinstance(plain, bool) or not isinstance(plain, int if self.whole else (int, float)):
            raise UnfitError
        return json.dumps(plain)

    def decode(self, form: Any, old: Any, reading: Reading, at: Path) -> Any:
        """Read the digits as a number, and leave anything else for pydantic to refuse."""
        del old, reading, at
        if not isinstance(form, str):
            return form
        text = form.strip()
        if not text:
            return None if self.nullable else MISSING
        if _INTEGER.match(text):
            return int(text)
        return read_typed(text) or (text if self.whole else _read_float(text))


def _read_float(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text


@dataclass(frozen=True)
class NumberControl(Control):
    """A number input: floats, and whole numbers that are known to be small enough."""

    kind: ClassVar[str] = "number"

    whole: bool = False
    minimum: float | None = None
    maximum: float | None = None

    def describe(self, seen: Seen) -> Schema:
        """Add the bounds, for the browser's arrows."""
        schema = super().describe(seen)
        schema["type"] = "integer" if self.whole else "number"
        bounds = {"minimum": self.minimum, "maximum": self.maximum}
        schema.update({key: bound for key, bound in bounds.items() if bound is not None})
        return schema

    def get_blank(self) -> Any:
        """Show nothing."""
        return None

    def encode(self, plain: Any) -> Any:
        """Show a number as a number."""
        if plain is None and self.nullable:
            return None
        wanted = int if self.whole else (int, float)
        if isinstance(plain, bool) or not isinstance(plain, wanted) or _is_rounded(plain):
            raise UnfitError
        return plain

    def decode(self, form: Any, old: Any, reading: Reading, at: Path) -> Any:
        """Read nothing as None, or as missing; refuse a number that the browser has rounded."""
        del old
        if form in ("", None):
            return None if self.nullable else MISSING
        if _is_rounded(form):
            reading.refuse(at, _("This number has too many digits for the browser to keep."))
        return form

    def conform(self, form: Any, known: Container[str]) -> Any:
        """Show any number as it was typed."""
        del known
        return form if isinstance(form, (int, float)) and not isinstance(form, bool) else None


def _is_rounded(number: Any) -> bool:
    return isinstance(number, int) and abs(number) > MAX_EXACT


@dataclass(frozen=True)
class BooleanControl(Control):
    """A check box."""

    kind: ClassVar[str] = "boolean"

    def get_blank(self) -> bool:
        """Show no tick."""
        return False

    def encode(self, plain: Any) -> bool:
        """Show True as a tick."""
        if not isinstance(plain, bool):
            raise UnfitError
        return plain

    def decode(self, form: Any, old: Any, reading: Reading, at: Path) -> Any:
        """Read nothing as no."""
        del old, reading, at
        return False if form in ("", None) else form

    def conform(self, form: Any, known: Container[str]) -> bool:
        """Show the tick."""
        del known
        return form is True


@dataclass(frozen=True)
class ChoiceControl(Control):
    """A choice of constants. The form value is the constant's JSON text, so that ``1``, ``"1"`` and null stay apart."""

    choices: tuple[tuple[Text, str], ...] = ()
    """Title and JSON text of each choice."""

    def describe(self, seen: Seen) -> Schema:
        """List the choices, with one for None where the value is optional."""
        schema = super().describe(seen)
        schema["choices"] = [{"title": str(title), "value": text} for title, text in self._get_all()]
        return schema

    def _get_all(self) -> tuple[tuple[Text, str], ...]:
        return ((_("Not set"), "null"), *self.choices) if self.nullable else self.choices

    def _is_choice(self, form: Any) -> bool:
        return any(form == text for _title, text in self._get_all())

    def get_blank(self) -> str:
        """Show that nothing is set, or nothing at all."""
        return "null" if self.nullable else ""

    def encode(self, plain: Any) -> str:
        """Show the choice with this value."""
        text = json.dumps(plain)
        if not self._is_choice(text):
            raise UnfitError
        return text

    def adapt(self, plain: Any) -> Control:
        """Add a stored value that is no choice any more, so that the browser does not drop it."""
        text = json.dumps(plain)
        if self._is_choice(text) or not isinstance(plain, (str, int, float)):
            return super().adapt(plain)
        title = _("%(value)s (not a choice any more)") % {"value": plain}
        return replace(self, choices=(*self.choices, (title, text)))

    def decode(self, form: Any, old: Any, reading: Reading, at: Path) -> Any:
        """Read the JSON text of a choice."""
        del old
        if form in ("", None):
            return None if self.nullable else MISSING
        text = self._find_text(form)
        if text is None:
            reading.refuse(at, _("Choose one of the values offered."))
            return MISSING
        return json.loads(text)

    def _find_text(self, form: Any) -> str | None:
        """Return the JSON text of the choice that was sent; a person without JavaScript may have typed the value."""
        texts = (form, json.dumps(form))
        return next((text for text in texts if isinstance(text, str) and self._is_choice(text)), None)

    def conform(self, form: Any, known: Container[str]) -> str:
        """Show the choice again if it is one."""
        del known
        return self._find_text(form) or self.get_blank()


@dataclass(frozen=True)
class ConstantControl(Control):
    """The one value a field can have; drawn as a hidden input."""

    value: Any = None

    def describe(self, seen: Seen) -> Schema:
        """Let the browser fill the constant in."""
        del seen
        return {"const": self.value, "widget": "hidden", "title": str(self.label.title)}

    def get_blank(self) -> Any:
        """Start with the constant."""
        return self.value

    def encode(self, plain: Any) -> Any:
        """Show nothing but the constant."""
        if type(plain) is not type(self.value) or plain != self.value:
            raise UnfitError
        return plain

    def adapt(self, plain: Any) -> Control:
        """Offer a stored value that is not the constant beside it, so that opening the form changes nothing."""
        if plain == self.value or not isinstance(plain, (str, int, float)):
            return super().adapt(plain)
        return ChoiceControl(self.label, choices=((str(self.value), json.dumps(self.value)),)).adapt(plain)

    def decode(self, form: Any, old: Any, reading: Reading, at: Path) -> Any:
        """Read the constant, also where nothing was posted; a person without JavaScript may have typed another."""
        del old
        if form not in (None, "") and str(form) != str(self.value):
            reading.refuse(at, _("The form sent a value of no type that is possible here."))
        return self.value

    def conform(self, form: Any, known: Container[str]) -> Any:
        """Show the constant."""
        del form, known
        return self.value


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
