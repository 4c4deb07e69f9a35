"""Controls of what holds others: lists, dicts, models and tuples; and of a choice between types."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_plugin_system.config.json_tree import iter_json
from django_plugin_system.forms import controls
from django_plugin_system.forms.controls import Slot
from django_plugin_system.forms.scalars import ChoiceControl, TextControl, adapt_or_fall_back
from django_plugin_system.schema.values import MISSING

NO_LIMIT = 10_000
"""django-jsonform stops at 100 items unless it is told a number."""

EXTRAS = "_extras"
"""The form key of the values that a model takes beside its fields; no field's name starts so."""

VARIANT = "_variant"
"""The form key that says which member of a union a model is."""

ITEM = "item_"
"""What stands before the number of a tuple's position in its form key."""


@dataclass(frozen=True)
class Container(controls.Control, ABC):
    """What holds others. Subclasses say how a form value is taken apart (``split``) and put together."""

    @abstractmethod
    def join(self, parts: Iterable[tuple[str, Any]]) -> Any:
        """Return the form value with these parts."""
        ...

    @property
    def blank(self) -> Any:
        """Nothing inside, or the default of each field."""
        return self.join(())

    def redisplay(self, form: Any, reading: controls.Reading) -> Any:
        """Show each part again."""
        shown = ((slot.key, slot.control.redisplay(slot.form, reading.enter(*slot.at))) for slot in self.split(form))
        return self.join(shown)


def _collect_items(seen: controls.Seen) -> list[Any] | None:
    return None if seen is None else [item for form in seen if isinstance(form, list) for item in form]


@dataclass(frozen=True)
class ListControl(Container):
    """A list, set or tuple of any length."""

    kind: ClassVar[str] = "array"
    stored: ClassVar[type[Any]] = list

    item: controls.Control = field(default_factory=TextControl)
    most: int | None = None
    """The most items there may be; None for no limit."""

    def describe(self, seen: controls.Seen) -> controls.Schema:
        """Draw one control for all items."""
        most = NO_LIMIT if self.most is None else self.most
        return {**super().describe(seen), "maxItems": most, "items": self.describe_item(_collect_items(seen))}

    def describe_item(self, seen: controls.Seen) -> controls.Schema:
        """Return the schema of one item."""
        return self.item.describe(seen)

    def split(self, form: Any) -> Iterable[Slot]:
        """Go by position."""
        return [Slot(key, (key,), self.item, part) for key, part in iter_json(form if isinstance(form, list) else [])]

    def join(self, parts: Iterable[tuple[str, Any]]) -> Any:
        """List the items."""
        return [form for _key, form in parts]

    def show(self, plain: Any) -> Any:
        """Show each item, in the stored order."""
        if not isinstance(plain, self.stored) or (isinstance(plain, dict) and "" in plain):
            raise controls.UnfitError
        return self.join((key, self.item.encode(part)) for key, part in iter_json(plain))

    def read(self, form: Any, reading: controls.Reading) -> Any:
        """Read each item; one that only moved stays exactly as it was."""
        if form not in ("", None) and not isinstance(form, (list, self.stored)):
            return reading.refuse(_("The form did not send a list."))
        parts = self._iter_read(form, reading)
        return dict(parts) if self.has_free_keys else [plain for _key, plain in parts]

    def _iter_read(self, form: Any, reading: controls.Reading) -> Iterator[tuple[str, Any]]:
        stored = dict(iter_json(reading.old))
        sent = {key: controls.freeze(self.item.try_encode(part)) for key, part in stored.items()}
        moved = {sent[key]: stored[key] for key in reversed(stored)}
        for slot in self.split(form):
            old = stored.get(slot.key, MISSING)
            frozen = controls.freeze(slot.form)
            if sent.get(slot.key) != frozen:
                old = moved.get(frozen, old)
            plain = self.item.decode(slot.form, reading.enter(*slot.at, old=old))
            yield slot.key, None if plain is MISSING else plain

    def get_child(self, _key: str) -> controls.Control:
        """Return the items' control."""
        return self.item


@dataclass(frozen=True)
class PairsControl(ListControl):
    """A dict with free keys, as a list of key and value."""

    stored: ClassVar[type[Any]] = dict
    has_free_keys: ClassVar[bool] = True

    def describe_item(self, seen: controls.Seen) -> controls.Schema:
        """Draw a group of key and value."""
        key = {"type": "string", "title": _("Key"), "dpsPlain": True}  # never a reference
        value = {"title": _("Value"), **self.item.describe(controls.collect(seen, "value"))}
        return {"type": "object", "properties": {"key": key, "value": value}, "required": ["key"]}

    def split(self, form: Any) -> Iterable[Slot]:
        """Go by entry; a person without JavaScript may have typed a plain object."""
        entries = [entry if isinstance(entry, dict) else {} for entry in form] if isinstance(form, list) else []
        given = (
            form.items() if isinstance(form, dict) else [(entry.get("key"), entry.get("value")) for entry in entries]
        )
        return [
            Slot(key if isinstance(key, str) else "", (str(index), "value"), self.item, part)
            for index, (key, part) in enumerate(given)
        ]

    def join(self, parts: Iterable[tuple[str, Any]]) -> Any:
        """List the entries."""
        return [{"key": key, "value": form} for key, form in parts]

    def _iter_read(self, form: Any, reading: controls.Reading) -> Iterator[tuple[str, Any]]:
        known: set[str] = set()
        for slot in self.split(form):
            if not slot.key or slot.key in known:
                problem = _("This key stands here twice.") if slot.key else _("Every entry needs a key.")
                reading.enter(slot.at[0], "key").refuse(problem)
            known.add(slot.key)
        return super()._iter_read(form, reading)


@dataclass(frozen=True)
class GroupControl(Container):
    """A model: one control for each field."""

    kind: ClassVar[str] = "object"

    children: Mapping[str, controls.Control] = field(default_factory=dict)
    """By form key."""

    def _get_drawn(self) -> dict[str, controls.Control]:
        """Return the fields as they stand on the page: those under a heading last, together with their like."""
        groups = [*dict.fromkeys(["", *(str(control.label.group) for control in self.children.values())])]
        return dict(sorted(self.children.items(), key=lambda named: groups.index(str(named[1].label.group))))

    def describe(self, seen: controls.Seen) -> controls.Schema:
        """Draw the fields in the order of the model, and of their headings."""
        drawn = {name: control.describe(controls.collect(seen, name)) for name, control in self._get_drawn().items()}
        required = [name for name, control in self.children.items() if control.label.required and _is_fillable(control)]
        return {**self.describe_label(), "type": "object", "properties": drawn, "required": required}

    def fold(self, plain: Any) -> dict[str, Any]:
        """Return the plain value of each field, by form key.

        :raises UnfitError: if ``plain`` is not made of fields.
        """
        if not isinstance(plain, dict) or controls.is_reference(plain):
            raise controls.UnfitError
        fields = {key: value for key, value in plain.items() if key in self.children}
        extras = {key: value for key, value in plain.items() if key not in self.children}
        return {**fields, EXTRAS: extras} if EXTRAS in self.children else fields

    def unfold(self, fields: dict[str, Any]) -> Any:
        """Return the plain value with these fields."""
        return {**fields.pop(EXTRAS, {}), **{name: value for name, value in fields.items() if name != VARIANT}}

    def split(self, form: Any) -> Iterable[Slot]:
        """Go by field; one that was not sent is None."""
        given = form if isinstance(form, dict) else {}
        return [Slot(name, (name,), control, given.get(name)) for name, control in self.children.items()]

    def join(self, parts: Iterable[tuple[str, Any]]) -> Any:
        """Name the fields."""
        given = dict(parts)
        return {name: given[name] if name in given else _show_default(one) for name, one in self.children.items()}

    def show(self, plain: Any) -> Any:
        """Show each field, with its default where nothing is stored."""
        return self.join((name, self.children[name].encode(value)) for name, value in self.fold(plain).items())

    def adapt(self, plain: Any) -> controls.Control:
        """Replace each field's control that cannot show its value by JSON text, for that field alone."""
        children, fields = dict(self.children), self.fold(plain)
        for name, control in self.children.items():
            value = fields.get(name, control.label.default)
            if value is not MISSING and name != EXTRAS:
                children[name] = adapt_or_fall_back(control, value)
        return replace(self, children=children)

    def read(self, form: Any, reading: controls.Reading) -> Any:
        """Read each field. Of the whole configuration, some fields may be left out: they stay as they are."""
        if not isinstance(form, dict):
            return reading.refuse(_("The form did not send these fields."))
        try:
            stored = self.fold(reading.old)
        except controls.UnfitError:
            stored = {}
        fields = {}
        for name, control in self.children.items():
            place = reading.enter(name, old=stored.get(name, MISSING))
            if name not in form and name not in {EXTRAS, VARIANT} and (reading.at or not form):
                place.refuse(_("The form did not send this field."))
                continue
            value = control.decode(form[name], place) if name in form else place.old
            if value is not MISSING:
                fields[name] = value
        self._refuse_unknown(form, fields.get(EXTRAS, {}), reading)
        return self.unfold(fields)

    def _refuse_unknown(self, sent: Mapping[str, Any], extras: Mapping[str, Any], reading: controls.Reading) -> None:
        for name in sorted(sent.keys() - {*self.children, VARIANT, EXTRAS}):
            reading.enter(name).refuse(_("There is no such field."))
        for key in sorted(extras.keys() & self.children.keys()):
            reading.enter(EXTRAS).refuse(_("“%(key)s” has a field of its own above.") % {"key": key})

    def get_child(self, key: str) -> controls.Control | None:
        """Return the field's control."""
        extras = self.children.get(EXTRAS)
        return self.children.get(key) or (extras and extras.get_child(key))


def _show_default(control: controls.Control) -> Any:
    default = control.label.default
    return control.blank if default is MISSING else control.encode(default)


def _is_fillable(control: controls.Control) -> bool:
    """Say whether it can be seen that ``control`` was left empty: a check box without a tick is an answer."""
    is_constant = isinstance(control, ChoiceControl) and control.is_constant
    return control.kind in {"string", "number"} and not is_constant


@dataclass(frozen=True)
class TupleControl(GroupControl):
    """A tuple of fixed length: a group with a field for each position, ``item_0``, ``item_1``, ..."""

    def fold(self, plain: Any) -> dict[str, Any]:
        """Name the positions."""
        names = [name for name in self.children if name != VARIANT]
        if not isinstance(plain, list) or len(plain) != len(names):
            raise controls.UnfitError
        return dict(zip(names, plain, strict=True))

    def unfold(self, fields: dict[str, Any]) -> Any:
        """List the positions; one that was left empty is None."""
        return [fields.get(name) for name in self.children if name != VARIANT]

    def split(self, form: Any) -> Iterable[Slot]:
        """Go by position."""
        return [slot._replace(key=slot.key.removeprefix(ITEM)) for slot in super().split(_name_positions(form))]

    def join(self, parts: Iterable[tuple[str, Any]]) -> Any:
        """Name the fields, which are given by name or by position."""
        return super().join((key if key in self.children else f"{ITEM}{key}", form) for key, form in parts)

    def read(self, form: Any, reading: controls.Reading) -> Any:
        """Read each position."""
        return super().read(_name_positions(form), reading)

    def get_child(self, key: str) -> controls.Control | None:
        """Return the control of a position."""
        return self.children.get(f"{ITEM}{key}")


def _name_positions(form: Any) -> Any:
    """Return a group's form value: a person without JavaScript may have typed a plain list."""
    return {f"{ITEM}{index}": item for index, item in enumerate(form)} if isinstance(form, list) else form


# A choice between types: unions, optional models and lists

NOTHING = ChoiceControl(controls.Label(gettext_lazy("Not set")), nullable=True)
"""None, as one of several possibilities: nothing to fill in."""


@dataclass(frozen=True)
class VariantsControl(controls.Control):
    """A choice between controls. At most one of them has each JSON type, but any number may be models."""

    kind: ClassVar[str] = "variants"

    options: tuple[controls.Control, ...] = ()

    def describe(self, seen: controls.Seen) -> controls.Schema:
        """Let the browser choose; it finds the option in use by the shape of the value."""
        drawn = [
            option.describe(None if seen is None else [form for form in seen if self.pick_form(form) is option])
            for option in self.options
        ]
        return {"title": str(self.label.title), "oneOf": drawn}

    @property
    def blank(self) -> Any:
        """That of the first option."""
        return self.options[0].blank

    def pick_form(self, form: Any) -> controls.Control | None:
        """Return the option that the form value ``form`` belongs to, or None."""
        if isinstance(form, dict):
            groups = [option for option in self._list_likely(form) or self.options if isinstance(option, GroupControl)]
            return next(iter(groups), None)
        found = next((option for option in self.options if option.kind == _get_kind(form)), None)
        return self._choose(None)[0] if found is None and form is None else found

    def _list_likely(self, given: dict[str, Any]) -> list[controls.Control]:
        """Return the options for ``given``, a plain or form value; not those of which it contradicts a constant.

        First comes the one whose fields say most of its keys.
        """
        possible = [option for option in self.options if not _contradicts(option, given)]
        return sorted(possible, key=lambda option: len(_get_fields(option).keys() & given.keys()), reverse=True)

    def _choose(self, plain: Any) -> tuple[controls.Control | None, Any]:
        """Return the likeliest option that can show ``plain``, and the form value that does."""
        options: Iterable[controls.Control] = self._list_likely(plain) if isinstance(plain, dict) else self.options
        shown = ((one, one.try_encode(plain)) for one in options if plain is not None or one.nullable)
        return next(((option, form) for option, form in shown if form is not MISSING), (None, MISSING))

    def encode(self, plain: Any) -> Any:
        """Show the value in the option it belongs to."""
        option, form = self._choose(plain)
        if option is None:
            raise controls.UnfitError
        return form

    def adapt(self, plain: Any) -> controls.Control:
        """Adapt the option that the value belongs to; a model with an odd value is told by its keys."""
        chosen = self._choose(plain)[0] or self.pick_form(plain)
        if chosen is None:
            raise controls.UnfitError
        adapted = chosen.adapt(plain)
        result = replace(self, options=tuple(adapted if option is chosen else option for option in self.options))
        result.encode(plain)
        return result

    def read(self, form: Any, reading: controls.Reading) -> Any:
        """Read the option that was chosen."""
        option = self.pick_form(form)
        if option is None:
            return reading.refuse(_("The form sent a value of no type that is possible here."))
        value = option.read(form, reading)
        return None if value is MISSING and self.nullable else value

    def redisplay(self, form: Any, reading: controls.Reading) -> Any:
        """Show the chosen option again."""
        return (self.pick_form(form) or self.options[0]).redisplay(form, reading)

    def resolve(self, plain: Any) -> controls.Control | None:
        """Return the option in use."""
        option, _form = self._choose(plain)
        return option and option.resolve(plain)

    def split(self, form: Any) -> Iterable[Slot]:
        """Return the parts of the chosen option."""
        option = self.pick_form(form)
        return option.split(form) if option else ()


def _get_kind(form: Any) -> str:
    """Return the JSON type of a form value; nothing counts as a number, as it does in the browser."""
    kinds = {type(None): "number", bool: "boolean", str: "string", int: "number", float: "number", list: "array"}
    return kinds.get(type(form), "")


def _get_fields(option: controls.Control) -> Mapping[str, controls.Control]:
    return option.children if isinstance(option, GroupControl) else {}


def _contradicts(option: controls.Control, given: dict[str, Any]) -> bool:
    """Say whether a field of ``option`` that can only have one value has another one."""
    fields = [(control, given[name]) for name, control in _get_fields(option).items() if name in given]
    return any(isinstance(one, ChoiceControl) and one.is_constant and one.find_text(key) is None for one, key in fields)
