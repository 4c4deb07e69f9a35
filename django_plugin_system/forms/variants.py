"""Controls of a choice between types: unions, optional models and lists, and a model inside itself."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

from django.utils.translation import gettext as _

from django_plugin_system.forms.containers import VARIANT, GroupControl
from django_plugin_system.forms.controls import MISSING, Control, Reading, Schema, Seen, UnfitError
from django_plugin_system.forms.scalars import ConstantControl

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping

    from django_plugin_system.exceptions import Path


@dataclass(frozen=True)
class NothingControl(Control):
    """None, as one of several possibilities: nothing to fill in."""

    shown: ClassVar[tuple[type, ...]] = ()

    def describe(self, _seen: Seen) -> Schema:
        """Draw a hidden input."""
        return {"type": "string", "widget": "hidden", "title": _("Not set")}

    def encode(self, plain: Any) -> str:
        """Show None as nothing."""
        if plain is not None:
            raise UnfitError
        return ""

    def read(self, _form: Any, _reading: Reading) -> None:
        """Read anything as None."""


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
        """The control that this one stands for."""
        return self.models[self.name]

    def describe(self, _seen: Seen) -> Schema:
        """Refer to the definition."""
        return {"$ref": f"#/$defs/{self.name}", "title": str(self.label.title or self.own_title)}

    def encode(self, plain: Any) -> Any:
        """Show what the target shows."""
        return self.target.encode(plain)

    def read(self, form: Any, reading: Reading) -> Any:
        """Read what the target reads."""
        return self.target.read(form, reading)

    def get_read_only(self, form: Any) -> Any:
        """Return that of the target."""
        return super().get_read_only(form) or self.target.get_read_only(form)

    def redisplay(self, form: Any, known: Container[Any]) -> Any:
        """Show what the target shows again."""
        return self.target.redisplay(form, known)

    def resolve(self, _plain: Any) -> Control:
        """Return the target."""
        return self.target

    def locate(self, key: str, form: Any) -> tuple[Path, Control, Any] | None:
        """Follow the key in the target."""
        return self.target.locate(key, form)

    def iter_children(self) -> Iterable[tuple[Path, Control]]:
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
            constants = [name for name in given if isinstance(fields.get(name), ConstantControl)]
            known = sum(name in fields for name in given)
            return len(constants), known - (len(given) - known)

        possible = [option for option in self.options if not _contradicts(option, given)]
        return sorted(possible, key=rank, reverse=True)

    def _iter_fitting(self, plain: Any) -> Iterator[tuple[Control, Any]]:
        """Yield each option that can show ``plain``, likely ones first, and the form value that does."""
        options: Iterable[Control] = self.options
        if plain is None:
            options = [option for option in options if isinstance(option, NothingControl) or option.nullable]
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

    def read(self, form: Any, reading: Reading) -> Any:
        """Read the option that was chosen."""
        option = self.pick_form(form)
        if option is None:
            return reading.refuse(_("The form sent a value of no type that is possible here."))
        value = option.read(form, reading)
        return None if value is MISSING and self.nullable else value

    def get_read_only(self, form: Any) -> Any:
        """Return that of the chosen option."""
        option = self.pick_form(form)
        return super().get_read_only(form) or (option.get_read_only(form) if option else ())

    def redisplay(self, form: Any, known: Container[Any]) -> Any:
        """Show the chosen option again."""
        return (self.pick_form(form) or self.options[0]).redisplay(form, known)

    def resolve(self, plain: Any) -> Control | None:
        """Return the option in use."""
        option = self._pick_plain(plain)
        return option and option.resolve(plain)

    def locate(self, key: str, form: Any) -> tuple[Path, Control, Any] | None:
        """Follow the key in the chosen option."""
        option = self.pick_form(form)
        return option.locate(key, form) if option else None

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
    return any(
        isinstance(control, ConstantControl) and given.get(name, control.value) != control.value
        for name, control in _get_fields(option).items()
    )
