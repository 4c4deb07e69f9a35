"""Controls of what holds others: lists, dicts, models and tuples; and of a choice between types."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_plugin_system.config.json_tree import iter_json
from django_plugin_system.forms.controls import (
    MISSING,
    Control,
    Label,
    Reading,
    Schema,
    Seen,
    UnfitError,
    collect,
    freeze,
    is_reference,
)
from django_plugin_system.forms.scalars import ChoiceControl, TextControl, adapt_or_fall_back, is_constant

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from django_plugin_system.exceptions import Path

NO_LIMIT = 10_000
"""django-jsonform stops at 100 items unless it is told a number."""

EXTRAS = "_extras"
"""The form key of the values that a model takes beside its fields; no field's name starts so."""

VARIANT = "_variant"
"""The form key that says which member of a union a model is."""


class Slot(NamedTuple):
    """A part of a form value: the key it is stored under, its path in the form value, its control, its own value."""

    key: str
    at: Path
    control: Control
    form: Any


@dataclass(frozen=True)
class Container(Control):
    """What holds others. Subclasses say how a form value is taken apart (``split``) and put together (``join``)."""

    def split(self, form: Any) -> Iterable[Slot]:
        """Return the parts of a posted value, of any shape."""
        raise NotImplementedError

    def join(self, parts: Iterable[tuple[str, Any]]) -> Any:
        """Return the form value with these parts."""
        raise NotImplementedError

    @property
    def blank(self) -> Any:
        """Nothing inside, or the default of each field."""
        return self.join(())

    def redisplay(self, form: Any, reading: Reading) -> Any:
        """Show each part again."""
        shown = ((slot.key, slot.control.redisplay(slot.form, reading.enter(*slot.at))) for slot in self.split(form))
        return self.join(shown)

    def locate(self, key: str, form: Any) -> tuple[Path, Control, Any] | None:
        """Find the part with this key."""
        return next((slot[1:] for slot in self.split(form) if slot.key == key), None)


def _collect_items(seen: Seen) -> list[Any] | None:
    return None if seen is None else [item for form in seen if isinstance(form, list) for item in form]


@dataclass(frozen=True)
class ListControl(Container):
    """A list, set or tuple of any length."""

    kind: ClassVar[str] = "array"
    stored: ClassVar[type] = list

    item: Control = field(default_factory=TextControl)
    most: int | None = None
    """The most items there may be; None for no limit."""

    def describe(self, seen: Seen) -> Schema:
        """Draw one control for all items."""
        most = NO_LIMIT if self.most is None else self.most
        return {**super().describe(seen), "maxItems": most, "items": self.describe_item(_collect_items(seen))}

    def describe_item(self, seen: Seen) -> Schema:
        """Return the schema of one item."""
        return self.item.describe(seen)

    def split(self, form: Any) -> Iterable[Slot]:
        """Go by position."""
        return [Slot(key, (key,), self.item, part) for key, part in iter_json(form if isinstance(form, list) else [])]

    def join(self, parts: Iterable[tuple[str, Any]]) -> Any:
        """List the items."""
        return [form for _key, form in parts]

    def encode(self, plain: Any) -> Any:
        """Show each item."""
        if not isinstance(plain, self.stored) or is_reference(plain):
            raise UnfitError
        return self.join((key, self.item.encode(part)) for key, part in iter_json(plain))

    def read(self, form: Any, reading: Reading) -> Any:
        """Read each item; one that only moved stays exactly as it was."""
        if form not in ("", None) and not isinstance(form, (list, self.stored)):
            return reading.refuse(_("The form did not send a list."))
        return [plain for _key, plain in self._iter_read(form, reading)]

    def _iter_read(self, form: Any, reading: Reading) -> Iterator[tuple[str, Any]]:
        stored = dict(iter_json(reading.old))
        sent = {key: freeze(self.item.try_encode(part)) for key, part in stored.items()}
        moved = {sent[key]: stored[key] for key in reversed(stored)}
        for slot in self.split(form):
            old = stored.get(slot.key, MISSING)
            frozen = freeze(slot.form)
            if sent.get(slot.key) != frozen:
                old = moved.get(frozen, old)
            plain = self.item.decode(slot.form, reading.enter(*slot.at, old=old))
            yield slot.key, None if plain is MISSING else plain

    def get_child(self, _key: str) -> Control:
        """Return the items' control."""
        return self.item

    def iter_children(self) -> Iterable[tuple[Path, Control]]:
        """Yield the items' control."""
        return [(("*",), self.item)]


@dataclass(frozen=True)
class PairsControl(ListControl):
    """A dict with free keys, as a list of key and value."""

    stored: ClassVar[type] = dict
    has_free_keys: ClassVar[bool] = True

    def describe_item(self, seen: Seen) -> Schema:
        """Draw a group of key and value."""
        key = {"type": "string", "title": _("Key")}
        value = {"title": _("Value"), **self.item.describe(collect(seen, "value"))}
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

    def encode(self, plain: Any) -> Any:
        """Show each entry, in the stored order."""
        if isinstance(plain, dict) and "" in plain:
            raise UnfitError
        return super().encode(plain)

    def _iter_read(self, form: Any, reading: Reading) -> Iterator[tuple[str, Any]]:
        known: set[str] = set()
        for slot in self.split(form):
            if not slot.key or slot.key in known:
                problem = _("This key stands here twice.") if slot.key else _("Every entry needs a key.")
                reading.enter(slot.at[0], "key").refuse(problem)
            known.add(slot.key)
        return super()._iter_read(form, reading)

    def read(self, form: Any, reading: Reading) -> Any:
        """Read each entry; refuse empty keys and keys that stand twice."""
        return dict(self._iter_read(form, reading))

    def iter_children(self) -> Iterable[tuple[Path, Control]]:
        """Yield the controls of an entry under their places in the form."""
        return [(("*", "key"), TextControl()), (("*", "value"), self.item)]


@dataclass(frozen=True)
class GroupControl(Container):
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

    def split(self, form: Any) -> Iterable[Slot]:
        """Go by field; one that was not sent is None."""
        given = form if isinstance(form, dict) else {}
        return [Slot(name, (name,), control, given.get(name)) for name, control in self._get_all().items()]

    def join(self, parts: Iterable[tuple[str, Any]]) -> Any:
        """Name the fields."""
        given = dict(parts)
        return self._get_marker() | {
            name: given[name] if name in given else _show_default(control) for name, control in self._get_all().items()
        }

    def encode(self, plain: Any) -> Any:
        """Show each field, with its default where nothing is stored."""
        if not isinstance(plain, dict) or is_reference(plain):
            raise UnfitError
        shown = {name: control.encode(plain[name]) for name, control in self.children.items() if name in plain}
        extras = {EXTRAS: self.extras.encode(self._get_extras(plain))} if self.extras else {}
        return self.join({**shown, **extras}.items())

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

    def get_child(self, key: str) -> Control | None:
        """Return the field's control."""
        return self.children.get(key) or (self.extras.item if self.extras else None)

    def locate(self, key: str, form: Any) -> tuple[Path, Control, Any] | None:
        """Follow the field's name, or find the key among the extra values."""
        found = super().locate(EXTRAS if key not in self.children else key, form)
        if found is None or key in self.children:
            return found
        path, control, value = found[1].locate(key, found[2]) or ((), *found[1:])
        return (EXTRAS, *path), control, value

    def iter_children(self) -> Iterable[tuple[Path, Control]]:
        """Yield each field."""
        return [((name,), control) for name, control in self._get_all().items()]


def _show_default(control: Control) -> Any:
    default = control.label.default
    return control.blank if default is MISSING else control.encode(default)


def _is_fillable(control: Control) -> bool:
    """Say whether it can be seen that ``control`` was left empty: a check box without a tick is an answer."""
    return control.kind in {"string", "number"} and not is_constant(control)


@dataclass(frozen=True)
class TupleControl(GroupControl):
    """A tuple of fixed length: a group with a field for each position, ``item_0``, ``item_1``, ..."""

    adapt = Control.adapt

    def split(self, form: Any) -> Iterable[Slot]:
        """Go by position."""
        return [slot._replace(key=slot.key.removeprefix("item_")) for slot in super().split(_name_items(form))]

    def join(self, parts: Iterable[tuple[str, Any]]) -> Any:
        """Name the positions."""
        return super().join((f"item_{key}", form) for key, form in parts)

    def encode(self, plain: Any) -> Any:
        """Show each position."""
        if not isinstance(plain, list) or len(plain) != len(self.children):
            raise UnfitError
        return self.join((key, self.children[f"item_{key}"].encode(part)) for key, part in iter_json(plain))

    def read(self, form: Any, reading: Reading) -> Any:
        """Read each position; one that was left empty is None."""
        given = dict.fromkeys(self.children) | _name_items(form)
        plain = super().read(given, replace(reading, old=_name_items(reading.old)))
        return [plain.get(name) for name in self.children]

    def get_child(self, key: str) -> Control | None:
        """Return the position's control."""
        return super().get_child(f"item_{key}")

    def locate(self, key: str, form: Any) -> tuple[Path, Control, Any] | None:
        """Follow the position."""
        return Container.locate(self, key, form)


def _name_items(value: Any) -> dict[str, Any]:
    """Return a tuple's values by form key; a person without JavaScript may have typed a plain list."""
    if isinstance(value, list):
        return {f"item_{index}": item for index, item in enumerate(value)}
    return value if isinstance(value, dict) else {}


# A choice between types: unions, optional models and lists, a model inside itself

NOTHING = ChoiceControl(Label(gettext_lazy("Not set")), nullable=True)
"""None, as one of several possibilities: nothing to fill in."""


@dataclass(frozen=True)
class Deputy(Control):
    """A control that hands each value on to another one."""

    def pick_form(self, form: Any) -> Control | None:
        """Return the control that the form value ``form`` belongs to, or None."""
        raise NotImplementedError

    def read(self, form: Any, reading: Reading) -> Any:
        """Read what was chosen."""
        option = self.pick_form(form)
        if option is None:
            return reading.refuse(_("The form sent a value of no type that is possible here."))
        value = option.read(form, reading)
        return None if value is MISSING and self.nullable else value

    def redisplay(self, form: Any, reading: Reading) -> Any:
        """Show it again."""
        option = self.pick_form(form)
        return option.redisplay(form, reading) if option else self.blank

    def locate(self, key: str, form: Any) -> tuple[Path, Control, Any] | None:
        """Follow the key in it."""
        option = self.pick_form(form)
        return option.locate(key, form) if option else None


@dataclass(frozen=True)
class RecursiveControl(Deputy):
    """A model inside itself. Drawn as a reference to a definition, so that the form does not grow without end."""

    kind: ClassVar[str] = "object"
    is_recursive: ClassVar[bool] = True

    name: str = ""
    own_title: str = ""
    models: dict[str, GroupControl] = field(default_factory=dict, compare=False, repr=False)
    """The controls of all models of the form, by name; filled once they are built."""

    @property
    def target(self) -> GroupControl:
        """The control that this one stands for."""
        return self.models[self.name]

    def describe(self, _seen: Seen) -> Schema:
        """Refer to the definition."""
        return {"$ref": f"#/$defs/{self.name}", "title": str(self.label.title or self.own_title)}

    def encode(self, plain: Any) -> Any:
        """Show what the target shows."""
        return self.target.encode(plain)

    def pick_form(self, _form: Any) -> Control:
        """Return the target."""
        return self.target

    resolve = pick_form

    def iter_children(self) -> Iterable[tuple[Path, Control]]:
        """Yield the target's controls."""
        return self.target.iter_children()


@dataclass(frozen=True)
class VariantsControl(Deputy):
    """A choice between controls. At most one of them has each JSON type, but any number may be models."""

    kind: ClassVar[str] = "variants"

    options: tuple[Control, ...] = ()

    def describe(self, seen: Seen) -> Schema:
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

    def pick_form(self, form: Any) -> Control | None:
        """Return the option that the form value ``form`` belongs to, or None."""
        if isinstance(form, dict):
            options = [option for option in self.options if option.kind == "object"]
            if VARIANT in form:
                likely = [option for option in options if _get_variant(option) == form[VARIANT]]
            else:  # typed by a person without JavaScript
                likely = [option for option in self._list_likely(form) if option.kind == "object"]
            return next(iter(likely or options), None)
        kind = _get_kind(form)
        found = next((option for option in self.options if option.kind == kind), None)
        return self._pick_plain(None) if found is None and form is None else found

    def _list_likely(self, given: dict[str, Any]) -> list[Control]:
        """Return the options for ``given``, a plain or form value; not those of which it contradicts a constant.

        First comes the one with the most constants in it, such as a discriminator; then the one whose fields say most
        of its keys.
        """

        def rank(option: Control) -> tuple[int, int]:
            fields = _get_fields(option)
            constants = [name for name in given if is_constant(fields.get(name))]
            known = sum(name in fields for name in given)
            return len(constants), known - (len(given) - known)

        possible = [option for option in self.options if not _contradicts(option, given)]
        return sorted(possible, key=rank, reverse=True)

    def _iter_fitting(self, plain: Any) -> Iterator[tuple[Control, Any]]:
        """Yield each option that can show ``plain``, likely ones first, and the form value that does."""
        options: Iterable[Control] = self.options
        if plain is None:
            options = [option for option in options if option.nullable]
        elif isinstance(plain, dict):
            options = self._list_likely(plain)
        for option in options:
            form = option.try_encode(plain)
            if form is not MISSING:
                yield option, form

    def _pick_plain(self, plain: Any) -> Control | None:
        return next((option for option, _form in self._iter_fitting(plain)), None)

    def encode(self, plain: Any) -> Any:
        """Show the value in the option it belongs to."""
        for _option, form in self._iter_fitting(plain):
            return form
        raise UnfitError

    def adapt(self, plain: Any) -> Control:
        """Adapt the option that the value belongs to; a model with an odd value is told by its keys."""
        chosen = self._pick_plain(plain)
        if chosen is None and isinstance(plain, dict):
            chosen = next((option for option in self._list_likely(plain) if isinstance(option, GroupControl)), None)
        if chosen is None:
            raise UnfitError
        adapted = chosen.adapt(plain)
        result = replace(self, options=tuple(adapted if option is chosen else option for option in self.options))
        result.encode(plain)
        return result

    def resolve(self, plain: Any) -> Control | None:
        """Return the option in use."""
        option = self._pick_plain(plain)
        return option and option.resolve(plain)

    def iter_children(self) -> Iterable[tuple[Path, Control]]:
        """Yield each option, without a key: an option has no place of its own in the form."""
        return [((), option) for option in self.options]


def _get_kind(form: Any) -> str:
    """Return the JSON type of a form value; nothing counts as a number, as it does in the browser."""
    kinds = {type(None): "number", bool: "boolean", str: "string", int: "number", float: "number", list: "array"}
    return kinds.get(type(form), "")


def _get_variant(option: Control) -> str | None:
    return option.variant if isinstance(option, GroupControl) else None


def _get_fields(option: Control) -> Mapping[str, Control]:
    group = option.target if isinstance(option, RecursiveControl) else option
    return group.children if isinstance(group, GroupControl) else {}


def _contradicts(option: Control, given: dict[str, Any]) -> bool:
    """Say whether a field of ``option`` that can only have one value has another one."""
    fields = [(control, given[name]) for name, control in _get_fields(option).items() if name in given]
    return any(isinstance(one, ChoiceControl) and one.is_constant and one.find_text(key) is None for one, key in fields)
