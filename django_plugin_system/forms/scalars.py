"""Controls of single values: text, numbers, yes/no, choices, constants, secrets, and any JSON as text."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from enum import Enum
from typing import Annotated, Any, ClassVar

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import TypeAdapter
from pydantic_core import to_jsonable_python

from django_plugin_system.config.json_tree import parse_json, walk_json
from django_plugin_system.config.tokens import is_marker
from django_plugin_system.forms.controls import (
    Control,
    Label,
    Reading,
    Schema,
    Seen,
    Text,
    UnfitError,
    is_reference,
    read_typed,
    show_json,
)
from django_plugin_system.forms.placeholders import MASK_PROBLEM, find_marker_problem, is_mask, is_placeholder
from django_plugin_system.schema.values import MISSING

MAX_EXACT = 2**53 - 1
"""The largest whole number that a browser does not round."""

_YES_NO = ((gettext_lazy("Yes"), "true"), (gettext_lazy("No"), "false"))
_TIMES = {"date", "time", "date-time", "duration"}
_INTEGER = re.compile(r"[+-]?[0-9]{1,1000}\Z")


@dataclass(frozen=True)
class TextControl(Control):
    """A text that is stored as a JSON string: str, Decimal, dates and times, URLs, UUIDs, ..."""

    may_be_empty: bool = False
    """An empty text is a value, as that of a str is and that of a date is not."""

    format: str = ""
    """What our script offers a help for: a date, a time, a duration."""

    def describe(self, seen: Seen) -> Schema:
        """Draw an area of text where a line would lose line breaks."""
        schema = super().describe(seen)
        if self.format:
            schema["dpsInput"] = self.format
        if self.label.multiline or any("\n" in text or "\r" in text for text in seen or () if isinstance(text, str)):
            schema["widget"] = "textarea"
        return schema

    def show(self, plain: Any) -> str:
        """Show what does not read like a reference."""
        if not isinstance(plain, str) or read_typed(plain):
            raise UnfitError
        return plain

    def read(self, form: Any, _reading: Reading) -> Any:
        """Read a reference or a text."""
        return self.empty if form in ("", None) else read_typed(form) or form

    @property
    def empty(self) -> Any:
        """None, or missing where something must be filled in."""
        is_text = self.may_be_empty and not self.nullable and not self.label.required
        return "" if is_text else super().empty


@dataclass(frozen=True)
class NumberTextControl(TextControl):
    """A number in a text input, for those that a browser's number input would round or retype."""

    whole: bool = True

    def show(self, plain: Any) -> str:
        """Show the digits as they are stored."""
        if isinstance(plain, bool) or not isinstance(plain, int if self.whole else (int, float)):
            raise UnfitError
        return json.dumps(plain)

    def read(self, form: Any, _reading: Reading) -> Any:
        """Read the digits as a number, and leave anything else for pydantic to refuse."""
        if not isinstance(form, str):
            return form
        text = form.strip()
        if not text:
            return self.empty
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
    shown: ClassVar[tuple[type, ...]] = (int, float)
    blank: ClassVar[Any] = None

    whole: bool = False
    minimum: float | None = None
    maximum: float | None = None

    def describe(self, seen: Seen) -> Schema:
        """Add the bounds, for the browser's arrows."""
        schema = super().describe(seen)
        schema["type"] = "integer" if self.whole else "number"
        bounds = {"minimum": self.minimum, "maximum": self.maximum}
        return schema | {key: bound for key, bound in bounds.items() if bound is not None}

    def show(self, plain: Any) -> Any:
        """Show a number as a number."""
        wanted = int if self.whole else (int, float)
        if isinstance(plain, bool) or not isinstance(plain, wanted) or _is_rounded(plain):
            raise UnfitError
        return plain

    def read(self, form: Any, reading: Reading) -> Any:
        """Refuse a number that the browser has rounded."""
        if _is_rounded(form):
            return reading.refuse(_("This number has too many digits for the browser to keep."))
        return super().read(form, reading)


def _is_rounded(number: Any) -> bool:
    return isinstance(number, int) and abs(number) > MAX_EXACT


@dataclass(frozen=True)
class BooleanControl(Control):
    """A check box. Nothing is no."""

    kind: ClassVar[str] = "boolean"
    shown: ClassVar[tuple[type, ...]] = (bool,)
    blank: ClassVar[Any] = False
    empty: ClassVar[Any] = False

    def show(self, plain: Any) -> bool:
        """Show True as a tick."""
        if not isinstance(plain, bool):
            raise UnfitError
        return plain


@dataclass(frozen=True)
class ChoiceControl(Control):
    """A choice of constants; hidden if there is but one.

    The form value is the constant's JSON text, so that ``1``, ``"1"`` and null stay apart.
    """

    choices: tuple[tuple[Text, str], ...] = ()
    """Title and JSON text of each choice."""

    def describe(self, seen: Seen) -> Schema:
        """List the choices, with one for None where the value is optional."""
        if self.is_constant:
            hidden = {"type": "string", "widget": "hidden", "title": str(self.label.title)}
            return {**hidden, "const": self.blank} if self.choices else hidden  # a const is chosen wrongly
        choices = [{"title": str(title), "value": text} for title, text in self._get_all()]
        return {**super().describe(seen), "choices": choices}

    def _get_all(self) -> tuple[tuple[Text, str], ...]:
        return ((_("Not set"), "null"), *self.choices) if self.nullable else self.choices

    @property
    def is_constant(self) -> bool:
        """Whether there is only one value."""
        return len(self._get_all()) == 1

    @property
    def blank(self) -> str:
        """The constant; else that nothing is set, or nothing at all."""
        return self._get_all()[0][1] if self.nullable or self.is_constant else ""

    def find_text(self, form: Any) -> str | None:
        """Return the JSON text of the choice that was sent; a person without JavaScript may have typed the value."""
        texts = (form, json.dumps(form))
        return next((text for text in texts if any(text == choice for _title, choice in self._get_all())), None)

    def encode(self, plain: Any) -> str:
        """Show the choice with this value."""
        text = json.dumps(plain)
        if self.find_text(text) is None:
            raise UnfitError
        return text

    def get_choice_title(self, plain: Any) -> str:
        """Return how people know a value; one that is no choice stands for itself."""
        return next((str(title) for title, text in self.choices if text == json.dumps(plain)), str(plain))

    def adapt(self, plain: Any) -> Control:
        """Add a stored value that is no choice any more, so that the browser does not drop it."""
        text = json.dumps(plain)
        if self.find_text(text) or not isinstance(plain, (str, int, float)):
            return super().adapt(plain)
        title = _("%(value)s (not a choice any more)") % {"value": plain}
        return replace(self, choices=(*self.choices, (title, text)))

    def read(self, form: Any, reading: Reading) -> Any:
        """Read the JSON text of a choice; nothing is the only one there is."""
        if form in ("", None):
            return json.loads(self.blank) if self.is_constant else self.empty
        text = self.find_text(form)
        return reading.refuse(_("Choose one of the values offered.")) if text is None else json.loads(text)

    def redisplay(self, form: Any, _reading: Reading) -> str:
        """Show the choice again if it is one."""
        return self.find_text(form) or self.blank


@dataclass(frozen=True)
class SecretControl(Control):
    """A secret: write-only. It shows a placeholder, and takes it back as "keep".

    Drawn as a masked area of text, since a password input would drop the line breaks of a PEM key.
    """

    is_secret: ClassVar[bool] = True

    structured: bool = False
    """The secret is no text (``Secret[int]``, ``Secret[Model]``): it is typed as JSON."""

    def describe(self, _seen: Seen) -> Schema:
        """Draw an area of text. Limits of length are left out: they would cut the placeholder."""
        return {**self.describe_label(), "type": "string", "widget": "textarea", "dpsSecret": True}

    def show(self, plain: Any) -> str:
        """Show a placeholder, or nothing where nothing is stored. Anything else would be a secret."""
        if isinstance(plain, list) or (isinstance(plain, dict) and not is_marker(plain)):
            raise UnfitError
        return plain if is_placeholder(plain) else ""

    def read(self, form: Any, reading: Reading) -> Any:
        """Pass on placeholders (keep) and text (replace); read an empty text as clear."""
        if form in ("", None):
            return self.empty
        form = reading.open(form)
        if not isinstance(form, str):
            return reading.refuse(_("A secret must be typed as text."))
        if kept := form if is_placeholder(form) else read_typed(form):
            return kept
        if problem := find_marker_problem(form) or (MASK_PROBLEM if is_mask(form) else None):
            return reading.refuse(problem)
        try:
            return parse_json(form) if self.structured else form
        except ValueError:
            return reading.refuse(_("This secret is not a plain text: type it as JSON."))

    def redisplay(self, form: Any, reading: Reading) -> Any:
        """Show a placeholder or a reference again; anything else encrypted, or ask for it to be typed again."""
        given = reading.open(form)
        if given in ("", None) or is_reference(read_typed(given)) or (is_placeholder(given) and given in reading.known):
            return given or ""
        return reading.conceal(given)


@dataclass(frozen=True)
class JsonTextControl(Control):
    """Any JSON value as text: the last resort, for types that no other control can show without changing them."""

    def describe(self, seen: Seen) -> Schema:
        """Say that JSON is expected."""
        help_text = join_texts(self.label.help_text, _("JSON."))
        return {**super().describe(seen), "widget": "textarea", "help_text": help_text}

    def encode(self, plain: Any) -> str:
        """Show any value."""
        return show_json(plain)

    def read(self, form: Any, reading: Reading) -> Any:
        """Read the text, or refuse it saying where it stops being JSON. No text at all is no value."""
        if form is None or (isinstance(form, str) and not form.strip()):
            return self.empty
        try:
            plain = parse_json(form) if isinstance(form, str) else form
        except ValueError as error:
            return reading.refuse(_("This is not valid JSON: %(reason)s.") % {"reason": error})
        if not self.label.holds_secret:
            return plain
        plain = reading.open(plain)
        return reading.refuse(MASK_PROBLEM) if holds_mask(plain) else plain

    def redisplay(self, form: Any, reading: Reading) -> str:
        """Show the text again; where it may hold a secret, without anything that is not known."""
        text = form if isinstance(form, str) else show_json(form)
        if not self.label.holds_secret:
            return text
        try:
            return show_json(reading.hide(reading.open(parse_json(text))))
        except ValueError:
            return ""


@dataclass(frozen=True)
class MultipleControl(JsonTextControl):
    """Any number of choices, in any order: check boxes in the place of the JSON text."""

    encode = Control.encode

    choices: tuple[tuple[Text, str], ...] = ()

    def describe(self, seen: Seen) -> Schema:
        """List the choices."""
        choices = [{"title": str(title), "value": text} for title, text in self.choices]
        return {**Control.describe(self, seen), "dpsChoices": choices}

    def show(self, plain: Any) -> str:
        """Show choices and nothing else, none of them twice."""
        texts = [json.dumps(part) for part in plain] if isinstance(plain, list) else [""]
        if len(texts) > len({text for _title, text in self.choices}.intersection(texts)):
            raise UnfitError
        return json.dumps(plain)


def make_json_text(label: Label, *, nullable: bool) -> JsonTextControl:
    """Return JSON text; without the default where that would show secrets as masks."""
    return JsonTextControl(replace(label, default=MISSING) if label.holds_secret else label, nullable)


def may_be_secret(control: Control | None) -> bool:
    """Say whether what is typed in this very control may be a secret; it may where nothing is known."""
    is_single = isinstance(control, (SecretControl, JsonTextControl))
    return control is None or (is_single and control.label.holds_secret)


def join_texts(text: Text, hint: str) -> str:
    """Return a help text with a hint behind it."""
    return f"{text} {hint}" if text else hint


def holds_mask(value: Any) -> bool:
    """Say whether a text in the JSON ``value`` is a mask."""
    return any(isinstance(part, str) and is_mask(part) for _path, part in walk_json(value))


def adapt_or_fall_back(control: Control, plain: Any) -> Control:
    """Return a control that shows ``plain`` without changing it: ``control`` adapted to it, or JSON text."""
    try:
        return control.adapt(plain)
    except UnfitError:
        return make_json_text(control.label, nullable=control.nullable)


# Single values, by the JSON that pydantic writes for them


def get_json_schema(annotation: Any, metadata: tuple[Any, ...] = ()) -> dict[str, Any]:
    """Return the JSON schema of what pydantic writes for a type; empty if it cannot say."""
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(Annotated[(annotation, *metadata)] if metadata else annotation)
        return adapter.json_schema(mode="serialization")
    except Exception:  # noqa: BLE001 - any type of an author's, with any hook
        return {}


def build_value(annotation: Any, label: Label, metadata: tuple[Any, ...], *, nullable: bool, in_union: bool) -> Control:
    """Return the control of a single value. ``in_union`` asks for one that the browser can tell from a text."""
    schema = get_json_schema(annotation, metadata)
    kind = "" if "enum" in schema or "const" in schema else schema.get("type")
    if kind == "string":
        may_be_empty = any(base in (str, bytes) for base in getattr(annotation, "__mro__", ()))
        shape = schema.get("format", "")
        return TextControl(label, nullable, may_be_empty, shape if shape in _TIMES else "")
    if kind == "boolean":
        return ChoiceControl(label, nullable, _YES_NO) if nullable else BooleanControl(label)
    if kind not in {"integer", "number"}:
        return JsonTextControl(label, nullable)
    return _build_number(schema, label, nullable=nullable, in_union=in_union)


def _build_number(schema: dict[str, Any], label: Label, *, nullable: bool, in_union: bool) -> Control:
    whole = schema["type"] == "integer"
    minimum = schema.get("minimum", schema.get("exclusiveMinimum"))
    maximum = schema.get("maximum", schema.get("exclusiveMaximum"))
    bounded = all(bound is not None and abs(bound) <= MAX_EXACT for bound in (minimum, maximum))
    if whole and not bounded and not in_union:
        return NumberTextControl(label, nullable)
    bounds = {"minimum": schema.get("minimum"), "maximum": schema.get("maximum")}
    return NumberControl(label, nullable, whole=whole and not in_union, **bounds)


def build_choice(members: tuple[Any, ...], label: Label, *, nullable: bool) -> Control:
    """Return the control of a Literal's values or an Enum's members; hidden if there is but one."""
    plain = [(_get_choice_title(member), to_jsonable_python(member)) for member in members if member is not None]
    nullable = nullable or len(plain) < len(members)
    return ChoiceControl(label, nullable, tuple((title, json.dumps(value)) for title, value in plain))


def _get_choice_title(member: Any) -> str:
    if not isinstance(member, Enum):
        return str(member)
    title = getattr(member, "label", None) or member.value
    return str(title) if isinstance(title, str) else humanize(member.name.lower())


def humanize(name: str) -> str:
    """Return a field's name as a title: ``account_sid`` as ``Account sid``."""
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:]
