"""Describe a pydantic schema from its Python types: the same with each pydantic and Python release."""

from __future__ import annotations

import collections.abc
import dataclasses
import json
import re
import sys
import types
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import typing_extensions
from pydantic import BaseModel, JsonValue, Tag
from pydantic_core import PydanticUndefined, to_jsonable_python

from django_plugin_system.contrib.drift.snapshots import ItemShape, Place, TypeShape, join
from django_plugin_system.schema.tree import SECRET_TYPES, BoundTo, Kind, Node, Part, Step, get_tree

if TYPE_CHECKING:
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
_STORED_AS = {
    **dict.fromkeys(("string", "bytes"), "text"),
    **dict.fromkeys(("integer", "number"), "number"),
    **dict.fromkeys(("list", "set", "tuple"), "array"),
    **dict.fromkeys(("dict", "model"), "object"),
    **{kind: kind for kind in ("null", "boolean")},
}
_UNSURE = "other"
"""The key of a type whose values may look like those of another type in JSON, as dates look like text."""
_NAMES = {Step.ITEM: "[]", Step.KEY: "{key}", Step.VALUE: "{}", Step.EXTRA: "*"}
_CONTAINERS = (list, tuple, dict, set, frozenset)
_DEEPEST = 50
_LIBRARIES = (*sys.stdlib_module_names, "pydantic", "pydantic_core", "typing_extensions")


def describe_item(spec: ItemSpec, schema: type[BaseModel]) -> ItemShape:
    """Return the shape of an item's configuration."""
    type_name, manager = spec.type_key or ("", "")
    return ItemShape(
        name=spec.name,
        module=spec.module,
        type_name=type_name,
        manager=manager,
        config_version=spec.config.version,
        root=describe_schema(schema),
    )


def describe_schema(schema: type[BaseModel]) -> Place:
    """Return the shape of ``schema``, with all that stands in it."""
    return Place(types=_Describer().describe(get_tree(schema), _Where("")))


class _Where(NamedTuple):
    """Where a type stands."""

    path: str
    in_secret: bool = False
    """Then its defaults are secret, too."""
    in_doubt: bool = False
    """Whether this is in a union whose types only pydantic's own choice tells apart."""


class _Describer:
    """Describes types where they stand. One that holds itself is described once, and referred to where it comes again.

    Types are known by their parts, and by what else counts of where they stand.
    """

    def __init__(self) -> None:
        self._described: dict[tuple[int, bool, bool], str] = {}
        """The paths of the types that are being described, and of all that hold themselves."""
        self._holding_themselves: set[tuple[int, bool, bool]] = set()

    def describe(self, node: Node, where: _Where) -> dict[str, TypeShape]:
        """Return the types of the values in a place, by what tells them apart, as ``Place.types`` has them."""
        found: list[tuple[str, TypeShape]] = []
        for pair in self._iter_types(node, where):
            if pair not in found:
                found.append(pair)
        keys = {key for key, _shape in found}
        in_order = any("union_mode" in shape.rules for _key, shape in found)
        is_sure = len(found) == 1 or (len(keys) == len(found) and _UNSURE not in keys and not in_order)
        if not is_sure and not where.in_doubt:
            return self.describe(node, where._replace(in_doubt=True))
        described = {key if is_sure else f"?{number}": shape for number, (key, shape) in enumerate(found)}
        return {**described, "null": TypeShape(kind="null")} if _takes_none(node) else described

    def _iter_types(self, node: Node, where: _Where) -> Iterator[tuple[str, TypeShape]]:
        """Yield each type but ``None`` with its tag in a discriminated union, else with what JSON stores it as."""
        if node.kind is Kind.UNION:
            for part in node.parts:
                tag = _get_tag(part.node, node.discriminator)
                for key, shape in self._iter_types(part.node, where):
                    yield tag or key, _add_metadata(shape, node)
        elif node.is_secret:
            content = node.get_inner(Step.CONTENT) or get_tree(Any)
            is_own = node.cls.__module__.partition(".")[0] != "pydantic"
            own: dict[str, JsonValue] = {_get_class_name(node.cls): None} if is_own else {}
            inside = [*self._iter_types(content, where._replace(in_secret=True))]
            inside += [("secret null", TypeShape(kind="null"))] * _takes_none(content)
            for key, shape in inside:
                update = {"secret": True, "rules": {**shape.rules, **own}}
                yield key, _add_metadata(shape.model_copy(update=update), node)
        elif node.kind is Kind.CHOICE:
            values = [value for value in _list_values(node) if value is not None]
            key = "text" if all(isinstance(value, str) for value in values) else _UNSURE
            yield key, _add_metadata(TypeShape(kind="enum", values=tuple(sorted(values, key=json.dumps))), node)
        elif (kind := _get_kind(node)) != "null":
            yield _STORED_AS.get(kind, _UNSURE), _add_metadata(self._describe_type(node, kind, where), node)

    def _describe_type(self, node: Node, kind: str, where: _Where) -> TypeShape:
        key = (id(node.parts), where.in_secret, where.in_doubt)
        if node.parts and key in self._described:
            self._holding_themselves.add(key)
            return TypeShape(kind=f"as at {self._described[key] or 'the root'}")
        self._described[key] = where.path
        parts = {name: self._describe_part(node, part, name, where) for name, part in _list_parts(node)}
        if key not in self._holding_themselves:
            del self._described[key]
        if node.kind is not Kind.MODEL:
            return TypeShape(kind=kind, parts=parts)
        rules = {**list_settings(node.cls), **list_functions(node.cls)}
        return TypeShape(kind=kind, parts=parts, model=node.cls.__name__.partition("[")[0], rules=rules)

    def _describe_part(self, node: Node, part: Part, name: str, where: _Where) -> Place:
        types = self.describe(part.node, where._replace(path=join(where.path, name)))
        if node.kind is not Kind.MODEL or part.step is not Step.FIELD:
            return Place(types=types)
        return Place(
            types=types,
            default=_describe_default(part, in_secret=where.in_secret),
            title=str(getattr(part.field, "title", None) or ""),
            description=str(getattr(part.field, "description", None) or ""),
            aliases=tuple(sorted(part.aliases)),
        )


def _list_parts(node: Node) -> list[tuple[str, Part]]:
    """Return the parts of a type by name, in an order that does not depend on the code's."""
    named = {
        _NAMES.get(part.step, part.name if node.kind is Kind.MODEL else f"[{part.name}]"): part for part in node.parts
    }
    return sorted(named.items(), key=lambda pair: pair[0])


def _list_values(node: Node) -> list[JsonValue]:
    return [to_json(value.value if isinstance(value, Enum) else value) for value in node.choices]


def _takes_none(node: Node) -> bool:
    inside = [part.node for part in node.parts if part.step is Step.MEMBER]
    return node.nullable or None in _list_values(node) or any(map(_takes_none, inside))


def _get_tag(member: Node, discriminator: Any) -> str:
    """Return what tells values of ``member`` in a discriminated union; nothing for one of another kind."""
    tags: list[JsonValue] = [item.tag for item in member.metadata if isinstance(item, Tag)]
    if isinstance(discriminator, str) and discriminator in member.fields:
        tags += _list_values(member.fields[discriminator].node)
    return json.dumps(tags[0]) if tags else ""


def _describe_default(part: Part, *, in_secret: bool) -> str:
    """Return what holds where a field is left out, as ``Place.default`` has it."""
    if part.required:
        return ""
    if part.default_factory is not None:
        return f"made by {get_name(part.default_factory)}"
    if part.default is PydanticUndefined:
        return "absent"
    is_nothing = part.default is None or (type(part.default) in _CONTAINERS and not part.default)
    is_secret = in_secret or part.node.holds_secret or may_hold_secret(part.default)
    return "withheld" if is_secret and not is_nothing else json.dumps(to_json(part.default), sort_keys=True)


def may_hold_secret(value: Any, depth: int = 0) -> bool:
    """Say whether a secret may stand in ``value``, at any depth: any object with fields is taken for one."""
    if isinstance(value, (*SECRET_TYPES, BaseModel)) or dataclasses.is_dataclass(value) or depth > _DEEPEST:
        return True
    if isinstance(value, collections.abc.Mapping):
        value = [item for pair in value.items() for item in pair]
    if isinstance(value, (list, tuple, set, frozenset, collections.deque)):
        return any(may_hold_secret(item, depth + 1) for item in value)
    return False


def _get_kind(node: Node) -> str:
    """Return what a snapshot calls a type that is neither a secret nor a union."""
    if node.kind is Kind.LIST and issubclass(node.cls, collections.abc.Set):
        return "set"
    if node.kind in (Kind.MODEL, Kind.LIST, Kind.TUPLE, Kind.DICT):
        return node.kind.name.lower()
    annotation = node.annotation
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


def _add_metadata(shape: TypeShape, node: Node) -> TypeShape:
    """Return ``shape`` with what stands around ``node``: constraints, validators, serializers."""
    rules = dict(shape.rules)
    for name, value in _iter_rules(node):
        if rules.get(name, value) == value:
            rules[name] = value
        else:  # both hold
            rules[f"{name}={value}"] = None
    return shape.model_copy(update={"rules": rules})


def _iter_rules(node: Node) -> Iterator[tuple[str, JsonValue]]:
    """Yield each rule around ``node``; what neither pydantic nor a validator reads makes none."""
    for item in node.metadata:
        kind = item if isinstance(item, type) else type(item)
        known = kind.__module__.partition(".")[0] in _OF_METADATA and kind.__name__ not in _ONLY_SHOWN
        if isinstance(item, BoundTo):
            yield "bound_to", list(item.names)
        elif known or hasattr(item, "__get_pydantic_core_schema__"):
            found = {name: value for name, value in _iter_attributes(item) if value is not None}
            named = [get_name(value) for value in found.values() if callable(value)]
            if named or not found:
                yield " ".join([get_name(kind), *named]), None
            else:
                yield from ((name, to_json(value)) for name, value in found.items())
    for info in node.infos:
        if info.discriminator is not None:
            yield "discriminator", to_json(info.discriminator)
    for cls in node.through:
        yield from list_functions(cls).items()


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


def list_functions(cls: Any) -> dict[str, JsonValue]:
    """Return the validators and serializers of a class, by kind and name; they are rules without a value."""
    decorators = getattr(cls, "__pydantic_decorators__", None)
    found: dict[str, JsonValue] = {}
    for group in _DECORATORS:
        for name, decorator in getattr(decorators, group, {}).items():
            fields = ", ".join(getattr(decorator.info, "fields", ()))
            mode = getattr(decorator.info, "mode", "")
            found[f"{group[:-1]}({mode}) {name}" + (f" on {fields}" if fields else "")] = None
    return found


def list_settings(cls: type) -> dict[str, JsonValue]:
    """Return what a class sets in its pydantic configuration, as far as it counts."""
    config: Mapping[str, Any] = getattr(cls, "model_config", None) or getattr(cls, "__pydantic_config__", None) or {}
    return {
        f"model_config {name}": get_name(value) if callable(value) else to_json(value)
        for name, value in config.items()
        if name not in _SETTINGS_THAT_DO_NOT_COUNT and (name, value) != ("extra", "ignore")
    }
