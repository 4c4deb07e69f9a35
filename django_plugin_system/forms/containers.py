"""Controls of what holds others: lists, dicts, tuples, models."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

from django.utils.translation import gettext as _

from django_plugin_system.forms.controls import (
    MISSING,
    Control,
    Reading,
    Schema,
    Seen,
    UnfitError,
    collect,
    decode_or_keep,
    is_reference,
    is_same,
)
from django_plugin_system.forms.jsontext import adapt_or_fall_back
from django_plugin_system.forms.scalars import ConstantControl, TextControl

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping

    from django_plugin_system.exceptions import Path


NO_LIMIT = 10_000
"""django-jsonform stops at 100 items unless it is told a number."""


def _collect_items(seen: Seen) -> list[Any] | None:
    return None if seen is None else [item for form in seen if isinstance(form, list) for item in form]


@dataclass(frozen=True)
class ListControl(Control):
    """A list, set or tuple of any length."""

    kind: ClassVar[str] = "array"

    item: Control = field(default_factory=TextControl)
    most: int | None = None
    """The most items there may be; None for no limit."""

    def describe(self, seen: Seen) -> Schema:
        """Draw one control for all items."""
        schema = super().describe(seen)
        schema |= {"description": schema.pop("help_text", ""), "maxItems": NO_LIMIT if self.most is None else self.most}
        return {**schema, "items": self.item.describe(_collect_items(seen))}

    def get_blank(self) -> Any:
        """Start without items."""
        return []

    def encode(self, plain: Any) -> Any:
        """Show each item."""
        if not isinstance(plain, list):
            raise UnfitError
        return [self.item.encode(item) for item in plain]

    def decode(self, form: Any, old: Any, reading: Reading, at: Path) -> Any:
        """Read each item; one that only moved stays exactly as it was."""
        if form in ("", None):
            form = []
        if not isinstance(form, list):
            reading.refuse(at, _("The form did not send a list."))
            return MISSING
        stored = old if isinstance(old, list) else []
        return [
            _none_if_missing(
                decode_or_keep(self.item, item, self._find_old(item, stored, index), reading, (*at, str(index)))
            )
            for index, item in enumerate(form)
        ]

    def _find_old(self, form: Any, stored: list[Any], index: int) -> Any:
        candidates = [*stored[index : index + 1], *stored]
        for candidate in candidates:
            if is_same(self.item.try_encode(candidate), form):
                return candidate
        return candidates[0] if index < len(stored) else MISSING

    def conform(self, form: Any, known: Container[str]) -> Any:
        """Show each item again."""
        return [self.item.conform(item, known) for item in form] if isinstance(form, list) else []

    def locate(self, path: Path, form: Any) -> Path:
        """Follow the position."""
        if not path or not isinstance(form, list) or not path[0].isdigit() or int(path[0]) >= len(form):
            return ()
        return (path[0], *self.item.locate(path[1:], form[int(path[0])]))

    def get_child(self, key: str, plain: Any) -> Control:
        """Return the items' control."""
        del key, plain
        return self.item

    def iter_children(self) -> Iterable[tuple[str, Control]]:
        """Yield the items' control."""
        return [("*", self.item)]


def _none_if_missing(plain: Any) -> Any:
    return None if plain is MISSING else plain


@dataclass(frozen=True)
class PairsControl(Control):
    """A dict with free keys, as a list of key and value."""

    kind: ClassVar[str] = "array"

    value: Control = field(default_factory=TextControl)

    def describe(self, seen: Seen) -> Schema:
        """Draw a group of key and value for each entry."""
        schema = super().describe(seen)
        items = _collect_items(seen)
        key = {"type": "string", "title": _("Key")}
        value = {"title": _("Value"), **self.value.describe(collect(items, "value"))}
        entry = {"type": "object", "properties": {"key": key, "value": value}, "required": ["key"]}
        return {**schema, "description": schema.pop("help_text", ""), "maxItems": NO_LIMIT, "items": entry}

    def get_blank(self) -> Any:
        """Start without entries."""
        return []

    def encode(self, plain: Any) -> Any:
        """Show each entry, in the stored order."""
        if not isinstance(plain, dict) or "" in plain or is_reference(plain):
            raise UnfitError
        return [{"key": key, "value": self.value.encode(value)} for key, value in plain.items()]

    def decode(self, form: Any, old: Any, reading: Reading, at: Path) -> Any:
        """Read each entry; refuse empty keys and keys that stand twice."""
        stored = old if isinstance(old, dict) else {}
        plain: dict[str, Any] = {}
        for index, (key, value) in enumerate(_iter_entries(form)):
            where = (*at, str(index))
            if not isinstance(key, str) or not key:
                reading.refuse((*where, "key"), _("Every entry needs a key."))
            elif key in plain:
                reading.refuse((*where, "key"), _("This key stands here twice."))
            else:
                old_value = stored.get(key, MISSING)
                plain[key] = _none_if_missing(decode_or_keep(self.value, value, old_value, reading, (*where, "value")))
        return plain

    def conform(self, form: Any, known: Container[str]) -> Any:
        """Show each entry again."""
        return [
            {"key": key if isinstance(key, str) else "", "value": self.value.conform(value, known)}
            for key, value in _iter_entries(form)
        ]

    def locate(self, path: Path, form: Any) -> Path:
        """Find the entry with this key."""
        for index, (key, value) in enumerate(_iter_entries(form)):
            if path and key == path[0]:
                return (str(index), "value", *self.value.locate(path[1:], value))
        return ()

    def get_child(self, key: str, plain: Any) -> Control:
        """Return the values' control."""
        del key, plain
        return self.value

    def iter_children(self) -> Iterable[tuple[str, Control]]:
        """Yield the values' control under its place in the form."""
        return [("*\u00a7value", self.value)]


def _iter_entries(form: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each key and value; a person without JavaScript may have typed a plain object."""
    if isinstance(form, dict):
        yield from form.items()
        return
    for entry in form if isinstance(form, list) else []:
        given = entry if isinstance(entry, dict) else {}
        yield given.get("key"), given.get("value")


@dataclass(frozen=True)
class TupleControl(Control):
    """A tuple of fixed length: one control for each position, under the form keys ``item_0``, ``item_1``, ..."""

    kind: ClassVar[str] = "object"

    items: tuple[Control, ...] = ()

    def describe(self, seen: Seen) -> Schema:
        """Draw the positions one below the other."""
        schema = self.describe_label()
        schema |= {"type": "object", "description": schema.pop("help_text", "")}
        drawn = {}
        for index, item in enumerate(self.items):
            title = _("Item %(number)d") % {"number": index + 1}
            drawn[f"item_{index}"] = {"title": title, **item.describe(collect(seen, f"item_{index}"))}
        return {**schema, "properties": drawn}

    def get_blank(self) -> Any:
        """Start with every position blank."""
        return {f"item_{index}": item.get_blank() for index, item in enumerate(self.items)}

    def encode(self, plain: Any) -> Any:
        """Show each position."""
        if not isinstance(plain, list) or len(plain) != len(self.items):
            raise UnfitError
        return {f"item_{index}": item.encode(plain[index]) for index, item in enumerate(self.items)}

    def decode(self, form: Any, old: Any, reading: Reading, at: Path) -> Any:
        """Read each position."""
        given = _get_items(form)
        stored = old if isinstance(old, list) and len(old) == len(self.items) else [MISSING] * len(self.items)
        keys = [f"item_{index}" for index in range(len(self.items))]
        return [
            _none_if_missing(decode_or_keep(item, given.get(key), past, reading, (*at, key)))
            for key, item, past in zip(keys, self.items, stored, strict=True)
        ]

    def conform(self, form: Any, known: Container[str]) -> Any:
        """Show each position again."""
        given = _get_items(form)
        return {
            f"item_{index}": item.conform(given.get(f"item_{index}"), known) for index, item in enumerate(self.items)
        }

    def locate(self, path: Path, form: Any) -> Path:
        """Follow the position."""
        given = _get_items(form)
        if not path or not path[0].isdigit() or int(path[0]) >= len(self.items):
            return ()
        key = f"item_{path[0]}"
        return (key, *self.items[int(path[0])].locate(path[1:], given.get(key)))

    def get_child(self, key: str, plain: Any) -> Control | None:
        """Return the position's control."""
        del plain
        return self.items[int(key)] if key.isdigit() and int(key) < len(self.items) else None

    def iter_children(self) -> Iterable[tuple[str, Control]]:
        """Yield each position."""
        return [(f"item_{index}", item) for index, item in enumerate(self.items)]


def _get_items(form: Any) -> dict[str, Any]:
    """Return a tuple's values by form key; a person without JavaScript may have typed a plain list."""
    if isinstance(form, list):
        return {f"item_{index}": item for index, item in enumerate(form)}
    return form if isinstance(form, dict) else {}


EXTRAS = "_extras"
"""The form key of the values that a model takes beside its fields; no field's name starts so."""

VARIANT = "_variant"
"""The form key that says which member of a union a model is."""


@dataclass(frozen=True)
class GroupControl(Control):
    """A model: one control for each field."""

    kind: ClassVar[str] = "object"

    children: Mapping[str, Control] = field(default_factory=dict)
    extras: PairsControl | None = None
    own_title: str = ""
    """The model's title, for where it is one of several possibilities."""

    variant: str | None = None
    """Which member of a union this is; travels as a hidden constant."""

    def _get_all(self) -> dict[str, Control]:
        return {**self.children, **({EXTRAS: self.extras} if self.extras else {})}

    def _get_drawn(self) -> dict[str, Control]:
        """Return the fields as they stand on the page: those under a heading last, together with their like."""
        fields = self._get_all()
        headings = ["", *dict.fromkeys(str(control.label.group) for control in fields.values())]
        ranked = sorted(fields, key=lambda name: headings.index(str(fields[name].label.group)))
        return {name: fields[name] for name in ranked}

    def get_headings(self) -> dict[int, str]:
        """Return each heading by the position, from 0, of the field that it stands above."""
        groups = [str(control.label.group) for control in self._get_drawn().values()]
        return {groups.index(group): group for group in groups if group}

    def describe(self, seen: Seen) -> Schema:
        """Draw the fields in the order of the model, and of their headings."""
        schema = self.describe_label()
        schema |= {"type": "object", "description": schema.pop("help_text", "")}
        marker: Schema = {} if self.variant is None else {VARIANT: {"const": self.variant, "widget": "hidden"}}
        drawn = {name: control.describe(collect(seen, name)) for name, control in self._get_drawn().items()}
        required = [name for name, control in self.children.items() if control.label.required and _is_fillable(control)]
        return {**schema, "properties": {**marker, **drawn}, "required": required}

    def get_blank(self) -> Any:
        """Start with the default of each field."""
        return self.encode({})

    def encode(self, plain: Any) -> Any:
        """Show each field, with its default where nothing is stored."""
        if not isinstance(plain, dict) or is_reference(plain):
            raise UnfitError
        form: dict[str, Any] = {} if self.variant is None else {VARIANT: self.variant}
        for name, control in self.children.items():
            value = plain.get(name, control.label.default)
            form[name] = control.get_blank() if value is MISSING else control.encode(value)
        if self.extras:
            form[EXTRAS] = self.extras.encode(self._get_extras(plain))
        return form

    def _get_extras(self, plain: Mapping[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in plain.items() if key not in self.children}

    def adapt(self, plain: Any) -> GroupControl:
        """Replace each field's control that cannot show its value by JSON text, for that field alone."""
        if not isinstance(plain, dict) or is_reference(plain):
            raise UnfitError
        children = dict(self.children)
        for name, control in self.children.items():
            value = plain.get(name, control.label.default)
            if value is not MISSING:
                children[name] = adapt_or_fall_back(control, value)
        return replace(self, children=children)

    def decode(self, form: Any, old: Any, reading: Reading, at: Path) -> Any:
        """Read each field. Of the whole configuration, some fields may be left out: they stay as they are."""
        if not isinstance(form, dict):
            reading.refuse(at, _("The form did not send these fields."))
            return MISSING
        stored = old if isinstance(old, dict) else {}
        plain = {}
        for name, control in self.children.items():
            past = stored.get(name, MISSING)
            if name not in form and (at or not form):
                reading.refuse((*at, name), _("The form did not send this field."))
                continue
            value = decode_or_keep(control, form[name], past, reading, (*at, name)) if name in form else past
            if value is not MISSING:
                plain[name] = value
        for name in sorted(form.keys() - {*self.children, VARIANT, EXTRAS}):
            reading.refuse((*at, name), _("There is no such field."))
        if self.extras:
            plain |= self._decode_extras(self.extras, form, stored, reading, at)
        return plain

    def _decode_extras(
        self, extras: PairsControl, form: Mapping[str, Any], stored: Mapping[str, Any], reading: Reading, at: Path
    ) -> dict[str, Any]:
        at = (*at, EXTRAS)
        found: dict[str, Any] = decode_or_keep(extras, form.get(EXTRAS), self._get_extras(stored), reading, at)
        for key in sorted(found.keys() & self.children.keys()):
            reading.refuse(at, _("“%(key)s” has a field of its own above.") % {"key": key})
        return {key: value for key, value in found.items() if key not in self.children}

    def conform(self, form: Any, known: Container[str]) -> Any:
        """Show each field again."""
        given = form if isinstance(form, dict) else {}
        marker = {} if self.variant is None else {VARIANT: self.variant}
        return {**marker, **{name: child.conform(given.get(name), known) for name, child in self._get_all().items()}}

    def locate(self, path: Path, form: Any) -> Path:
        """Follow the field's name, or find the key among the extra values."""
        given = form if isinstance(form, dict) else {}
        if not path:
            return ()
        if path[0] in self.children:
            return (path[0], *self.children[path[0]].locate(path[1:], given.get(path[0])))
        return (EXTRAS, *self.extras.locate(path, given.get(EXTRAS))) if self.extras else ()

    def get_child(self, key: str, plain: Any) -> Control | None:
        """Return the field's control."""
        del plain
        return self.children.get(key) or (self.extras.value if self.extras else None)

    def iter_children(self) -> Iterable[tuple[str, Control]]:
        """Yield each field."""
        return self._get_all().items()


def _is_fillable(control: Control) -> bool:
    """Say whether it can be seen that ``control`` was left empty: a check box without a tick is an answer."""
    return control.kind in {"string", "number"} and not isinstance(control, ConstantControl)
