"""A pydantic model class as a tree of nodes, made once: whoever wants to know what a schema declares walks it.

``get_tree(Config)`` is the node of the class. A node says what a value may be: its ``kind``, the bare ``annotation``
(``Annotated``, aliases, root models and the ``None`` of a union are looked through), the ``metadata`` that stood around
it, and its ``parts``. A part leads to the node of a value inside the value: of a field, an item, a dict's key. So the
nodes of a model that holds itself form a circle; a walk over data ends with the data, ``iter_nodes`` visits each once.

=========  ==========================================  ==========================================================
kind       what it is                                  parts
=========  ==========================================  ==========================================================
MODEL      a model, a dataclass, a typed dict          FIELD for each, by name; EXTRA, if the values of others are typed
LIST       a list, set, deque, ``tuple[X, ...]``       ITEM
TUPLE      ``tuple[X, Y]``, a named tuple              FIELD for each, its name is the position
DICT       a mapping                                   KEY, VALUE
UNION      two or more types other than ``None``       MEMBER for each
SECRET     ``SecretStr``, ``SecretBytes``, ``Secret``  CONTENT, what is inside it, as far as that is known
CHOICE     a ``Literal`` or an enum                    -
VALUE      anything else                               -
UNKNOWN    a name that is not defined yet              -
=========  ==========================================  ==========================================================

What is secret is told from the types, since a JSON schema marks neither ``Secret[int]`` nor ``Secret[Model]``.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import types
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from functools import cached_property, partial
from typing import Annotated, Any, ForwardRef, Literal, TypeVar, Union, get_args, get_origin

import typing_extensions
from pydantic import AliasChoices, AliasPath, BaseModel, Discriminator, Json, Secret, SecretBytes, SecretStr
from pydantic.dataclasses import rebuild_dataclass
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from django_plugin_system.schema.annotations import fill_in, get_given, get_hints, is_root_model, resolve_alias, settle

SECRET_TYPES: tuple[type[Any], ...] = (SecretStr, SecretBytes, Secret)
"""The types whose values are encrypted."""


@dataclass(frozen=True, init=False)
class BoundTo:
    """Says, in ``Annotated``, that a secret belongs to fields of the same model: change one, and it must be typed anew.

    The field may also be a list, a dict or a model with secrets inside: all of them are bound.
    """

    names: tuple[str, ...]

    def __init__(self, name: str, *names: str) -> None:
        """Name the fields, as the model calls them."""
        object.__setattr__(self, "names", (name, *names))


Kind = Enum("Kind", "MODEL LIST TUPLE DICT UNION SECRET CHOICE VALUE UNKNOWN")
"""What a node is; see the module."""

Step = Enum("Step", "FIELD EXTRA ITEM KEY VALUE MEMBER CONTENT")
"""How a part is reached from the value that it is a part of. A MEMBER is that very value."""


@dataclass(frozen=True, eq=False)
class Node:
    """What a value may be."""

    kind: Kind
    annotation: Any
    """The bare type: a class, ``list[int]``, a union."""
    metadata: tuple[Any, ...] = ()
    """What stood around the type, innermost first; each ``Field(...)`` and group of statements is expanded."""
    infos: tuple[FieldInfo, ...] = ()
    """Each ``Field(...)`` that stood around the type, innermost first; the field's own comes last."""
    through: tuple[Any, ...] = ()
    """The aliases, new types and root models that led to the type, outermost first."""
    nullable: bool = False
    parts: Sequence[Part] = dataclasses.field(default=(), repr=False)

    @property
    def cls(self) -> Any:
        """The class of values: ``list`` for ``list[int]``; the annotation itself, where it is no class."""
        return get_origin(self.annotation) or self.annotation

    @property
    def is_secret(self) -> bool:
        """Whether values are encrypted."""
        return self.kind is Kind.SECRET

    @cached_property
    def holds_secret(self) -> bool:
        """Whether a value is, or can hold at any depth, a secret."""
        return any(node.is_secret for node in iter_nodes(self))

    @cached_property
    def fields(self) -> dict[str, Part]:
        """The parts that have a name, by the key they are stored under."""
        return {part.name: part for part in self.parts if part.step is Step.FIELD}

    @cached_property
    def names(self) -> dict[str, Part]:
        """The same, also by the other keys that input may use; a field's own name goes before another's alias."""
        by_alias = {alias: part for part in self.fields.values() for alias in part.aliases}
        return {**self.fields, **{alias: part for alias, part in by_alias.items() if alias not in self.fields}}

    @cached_property
    def extra(self) -> Node | None:
        """The type of values beside the fields, where a model takes and declares them."""
        return self.get_inner(Step.EXTRA)

    @cached_property
    def members(self) -> tuple[Node, ...]:
        """The members of a union, and of the unions in it; of any other node itself."""
        if self.kind is not Kind.UNION:
            return (self,)
        return tuple(dict.fromkeys(member for part in self.parts for member in part.node.members))

    @cached_property
    def is_bound(self) -> bool:
        """Whether a secret, at any depth, is bound to other fields."""
        return any(part.bound_to for model in iter_models(self) for part in model.parts)

    @cached_property
    def tags(self) -> dict[Any, str | None]:
        """The classes that are members of a union, at any depth; each with the name of the field that tells them apart.

        None where nothing does that has a name: then their keys tell.
        """
        unions = [(node, node.discriminator) for node in iter_nodes(self) if node.kind is Kind.UNION]
        members = [(part.node, tag) for union, tag in unions for part in union.parts]
        return {node.cls: tag if isinstance(tag, str) else None for node, tag in members if node.kind is Kind.MODEL}

    @property
    def choices(self) -> tuple[Any, ...]:
        """The values of a ``Literal``, the members of an enum."""
        if self.kind is not Kind.CHOICE:
            return ()
        values: Any = self.annotation if isinstance(self.annotation, type) else get_args(self.annotation)
        return tuple(values)

    @property
    def discriminator(self) -> Any:
        """The name of the field, or the function, that tells the members of a union apart; None if nothing does."""
        found = [info.discriminator for info in self.infos if info.discriminator is not None]
        found += [item for item in self.metadata if isinstance(item, Discriminator)]
        return getattr(found[0], "discriminator", found[0]) if found else None

    @property
    def is_json_string(self) -> bool:
        """Whether a value is given and stored as a text of JSON: ``Json[...]``."""
        json_type: Any = Json
        return any(item is json_type or isinstance(item, json_type) for item in (self.annotation, *self.metadata))

    def get_inner(self, step: Step) -> Node | None:
        """Return the node of the part that is reached by ``step``, if there is one."""
        return next((part.node for part in self.parts if part.step is step), None)


@dataclass(frozen=True, eq=False)
class Part:
    """The way to a node inside another one.

    The rest says of a field where it is stored and how it may be given: ``name`` is the key (in a tuple the position),
    ``field`` is what pydantic knows of it, where it is a field of pydantic's.
    """

    step: Step
    node: Node
    name: str = ""
    aliases: tuple[str, ...] = ()
    """Other keys that input may use for it, also the first one of a longer way."""
    owner: type | None = None
    """The class that the field is declared in."""
    field: FieldInfo | None = dataclasses.field(default=None, repr=False)
    required: bool = False
    default: Any = dataclasses.field(default=PydanticUndefined, repr=False)
    default_factory: Any = None
    validates_default: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The key that the field is stored under, and the others that input may use."""
        return (self.name, *self.aliases)

    @property
    def alias_paths(self) -> list[tuple[str | int, ...]]:
        """Each place, other than under the field's name, where the field may be given."""
        return list(_iter_alias_paths(self.field)) if self.field is not None else [(name,) for name in self.aliases]

    @cached_property
    def bound_to(self) -> tuple[str, ...]:
        """The names of the fields beside it that the secrets in a field are bound to, by its type or a type in that."""
        whole = self.node.kind is Kind.MODEL  # what its own fields are bound to, they say themselves
        nodes = [self.node] if whole else iter_nodes(self.node, into_models=False)
        bonds = [item for node in nodes for item in node.metadata if isinstance(item, BoundTo)]
        return tuple(dict.fromkeys(name for bond in bonds for name in bond.names))

    def make_default(self) -> Any:
        """Return the default, or what its factory makes now; PydanticUndefined if that is none, or cannot be told."""
        if self.default_factory is None:
            return self.default
        with suppress(Exception):  # foreign code, or a factory that looks at other fields
            return self.default_factory()
        return PydanticUndefined


def iter_nodes(root: Node, *, into_models: bool = True) -> Iterator[Node]:
    """Yield ``root`` and every node below it once, but for what stands inside of a secret, which is one value.

    Without ``into_models``, what is inside of models is left out, other than of ``root`` itself.
    """
    seen = {id(root)}
    pending = [root]
    while pending:
        node = pending.pop()
        yield node
        if not node.is_secret and (into_models or node is root or node.kind is not Kind.MODEL):
            inner = [part.node for part in reversed(node.parts) if id(part.node) not in seen]
            seen.update(map(id, inner))
            pending += inner


def iter_models(root: Node) -> Iterator[Node]:
    """Yield a node of each class with fields that ``root`` is made of, each class once."""
    yield from {node.annotation: node for node in iter_nodes(root) if node.kind is Kind.MODEL}.values()


_TREES: dict[Any, Node] = {}
_MOST_TREES = 1024


def get_tree(annotation: Any) -> Node:
    """Return the node of a type: the same one each time, unless a name in it is not defined yet."""
    try:
        found = _TREES.get(annotation)
    except TypeError:  # metadata that cannot be hashed
        return _Compiler().compile(annotation)
    if found is None:
        compiler = _Compiler()
        found = compiler.compile(annotation)
        if compiler.is_complete:
            if len(_TREES) >= _MOST_TREES:
                _TREES.clear()
            _TREES[annotation] = found
    return found


class _Compiler:
    """Makes the nodes of one tree. A class is compiled once; its nodes share their parts, so it may hold itself."""

    def __init__(self) -> None:
        self.is_complete = True
        self._classes: dict[Any, list[Part]] = {}
        self._open: list[tuple[Any, list[Part]]] = []

    def compile(self, annotation: Any, info: FieldInfo | None = None) -> Node:
        """Return the node of a type; ``info`` is that of its field."""
        around: list[Any] = [info] if info is not None else []
        through: list[Any] = []
        annotation = _peel(annotation, around, through)
        kind = _get_kind(annotation)
        infos = tuple(item for item in around if isinstance(item, FieldInfo))
        parts = () if kind is Kind.UNION else self._get_parts(kind, annotation)
        metadata, nullable = tuple(_expand(around)), _is_none(annotation)
        node = Node(kind, annotation, metadata, infos, tuple(through), nullable, parts)
        if kind is Kind.UNKNOWN:
            self.is_complete = False
        return self._unite(node) if kind is Kind.UNION else node

    def _unite(self, node: Node) -> Node:
        """Return ``node`` with its members; where ``None`` leaves but one of them, that one with what stands around."""
        args = get_args(node.annotation) or _get_bounds(node.annotation)
        members = [self.compile(arg) for arg in args]
        plain = [member for member in members if not _is_none(member.annotation)]
        nullable = any(member.nullable for member in members)
        if len(plain) != 1:
            return dataclasses.replace(node, nullable=nullable, parts=[Part(Step.MEMBER, member) for member in plain])
        [only] = plain
        metadata, infos = (*only.metadata, *node.metadata), (*only.infos, *node.infos)
        through = (*node.through, *only.through)
        return dataclasses.replace(only, metadata=metadata, infos=infos, through=through, nullable=nullable)

    def _get_parts(self, kind: Kind, annotation: Any) -> Sequence[Part]:
        """Return the parts of a type; those of one that is being compiled are filled in later."""
        if kind is Kind.MODEL and annotation in self._classes:
            return self._classes[annotation]
        for outer, known in self._open:
            if outer == annotation:
                return known
        parts: list[Part] = []
        self._open.append((annotation, parts))
        if kind is Kind.MODEL:
            self._classes[annotation] = parts
        parts += self._iter_parts(kind, annotation)
        self._open.pop()
        return parts

    def _iter_parts(self, kind: Kind, annotation: Any) -> Iterator[Part]:
        origin, args = get_origin(annotation), get_args(annotation)
        cls = origin or annotation
        if kind is Kind.MODEL or _is_named_tuple(cls):
            yield from self._iter_fields(cls, get_given(origin, args))
        elif kind is Kind.TUPLE:
            yield from (Part(Step.FIELD, self.compile(arg), str(index)) for index, arg in enumerate(args))
        elif kind is Kind.DICT:
            yield Part(Step.KEY, self.compile(args[0]))
            yield from (Part(Step.VALUE, self.compile(arg)) for arg in args[1:])
        elif kind is Kind.LIST:
            yield Part(Step.ITEM, self.compile(args[0]))
        elif kind is Kind.SECRET:
            yield from (Part(Step.CONTENT, self.compile(content)) for content in _iter_content(annotation))

    def _iter_fields(self, cls: Any, given: dict[Any, Any]) -> Iterator[Part]:
        infos = _get_field_infos(cls)
        if getattr(cls, "__pydantic_complete__", None) is False and cls is not BaseModel:
            self.is_complete = False
        if infos is not None:
            for name, info in infos.items():
                node = self.compile(fill_in(settle(info.annotation, cls), given), info)
                yield _make_part(cls, name, node, info)
            yield from (Part(Step.EXTRA, self.compile(declared), owner=cls) for declared in _iter_extra(cls))
            return
        for position, (name, hint) in enumerate(get_hints(cls).items()):
            node = self.compile(fill_in(hint, given))
            if _is_named_tuple(cls):  # stored as a list
                yield Part(Step.FIELD, node, str(position), (name,), cls)
            else:
                yield _make_part(cls, name, node, node.infos[-1] if node.infos else None)


# What a type is


def _get_kind(annotation: Any) -> Kind:
    origin, args = get_origin(annotation), get_args(annotation)
    cls = origin or annotation
    if isinstance(annotation, (str, ForwardRef)):
        return Kind.UNKNOWN
    if origin in (Union, types.UnionType) or _get_bounds(annotation):
        return Kind.UNION
    if origin in (Literal, typing_extensions.Literal):
        return Kind.CHOICE
    if not isinstance(cls, type):
        return Kind.VALUE
    return _get_class_kind(cls, args)


def _get_class_kind(cls: type, args: tuple[Any, ...]) -> Kind:
    for types_of_kind, kind in ((SECRET_TYPES, Kind.SECRET), (Enum, Kind.CHOICE), (BaseModel, Kind.MODEL)):
        if issubclass(cls, types_of_kind):
            return kind
    if dataclasses.is_dataclass(cls) or typing_extensions.is_typeddict(cls):
        return Kind.MODEL
    if _is_named_tuple(cls):
        return Kind.TUPLE
    if not args or not issubclass(cls, collections.abc.Iterable):
        return Kind.VALUE
    if issubclass(cls, collections.abc.Mapping):
        return Kind.DICT
    return Kind.TUPLE if issubclass(cls, tuple) and Ellipsis not in args else Kind.LIST


def _is_none(annotation: Any) -> bool:
    return annotation is None or annotation is types.NoneType


def _is_named_tuple(cls: Any) -> bool:
    return isinstance(cls, type) and issubclass(cls, tuple) and hasattr(cls, "_fields")


def _get_bounds(annotation: Any) -> tuple[Any, ...]:
    if not isinstance(annotation, TypeVar):
        return ()
    return tuple(bound for bound in (annotation.__bound__, *annotation.__constraints__) if bound)


def _peel(annotation: Any, around: list[Any], through: list[Any]) -> Any:
    """Return the bare type; note what stood around it, and what was looked through."""
    while not any(annotation is known for known in through):
        origin, args = get_origin(annotation), get_args(annotation)
        alias = getattr(origin or annotation, "__value__", None) or getattr(annotation, "__supertype__", None)
        if origin is Annotated:
            annotation = args[0]
            around[:0] = args[1:]
        elif isinstance(annotation, type) and is_root_model(annotation):
            through.append(annotation)
            info = (_get_field_infos(annotation) or {})["root"]
            around.insert(0, info)
            annotation = settle(info.annotation, annotation)
        elif alias is not None:  # type X = ..., NewType("X", ...)
            through.append(annotation)
            annotation = fill_in(resolve_alias(alias, origin or annotation), get_given(origin, args))
        else:
            return annotation
    return Any  # a root model of itself, which has no values


def _expand(metadata: Iterable[Any]) -> Iterator[Any]:
    for item in metadata:
        if isinstance(item, FieldInfo):
            yield from _expand(item.metadata)
        elif getattr(item, "__is_annotated_types_grouped_metadata__", False) is True and not isinstance(item, type):
            yield from _expand(item)
        else:
            yield item


def _iter_content(annotation: Any) -> Iterator[Any]:
    """Yield what is inside a secret type, whose brackets, or those of a class it derives from, say it."""
    cls = get_origin(annotation) or annotation
    if issubclass(cls, (SecretStr, SecretBytes)):
        yield str if issubclass(cls, SecretStr) else bytes
        return
    bases = [base for one in cls.__mro__ for base in typing_extensions.get_original_bases(one)]
    args = [arg for found in (annotation, *bases) for arg in get_args(found) if not isinstance(arg, TypeVar)]
    yield from args[:1]


# The fields of a class


def _get_field_infos(cls: Any) -> dict[str, FieldInfo] | None:
    """Return pydantic's fields of a class; None if it has none of pydantic's."""
    if getattr(cls, "__pydantic_complete__", None) is False and cls is not BaseModel:  # a name in it is missing
        rebuild: Any = getattr(cls, "model_rebuild", None) or partial(rebuild_dataclass, cls)
        rebuild(raise_errors=False)
    infos = getattr(cls, "__pydantic_fields__", None)
    return infos if isinstance(infos, dict) else None


def _make_part(cls: Any, name: str, node: Node, info: FieldInfo | None) -> Part:
    """Return the part of the field ``name`` of ``cls``; a dataclass or a typed dict says itself what is required."""
    is_plain = dataclasses.is_dataclass(cls) and not hasattr(cls, "__pydantic_fields__")
    default, factory = _get_default(cls.__dataclass_fields__[name] if is_plain else info)
    required = default is PydanticUndefined and factory is None
    if typing_extensions.is_typeddict(cls):
        required = name in cls.__required_keys__
    validates = getattr(info, "validate_default", None)
    if validates is None:
        validates = getattr(cls, "model_config", {}).get("validate_default")
    aliases = tuple(dict.fromkeys(str(path[0]) for path in _iter_alias_paths(info))) if info is not None else ()
    return Part(Step.FIELD, node, name, aliases, cls, info, required, default, factory, bool(validates))


def _get_default(field: Any) -> tuple[Any, Any]:
    """Return the default and the factory of a field of pydantic's, or of a dataclass's."""
    if field is None:
        return PydanticUndefined, None
    missing = (PydanticUndefined, dataclasses.MISSING, ...)
    default = PydanticUndefined if any(field.default is one for one in missing) else field.default
    return default, None if field.default_factory is dataclasses.MISSING else field.default_factory


def _iter_alias_paths(info: FieldInfo) -> Iterator[tuple[str | int, ...]]:
    for alias in (info.alias, info.validation_alias):
        for choice in alias.choices if isinstance(alias, AliasChoices) else [alias]:
            if isinstance(choice, AliasPath):
                yield tuple(choice.path)
            elif choice is not None:
                yield (choice,)


def _iter_extra(cls: type) -> Iterator[Any]:
    """Yield the type of the values that a model takes beside its fields, where it declares one."""
    if issubclass(cls, BaseModel) and cls.model_config.get("extra") == "allow":
        hint = get_hints(cls).get("__pydantic_extra__")
        options = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
        yield from (get_args(option)[1] for option in options if get_args(option))
