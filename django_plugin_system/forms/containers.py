"""Controls of what holds others: lists, dicts, models and tuples."""

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
    freeze,
    is_reference,
)
from django_plugin_system.forms.scalars import ConstantControl, TextControl, adapt_or_fall_back

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping

    from django_plugin_system.exceptions import Path

NO_LIMIT = 10_000
"""django-jsonform stops at 100 items unless it is told a number."""

EXTRAS = "_extras"
"""The form key of the values that a model takes beside its fields; no field's name starts so."""

VARIANT = "_variant"
"""The form key that says which member of a union a model is."""


def _collect_items(seen: Seen) -> list[Any] | None:
    return None if seen is None else [item for form in seen if isinstance(form, list) for item in form]


def _none_if_missing(plain: Any) -> Any:
    return None if plain is MISSING else plain


class _Entries:
    """The stored entries of a list or dict, by what is read-only in them: that must not go to another entry."""

    def __init__(self, control: Control, stored: Iterable[Any]) -> None:
        self._control = control
        self._known = {self._get_key(plain): plain for plain in reversed(list(stored))}

    def _get_key(self, plain: Any) -> Any:
        return self._control.get_read_only(self._control.try_encode(plain))

    def recognize(self, form: Any, beside: Any) -> Any:
        """Return the stored entry that the posted one was: ``beside``, which has its place, if they may be the same."""
        key = self._control.get_read_only(form)
        return beside if self._get_key(beside) == key else self._known.get(key, MISSING)


@dataclass(frozen=True)
class ListControl(Control):
    """A list, set or tuple of any length."""

    kind: ClassVar[str] = "array"

    item: Control = field(default_factory=TextControl)
    most: int | None = None
    """The most items there may be; None for no limit."""

    def describe(self, seen: Seen) -> Schema:
        """Draw one control for all items."""
        most = NO_LIMIT if self.most is None else self.most
        return {**super().describe(seen), "maxItems": most, "items": self.item.describe(_collect_items(seen))}

    @property
    def blank(self) -> Any:
        """No items."""
        return []

    def encode(self, plain: Any) -> Any:
        """Show each item."""
        if not isinstance(plain, list):
            raise UnfitError
        return [self.item.encode(item) for item in plain]

    def read(self, form: Any, reading: Reading) -> Any:
        """Read each item; one that only moved stays exactly as it was."""
        items = [] if form in ("", None) else form
        if not isinstance(items, list):
            return reading.refuse(_("The form did not send a list."))
        stored = reading.old if isinstance(reading.old, list) else []
        sent = [freeze(self.item.try_encode(item)) for item in stored]
        moved = dict(zip(reversed(sent), reversed(stored), strict=True))
        entries = _Entries(self.item, stored)
        plain = []
        for index, item in enumerate(items):
            old = stored[index] if index < len(stored) else MISSING
            frozen = freeze(item)
            if index >= len(stored) or sent[index] != frozen:
                old = moved[frozen] if frozen in moved else entries.recognize(item, old)
            plain.append(_none_if_missing(self.item.decode(item, reading.enter(str(index), old=old))))
        return plain

    def redisplay(self, form: Any, known: Container[Any]) -> Any:
        """Show each item again."""
        return [self.item.redisplay(item, known) for item in form] if isinstance(form, list) else []

    def get_child(self, _key: str) -> Control:
        """Return the items' control."""
        return self.item

    def locate(self, key: str, form: Any) -> tuple[Path, Control, Any] | None:
        """Follow the position."""
        is_inside = isinstance(form, list) and key.isdigit() and int(key) < len(form)
        return ((key,), self.item, form[int(key)]) if is_inside else None

    def iter_children(self) -> Iterable[tuple[Path, Control]]:
        """Yield the items' control."""
        return [(("*",), self.item)]


@dataclass(frozen=True)
class PairsControl(Control):
    """A dict with free keys, as a list of key and value."""

    kind: ClassVar[str] = "array"
    has_free_keys: ClassVar[bool] = True

    value: Control = field(default_factory=TextControl)

    def describe(self, seen: Seen) -> Schema:
        """Draw a group of key and value for each entry."""
        key = {"type": "string", "title": _("Key")}
        value = {"title": _("Value"), **self.value.describe(collect(_collect_items(seen), "value"))}
        entry = {"type": "object", "properties": {"key": key, "value": value}, "required": ["key"]}
        return {**super().describe(seen), "maxItems": NO_LIMIT, "items": entry}

    @property
    def blank(self) -> Any:
        """No entries."""
        return []

    def encode(self, plain: Any) -> Any:
        """Show each entry, in the stored order."""
        if not isinstance(plain, dict) or "" in plain or is_reference(plain):
            raise UnfitError
        return [{"key": key, "value": self.value.encode(value)} for key, value in plain.items()]

    def read(self, form: Any, reading: Reading) -> Any:
        """Read each entry; refuse empty keys and keys that stand twice."""
        stored = reading.old if isinstance(reading.old, dict) else {}
        entries = _Entries(self.value, stored.values())
        plain: dict[str, Any] = {}
        for index, (key, value) in enumerate(_iter_entries(form)):
            if not isinstance(key, str) or not key:
                reading.enter(str(index), "key").refuse(_("Every entry needs a key."))
            elif key in plain:
                reading.enter(str(index), "key").refuse(_("This key stands here twice."))
            else:
                old = entries.recognize(value, stored.get(key, MISSING))
                place = reading.enter(str(index), "value", old=old)
                plain[key] = _none_if_missing(self.value.decode(value, place))
        return plain

    def redisplay(self, form: Any, known: Container[Any]) -> Any:
        """Show each entry again."""
        return [
            {"key": key if isinstance(key, str) else "", "value": self.value.redisplay(value, known)}
            for key, value in _iter_entries(form)
        ]

    def get_child(self, _key: str) -> Control:
        """Return the values' control."""
        return self.value

    def locate(self, key: str, form: Any) -> tuple[Path, Control, Any] | None:
        """Find the entry with this key."""
        for index, (given, value) in enumerate(_iter_entries(form)):
            if given == key:
                return (str(index), "value"), self.value, value
        return None

    def iter_children(self) -> Iterable[tuple[Path, Control]]:
        """Yield the controls of an entry under their places in the form."""
        return [(("*", "key"), TextControl()), (("*", "value"), self.value)]


def _iter_entries(form: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each key and value; a person without JavaScript may have typed a plain object."""
    if isinstance(form, dict):
        yield from form.items()
        return
    for entry in form if isinstance(form, list) else []:
        given = entry if isinstance(entry, dict) else {}
        yield given.get("key"), given.get("value")


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

    def _get_marker(self) -> dict[str, Any]:
        return {} if self.variant is None else {VARIANT: self.variant}

    def _get_drawn(self) -> dict[str, Control]:
        """Return the fields as they stand on the page: those under a heading last, together with their like."""
        by_heading: dict[str, dict[str, Control]] = {"": {}}
        for name, control in self._get_all().items():
            by_heading.setdefault(str(control.label.group), {})[name] = control
        return {name: control for fields in by_heading.values() for name, control in fields.items()}

    def get_headings(self) -> dict[int, str]:
        """Return each heading by the position, from 0, of the field that it stands above."""
        groups = [str(control.label.group) for control in self._get_drawn().values()]
        return {groups.index(group): group for group in dict.fromkeys(groups) if group}

    def describe(self, seen: Seen) -> Schema:
        """Draw the fields in the order of the model, and of their headings."""
        drawn = {name: control.describe(collect(seen, name)) for name, control in self._get_drawn().items()}
        marker = {key: {"const": value, "widget": "hidden"} for key, value in self._get_marker().items()}
        required = [name for name, control in self.children.items() if control.label.required and _is_fillable(control)]
        return {**self.describe_label(), "type": "object", "properties": {**marker, **drawn}, "required": required}

    @property
    def blank(self) -> Any:
        """The default of each field."""
        return self._show({})

    def encode(self, plain: Any) -> Any:
        """Show each field, with its default where nothing is stored."""
        if not isinstance(plain, dict) or is_reference(plain):
            raise UnfitError
        return self._show(plain)

    def _show(self, plain: dict[str, Any]) -> Any:
        form = self._get_marker()
        for name, control in self.children.items():
            value = plain.get(name, control.label.default)
            form[name] = control.blank if value is MISSING else control.encode(value)
        if self.extras:
            form[EXTRAS] = self.extras.encode(self._get_extras(plain))
        return form

    def _get_extras(self, plain: Mapping[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in plain.items() if key not in self.children}

    def adapt(self, plain: Any) -> Control:
        """Replace each field's control that cannot show its value by JSON text, for that field alone."""
        if not isinstance(plain, dict) or is_reference(plain):
            raise UnfitError
        children = dict(self.children)
        for name, control in self.children.items():
            value = plain.get(name, control.label.default)
            if value is not MISSING:
                children[name] = adapt_or_fall_back(control, value)
        return replace(self, children=children)

    def read(self, form: Any, reading: Reading) -> Any:
        """Read each field. Of the whole configuration, some fields may be left out: they stay as they are."""
        if not isinstance(form, dict):
            return reading.refuse(_("The form did not send these fields."))
        stored = reading.old if isinstance(reading.old, dict) else {}
        plain = {}
        for name, control in self.children.items():
            place = reading.enter(name, old=stored.get(name, MISSING))
            if name not in form and (reading.at or not form):
                place.refuse(_("The form did not send this field."))
                continue
            value = control.decode(form[name], place) if name in form else place.old
            if value is not MISSING:
                plain[name] = value
        for name in sorted(form.keys() - {*self.children, VARIANT, EXTRAS}):
            reading.enter(name).refuse(_("There is no such field."))
        if self.extras:
            place = reading.enter(EXTRAS, old=self._get_extras(stored))
            found: dict[str, Any] = self.extras.decode(form.get(EXTRAS), place)
            for key in sorted(found.keys() & self.children.keys()):
                place.refuse(_("“%(key)s” has a field of its own above.") % {"key": key})
            plain |= self._get_extras(found)
        return plain

    def get_read_only(self, form: Any) -> Any:
        """Return that of each field, if there is any."""
        given = form if isinstance(form, dict) else {}
        found = tuple(child.get_read_only(given[name]) for name, child in self._get_all().items() if name in given)
        return super().get_read_only(form) or (found if any(found) else ())

    def redisplay(self, form: Any, known: Container[Any]) -> Any:
        """Show each field again."""
        given = form if isinstance(form, dict) else {}
        shown = {name: child.redisplay(given.get(name), known) for name, child in self._get_all().items()}
        return self._get_marker() | shown

    def get_child(self, key: str) -> Control | None:
        """Return the field's control."""
        return self.children.get(key) or (self.extras.value if self.extras else None)

    def locate(self, key: str, form: Any) -> tuple[Path, Control, Any] | None:
        """Follow the field's name, or find the key among the extra values."""
        given = form if isinstance(form, dict) else {}
        if key in self.children:
            return (key,), self.children[key], given.get(key)
        if self.extras is None:
            return None
        path, control, value = self.extras.locate(key, given.get(EXTRAS)) or ((), self.extras, None)
        return (EXTRAS, *path), control, value

    def iter_children(self) -> Iterable[tuple[Path, Control]]:
        """Yield each field."""
        return [((name,), control) for name, control in self._get_all().items()]


def _is_fillable(control: Control) -> bool:
    """Say whether it can be seen that ``control`` was left empty: a check box without a tick is an answer."""
    return control.kind in {"string", "number"} and not isinstance(control, ConstantControl)


@dataclass(frozen=True)
class TupleControl(GroupControl):
    """A tuple of fixed length: a group with a field for each position, ``item_0``, ``item_1``, ..."""

    adapt = Control.adapt

    def encode(self, plain: Any) -> Any:
        """Show each position."""
        if not isinstance(plain, list) or len(plain) != len(self.children):
            raise UnfitError
        return self._show(_name_items(plain))

    def read(self, form: Any, reading: Reading) -> Any:
        """Read each position; one that was left empty is None."""
        given = dict.fromkeys(self.children) | _name_items(form)
        plain = super().read(given, replace(reading, old=_name_items(reading.old)))
        return [plain.get(name) for name in self.children]

    def redisplay(self, form: Any, known: Container[Any]) -> Any:
        """Show each position again."""
        return super().redisplay(_name_items(form), known)

    def get_child(self, key: str) -> Control | None:
        """Return the position's control."""
        return super().get_child(f"item_{key}")

    def locate(self, key: str, form: Any) -> tuple[Path, Control, Any] | None:
        """Follow the position."""
        return super().locate(f"item_{key}", _name_items(form))


def _name_items(value: Any) -> dict[str, Any]:
    """Return a tuple's values by form key; a person without JavaScript may have typed a plain list."""
    if isinstance(value, list):
        return {f"item_{index}": item for index, item in enumerate(value)}
    return value if isinstance(value, dict) else {}
