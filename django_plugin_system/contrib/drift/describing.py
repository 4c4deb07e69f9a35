"""Describe a pydantic schema as a shape, from its Python types: the same with each pydantic and Python release."""

from __future__ import annotations

import collections.abc
import dataclasses
import json
import re
import sys
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from functools import partial
from itertools import chain
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import typing_extensions
from pydantic import BaseModel, JsonValue
from pydantic_core import PydanticUndefined, to_jsonable_python

from django_plugin_system.contrib.drift.snapshots import FieldShape, ItemShape, ModelShape, Shape
from django_plugin_system.schema.tree import SECRET_TYPES, BoundTo, Kind, Node, Part, get_tree

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

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
_CONTAINERS = (list, tuple, dict, set, frozenset)
_DEEPEST = 50
_LIBRARIES = (*sys.stdlib_module_names, "pydantic", "pydantic_core", "typing_extensions")


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
    root = describer.describe(get_tree(schema))
    return root, dict(describer.models)


@dataclasses.dataclass
class _Describer:
    """Collects the classes with fields on the way."""

    models: dict[str, ModelShape] = dataclasses.field(default_factory=dict)
    names: dict[tuple[Any, bool], str] = dataclasses.field(default_factory=dict)
    """The names in ``models``, by class and whether it stands in a secret: there its defaults are secret, too."""
    entered: list[Sequence[Part]] = dataclasses.field(default_factory=list)
    """The parts of what is being described: a type may be a part of itself."""

    def describe(self, node: Node, *, in_secret: bool = False) -> Shape:
        """Return the shape of a type with what stands around it."""
        if any(node.parts is parts for parts in self.entered):
            return Shape(kind="recursive", model=get_name(node.through[-1]) if node.through else "")
        if node.kind is Kind.MODEL:
            shape = Shape(kind="model", model=self._describe_model(node, in_secret=in_secret))
        elif node.kind is Kind.CHOICE:
            shape = _describe_values(node.choices)
        elif node.kind is Kind.VALUE:
            shape = Shape(kind=_describe_kind(node.annotation))
        else:
            shape = self._describe_parts(node, in_secret=in_secret or node.is_secret)
        functions = chain.from_iterable(list_functions(cls) for cls in node.through if isinstance(cls, type))
        around = add_metadata(shape, node)
        return around.model_copy(
            update={"nullable": around.nullable or node.nullable, "functions": (*around.functions, *functions)}
        )

    def _describe_parts(self, node: Node, *, in_secret: bool) -> Shape:
        self.entered.append(node.parts)
        parts = [self.describe(part.node, in_secret=in_secret) for part in node.parts]
        self.entered.pop()
        return _unite(parts) if node.kind is Kind.UNION else _describe_container(node, parts)

    def _describe_model(self, node: Node, *, in_secret: bool) -> str:
        key = (node.annotation, in_secret)
        if key not in self.names:
            cls = typing_extensions.get_origin(node.annotation) or node.annotation
            name = cls.__name__.partition("[")[0] + (" (in a secret)" if in_secret else "")
            same = sum(re.sub(r" \d+$", "", other) == name for other in self.models)
            self.names[key] = name = f"{name} {same + 1}" if same else name
            self.models[name] = ModelShape()  # takes the place while the fields are described
            extra = self.describe(node.extra, in_secret=in_secret) if node.extra is not None else None
            settings = list_settings(cls)
            if extra is not None:
                settings["extra values"] = extra.model_dump(mode="json", exclude_defaults=True)
            self.models[name] = ModelShape(
                fields={name: self._describe_field(node.fields[name], in_secret) for name in sorted(node.fields)},
                settings=settings,
                functions=list_functions(cls),
            )
        return self.names[key]

    def _describe_field(self, part: Part, in_secret: bool) -> FieldShape:  # noqa: FBT001 - ours alone
        info: FieldInfo | None = part.field
        return FieldShape(
            type=self.describe(part.node, in_secret=in_secret),
            **_describe_default(part, in_secret=in_secret),
            title=str(getattr(info, "title", None) or ""),
            description=str(getattr(info, "description", None) or ""),
            aliases=tuple(sorted(part.aliases)),
        )


def _describe_container(node: Node, parts: Iterable[Shape]) -> Shape:
    """Return the shape of a container, a secret, or a name that is not defined."""
    cls = typing_extensions.get_origin(node.annotation) or node.annotation
    kinds = {Kind.TUPLE: "tuple", Kind.DICT: "dict", Kind.SECRET: "secret", Kind.UNKNOWN: str(node.annotation)}
    kind = kinds.get(node.kind) or ("set" if issubclass(cls, collections.abc.Set) else "list")
    own = (_get_class_name(cls),) if node.is_secret and cls.__module__.partition(".")[0] != "pydantic" else ()
    return Shape(kind=kind, of=tuple(parts), functions=own)


def _describe_values(values: Iterable[Any]) -> Shape:
    plain = [value.value if isinstance(value, Enum) else value for value in values]
    shown = {json.dumps(value): value for value in map(to_json, plain)}
    nullable = shown.pop("null", 0) is None
    return Shape(kind="enum", values=tuple(shown[text] for text in sorted(shown)), nullable=nullable)


def _unite(shapes: Sequence[Shape]) -> Shape:
    """Return the union of ``shapes``: flat, in a fixed order where the order is no matter."""
    members: list[Shape] = []
    for member in chain.from_iterable(map(_get_flat, shapes)):
        if member not in members:
            members.append(member)
    nullable = any(shape.nullable for shape in shapes)
    if len(members) == 1:
        return members[0].model_copy(update={"nullable": nullable})
    kinds = [member.stored_kind for member in members]
    if None not in kinds and len(set(kinds)) == len(kinds):  # JSON alone tells which of them a value belongs to
        members.sort(key=lambda member: member.model_dump_json())
    return Shape(kind="union", of=tuple(members), nullable=nullable)


def _get_flat(shape: Shape) -> Sequence[Shape]:
    is_inline = shape.kind == "union" and not shape.limits and not shape.functions
    return shape.of if is_inline else [shape.model_copy(update={"nullable": False})]


def _describe_default(part: Part, *, in_secret: bool) -> dict[str, Any]:
    """Return ``required``, ``default``, ``default_factory`` or ``default_withheld`` of a field, whichever holds."""
    if part.required:
        return {"required": True}
    if part.default_factory is not None:
        return {"default_factory": get_name(part.default_factory)}
    if part.default is PydanticUndefined:
        return {"default_factory": "absent"}
    is_nothing = part.default is None or (type(part.default) in _CONTAINERS and not part.default)
    if not is_nothing and (in_secret or part.node.holds_secret or may_hold_secret(part.default)):
        return {"default_withheld": True}
    return {"default": to_json(part.default)}


def may_hold_secret(value: Any, depth: int = 0) -> bool:
    """Say whether a secret may stand in ``value``, at any depth: any object with fields is taken for one."""
    if isinstance(value, (*SECRET_TYPES, BaseModel)) or dataclasses.is_dataclass(value) or depth > _DEEPEST:
        return True
    if isinstance(value, collections.abc.Mapping):
        value = [item for pair in value.items() for item in pair]
    if isinstance(value, (list, tuple, set, frozenset, collections.deque)):
        return any(may_hold_secret(item, depth + 1) for item in value)
    return False


def _describe_kind(annotation: Any) -> str:
    if isinstance(annotation, collections.abc.Hashable) and annotation in _KINDS:
        return _KINDS[annotation]
    is_class = isinstance(annotation, type) and typing_extensions.get_origin(annotation) is None  # tuple[()], on 3.10
    return _get_class_name(annotation) if is_class else str(annotation)


def _get_class_name(cls: type) -> str:
    library = cls.__module__.partition(".")[0] in _LIBRARIES
    return cls.__name__ if library else f"{cls.__module__}.{get_name(cls)}"


# What stands around a type


_OF_METADATA = ("annotated_types", "pydantic", "pydantic_core")
_ONLY_SHOWN = ("Examples", "SkipJsonSchema", "WithJsonSchema")
_DECORATORS = (
    *("validators", "field_validators", "root_validators", "model_validators"),
    *("field_serializers", "model_serializers"),
)
_SETTINGS_THAT_DO_NOT_COUNT = {
    *("alias_generator", "arbitrary_types_allowed", "cache_strings", "defer_build", "field_title_generator"),
    *("from_attributes", "frozen", "hide_input_in_errors", "json_schema_extra", "loc_by_alias"),
    *("model_title_generator", "plugin_settings", "populate_by_name", "protected_namespaces", "serialize_by_alias"),
    *("title", "use_attribute_docstrings", "validate_assignment", "validate_by_alias", "validate_by_name"),
}
"""Settings that change neither what a stored configuration looks like nor whether it is taken."""


def add_metadata(shape: Shape, node: Node) -> Shape:
    """Return ``shape`` with what stands around ``node``: limits, validators, serializers."""
    limits, functions = dict(shape.limits), list(shape.functions)
    for item in _iter_metadata(node):
        plain, named = _read_statement(item)
        clash = [f"{name}={to_json(value)}" for name, value in plain.items() if name in limits]
        limits |= {name: to_json(value) for name, value in plain.items() if name not in limits}
        if named or clash or not plain:
            functions.append(" ".join([get_name(item if isinstance(item, type) else type(item)), *clash, *named]))
    return shape.model_copy(update={"limits": limits, "functions": tuple(functions)})


def _read_statement(item: Any) -> tuple[dict[str, Any], list[str]]:
    """Return the values that a statement gives, by name; or the names of the functions, if it gives some."""
    found = {name: value for name, value in _iter_attributes(item) if value is not None}
    named = [get_name(value) for value in found.values() if callable(value)]
    return {} if named else found, named


def _iter_metadata(node: Node) -> Iterator[Any]:
    """Yield each single statement; what neither pydantic nor a validator reads is left out."""
    for item in node.metadata:
        kind = item if isinstance(item, type) else type(item)
        known = kind.__module__.partition(".")[0] in _OF_METADATA and kind.__name__ not in _ONLY_SHOWN
        if isinstance(item, BoundTo):
            yield SimpleNamespace(bound_to=item.names)
        elif known or hasattr(item, "__get_pydantic_core_schema__"):
            yield item
    for info in node.infos:
        if info.discriminator is not None:
            yield SimpleNamespace(discriminator=info.discriminator)


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
    return sorted(result, key=str) if isinstance(value, (set, frozenset)) and isinstance(result, list) else result


def list_functions(cls: type) -> tuple[str, ...]:
    """Return the validators and serializers of a class, by kind and name."""
    decorators = getattr(cls, "__pydantic_decorators__", None)
    found = []
    for group in _DECORATORS:
        for name, decorator in getattr(decorators, group, {}).items():
            fields = ", ".join(getattr(decorator.info, "fields", ()))
            mode = getattr(decorator.info, "mode", "")
            found.append(f"{group[:-1]}({mode}) {name}" + (f" on {fields}" if fields else ""))
    return tuple(sorted(found))


def list_settings(cls: type) -> dict[str, JsonValue]:
    """Return what a class sets in its pydantic configuration, as far as it counts."""
    config: Mapping[str, Any] = getattr(cls, "model_config", None) or getattr(cls, "__pydantic_config__", None) or {}
    return {
        name: get_name(value) if callable(value) else to_json(value)
        for name, value in config.items()
        if name not in _SETTINGS_THAT_DO_NOT_COUNT and (name, value) != ("extra", "ignore")
    }
