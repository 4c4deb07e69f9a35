"""From a pydantic model to the controls of its form. What is a secret is decided from the Python types."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from types import NoneType
from typing import Annotated, Any, ForwardRef, Literal

import typing_extensions
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from pydantic import BaseModel, Json, RootModel, TypeAdapter
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from django_plugin_system.config.bound import BoundTo
from django_plugin_system.config.declared import Step, holds_secret, is_secret_type, is_union, iter_inner
from django_plugin_system.forms.containers import GroupControl, ListControl, PairsControl, TupleControl
from django_plugin_system.forms.controls import MISSING, Control, Label, Text
from django_plugin_system.forms.jsontext import JsonTextControl
from django_plugin_system.forms.scalars import (
    MAX_EXACT,
    BooleanControl,
    ChoiceControl,
    ConstantControl,
    FormattedControl,
    NumberControl,
    NumberTextControl,
    SecretControl,
    TextControl,
)
from django_plugin_system.forms.variants import NothingControl, RecursiveControl, VariantsControl

_JSON: Any = Json
_TITLES = {"string": _("Text"), "number": _("Number"), "boolean": _("Yes or no"), "array": _("List")}


@dataclass(frozen=True)
class Request:
    """A control that is asked for: how it is labelled, the metadata of its type, and where it is to stand."""

    label: Label = field(default_factory=Label)
    metadata: tuple[Any, ...] = ()
    nullable: bool = False
    in_union: bool = False

    def for_part(self, label: Label | None = None) -> Request:
        """Return the request for a part of this type: nothing but the label is handed on."""
        return Request(label or Label())


@dataclass
class Builder:
    """Builds the controls of one form."""

    models: dict[str, GroupControl] = field(default_factory=dict)
    """The control of every model that stands inside itself, by its name in the form's definitions."""

    _open: list[Any] = field(default_factory=list)
    _recursive: set[Any] = field(default_factory=set)

    def build(self, annotation: Any, request: Request) -> Control:
        """Return the control of a type; JSON text where no other control is sure to be right."""
        annotation, request = _peel(annotation, request)
        if any(annotation is outer for outer in self._open):
            return self._refer(annotation, request)
        self._open.append(annotation)
        try:
            control = self._build(annotation, request)
        finally:
            self._open.pop()
        return _without_masked_default(control)

    def _build(self, annotation: Any, request: Request) -> Control:
        label, nullable = request.label, request.nullable
        if any(item is _JSON or isinstance(item, _JSON) for item in request.metadata):
            return FormattedControl(label, nullable)
        if is_secret_type(annotation):
            structured = get_json_schema(annotation).get("type") != "string"
            return SecretControl(add_bound_hint(label, request.metadata), nullable, structured=structured)
        if is_union(annotation):
            return self._build_union(annotation, request)
        found = self._build_model(annotation, request) or self._build_container(annotation, request)
        if found is not None:
            return _make_optional(found) if nullable else found
        return _build_value(annotation, request)

    def _build_model(self, annotation: Any, request: Request) -> Control | None:
        if not _is_model(annotation):
            return None
        if issubclass(annotation, RootModel):
            return self.build(annotation.__pydantic_fields__["root"].annotation, request.for_part(request.label))
        return self.build_model(annotation, request.label)

    def _build_container(self, annotation: Any, request: Request) -> Control | None:
        """Return the control of a list, dict or tuple; None for any other type."""
        origin, args = typing_extensions.get_origin(annotation), typing_extensions.get_args(annotation)
        if not isinstance(origin, type) or not args:
            return None
        if issubclass(origin, Mapping):
            return self._build_dict(args, request)
        if issubclass(origin, tuple) and Ellipsis not in args:
            return TupleControl(request.label, items=tuple(self.build(arg, request.for_part()) for arg in args))
        if issubclass(origin, Iterable):
            item = self.build(args[0], request.for_part())
            return ListControl(request.label, item=item, most=_get_limit(request.metadata))
        return None

    def _build_dict(self, args: tuple[Any, ...], request: Request) -> Control | None:
        value = self.build(args[1], request.for_part()) if len(args) > 1 else JsonTextControl()
        return None if isinstance(value, JsonTextControl) else PairsControl(request.label, value=value)

    def build_model(self, model: type[BaseModel], label: Label) -> GroupControl:
        """Return the control of a model."""
        children = {}
        for name, info in model.__pydantic_fields__.items():
            request = Request(make_label(name, info, model), tuple(info.metadata))
            children[name] = self.build(info.annotation, request)
        own_title = get_model_title(model)
        label = replace(label, title=label.title or own_title)
        group = GroupControl(label, children=children, extras=self._build_extras(model), own_title=own_title)
        if model in self._recursive:
            self.models[_get_name(model)] = replace(group, label=Label(own_title))
        return group

    def _build_extras(self, model: type[BaseModel]) -> PairsControl | None:
        """Return the control of the values that a model takes beside its fields; their type may be declared."""
        if model.model_config.get("extra") != "allow":
            return None
        declared = [inner.annotation for inner in iter_inner(model) if inner.step is Step.EXTRA]
        value = self.build(declared[0], Request()) if declared else JsonTextControl()
        return PairsControl(Label(_("Further values")), value=value)

    def _refer(self, annotation: Any, request: Request) -> Control:
        """Return a reference to a model that is just being built; JSON text for other types inside themselves."""
        if not _is_model(annotation) or issubclass(annotation, RootModel):
            return JsonTextControl(request.label, request.nullable, may_hold_secret=holds_secret(annotation))
        self._recursive.add(annotation)
        name, title = _get_name(annotation), get_model_title(annotation)
        reference = RecursiveControl(request.label, name=name, own_title=title, models=self.models)
        return _make_optional(reference) if request.nullable else reference

    def _build_union(self, annotation: Any, request: Request) -> Control:
        members = list(_flatten(annotation))
        nullable = request.nullable or NoneType in members
        members = [member for member in members if member is not NoneType]
        if len(members) == 1:
            return self.build(members[0], replace(request, nullable=nullable))
        if set(members) == {int, float}:
            return NumberTextControl(request.label, nullable, whole=False)
        part = replace(request, label=Label(help_text=request.label.help_text), nullable=False, in_union=True)
        options = [_make_option(self.build(member, part), index) for index, member in enumerate(members)]
        options.sort(
            key=lambda option: option.is_recursive
        )  # a new form starts with the first, and must come to an end
        if not _is_unambiguous(options):
            return JsonTextControl(request.label, nullable, may_hold_secret=holds_secret(annotation))
        return VariantsControl(request.label, nullable, _add_nothing(options) if nullable else tuple(options))


def _build_value(annotation: Any, request: Request) -> Control:
    """Return the control of a type that holds no other that we know how to draw."""
    label, nullable = request.label, request.nullable
    values = _get_choices(annotation)
    if values is not None:
        return build_choice(values, label, nullable=nullable)
    if holds_secret(annotation) or isinstance(annotation, (str, ForwardRef)):  # Python 3.10 leaves "T" in list["T"]
        return JsonTextControl(label, nullable, may_hold_secret=True)
    return build_leaf(annotation, label, request.metadata, nullable=nullable, in_union=request.in_union)


def _is_model(annotation: Any) -> bool:
    is_class = inspect.isclass(annotation) and typing_extensions.get_origin(annotation) is None
    return is_class and issubclass(annotation, BaseModel)


def _get_choices(annotation: Any) -> list[Any] | None:
    """Return the values of a Literal or the members of an Enum; None for any other type."""
    if typing_extensions.get_origin(annotation) is Literal:
        return list(typing_extensions.get_args(annotation))
    return list(annotation) if inspect.isclass(annotation) and issubclass(annotation, Enum) else None


def _peel(annotation: Any, request: Request) -> tuple[Any, Request]:
    """Take off Annotated and aliases, keeping what they say."""
    while True:
        origin = typing_extensions.get_origin(annotation)
        alias = getattr(origin or annotation, "__value__", None) or getattr(annotation, "__supertype__", None)
        if origin is Annotated:
            annotation, *metadata = typing_extensions.get_args(annotation)
            request = _add_metadata(request, metadata)
        elif alias is not None:
            annotation = alias
        else:
            return annotation, request


def _add_metadata(request: Request, metadata: list[Any]) -> Request:
    label, kept = request.label, list(request.metadata)
    for item in metadata:
        if isinstance(item, FieldInfo):
            label = replace(
                label, title=label.title or item.title or "", help_text=label.help_text or item.description or ""
            )
            kept += item.metadata
        else:
            kept.append(item)
    return replace(request, label=label, metadata=tuple(kept))


def _get_limit(metadata: tuple[Any, ...]) -> int | None:
    limits = [getattr(item, "max_length", None) for item in metadata]
    return next((limit for limit in limits if isinstance(limit, int)), None)


def _get_name(model: type[BaseModel]) -> str:
    return re.sub(r"\W", "_", f"{model.__module__}_{model.__qualname__}")


def _flatten(annotation: Any) -> Iterator[Any]:
    """Yield the members of a union, and of the unions in it."""
    for member in typing_extensions.get_args(annotation):
        inner, _request = _peel(member, Request())
        if is_union(inner):
            yield from _flatten(inner)
        else:
            yield member


def _make_optional(control: Control) -> Control:
    """Put "not set" before a control that has no empty value of its own."""
    if control.kind == "string":
        return replace(control, nullable=True)
    label = control.label
    inner = replace(control, label=Label(_get_option_title(control), label.help_text))
    return VariantsControl(label, nullable=True, options=(NothingControl(), inner))


def _get_option_title(control: Control) -> Any:
    if isinstance(control, (GroupControl, RecursiveControl)):
        return control.own_title
    return _TITLES.get(control.kind, _("Values"))


def _make_option(control: Control, index: int) -> Control:
    option = replace(control, label=replace(control.label, title=_get_option_title(control)))
    return replace(option, variant=str(index)) if isinstance(option, GroupControl) else option


def _is_unambiguous(options: list[Control]) -> bool:
    """Say whether the browser can tell the options apart by the shape of their values."""
    kinds = [
        "reference" if isinstance(option, RecursiveControl) else option.kind
        for option in options
        if not isinstance(option, GroupControl)
    ]
    return len(kinds) == len(set(kinds)) and "variants" not in kinds


def _add_nothing(options: list[Control]) -> tuple[Control, ...]:
    """Make one option stand for None: the text, or else a new first one."""
    if any(option.kind == "string" for option in options):
        return tuple(replace(option, nullable=True) if option.kind == "string" else option for option in options)
    return (NothingControl(), *options)


def _without_masked_default(control: Control) -> Control:
    """Drop a default that JSON text would show with masks in the place of its secrets."""
    if isinstance(control, JsonTextControl) and control.may_hold_secret:
        return replace(control, label=replace(control.label, default=MISSING))
    return control


_YES_NO = ((_("Yes"), "true"), (_("No"), "false"))


def get_json_schema(annotation: Any, metadata: tuple[Any, ...] = ()) -> dict[str, Any]:
    """Return the JSON schema of what pydantic writes for a type; empty if it cannot say."""
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(Annotated[(annotation, *metadata)] if metadata else annotation)
        return adapter.json_schema(mode="serialization")
    except Exception:  # noqa: BLE001 - any type of an author's, with any hook
        return {}


def build_leaf(
    annotation: Any, label: Label, metadata: tuple[Any, ...], *, nullable: bool, in_union: bool = False
) -> Control:
    """Return the control of a single value. ``in_union`` asks for one that the browser can tell from a text."""
    schema = get_json_schema(annotation, metadata)
    kind = schema.get("type")
    if "enum" in schema or "const" in schema:
        return JsonTextControl(label, nullable)
    if kind == "string":
        may_be_empty = any(base in (str, bytes) for base in getattr(annotation, "__mro__", ()))
        return (TextControl if may_be_empty else FormattedControl)(label, nullable)
    if kind == "boolean":
        return ChoiceControl(label, nullable, _YES_NO) if nullable else BooleanControl(label)
    if kind in {"integer", "number"}:
        return _build_number(schema, label, nullable=nullable, in_union=in_union)
    return JsonTextControl(label, nullable)


def _build_number(schema: dict[str, Any], label: Label, *, nullable: bool, in_union: bool) -> Control:
    whole = schema["type"] == "integer"
    minimum = schema.get("minimum", schema.get("exclusiveMinimum"))
    maximum = schema.get("maximum", schema.get("exclusiveMaximum"))
    bounded = all(bound is not None and abs(bound) <= MAX_EXACT for bound in (minimum, maximum))
    if whole and not bounded and not in_union:
        return NumberTextControl(label, nullable)
    bounds = {"minimum": schema.get("minimum"), "maximum": schema.get("maximum")}
    return NumberControl(label, nullable, whole=whole and not in_union, **bounds)


def build_choice(values: Iterable[Any], label: Label, *, nullable: bool) -> Control:
    """Return the control of a Literal's values or an Enum's members; hidden if there is but one."""
    members = list(values)
    plain = [(_get_choice_title(member), to_jsonable_python(member)) for member in members if member is not None]
    nullable = nullable or len(plain) < len(members)
    if len(plain) == 1 and not nullable:
        return ConstantControl(label, value=plain[0][1])
    return ChoiceControl(label, nullable, tuple((title, json.dumps(value)) for title, value in plain))


def _get_choice_title(member: Any) -> str:
    if not isinstance(member, Enum):
        return str(member)
    title = getattr(member, "label", None) or member.value
    return str(title) if isinstance(title, str) else humanize(member.name.lower())


_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def humanize(name: str) -> str:
    """Return a field's name as a title: ``account_sid`` as ``Account sid``."""
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def get_model_title(model: type[BaseModel]) -> str:
    """Return the title in the model's config, or its name in words: ``CardPayment`` as ``Card payment``."""
    title = model.model_config.get("title")
    if title:
        return title
    words = _WORD_START.sub(" ", model.__name__).split(" ")
    return humanize(" ".join(word if word.isupper() else word.lower() for word in words))


def make_label(name: str, info: FieldInfo, model: type[BaseModel]) -> Label:
    """Return how field ``name`` of ``model`` presents itself.

    ``json_schema_extra`` may hold ``readOnly`` (never taken from the browser), ``multiline`` (an area of text) and
    ``group`` (a heading for it and others).
    """
    generate = info.field_title_generator or model.model_config.get("field_title_generator")
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    return Label(
        title=info.title or (generate(name, info) if generate else humanize(name)),
        help_text=info.description or "",
        placeholder=_get_example(info),
        required=info.is_required(),
        read_only=bool(extra.get("readOnly")),
        multiline=bool(extra.get("multiline")) or extra.get("format") == "textarea",
        group=_get_group(extra),
        default=get_default(info),
    )


def add_bound_hint(label: Label, metadata: Iterable[Any]) -> Label:
    """Return ``label`` with a word on what the secret belongs to, if it is bound to anything."""
    names = [humanize(name) for item in metadata if isinstance(item, BoundTo) for name in item.names]
    if not names:
        return label
    hint = _("Belongs to %(fields)s: when that changes, type it again.") % {"fields": ", ".join(names)}
    return replace(label, help_text=f"{label.help_text} {hint}" if label.help_text else hint)


def _get_group(extra: Mapping[str, Any]) -> Text:
    group = extra.get("group")
    return group if isinstance(group, (str, Promise)) else ""


def _get_example(info: FieldInfo) -> str:
    example = (info.examples or [""])[0]
    return str(example) if isinstance(example, (str, int, float)) else ""


def get_default(info: FieldInfo) -> Any:
    """Return a field's default as JSON, secrets masked; MISSING where there is none, or none that JSON can say."""
    if info.is_required() or info.default_factory_takes_validated_data:
        return MISSING
    try:
        default = to_jsonable_python(info.get_default(call_default_factory=True), by_alias=False)
        json.dumps(default, allow_nan=False)
    except Exception:  # noqa: BLE001 - factories and serializers are foreign code; the form just starts empty
        return MISSING
    return default
