"""The control of a model: a group with one control for each field."""

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
)
from django_plugin_system.forms.jsontext import adapt_or_fall_back
from django_plugin_system.forms.reference import is_reference
from django_plugin_system.forms.scalars import ConstantControl

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

    from django_plugin_system.exceptions import Path
    from django_plugin_system.forms.containers import PairsControl

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
