"""What a pydantic model declares: where its secrets are, and what its fields are called.

Decided from the Python types, since a JSON schema marks neither ``Secret[int]`` nor ``Secret[Model]``.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import sys
import types
from enum import Enum
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Annotated, Any, ForwardRef, NamedTuple, TypeVar, Union

import typing_extensions
from pydantic import AliasChoices, AliasPath, BaseModel, RootModel, Secret, SecretBytes, SecretStr
from pydantic.dataclasses import rebuild_dataclass
from pydantic.fields import FieldInfo

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET_TYPES: tuple[type[Any], ...] = (SecretStr, SecretBytes, Secret)
"""The types whose values are encrypted."""


class Step(Enum):
    """How a type inside another one is reached from a value of the outer type."""

    SAME = "same"
    FIELD = "field"
    ITEM = "item"
    KEY = "key"
    VALUE = "value"
    EXTRA = "extra"


class Inner(NamedTuple):
    """A type inside another one. ``names`` are the key it is stored under, then others that input may use.

    The key is the field's name, or the position in a tuple. Extra values have none of their own
    (an empty text) and may use any key but ``names``.
    """

    step: Step
    annotation: Any
    names: tuple[str, ...] = ()
    field: FieldInfo | None = None


def is_secret_type(annotation: Any) -> bool:
    """Say whether values of this type are secrets: ``SecretStr``, ``SecretBytes``, ``Secret[T]``, or a subclass."""
    origin = typing_extensions.get_origin(annotation) or annotation
    return isinstance(origin, type) and issubclass(origin, SECRET_TYPES)


@lru_cache(maxsize=1024)
def _holds_secret_cached(annotation: Any) -> bool:
    inners = list(_walk(annotation, []))
    found = any(map(is_secret_type, inners))
    if not found and any(map(_is_unsettled, inners)):
        raise TypeError  # so that the answer is not remembered: what is not defined yet may hold a secret
    return found


def _is_unsettled(annotation: Any) -> bool:
    """Say whether ``annotation`` names something that is not defined yet."""
    return isinstance(annotation, (str, ForwardRef)) or getattr(annotation, "__pydantic_complete__", None) is False


def holds_secret(annotation: Any) -> bool:
    """Say whether a value of this type is, or can hold at any depth, a secret."""
    try:
        return _holds_secret_cached(annotation)
    except TypeError:  # an annotation with unhashable metadata, or one that is not settled
        return any(is_secret_type(inner) for inner in _walk(annotation, []))


def find_models(annotation: Any) -> list[type]:
    """Return every class with fields (models, dataclasses, typed dicts) that this type is made of."""
    return [inner for inner in _walk(annotation, []) if isinstance(inner, type) and iter_fields(inner)]


def _walk(annotation: Any, seen: list[Any]) -> Iterator[Any]:
    """Yield every type inside ``annotation`` once. Equal ones count as one: a generic alias is made anew each time."""
    if annotation in seen:
        return
    seen.append(annotation)
    yield annotation
    if not is_secret_type(annotation):
        for inner in iter_inner(annotation):
            yield from _walk(inner.annotation, seen)


def iter_inner(annotation: Any) -> list[Inner]:
    """Return the types that ``annotation`` is directly made of; none for a plain value."""
    origin = typing_extensions.get_origin(annotation)
    args = typing_extensions.get_args(annotation)
    if origin is Annotated:
        return [Inner(Step.SAME, args[0])]
    if is_union(annotation):
        return [Inner(Step.SAME, arg) for arg in args]
    if isinstance(annotation, TypeVar):
        return [Inner(Step.SAME, bound) for bound in (annotation.__bound__, *annotation.__constraints__) if bound]
    alias = getattr(origin or annotation, "__value__", None) or getattr(annotation, "__supertype__", None)
    if alias is not None:  # type X = ..., NewType("X", ...)
        return [Inner(Step.SAME, _fill_in(_resolve(alias, origin or annotation), _get_given(origin, args)))]
    if isinstance(annotation, type) and origin is None:
        return [*iter_fields(annotation), *_iter_extra(annotation)]
    return _iter_container(origin, args)


def flatten(annotation: Any, seen: frozenset[int] = frozenset()) -> Iterator[Any]:
    """Yield what ``annotation`` may be, once unions, aliases and root models are looked through."""
    same = [inner.annotation for inner in iter_inner(annotation) if inner.step is Step.SAME]
    if not same or id(annotation) in seen:
        yield annotation
        return
    for inner in same:
        yield from flatten(inner, seen | {id(annotation)})


def _get_given(origin: Any, args: tuple[Any, ...]) -> dict[Any, Any]:
    """Return what the brackets of ``origin[args]`` say for each type variable of ``origin``."""
    parameters = getattr(origin, "__parameters__", None) or getattr(origin, "__type_params__", None)
    return dict(zip(parameters or (), args, strict=False))


def _resolve(alias: Any, owner: Any) -> Any:
    """Return what ``alias`` is where it is text, as that of a recursive type, in the module of its ``owner``."""
    holder = types.SimpleNamespace(__annotations__={"alias": alias})
    names = vars(sys.modules[owner.__module__])
    try:
        return typing_extensions.get_type_hints(holder, names, include_extras=True)["alias"]
    except NameError:
        return alias


def _fill_in(annotation: Any, given: dict[Any, Any]) -> Any:
    if isinstance(annotation, TypeVar):
        return given.get(annotation, annotation)
    parameters = getattr(annotation, "__parameters__", ()) if typing_extensions.get_origin(annotation) else ()
    return annotation[tuple(given.get(parameter, parameter) for parameter in parameters)] if parameters else annotation


def is_union(annotation: Any) -> bool:
    """Say whether this is ``A | B`` or ``Union[A, B]``, without looking into Annotated or aliases."""
    return typing_extensions.get_origin(annotation) in (Union, types.UnionType)


def _iter_container(origin: Any, args: tuple[Any, ...]) -> list[Inner]:
    if not isinstance(origin, type):
        return []
    if fields := iter_fields(origin):
        given = _get_given(origin, args)
        return [inner._replace(annotation=_fill_in(inner.annotation, given)) for inner in fields]
    if issubclass(origin, collections.abc.Mapping):
        return [Inner(Step.KEY, args[0]), *(Inner(Step.VALUE, arg) for arg in args[1:])]
    if issubclass(origin, tuple) and Ellipsis not in args:
        return [Inner(Step.FIELD, arg, (str(position),)) for position, arg in enumerate(args)]
    if issubclass(origin, collections.abc.Iterable):
        return [Inner(Step.ITEM, arg) for arg in args if arg is not Ellipsis]
    return []


def iter_fields(cls: type) -> list[Inner]:
    """Return the fields that a class declares (a model, dataclass, typed dict, named tuple); none for any other."""
    if getattr(cls, "__pydantic_complete__", None) is False and cls is not BaseModel:  # a name in it is missing
        rebuild: Any = getattr(cls, "model_rebuild", None) or partial(rebuild_dataclass, cls)
        rebuild(raise_errors=False)
    infos = getattr(cls, "__pydantic_fields__", None)
    if isinstance(infos, dict):
        types_of = {name: settle(info.annotation, cls) for name, info in infos.items()}
        if issubclass(cls, RootModel):
            return [Inner(Step.SAME, types_of["root"], (), infos["root"])]
        return [Inner(Step.FIELD, types_of[name], (name, *iter_aliases(info)), info) for name, info in infos.items()]
    if dataclasses.is_dataclass(cls) or typing_extensions.is_typeddict(cls):
        return [Inner(Step.FIELD, hint, (name, *_iter_hint_aliases(hint))) for name, hint in _get_hints(cls).items()]
    if hasattr(cls, "_fields"):  # a named tuple is stored as a list
        fields = enumerate(_get_hints(cls).items())
        return [Inner(Step.FIELD, hint, (str(position), name)) for position, (name, hint) in fields]
    return []


def settle(annotation: Any, owner: type) -> Any:
    """Return the type of a field of ``owner`` with the names in it looked up: Python 3.10 leaves some as text."""
    if isinstance(annotation, str):
        return _resolve(annotation, owner)
    args, origin = typing_extensions.get_args(annotation), typing_extensions.get_origin(annotation)
    if not args or origin is typing_extensions.Literal:
        return annotation
    named = args[:1] if origin is Annotated else args
    settled = (*(settle(arg, owner) for arg in named), *args[len(named) :])
    if all(new is old for new, old in zip(settled, args, strict=True)):
        return annotation
    if is_union(annotation):
        return Union[settled]  # noqa: UP007 - as many as there are
    return Annotated[settled] if origin is Annotated else origin[settled]


def _iter_extra(cls: type) -> list[Inner]:
    """Return the type of the values that a model takes beside its fields, where it declares one."""
    if not issubclass(cls, BaseModel) or cls.model_config.get("extra") != "allow":
        return []
    extra = _get_hints(cls).get("__pydantic_extra__")
    declared = next((one for one in flatten(extra) if typing_extensions.get_args(one)), None)
    names = tuple(name for inner in iter_fields(cls) for name in inner.names)
    return [Inner(Step.EXTRA, typing_extensions.get_args(declared)[1], ("", *names))] if declared is not None else []


def _get_hints(cls: type) -> dict[str, Any]:
    hints = typing_extensions.get_type_hints(cls, include_extras=True)
    return {name: _strip_qualifier(hint) for name, hint in hints.items()}


def _iter_hint_aliases(hint: Any) -> Iterator[str]:
    for item in getattr(hint, "__metadata__", ()):
        if isinstance(item, FieldInfo):
            yield from iter_aliases(item)


def _strip_qualifier(hint: Any) -> Any:
    while typing_extensions.get_origin(hint) in _QUALIFIERS:
        hint = typing_extensions.get_args(hint)[0]
    return hint


_QUALIFIERS = (typing_extensions.Required, typing_extensions.NotRequired, typing_extensions.ReadOnly)


def iter_aliases(info: FieldInfo) -> Iterator[str]:
    """Yield each key, other than the field's name, that a field may be given by."""
    yield from (str(path[0]) for path in iter_alias_paths(info))


def iter_alias_paths(info: FieldInfo) -> Iterator[tuple[str | int, ...]]:
    """Yield each place, other than under the field's name, where a field may be given."""
    for alias in (info.alias, info.validation_alias):
        for choice in alias.choices if isinstance(alias, AliasChoices) else [alias]:
            if isinstance(choice, AliasPath):
                yield tuple(choice.path)
            elif choice is not None:
                yield (choice,)


def reach(inner: Inner, data: Any) -> list[Any]:
    """Return the values inside ``data`` that ``inner`` speaks of; ``data`` may be of any shape."""
    if inner.step is Step.SAME:
        return [data]
    if isinstance(data, BaseModel):
        data = {**data.__dict__, **(data.model_extra or {})}
    if isinstance(data, collections.abc.Mapping):
        return _reach_in_mapping(inner, data)
    if not isinstance(data, (list, tuple, set, frozenset)):
        return []
    if inner.step is Step.FIELD:
        return [item for position, item in enumerate(data) if str(position) in inner.names]
    return list(data)


def _reach_in_mapping(inner: Inner, data: collections.abc.Mapping[Any, Any]) -> list[Any]:
    if inner.step is Step.FIELD:
        return [data[name] for name in inner.names if name in data]
    if inner.step is Step.EXTRA:
        return [value for key, value in data.items() if key not in inner.names]
    return list(data) if inner.step is Step.KEY else list(data.values())
