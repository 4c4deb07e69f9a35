"""Describe a pydantic schema as a shape, from its Python types: the same with each pydantic and Python release."""

from __future__ import annotations

import collections.abc
import dataclasses
import inspect
import json
import re
import sys
import types
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import typing_extensions
from pydantic import BaseModel, RootModel, SecretBytes, SecretStr, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined, to_jsonable_python

from django_plugin_system.config.bound import BoundTo
from django_plugin_system.config.declared import (
    SECRET_TYPES,
    Inner,
    Step,
    holds_secret,
    is_secret_type,
    is_union,
    iter_aliases,
    iter_inner,
)
from django_plugin_system.contrib.drift.snapshots import FieldShape, ItemShape, ModelShape, Shape

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pydantic import JsonValue

    from django_plugin_system.registry import ItemSpec

_KINDS: dict[Any, str] = {
    Any: "any",
    object: "any",
    None: "null",
    types.NoneType: "null",
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    bytes: "bytes",
}
_LIBRARIES = (*sys.stdlib_module_names, "pydantic", "pydantic_core", "typing_extensions")
_STORED_AS = {
    "null": "null",
    "string": "text",
    "bytes": "text",
    "integer": "number",
    "number": "number",
    "boolean": "boolean",
    "list": "array",
    "set": "array",
    "tuple": "array",
    "dict": "object",
    "model": "object",
}


def describe_item(spec: ItemSpec, schema: type[BaseModel]) -> ItemShape:
    """Return the shape of an item's configuration."""
    root, models = describe_schema(schema)
    type_name, manager = spec.type_key or ("", "")
    return ItemShape(
        name=spec.name,
        module=spec.module,
        type_name=type_name,
        manager=manager,
        config_version=spec.config.version,
        root=root,
        models=models,
    )


def describe_schema(schema: type[BaseModel]) -> tuple[Shape, dict[str, ModelShape]]:
    """Return the shape of ``schema``, and those of the classes with fields in it by name."""
    describer = _Describer()
    root = describer.describe(schema)
    return root, dict(describer.models)


def get_stored_kind(shape: Shape) -> str | None:
    """Return what JSON stores a value as: ``text``, ``number``, ``object`` ...; None where that is not sure."""
    if shape.kind == "secret":
        return get_stored_kind(shape.of[0])
    if shape.kind == "enum":
        return "text" if all(isinstance(value, str) for value in shape.values) else None
    return _STORED_AS.get(shape.kind)


def are_told_apart(members: Sequence[Shape]) -> bool:
    """Say whether JSON alone tells which of ``members`` a stored value belongs to."""
    kinds = [get_stored_kind(member) for member in members]
    return None not in kinds and len(set(kinds)) == len(kinds)


@dataclasses.dataclass
class _Describer:
    """Collects the classes with fields on the way."""

    models: dict[str, ModelShape] = dataclasses.field(default_factory=dict)
    known: list[tuple[Any, bool, str]] = dataclasses.field(default_factory=list)
    """(class, whether it stands in a secret, its name in ``models``)"""
    entered: list[Any] = dataclasses.field(default_factory=list)
    """Aliases and root models that are being described: they may name themselves."""

    def describe(self, annotation: Any, metadata: Iterable[Any] = (), *, in_secret: bool = False) -> Shape:
        """Return the shape of a type with what stands around it."""
        annotation, inner = split_annotated(annotation)
        shape = self._describe_bare(annotation, in_secret=in_secret)
        return add_metadata(shape, [*inner, *metadata])

    def _describe_bare(self, annotation: Any, *, in_secret: bool) -> Shape:
        if is_secret_type(annotation):
            return self._describe_secret(annotation)
        if (values := _find_values(annotation)) is not None:
            return _describe_values(values)
        if _has_fields(annotation):
            return self._describe_model(annotation, in_secret=in_secret)
        inners = iter_inner(annotation)
        if is_union(annotation) or (inners and all(inner.step is Step.SAME for inner in inners)):
            return self._look_through(annotation, inners, in_secret=in_secret)
        if inners:
            kind = _get_container_kind(annotation, inners)
            return Shape(kind=kind, of=tuple(self._describe_inner(inner, in_secret=in_secret) for inner in inners))
        return self._describe_leaf(annotation, in_secret=in_secret)

    def _describe_inner(self, inner: Inner, *, in_secret: bool) -> Shape:
        return self.describe(inner.annotation, [inner.field] if inner.field else (), in_secret=in_secret)

    def _describe_secret(self, annotation: Any) -> Shape:
        origin = typing_extensions.get_origin(annotation) or annotation
        if issubclass(origin, (SecretStr, SecretBytes)):
            inner = Shape(kind="string" if issubclass(origin, SecretStr) else "bytes")
        else:
            bases = [base for cls in origin.__mro__ for base in typing_extensions.get_original_bases(cls)]
            inner = self.describe(_find_argument([annotation, *bases]), in_secret=True)
        own = () if origin.__module__.partition(".")[0] == "pydantic" else (_get_class_name(origin),)
        return Shape(kind="secret", of=(inner,), functions=own)

    def _look_through(self, annotation: Any, inners: Sequence[Inner], *, in_secret: bool) -> Shape:
        """Return the shape of what stands for other types: a union, an alias, a root model, a type variable."""
        if annotation in self.entered:
            return Shape(kind="recursive", model=get_name(annotation))
        self.entered.append(annotation)
        members = [self._describe_inner(inner, in_secret=in_secret) for inner in inners]
        self.entered.pop()
        shape = _unite(members)
        if isinstance(annotation, type) and issubclass(annotation, RootModel):
            shape = shape.model_copy(update={"functions": (*shape.functions, *list_functions(annotation))})
        return shape

    def _describe_model(self, annotation: Any, *, in_secret: bool) -> Shape:
        for known, known_in_secret, name in self.known:
            if known == annotation and known_in_secret == in_secret:
                return Shape(kind="model", model=name)
        cls = typing_extensions.get_origin(annotation) or annotation
        name = self._find_name(cls.__name__.partition("[")[0] + (" (in a secret)" if in_secret else ""))
        self.known.append((annotation, in_secret, name))
        self.models[name] = ModelShape()  # takes the place while the fields are described
        fields = [inner for inner in iter_inner(annotation) if inner.step is Step.FIELD]
        inners = sorted(fields, key=lambda inner: inner.names[0])
        self.models[name] = ModelShape(
            fields={inner.names[0]: self._describe_field(cls, inner, in_secret=in_secret) for inner in inners},
            settings=list_settings(cls) | self._describe_extra(cls),
            functions=list_functions(cls),
        )
        return Shape(kind="model", model=name)

    def _find_name(self, name: str) -> str:
        number = 2
        found = name
        while found in self.models:
            found, number = f"{name} {number}", number + 1
        return found

    def _describe_extra(self, cls: type) -> dict[str, Any]:
        """Return what kind of values a model takes beside its fields, where it says so."""
        own = cls.__mro__[: cls.__mro__.index(BaseModel)] if issubclass(cls, BaseModel) else ()
        if not any("__pydantic_extra__" in inspect.get_annotations(base) for base in own):
            return {}
        hint = typing_extensions.get_type_hints(cls, include_extras=True)["__pydantic_extra__"]
        return {"extra values": self.describe(hint).model_dump(mode="json", exclude_defaults=True)}

    def _describe_field(self, cls: type, inner: Inner, *, in_secret: bool) -> FieldShape:
        info = inner.field or find_field_info(split_annotated(inner.annotation)[1])
        return FieldShape(
            type=self._describe_inner(inner, in_secret=in_secret),
            **_describe_presence(cls, inner, in_secret=in_secret),
            **(_describe_labels(info) if info else {}),
        )

    def _describe_leaf(self, annotation: Any, *, in_secret: bool) -> Shape:
        origin = typing_extensions.get_origin(annotation)
        args = [arg for arg in typing_extensions.get_args(annotation) if isinstance(arg, type)]
        kind = origin or annotation
        name = _KINDS.get(kind) if isinstance(kind, collections.abc.Hashable) else None
        return Shape(
            kind=name or (_get_class_name(kind) if isinstance(kind, type) else str(kind)),
            of=tuple(self.describe(arg, in_secret=in_secret) for arg in args),
        )


def _has_fields(annotation: Any) -> bool:
    cls = typing_extensions.get_origin(annotation) or annotation
    if not isinstance(cls, type) or issubclass(cls, RootModel):
        return False
    return issubclass(cls, BaseModel) or dataclasses.is_dataclass(cls) or typing_extensions.is_typeddict(cls)


def _get_container_kind(annotation: Any, inners: Sequence[Inner]) -> str:
    origin = typing_extensions.get_origin(annotation) or annotation
    if inners[0].step is Step.FIELD:
        return "tuple"
    if inners[0].step is Step.KEY:
        return "dict"
    return "set" if issubclass(origin, collections.abc.Set) else "list"


def _find_values(annotation: Any) -> Sequence[Any] | None:
    """Return the values of a ``Literal`` or an enum; None for any other type."""
    if typing_extensions.get_origin(annotation) in (Literal, typing_extensions.Literal):
        return typing_extensions.get_args(annotation)
    return list(annotation) if isinstance(annotation, type) and issubclass(annotation, Enum) else None


def _describe_values(values: Iterable[Any]) -> Shape:
    plain = [value.value if isinstance(value, Enum) else value for value in values]
    shown = {json.dumps(value): value for value in map(to_json, plain)}
    nullable = shown.pop("null", 0) is None
    return Shape(kind="enum", values=tuple(shown[text] for text in sorted(shown)), nullable=nullable)


def _unite(shapes: Iterable[Shape]) -> Shape:
    """Return the union of ``shapes``: flat, None as ``nullable``, in a fixed order where the order is no matter."""
    members: list[Shape] = []
    nullable = False
    for shape in shapes:
        inline = shape.kind == "union" and not shape.limits and not shape.functions
        nullable = nullable or shape.nullable or shape.kind == "null"
        for member in shape.of if inline else [shape.model_copy(update={"nullable": False})]:
            if member not in members and member.kind != "null":
                members.append(member)
    if not members:
        return Shape(kind="null")
    if len(members) == 1:
        return members[0].model_copy(update={"nullable": nullable})
    if are_told_apart(members):
        members.sort(key=lambda member: member.model_dump_json())
    return Shape(kind="union", of=tuple(members), nullable=nullable)


def _describe_presence(cls: type, inner: Inner, *, in_secret: bool) -> dict[str, Any]:
    if inner.field is not None:
        if refuses_default(cls, inner.field):
            return {"required": True}
        return describe_default(inner.annotation, inner.field, in_secret=in_secret)
    if dataclasses.is_dataclass(cls):
        field = cls.__dataclass_fields__[inner.names[0]]
        return describe_default(inner.annotation, field, in_secret=in_secret)
    required = inner.names[0] in getattr(cls, "__required_keys__", ())
    return {"required": True} if required else {"default_factory": "absent"}


def _describe_labels(info: FieldInfo) -> dict[str, Any]:
    return {
        "title": str(info.title or ""),
        "description": str(info.description or ""),
        "aliases": tuple(sorted(set(iter_aliases(info)))),
    }


def _find_argument(types_in_brackets: Iterable[Any]) -> Any:
    """Return what ``Secret[...]`` has in its brackets: those of the type itself, or of a class it derives from."""
    args = [arg for found in types_in_brackets for arg in typing_extensions.get_args(found)]
    return next(arg for arg in args if not isinstance(arg, TypeVar))


def _get_class_name(cls: type) -> str:
    library = cls.__module__.partition(".")[0] in _LIBRARIES
    return cls.__name__ if library else f"{cls.__module__}.{get_name(cls)}"


_OF_METADATA = ("annotated_types", "pydantic", "pydantic_core")
_ONLY_SHOWN = ("Examples", "SkipJsonSchema", "WithJsonSchema")
_DECORATORS = ("validators", "field_validators", "root_validators", "model_validators")
_SERIALIZERS = ("field_serializers", "model_serializers")
_SETTINGS_THAT_DO_NOT_COUNT = {
    "alias_generator",
    "arbitrary_types_allowed",
    "cache_strings",
    "defer_build",
    "field_title_generator",
    "from_attributes",
    "frozen",
    "hide_input_in_errors",
    "json_schema_extra",
    "loc_by_alias",
    "model_title_generator",
    "plugin_settings",
    "populate_by_name",
    "protected_namespaces",
    "serialize_by_alias",
    "title",
    "use_attribute_docstrings",
    "validate_assignment",
    "validate_by_alias",
    "validate_by_name",
}
"""Settings that change neither what a stored configuration looks like nor whether it is taken."""


def split_annotated(annotation: Any) -> tuple[Any, list[Any]]:
    """Return the type inside ``Annotated[...]``, and what else stands there; nothing else for any other type."""
    if typing_extensions.get_origin(annotation) is typing_extensions.Annotated:
        inner, *metadata = typing_extensions.get_args(annotation)
        return inner, metadata
    return annotation, []


def find_field_info(metadata: Iterable[Any]) -> FieldInfo | None:
    """Return the ``Field(...)`` in the metadata of an annotation, if there is one."""
    return next((item for item in metadata if isinstance(item, FieldInfo)), None)


def add_metadata(shape: Shape, metadata: Iterable[Any]) -> Shape:
    """Return ``shape`` with what ``metadata`` says about it."""
    limits, functions = dict(shape.limits), list(shape.functions)
    for item in _expand(metadata):
        found = {name: value for name, value in _iter_attributes(item) if value is not None}
        named = [get_name(value) for value in found.values() if callable(value)]
        plain = {} if named else found
        clash = [f"{name}={to_json(value)}" for name, value in plain.items() if name in limits]
        limits |= {name: to_json(value) for name, value in plain.items() if name not in limits}
        if named or clash or not plain:
            functions.append(" ".join([get_name(item if isinstance(item, type) else type(item)), *clash, *named]))
    return shape.model_copy(update={"limits": limits, "functions": tuple(functions)})


def _expand(metadata: Iterable[Any]) -> Iterator[Any]:
    """Yield each single statement; what neither pydantic nor a validator reads is left out."""
    for item in metadata:
        if isinstance(item, FieldInfo):
            yield from _expand(item.metadata)
            if item.discriminator is not None:
                yield _Discriminated(item.discriminator)
        elif getattr(item, "__is_annotated_types_grouped_metadata__", False) is True and not isinstance(item, type):
            yield from _expand(item)
        elif isinstance(item, BoundTo):
            yield _Bound(item.names)
        elif _counts(item):
            yield item


def _counts(item: Any) -> bool:
    kind = item if isinstance(item, type) else type(item)
    known = kind.__module__.partition(".")[0] in _OF_METADATA and kind.__name__ not in _ONLY_SHOWN
    return known or hasattr(item, "__get_pydantic_core_schema__")


@dataclasses.dataclass
class _Discriminated:
    """The ``discriminator`` of a field, as metadata."""

    discriminator: Any


@dataclasses.dataclass
class _Bound:
    """What a secret belongs to, as metadata."""

    bound_to: Any


def _iter_attributes(item: Any) -> Iterable[tuple[str, Any]]:
    if isinstance(item, type):
        return ()
    if dataclasses.is_dataclass(item):
        return [(field.name, getattr(item, field.name)) for field in dataclasses.fields(item)]
    return [pair for pair in getattr(item, "__dict__", {}).items() if pair[0][0] != "_"]


def get_name(thing: Any) -> str:
    """Return a name for a function or class that is the same in every process."""
    while isinstance(thing, partial):
        thing = thing.func
    name: str = getattr(thing, "__qualname__", type(thing).__qualname__)
    return name.rpartition("<locals>.")[2]


def to_json(value: Any) -> JsonValue:
    """Return ``value`` as JSON can say it; for what it cannot, the name of its class."""
    if isinstance(value, re.Pattern):
        flags = value.flags & ~re.UNICODE
        return f"{value.pattern} (flags {flags})" if flags else str(value.pattern)
    try:
        result: JsonValue = to_jsonable_python(value, inf_nan_mode="strings")
    except Exception:  # noqa: BLE001 - foreign code
        return f"<{get_name(type(value))}>"
    return sort_set(value, result)


def sort_set(value: Any, result: JsonValue) -> JsonValue:
    """Return ``result``, the JSON of ``value``, in an order that is the same in every process."""
    return sorted(result, key=str) if isinstance(value, (set, frozenset)) and isinstance(result, list) else result


def list_functions(cls: type) -> tuple[str, ...]:
    """Return the validators and serializers of a class, by kind and name."""
    decorators = getattr(cls, "__pydantic_decorators__", None)
    found = []
    for group in (*_DECORATORS, *_SERIALIZERS):
        for name, decorator in getattr(decorators, group, {}).items():
            fields = getattr(decorator.info, "fields", ())
            mode = getattr(decorator.info, "mode", "")
            found.append(f"{group[:-1]}({mode}) {name}" + (f" on {', '.join(fields)}" if fields else ""))
    return tuple(sorted(found))


def list_settings(cls: type) -> dict[str, JsonValue]:
    """Return what a class sets in its pydantic configuration, as far as it counts."""
    config: Mapping[str, Any] = getattr(cls, "model_config", None) or getattr(cls, "__pydantic_config__", None) or {}
    return {
        name: get_name(value) if callable(value) else to_json(value)
        for name, value in config.items()
        if name not in _SETTINGS_THAT_DO_NOT_COUNT
    }


_DEEPEST = 50


def describe_default(annotation: Any, info: FieldInfo | dataclasses.Field[Any], *, in_secret: bool) -> dict[str, Any]:
    """Return ``required``, ``default``, ``default_factory`` or ``default_withheld`` of a field, whichever holds."""
    if info.default_factory not in (None, dataclasses.MISSING):
        return {"default_factory": get_name(info.default_factory)}
    if info.default is PydanticUndefined or info.default in (dataclasses.MISSING, ...):
        return {"required": True}
    if info.default is None:
        return {}
    if _is_empty(info.default):
        return {"default": to_json(info.default)}
    if in_secret or holds_secret(annotation) or may_hold_secret(info.default):
        return {"default_withheld": True}
    return {"default": to_json(info.default)}


def refuses_default(cls: type, info: FieldInfo) -> bool:
    """Say whether a field of ``cls`` validates its default and does not take it: then the field has to be given."""
    validated = info.validate_default
    if validated is None:
        validated = getattr(cls, "model_config", {}).get("validate_default")
    if not validated or info.default in (PydanticUndefined, ...):
        return False
    annotation: Any = Annotated[(info.annotation, *info.metadata)] if info.metadata else info.annotation
    try:
        TypeAdapter(annotation).validate_python(info.default)
    except ValidationError:
        return True
    except Exception:  # noqa: BLE001 - foreign code; whether the default is taken cannot be told
        return False
    return False


def _is_empty(value: Any) -> bool:
    return type(value) in (list, tuple, dict, set, frozenset) and not value


def may_hold_secret(value: Any, depth: int = 0) -> bool:
    """Say whether a secret stands in ``value``, at any depth, or whether that cannot be told."""
    if isinstance(value, SECRET_TYPES) or depth > _DEEPEST:
        return True
    if isinstance(value, BaseModel) or (dataclasses.is_dataclass(value) and not isinstance(value, type)):
        extra = getattr(value, "__pydantic_extra__", None)
        names: Any = getattr(value, "__dict__", None) or getattr(value, "__dataclass_fields__", ())
        inner = [extra, *(getattr(value, name, None) for name in names)]
        return holds_secret(type(value)) or any(may_hold_secret(item, depth + 1) for item in inner)
    if isinstance(value, collections.abc.Mapping):
        return any(may_hold_secret(item, depth + 1) for pair in value.items() for item in pair)
    if isinstance(value, (list, tuple, set, frozenset, collections.deque)):
        return any(may_hold_secret(item, depth + 1) for item in value)
    return False
