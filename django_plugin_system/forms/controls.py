"""What every control of a generated form can do: draw itself, and carry a value to the browser and back.

Three shapes of one value:

- *stored*: as the row holds it; secrets are markers;
- *plain*: the same JSON, each secret replaced by the text of a placeholder (see ``placeholders``);
- *form*: what django-jsonform edits, which knows no null, no dicts with free keys and no tuples.
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from django_plugin_system.conf import get_settings
from django_plugin_system.config.references import ENV, FILE, claims_reference, read_reference
from django_plugin_system.exceptions import FieldProblem, Path

Schema = dict[str, Any]
"""A schema as django-jsonform reads it."""

Seen = Sequence[Any] | None
"""The form values a control will show; several inside a list. None where they are not known."""

Text = str | Promise


class _Missing:
    """The type of ``MISSING``."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final[Any] = _Missing()
"""No value: a key that is not there."""


class UnfitError(Exception):
    """A control cannot show this stored value without changing it."""


@dataclass(frozen=True)
class Label:
    """How a control is presented, and whether it must be filled."""

    title: Text = ""
    help_text: Text = ""
    placeholder: str = ""
    required: bool = False
    read_only: bool = False
    multiline: bool = False
    group: Text = ""
    """The heading under which the field stands, together with others that name the same one."""

    default: Any = MISSING
    """The plain value that stands where nothing was stored."""


@dataclass
class Reading:
    """What was noticed while a posted form was decoded. Problems carry form paths."""

    problems: list[FieldProblem] = field(default_factory=list)

    def refuse(self, at: Path, message: Text) -> None:
        """Note that the value at form path ``at`` cannot be taken."""
        self.problems.append(FieldProblem(at, str(message)))


@dataclass(frozen=True)
class Control:
    """One control. Subclasses override what differs from a text input's behaviour."""

    kind: ClassVar[str] = "string"
    """The JSON type of the form value."""

    is_recursive: ClassVar[bool] = False
    """Whether this control only stands for one further up."""

    label: Label = field(default_factory=Label)
    nullable: bool = False

    def describe(self, seen: Seen) -> Schema:
        """Return the schema django-jsonform draws this control from."""
        schema = self.describe_label()
        schema["type"] = self.kind
        default = self.get_default_form()
        if seen is not None and "" not in seen and default is not MISSING:
            schema["default"] = default  # only ever used for items added in the browser
        return schema

    def describe_label(self) -> Schema:
        """Return the part of the schema that says how the control is presented."""
        label = self.label
        texts = {"title": label.title, "help_text": label.help_text, "placeholder": label.placeholder}
        schema: Schema = {key: str(text) for key, text in texts.items() if text}
        if label.read_only:
            schema["readonly"] = True
        return schema

    def get_default_form(self) -> Any:
        """Return the form value of the default, or MISSING."""
        return self.try_encode(self.label.default)

    def try_encode(self, plain: Any) -> Any:
        """Return the form value of ``plain``, or MISSING if there is none."""
        if plain is MISSING:
            return MISSING
        try:
            return self.encode(plain)
        except UnfitError:
            return MISSING

    def get_blank(self) -> Any:
        """Return the form value of a control that was never filled."""
        return ""

    def encode(self, plain: Any) -> Any:
        """Return the form value that shows ``plain``.

        :raises UnfitError: if showing it would change it.
        """
        raise NotImplementedError

    def decode(self, form: Any, old: Any, reading: Reading, at: Path) -> Any:
        """Return the plain value for a posted one, or MISSING to leave the key out. Never raises.

        ``old`` is the plain value that stood here, ``at`` the form path of this control. What pydantic would refuse is
        passed on to it.
        """
        raise NotImplementedError

    def conform(self, form: Any, known: Container[str]) -> Any:
        """Return ``form``, a posted value, as it may be shown again: in the right shape, without a typed secret.

        ``known`` are the placeholders of stored secrets.
        """
        raise NotImplementedError

    def adapt(self, plain: Any) -> Control:
        """Return a control that shows ``plain`` without changing it: this one, if it can.

        :raises UnfitError: if only a JSON text can.
        """
        self.encode(plain)
        return self

    def locate(self, path: Path, form: Any) -> Path:
        """Return the form path of the value that is stored at ``path`` below this control; as far as it leads."""
        del path, form
        return ()

    def get_headings(self) -> dict[int, str]:
        """Return the headings between the controls inside this one, each by the position it stands above."""
        return {}

    def get_child(self, key: str, plain: Any) -> Control | None:
        """Return the control of the value at ``key`` of ``plain``, or None if this control has none for it."""
        del key, plain
        return None

    def iter_children(self) -> Iterable[tuple[str, Control]]:
        """Yield the controls inside this one with their form keys; ``*`` stands for every item of a list."""
        return ()


def collect(seen: Seen, key: str) -> list[Any] | None:
    """Return the values under ``key`` of those in ``seen``."""
    if seen is None:
        return None
    return [form[key] for form in seen if isinstance(form, dict) and key in form]


def is_same(one: Any, other: Any) -> bool:
    """Say whether two JSON values are equal: ``1`` and ``1.0`` are, ``1`` and ``true`` are not."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(is_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(is_same, one, other))
    return bool(one == other)


def decode_or_keep(control: Control, form: Any, old: Any, reading: Reading, at: Path) -> Any:
    """Decode ``form``, unless it is what was sent for ``old``: then ``old`` stays exactly as it was."""
    if old is not MISSING:
        if control.label.read_only:
            return old
        sent = control.try_encode(old)
        if sent is not MISSING and is_same(sent, form):
            return old
    elif control.label.read_only:
        return MISSING
    return control.decode(form, old, reading, at)


def parse_json(text: str) -> Any:
    """Return the value of a JSON text.

    :raises ValueError: if it is none; also for NaN, infinite numbers, and a key that stands twice in one object, since
        the first of its values would be lost. The message quotes nothing of the text.
    """
    try:
        return json.loads(text, object_pairs_hook=_make_object, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        message = f"{error.msg} (line {error.lineno}, column {error.colno})"
    except RecursionError:
        message = "nested too deeply"
    raise ValueError(message)


def _make_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        message = "a key stands twice in one object"
        raise ValueError(message)
    return made


def _refuse_constant(name: str) -> Any:
    message = f"{name} is not JSON"
    raise ValueError(message)


def show_json(value: Any) -> str:
    """Return JSON text for people: indented, with any script's letters as they are; half a surrogate pair escaped."""
    return json.dumps(value, indent=2, ensure_ascii=False).encode(errors="backslashreplace").decode()


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
