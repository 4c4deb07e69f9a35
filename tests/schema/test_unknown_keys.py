"""Keys that pydantic would drop silently are reported with their place."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import typing_extensions
from pydantic import BaseModel, ConfigDict, Field, RootModel, model_validator

from django_plugin_system.exceptions import FieldProblem, InvalidConfig
from tests.config.helpers import make_schema, parse
from tests.shapes.models import Account, Loose, OpenPair, Pair, Point, Typed


class Box(BaseModel):
    """A model with a field of every container."""

    name: str = Field("", alias="NAME")
    one: Box | None = None
    many: list[Box] = []
    by_key: dict[str, Box] = {}
    by_number: dict[int, Box] = {}
    pair: tuple[Box, int] | None = None


class Rewriting(BaseModel):
    """A model that makes its own sense of its input."""

    text: str = ""

    @model_validator(mode="before")
    @classmethod
    def _rewrite(cls, data: Any) -> Any:
        return {"text": "".join(data)}


class Later(BaseModel):
    """A model that only checks."""

    text: str = ""

    @model_validator(mode="after")
    def _check(self) -> typing_extensions.Self:
        return self


class Empty(BaseModel):
    """A model without fields."""


class OpenTyped(typing_extensions.TypedDict):
    """A typed dict that takes more."""

    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]
    name: str


@dataclasses.dataclass
class Plain:
    """A dataclass of the standard library."""

    name: str = ""


Boxes = RootModel[list[Box]]
FOUND: list[tuple[Any, Any, set[str]]] = [
    (Box, {"x": 1}, {"value.x"}),
    (Box, {"NAME": "a", "name": "b"}, set()),
    (Box, {"one": {"x": 1, "one": {"y": 2}}}, {"value.one.x", "value.one.one.y"}),
    (Box, {"many": [{}, {"x": 1}]}, {"value.many.1.x"}),
    (Box, {"by_key": {"k": {"x": 1}}}, {"value.by_key.k.x"}),
    (Box, {"by_number": {"1": {}}, "pair": [{"x": 1}, 2]}, {"value.pair.0.x"}),
    (Boxes, [{"x": 1}], {"value.0.x"}),
    (Empty, {"x": 1}, {"value.x"}),
    (Pair, {"TOKEN": "t", "x": 1}, {"value.x"}),
    (Plain, {"name": "n", "x": 1}, {"value.x"}),
    (list[Plain | None], [None, {"x": 1}], {"value.1.x"}),
    (Typed, {"port": 1, "x": 1}, {"value.x"}),
    (dict[str, list[Typed]], {"k": [{"port": 1, "x": 1}]}, {"value.k.0.x"}),
    (Typed | None, {"port": 1, "token": "t"}, set()),
    (OpenTyped, {"name": "n", "x": 1}, set()),
    (Loose, {"x": {"y": 1}}, set()),
    (OpenPair, {"first": 1, "x": 1}, set()),
    (Rewriting, {"a": 1, "b": 2}, set()),
    (Later, {"x": 1}, {"value.x"}),
    (dict[str, Any], {"x": {"y": 1}}, set()),
    (Point, [1, "t"], set()),
    (Any, {"x": [{"y": 1}]}, set()),
]


def find_paths(annotation: Any, value: Any) -> set[str]:
    """Return where ``value`` is refused."""
    try:
        parse(make_schema(annotation), {"value": value})
    except InvalidConfig as error:
        return {".".join(problem.path) for problem in error.errors}
    return set()


@pytest.mark.parametrize(("annotation", "value", "paths"), FOUND)
def test_keys_that_nothing_reads_are_reported(annotation: Any, value: Any, paths: set[str]) -> None:
    """A key that no field has is a problem at any depth; extra values, aliases and rewritten input are none."""
    assert find_paths(annotation, value) == paths


@pytest.mark.parametrize(("schema", "known"), [(Account, "user, token"), (Empty, "none")])
def test_the_known_fields_are_listed(schema: type[BaseModel], known: str) -> None:
    """The problem says which fields there are."""
    with pytest.raises(InvalidConfig) as caught:
        parse(schema, {"token": "t", "tokne": "t"} if schema is Account else {"tokne": "t"})
    assert caught.value.errors == (FieldProblem(("tokne",), f"no such field; there are: {known}"),)


def test_keys_that_are_no_text_are_reported() -> None:
    """A program that gives a key of another type hears of it, too."""
    with pytest.raises(InvalidConfig) as caught:
        parse(Account, {"token": "t", 5: "x", b"user": "y"})
    assert {problem.path for problem in caught.value.errors} == {("5",), ("b'user'",)}
