"""Errors land on the stored path of the value they are about, whatever the input called it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import pytest
from pydantic import (
    AliasChoices,
    AliasPath,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    RootModel,
    Secret,
    SecretStr,
    Tag,
)
from pydantic import field_validator as validate

from django_plugin_system.exceptions import InvalidConfig
from tests.config.helpers import SECRET, make_schema, parse
from tests.shapes.models import Account, Card, Cash, Frozen, Node, Pair, Payment, Point, Typed, tell
from tests.shapes.table import Shape, get_stored, list_values
from tests.support.cases import tried_on

if TYPE_CHECKING:
    from collections.abc import Iterator


class Outer(BaseModel):
    """An alias that a model inside uses for something else."""

    first: int = Field(alias="KEY")
    inner: list[Inner] = []


class Inner(BaseModel):
    """The other meaning of the alias."""

    second: int = Field(alias="KEY")


class Paths(BaseModel):
    """Two fields out of one part of the input, and one out of a list."""

    user: int = Field(validation_alias=AliasPath("auth", "user"))
    password: int = Field(validation_alias=AliasPath("auth", "password"))
    port: int = Field(validation_alias=AliasChoices("PORT", AliasPath("ports", 0)))


class Forbids(BaseModel):
    """A model that takes nothing more."""

    model_config = ConfigDict(extra="forbid")
    name: str = ""


class Extra(BaseModel):
    """A model that takes numbers under any key."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, int]


class Checked(BaseModel):
    """A model that is refused as a whole."""

    a: int = 1

    @validate("a")
    @classmethod
    def _check(cls, value: int) -> int:
        if value < 0:
            raise ValueError("below zero")
        return value


class BadDefault(BaseModel):
    """A default that does not pass."""

    inner: Checked = Field(default={"a": -1}, validate_default=True)


Either = Account | Card
Names = RootModel[dict[str, int]]
Tagged = Annotated[Annotated[Forbids, Tag("model")] | Annotated[str, Tag("text")], Discriminator(tell)]

FOUND: list[tuple[Any, Any, set[str]]] = [
    (int, "x", {"value"}),
    (list[int], ["x", 1, "y"], {"value.0", "value.2"}),
    (dict[str, int], {"a.b": "x"}, {"value.a.b"}),
    (dict[int, int], {"k": 1}, {"value.k"}),
    (dict[int, dict[str, int]], {"k": {"x": 1}}, {"value.k"}),
    (dict[int, int], {"1": "x"}, {"value.1"}),
    (tuple[int, str], ["x", 1], {"value.0", "value.1"}),
    (tuple[int, ...], [1, "x"], {"value.1"}),
    (set[int], [1, "x"], {"value.1"}),
    (
        Outer,
        {"KEY": "x", "inner": [{"KEY": "y"}, {"second": "z"}]},
        {"value.first", "value.inner.0.second", "value.inner.1.second"},
    ),
    (Paths, {"auth": {"user": "x", "password": "y"}, "ports": ["z"]}, {"value.user", "value.password", "value.port"}),
    (Paths, {"user": "x", "password": "y", "PORT": "z"}, {"value.user", "value.password", "value.port"}),
    (Paths, {"auth": {}}, {"value.user", "value.password", "value.port"}),
    (Forbids, {"other": 1}, {"value.other"}),
    (Extra, {"a": "x"}, {"value.a"}),
    (Any, None, set()),
    (Account | None, {"user": 1}, {"value.user", "value.token"}),
    (Either, {"kind": "x"}, {"value.token", "value.kind"}),
    (Account | dict[str, int], {"user": "x"}, {"value.token", "value.user"}),
    (list[int | dict[str, int]], ["x", {"a": "y"}], {"value.0", "value.1", "value.1.a"}),
    (int | str, [], {"value"}),
    (Payment, {"kind": "card"}, {"value.token"}),
    (Payment, {"kind": "cash", "till": "x"}, {"value.till"}),
    (Payment, {"kind": "cheque"}, {"value"}),
    (Payment, {}, {"value"}),
    (Tagged, {"name": 1}, {"value.name"}),
    (list[Payment], [{"kind": "cash", "till": 1}, {"kind": "cash"}], {"value.1.till"}),
    (Cash | list[Cash], [{"kind": "cash"}], {"value", "value.0.till"}),
    (Names, {"a": "x"}, {"value.a"}),
    (
        Node,
        {"token": "t", "children": [{"token": "t", "by_name": {"x": {"token": 1}}}]},
        {"value.children.0.by_name.x.token"},
    ),
    (Pair, {"TOKEN": 1, "others": [1]}, {"value.token", "value.others.0"}),
    (Typed, {"port": "x"}, {"value.port"}),
    (Typed, {"token": "x"}, {"value.port"}),
    (Point, ["x", 1], {"value.0", "value.1"}),
    (Point, {"x": "x", "token": 1}, {"value.0", "value.1"}),
    (Secret[Account], {"user": 1, "token": "t"}, {"value"}),
    (SecretStr, ["x"], {"value"}),
    (Frozen, {"parts": ["x"], "amount": 1, "raw": "x", "token": "t"}, {"value.when", "value.parts.0"}),
    (Checked, {"a": -1}, {"value.a"}),
    (Checked, {"a": 1}, set()),
    (BadDefault, {}, {"value.inner.a"}),
]


def find_places(annotation: Any, value: Any) -> set[tuple[str, ...]]:
    """Return where ``value`` is refused."""
    try:
        parse(make_schema(annotation), {"value": value})
    except InvalidConfig as error:
        return {problem.path for problem in error.errors}
    return set()


def find_paths(annotation: Any, value: Any) -> set[str]:
    """Return where ``value`` is refused, as text."""
    return set(map(".".join, find_places(annotation, value)))


@pytest.mark.parametrize(("annotation", "value", "paths"), FOUND)
def test_errors_are_located_by_stored_path(annotation: Any, value: Any, paths: set[str]) -> None:
    """A path goes by field names and JSON keys: no alias, no member of a union, nothing inside one secret."""
    assert find_paths(annotation, value) == paths


def iter_leaves(data: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the place of everything in JSON that holds nothing else."""
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    if not items:
        yield path
    for key, value in items:
        yield from iter_leaves(value, (*path, str(key)))


def put(data: Any, path: tuple[str, ...], value: Any) -> Any:
    """Return JSON with ``value`` at a place of it."""
    if not path:
        return value
    key, *rest = path
    if isinstance(data, list):
        return [put(item, tuple(rest), value) if str(i) == key else item for i, item in enumerate(data)]
    return {name: put(item, tuple(rest), value) if name == key else item for name, item in data.items()}


@tried_on(list_values())
def test_an_error_is_where_the_value_is_wrong(shape: Shape, value: Any) -> None:
    """Whatever the shape: at the wrong value, or what it is a part of; beside it where a union has other members."""
    given = get_stored(shape, value, SECRET)
    before = find_places(shape.annotation, given)  # a text is no secret number
    for path in iter_leaves(given):
        found = find_places(shape.annotation, put(given, path, [{"wrong": [{}]}])) - before
        places = [place[1:] for place in found]
        assert all(place[: len(path[:-1])] == path[: len(place)][:-1] for place in places if len(place) >= len(path))
        assert not places or any(place[: len(path)] == path[: len(place)] for place in places)


def test_an_error_of_the_whole_is_at_the_root() -> None:
    """What is about no single field has an empty path, shown as the root."""
    with pytest.raises(InvalidConfig, match=r"\(root\)") as caught:
        parse(Forbids, [])
    assert caught.value.errors[0].path == ()


def test_members_of_a_union_that_say_the_same_are_heard_once() -> None:
    """Two members of a union that miss the same field give one problem."""
    with pytest.raises(InvalidConfig) as caught:
        parse(make_schema(Either), {"value": {}})
    assert len([problem for problem in caught.value.errors if problem.path == ("value", "token")]) == 1


def test_python_values_are_located_too() -> None:
    """Input that is no JSON, such as a tuple, a set or a secret object, is located as well."""
    with pytest.raises(InvalidConfig) as caught:
        parse(make_schema(tuple[SecretStr, int]), {"value": (SecretStr("x"), "y")})
    assert caught.value.errors[0].path == ("value", "1")
