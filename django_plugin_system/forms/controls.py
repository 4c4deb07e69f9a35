"""What every control of a generated form can do: draw itself, and carry a value to the browser and back.

Three shapes of one value:

- *stored*: as the row holds it; secrets are markers;
- *plain*: the same JSON, each secret replaced by the text of a placeholder (see ``placeholders``);
- *form*: what django-jsonform edits, which knows no null, no dicts with free keys and no tuples.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, NamedTuple

from django.utils.functional import Promise

from django_plugin_system.config.json_tree import map_json, parse_json
from django_plugin_system.config.references import claims_reference, read_reference
from django_plugin_system.exceptions import FieldProblem, Path
from django_plugin_system.forms.placeholders import RETYPE, TypedSecrets, find_marker_problem, is_placeholder
from django_plugin_system.schema.values import MISSING

Schema = dict[str, Any]
"""A schema as django-jsonform reads it."""

Seen = Sequence[Any] | None
"""The form values a control will show; several inside a list. None where they are not known."""

Text = str | Promise


JOIN = "\u00a7"
"""What django-jsonform puts between the parts of a path."""


HEADING = "dpsHeading"
"""Tells our script, in the schema, the heading that a field stands under."""


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

    holds_secret: bool = False
    """Whether a secret may be typed here, or anywhere inside."""


@dataclass(frozen=True)
class Reading:
    """Where a posted value is being read, or made ready to be shown again."""

    old: Any = MISSING
    """The plain value that stood there."""
    at: Path = ()
    """Its form path."""
    problems: list[FieldProblem] = field(default_factory=list)
    """With form paths; one list for the whole form."""
    known: Collection[Any] = ()
    """The placeholders of stored secrets, and the values that are no secrets."""
    typed: TypedSecrets | None = None
    """Hands out what was typed as a secret, and takes it back; without it, it is asked for again."""

    def enter(self, *keys: str, old: Any = MISSING) -> Reading:
        """Return the place of a part of the value, which was ``old``."""
        return replace(self, old=old, at=(*self.at, *keys))

    def refuse(self, message: Text) -> Any:
        """Note that the value cannot be taken; there is none then."""
        self.problems.append(FieldProblem(self.at, str(message)))
        return MISSING

    def open(self, form: Any) -> Any:
        """Return a posted value with each secret in it that was typed before."""
        if isinstance(form, str):
            return self.typed.open(form, self.at) if self.typed else form
        return map_json(form, lambda key, part: self.enter(key).open(part))

    def hide(self, value: Any) -> Any:
        """Return JSON that may hold secrets as it may be shown again: no text or number that is not known."""
        if isinstance(value, (dict, list)):
            return value if is_reference(value) else map_json(value, lambda key, part: self.enter(key).hide(part))
        is_harmless = value is None or isinstance(value, bool) or value in self.known
        return value if is_harmless else self.conceal(value)

    def conceal(self, typed: Any) -> str:
        """Return what is shown in the place of what was typed as a secret."""
        is_new = self.typed and not is_placeholder(typed) and not find_marker_problem(typed)
        return self.typed.seal(typed, self.at) if self.typed and is_new else RETYPE


@dataclass(frozen=True)
class Control:
    """One control. Subclasses override what differs from a text input's behaviour."""

    kind: ClassVar[str] = "string"
    """The JSON type of the form value."""
    shown: ClassVar[tuple[type, ...]] = (str,)
    """The types of form values that may be shown again as they were posted."""

    is_secret: ClassVar[bool] = False
    has_free_keys: ClassVar[bool] = False
    """Whether operators choose the keys."""

    label: Label = field(default_factory=Label)
    nullable: bool = False

    # What the browser gets

    def describe(self, seen: Seen) -> Schema:
        """Return the schema django-jsonform draws this control from."""
        schema = self.describe_label()
        schema["type"] = self.kind
        default = self.try_encode(self.label.default)
        if seen is not None and "" not in seen and default is not MISSING:
            schema["default"] = default  # only ever used for items added in the browser
        return schema

    def describe_label(self) -> Schema:
        """Return the part of the schema that says how the control is presented."""
        label = self.label
        help_key = "description" if self.kind in {"array", "object"} else "help_text"
        texts = {
            "title": label.title,
            help_key: label.help_text,
            "placeholder": label.placeholder,
            HEADING: label.group,
        }
        schema: Schema = {key: str(text) for key, text in texts.items() if text}
        return {**schema, "readonly": True} if label.read_only else schema

    @property
    def blank(self) -> Any:
        """The form value of a control that was never filled."""
        return ""

    def encode(self, plain: Any) -> Any:
        """Return the form value that shows ``plain``: None as nothing, a reference in a text as it is stored.

        :raises UnfitError: if showing it would change it.
        """
        if plain is None and self.nullable:
            return self.blank
        if is_reference(plain):
            if self.kind != "string":
                raise UnfitError
            return json.dumps(plain, ensure_ascii=False)
        return self.show(plain)

    def show(self, plain: Any) -> Any:
        """Return the form value of any other ``plain``.

        :raises UnfitError: if showing it would change it.
        """
        raise NotImplementedError

    def try_encode(self, plain: Any) -> Any:
        """Return the form value of ``plain``, or MISSING if there is none."""
        try:
            return MISSING if plain is MISSING else self.encode(plain)
        except UnfitError:
            return MISSING

    def adapt(self, plain: Any) -> Control:
        """Return a control that shows ``plain`` without changing it: this one, if it can.

        :raises UnfitError: if only a JSON text can.
        """
        self.encode(plain)
        return self

    # What comes back

    def decode(self, form: Any, reading: Reading) -> Any:
        """Return the plain value for a posted one, or MISSING to leave the key out. Never raises.

        What was sent for the value that stood here leaves that exactly as it was.
        """
        is_kept = reading.old is not MISSING and is_same(self.try_encode(reading.old), form)
        return reading.old if is_kept else self.read(form, reading)

    def read(self, form: Any, _reading: Reading) -> Any:
        """Return the plain value for a posted one that is new. What pydantic would refuse is passed on to it."""
        return self.empty if form in ("", None) else form

    @property
    def empty(self) -> Any:
        """The plain value of a control that was left empty."""
        return None if self.nullable else MISSING

    def redisplay(self, form: Any, _reading: Reading) -> Any:
        """Return ``form``, a posted value, as it may be shown again: in the right shape, without a typed secret."""
        is_shown = isinstance(form, self.shown) and isinstance(form, bool) == (self.kind == "boolean")
        return form if is_shown else self.blank

    # What is inside

    def resolve(self, plain: Any) -> Control | None:
        """Return the control that shows the stored or plain value: of a choice, the option in use."""
        return self

    def get_child(self, key: str) -> Control | None:
        """Return the control of what is stored under ``key`` in this one's value, if it has one."""
        return None

    def get_title(self, key: str) -> str:
        """Return how people know what is stored under ``key`` in this one's value."""
        child = None if self.has_free_keys else self.get_child(key)
        return str(child.label.title) if child and child.label.title else key

    def find(self, key: str, part: Any) -> Control | None:
        """Return the control that shows ``part``, the stored or plain value under ``key``, if there is one."""
        child = self.get_child(key)
        return child and child.resolve(part)

    def split(self, form: Any) -> Iterable[Slot]:
        """Return the parts of a posted value, of any shape."""
        return ()


class Slot(NamedTuple):
    """A part of a form value: the key it is stored under, its path in the form value, its control, its own value."""

    key: str
    at: Path
    control: Control
    form: Any


def collect(seen: Seen, key: str) -> list[Any] | None:
    """Return the values under ``key`` of those in ``seen``."""
    return None if seen is None else [form[key] for form in seen if isinstance(form, dict) and key in form]


# JSON


def freeze(value: Any) -> Any:
    """Return what has an equal hash for equal JSON: ``1`` and ``1.0`` are equal, ``1`` and ``true`` are not."""
    if isinstance(value, dict):
        return frozenset((key, freeze(item)) for key, item in value.items())
    return tuple(map(freeze, value)) if isinstance(value, list) else (isinstance(value, bool), value)


def is_same(one: Any, other: Any) -> bool:
    """Say whether two JSON values are equal."""
    return bool(freeze(one) == freeze(other))


def show_json(value: Any) -> str:
    """Return JSON text for people: indented, with any script's letters as they are; half a surrogate pair escaped."""
    return escape_surrogates(json.dumps(value, indent=2, ensure_ascii=False))


def escape_surrogates(text: str) -> str:
    """Return a text that can be sent: half a surrogate pair becomes the escape that JSON and Python write for it."""
    return text.encode(errors="backslashreplace").decode()


# References, which are typed and shown as the JSON that is stored: {"$env": "NAME"}


def is_reference(plain: Any) -> bool:
    """Say whether a stored or plain value is a reference; it is no secret itself."""
    return read_reference(plain) is not None


def read_typed(text: Any) -> dict[str, Any] | None:
    """Return what was typed as a reference, well-formed or not; None for any other text."""
    if not isinstance(text, str) or not text.lstrip().startswith("{"):
        return None
    try:
        plain = parse_json(text)
    except ValueError:
        return None
    return plain if claims_reference(plain) else None
