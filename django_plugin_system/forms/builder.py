"""From the tree of a pydantic model to the controls of its form."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import typing_extensions
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import BaseModel
from pydantic_core import PydanticUndefined, to_jsonable_python

from django_plugin_system.forms import containers, scalars
from django_plugin_system.forms.controls import Control, Label, Text
from django_plugin_system.schema.tree import Kind, Node, Part, Step, iter_nodes
from django_plugin_system.schema.values import MISSING

_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_TITLES = {
    "string": gettext_lazy("Text"),
    "number": gettext_lazy("Number"),
    "boolean": gettext_lazy("Yes or no"),
    "array": gettext_lazy("List"),
}


_UNTOLD = Label()
Build = Callable[..., Control]
"""``build``, told what is around it."""


def build(
    node: Node,
    label: Label = _UNTOLD,
    around: tuple[Any, ...] = (),
    *,
    in_union: bool = False,
    within_itself: bool = False,
) -> Control:
    """Return the control of a node; JSON text where no other control is sure to be right.

    ``around`` is the metadata of the union that it is a member of, if it is ``in_union``. A model that may hold
    others of its own type is drawn as fields once, and as JSON text ``within_itself``: its form would not end.
    """
    label, metadata = _complete(label, node), (*node.metadata, *around)
    nullable = node.nullable and not in_union
    if node.is_json_string:
        return scalars.TextControl(label, nullable)
    if node.kind is Kind.SECRET:
        structured = scalars.get_json_schema(node.annotation).get("type") != "string"
        return scalars.SecretControl(label, nullable, structured=structured)
    if node.kind is Kind.CHOICE:
        return scalars.build_choice(node.choices, label, nullable=nullable)
    if node.kind is Kind.VALUE:
        return scalars.build_value(node.annotation, label, metadata, nullable=nullable, in_union=in_union)
    if node.kind is Kind.UNION:
        found = _build_union(node, label, metadata, nullable=nullable, within_itself=within_itself)
    elif (within_itself or not _is_model(node)) and _holds_itself(node):
        found = None
    else:
        builder = partial(build, within_itself=within_itself or _holds_itself(node))
        found = _build_container(node, label, metadata, builder, in_union=in_union)
        found = _make_optional(found, node) if found is not None and nullable else found
    return found or scalars.make_json_text(label, nullable=nullable)


def _is_model(node: Node) -> bool:
    """Say whether values are models of pydantic's, not of another kind with fields."""
    return isinstance(node.annotation, type) and issubclass(node.annotation, BaseModel)


def _holds_itself(node: Node) -> bool:
    """Say whether a value may hold others of its own type."""
    return any(inner.parts is node.parts for part in node.parts for inner in iter_nodes(part.node))


def _build_container(
    node: Node, label: Label, metadata: tuple[Any, ...], build: Build, *, in_union: bool
) -> Control | None:
    """Return the control of a model, list, tuple or dict; None where only JSON text can show it."""
    if _is_model(node):
        return _build_model(node, label, build)
    if node.kind is Kind.LIST:
        item = next(build(part.node) for part in node.parts)
        is_set = node.cls in (set, frozenset) and not in_union
        if is_set and isinstance(item, scalars.ChoiceControl) and not item.nullable:
            return scalars.MultipleControl(label, choices=item.choices)
        return containers.ListControl(label, item=item, most=_get_limit(metadata))
    if node.kind is Kind.TUPLE and typing_extensions.get_origin(node.annotation):
        return containers.TupleControl(label, children=dict(_build_position(part, build) for part in node.parts))
    if value := node.get_inner(Step.VALUE):
        control = build(value)
        return None if type(control) is scalars.JsonTextControl else containers.PairsControl(label, item=control)
    return None


def _build_position(part: Part, build: Build) -> tuple[str, Control]:
    control = build(part.node)
    title = control.label.title or _("Item %(number)d") % {"number": int(part.name) + 1}
    return f"{containers.ITEM}{part.name}", replace(control, label=replace(control.label, title=title))


def _build_model(node: Node, label: Label, build: Build) -> Control:
    labels = {name: make_label(part) for name, part in node.fields.items()}
    children = {
        name: build(part.node, _add_bound_hint(labels[name], [labels[other] for other in part.bound_to]))
        for name, part in node.fields.items()
    }
    if node.annotation.model_config.get("extra") == "allow":
        value = build(node.extra) if node.extra else scalars.JsonTextControl()
        children[containers.EXTRAS] = containers.PairsControl(Label(gettext_lazy("Further values")), item=value)
    label = replace(label, title=label.title or get_model_title(node.annotation))
    return containers.GroupControl(label, children=children)


# Choices between types


def _build_union(
    node: Node, label: Label, metadata: tuple[Any, ...], *, nullable: bool, within_itself: bool
) -> Control | None:
    if {member.annotation for member in node.members} == {int, float}:
        return scalars.NumberTextControl(label, nullable, whole=False)
    options = []
    for index, member in enumerate(node.members):
        inner = Label(help_text=label.help_text)
        control = build(member, inner, metadata, in_union=True, within_itself=within_itself)
        option = replace(control, label=replace(control.label, title=_get_option_title(control, member)))
        if isinstance(option, containers.GroupControl):
            mark = scalars.ChoiceControl(choices=(("", str(index)),))
            option = replace(option, children={containers.VARIANT: mark, **option.children})
        options.append(option)
    if not _is_unambiguous(options):
        return None
    return containers.VariantsControl(label, nullable, _add_nothing(options) if nullable else tuple(options))


def _make_optional(control: Control, node: Node) -> Control:
    """Put "not set" before a control that has no empty value of its own."""
    label = replace(control.label, title=_get_option_title(control, node), default=MISSING)
    inner = replace(control, label=label)
    return containers.VariantsControl(control.label, nullable=True, options=(containers.NOTHING, inner))


def _get_option_title(control: Control, node: Node) -> Text:
    return get_model_title(node.annotation) if _is_model(node) else _TITLES.get(control.kind, gettext_lazy("Values"))


def _is_unambiguous(options: list[Control]) -> bool:
    """Say whether the browser can tell the options apart by the shape of their values."""
    kinds = [option.kind for option in options if not isinstance(option, containers.GroupControl)]
    return len(kinds) == len(set(kinds)) and "variants" not in kinds


def _add_nothing(options: list[Control]) -> tuple[Control, ...]:
    """Make one option stand for None: the text, or else a new first one."""
    if any(option.kind == "string" for option in options):
        return tuple(replace(option, nullable=True) if option.kind == "string" else option for option in options)
    return (containers.NOTHING, *options)


def _get_limit(metadata: tuple[Any, ...]) -> int | None:
    limits = [getattr(item, "max_length", None) for item in metadata]
    return next((limit for limit in limits if isinstance(limit, int)), None)


# How a field presents itself


def get_model_title(model: type[BaseModel]) -> str:
    """Return the title in the model's config, or its name in words: ``CardPayment`` as ``Card payment``."""
    title = model.model_config.get("title")
    if title:
        return title
    words = _WORD_START.sub(" ", model.__name__).split(" ")
    return scalars.humanize(" ".join(word if word.isupper() else word.lower() for word in words))


def make_label(part: Part) -> Label:
    """Return how a field of a model presents itself.

    ``json_schema_extra`` may hold ``readOnly`` (never taken from the browser), ``multiline`` (an area of text) and
    ``group`` (a heading for it and others).
    """
    info: Any = part.field
    config: Any = getattr(part.owner, "model_config", {})
    generate = info.field_title_generator or config.get("field_title_generator")
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    example, group = (info.examples or [""])[0], extra.get("group")
    return Label(
        title=info.title or (generate(part.name, info) if generate else scalars.humanize(part.name)),
        help_text=info.description or "",
        placeholder=str(example) if isinstance(example, (str, int, float)) else "",
        required=part.required,
        read_only=is_read_only(part),
        multiline=bool(extra.get("multiline")) or extra.get("format") == "textarea",
        group=group if isinstance(group, (str, Promise)) else "",
        default=get_default(part),
    )


def is_read_only(part: Part) -> bool:
    """Say whether a form only shows the field: the ``json_schema_extra`` of pydantic's says so."""
    extra = getattr(part.field, "json_schema_extra", None)
    return isinstance(extra, dict) and bool(extra.get("readOnly"))


def _complete(label: Label, node: Node) -> Label:
    """Return ``label`` with what each ``Field(...)`` around the type adds to it."""
    for info in node.infos:
        title, help_text = label.title or info.title or "", label.help_text or info.description or ""
        label = replace(label, title=title, help_text=help_text)
    return replace(label, holds_secret=any(part.is_secret or part.kind is Kind.UNKNOWN for part in iter_nodes(node)))


def _add_bound_hint(label: Label, bound: Sequence[Label]) -> Label:
    """Return ``label`` with a word on the fields that the secrets in its field belong to, if there are any."""
    if not bound:
        return label
    hint = _("Belongs to %(fields)s: when that changes, type it again.") % {
        "fields": ", ".join(str(one.title) for one in bound)
    }
    return replace(label, help_text=scalars.join_texts(label.help_text, hint))


def get_default(part: Part) -> Any:
    """Return a field's default as JSON, secrets masked; MISSING where there is none, or none that JSON can say."""
    try:
        default = part.make_default()
        if default is not PydanticUndefined:
            plain = to_jsonable_python(default, by_alias=False)
            json.dumps(plain, allow_nan=False)
            return plain
    except Exception:  # noqa: BLE001, S110 - serializers are foreign code; the form just starts empty
        pass
    return MISSING
