"""Controls of a choice between types: unions, optional models and lists, and a model inside itself."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

from django.utils.translation import gettext as _

from django_plugin_system.forms.containers import VARIANT, GroupControl
from django_plugin_system.forms.controls import MISSING, Control, Reading, Schema, Seen, UnfitError
from django_plugin_system.forms.scalars import ConstantControl

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from django_plugin_system.exceptions import Path


@dataclass(frozen=True)
class NothingControl(Control):
    """None, as one of several possibilities: nothing to fill in."""

    def describe(self, seen: Seen) -> Schema:
        """Draw a hidden input."""
        del seen
        return {"type": "string", "widget": "hidden", "title": _("Not set")}

    def encode(self, plain: Any) -> str:
        """Show None as nothing."""
        if plain is not None:
            raise UnfitError
        return ""

    def decode(self, form: Any, old: Any, reading: Reading, at: Path) -> None:
        """Read nothing as None."""

    def conform(self, form: Any, known: Container[str]) -> str:
        """Show nothing."""
        del form, known
        return ""


@dataclass(frozen=True)
class RecursiveControl(Control):
    """A model inside itself. Drawn as a reference to a definition, so that the form does not grow without end."""

    kind: ClassVar[str] = "object"
    is_recursive: ClassVar[bool] = True

    name: str = ""
    own_title: str = ""
    models: dict[str, GroupControl] = field(default_factory=dict, compare=False, repr=False)
    """The controls of all models of the form, by name; filled once they are built."""

    @property
    def target(self) -> GroupControl:
        """Return the control that this one stands for."""
        return self.models[self.name]

    def describe(self, seen: Seen) -> Schema:
        """Refer to the definition."""
        del seen
        title = self.label.title or self.own_title
        return {"$ref": f"#/$defs/{self.name}", "title": str(title)}

    def encode(self, plain: Any) -> Any:
        """Show what the target shows."""
        return self.target.encode(plain)

    def decode(self, form: Any, old: Any, reading: Reading, at: Path) -> Any:
        """Read what the target reads."""
        return self.target.decode(form, old, reading, at)

    def conform(self, form: Any, known: Container[str]) -> Any:
        """Show what the target shows again."""
        return self.target.conform(form, known)

    def locate(self, path: Path, form: Any) -> Path:
        """Follow the path in the target."""
        return self.target.locate(path, form)

    def get_child(self, key: str, plain: Any) -> Control | None:
        """Return the target's control."""
        return self.target.get_child(key, plain)

    def iter_children(self) -> Iterable[tuple[str, Control]]:
        """Yield the target's controls."""
        return self.target.iter_children()


@dataclass(frozen=True)
class VariantsControl(Control):
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

    def get_blank(self) -> Any:
        """Start with the first option."""
        return self.options[0].get_blank()

    def pick_form(self, form: Any) -> Control | None:
        """Return the option that the form value ``form`` belongs to, or None."""
        if isinstance(form, dict):
            options = [option for option in self.options if option.kind == "object"]
            if VARIANT in form:
                marked = [option for option in options if _get_variant(option) == form[VARIANT]]
            else:  # typed by a person without JavaScript
                fitting = [option for option in options if _has_no_other_constant(option, form)]
                marked = sorted(fitting, key=lambda option: -_count_agreeing(option, form))
            return next(iter(marked or options), None)
        kind = _get_kind(form)
        found = next((option for option in self.options if option.kind == kind), None)
        return self.pick_plain(None) if found is None and form is None else found

    def pick_plain(self, plain: Any) -> Control | None:
        """Return the option that a stored or plain value belongs to, or None."""
        if plain is None:
            nothing = [option for option in self.options if isinstance(option, NothingControl) or option.nullable]
            return next(iter(nothing), None)
        fitting = [option for option in self.options if option.try_encode(plain) is not MISSING]
        if isinstance(plain, dict):
            fitting.sort(key=lambda option: -_count_agreeing(option, plain))
        return next(iter(fitting), None)

    def encode(self, plain: Any) -> Any:
        """Show the value in the option it belongs to."""
        option = self.pick_plain(plain)
        if option is None:
            raise UnfitError
        return option.encode(plain)

    def adapt(self, plain: Any) -> VariantsControl:
        """Adapt the option that the value belongs to."""
        chosen = next((option for option in self.options if _fits_adapted(option, plain)), None)
        chosen = self.pick_plain(plain) or chosen
        if chosen is None:
            raise UnfitError
        adapted = chosen.adapt(plain)
        result = replace(self, options=tuple(adapted if option is chosen else option for option in self.options))
        result.encode(plain)
        return result

    def decode(self, form: Any, old: Any, reading: Reading, at: Path) -> Any:
        """Read the option that was chosen."""
        option = self.pick_form(form)
        if option is None:
            reading.refuse(at, _("The form sent a value of no type that is possible here."))
            return MISSING
        value = option.decode(form, old, reading, at)
        return None if value is MISSING and self.nullable else value

    def conform(self, form: Any, known: Container[str]) -> Any:
        """Show the chosen option again."""
        option = self.pick_form(form) or self.options[0]
        return option.conform(form, known)

    def locate(self, path: Path, form: Any) -> Path:
        """Follow the path in the chosen option."""
        option = self.pick_form(form)
        return option.locate(path, form) if option else ()

    def iter_children(self) -> Iterable[tuple[str, Control]]:
        """Yield each option, without a key: an option has no place of its own in the form."""
        return [("", option) for option in self.options]


def _get_kind(form: Any) -> str:
    """Return the JSON type of a form value; nothing counts as a number, as it does in the browser."""
    if form is None:
        return "number"
    if isinstance(form, bool):
        return "boolean"
    return {str: "string", int: "number", float: "number", list: "array"}.get(type(form), "")


def _get_variant(option: Control) -> str | None:
    return option.variant if isinstance(option, GroupControl) else None


def _fits_adapted(option: Control, plain: Any) -> bool:
    if not isinstance(option, GroupControl) or not isinstance(plain, dict):
        return False
    return all(plain.get(name) == value for name, value in _get_constants(option).items())


def _get_constants(option: Control) -> dict[str, Any]:
    """Return the values that the fields of a model can only have, by name."""
    children = option.children if isinstance(option, GroupControl) else {}
    return {name: child.value for name, child in children.items() if isinstance(child, ConstantControl)}


def _has_no_other_constant(option: Control, form: dict[str, Any]) -> bool:
    return all(form[name] == value for name, value in _get_constants(option).items() if name in form)


def _count_agreeing(option: Control, plain: dict[str, Any]) -> int:
    """Say how well a model's fields agree with the stored keys; a constant that agrees outweighs them all."""
    children = option.children if isinstance(option, GroupControl) else {}
    constants = _get_constants(option).keys() & plain.keys()
    return 1000 * len(constants) + len(children.keys() & plain.keys()) - len(plain.keys() - children.keys())
