"""What a snapshot says about a schema: the same with each Python and pydantic, and nothing that is secret."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import pytest
from pydantic import BaseModel, Field, GetCoreSchemaHandler, Json, RootModel, Secret, SecretStr, create_model
from pydantic_core import CoreSchema, core_schema

from django_plugin_system.contrib.drift.describing import describe_schema, may_hold_secret
from tests.config.helpers import SECRET, make_schema
from tests.contrib.drift.helpers import compare, snapshot
from tests.contrib.drift.wide import Branch, Card, WideConfig
from tests.shapes import models as shapes
from tests.shapes.table import Shape, list_values
from tests.support.cases import tried_on

GOLDEN = Path(__file__).with_name("wide.json")
BoundT = TypeVar("BoundT", bound=int)
ChoiceT = TypeVar("ChoiceT", int, str)
FreeT = TypeVar("FreeT")


def show(schema: type[BaseModel]) -> str:
    """Return the snapshot of a schema as it stands in a file."""
    return json.dumps(snapshot(schema).model_dump(mode="json", exclude_defaults=True), indent=2, sort_keys=True)


def field(text: str) -> dict[str, Any]:
    """Return what a snapshot says of the one field of a schema."""
    place: dict[str, Any] = json.loads(text)["root"]["types"]["object"]["parts"]["value"]
    return place


def describe(annotation: Any) -> dict[str, Any]:
    """Return the shapes of one type, by key."""
    shapes: dict[str, Any] = field(show(make_schema(annotation)))["types"]
    return shapes


def test_a_snapshot_is_the_same_everywhere() -> None:
    """The version matrix compares the snapshot of a wide schema with one file, made once."""
    assert show(WideConfig) + "\n" == GOLDEN.read_text(encoding="utf-8")


def test_a_snapshot_is_the_same_each_time() -> None:
    """Nothing in it depends on what was described before, nor on the address of an object."""
    assert show(WideConfig) == show(WideConfig)
    assert " at 0x" not in show(WideConfig)


@tried_on(list_values())
def test_every_shape_has_a_snapshot(shape: Shape, value: Any) -> None:
    """It comes back from its file and is no change, and a default with a secret is not in it."""
    schema = make_schema(shape.annotation, value)
    assert compare(schema, make_schema(shape.annotation, value)) == []
    assert SECRET not in show(schema)
    assert " at 0x" not in show(schema)


class Revealing(BaseModel):
    """A model whose default is an object with a secret in a place that no annotation declares."""

    bag: Any = Field(default_factory=dict)


@dataclasses.dataclass
class Slotted:
    """A dataclass that keeps its values elsewhere."""

    __slots__ = ("value",)
    value: Any


@pytest.mark.parametrize(
    ("annotation", "default"),
    [
        (SecretStr, SecretStr(SECRET)),
        (SecretStr, SECRET),
        (Secret[int], Secret(4711)),
        (Secret[Card], {"kind": "card", "number": SECRET}),
        (SecretStr | None, SecretStr(SECRET)),
        (list[SecretStr], [SecretStr(SECRET)]),
        (dict[str, SecretStr], {"a": SecretStr(SECRET)}),
        (dict[str, list[Card]], {"a": [{"number": SECRET}]}),
        (Branch, Branch(token=SecretStr(SECRET))),
        (Branch, {"token": SECRET}),
        (Any, SecretStr(SECRET)),
        (Any, [{"a": ({SecretStr(SECRET)},)}]),
        (Any, Revealing(bag={"a": Secret(SECRET)})),
        (Any, shapes.Loose.model_validate({"more": SecretStr(SECRET)})),
        (Any, Slotted(SecretStr(SECRET))),
        (BaseModel, Branch(token=SecretStr(SECRET))),
    ],
    ids=str,
)
def test_a_default_that_may_be_secret_is_withheld(annotation: Any, default: Any) -> None:
    """Whatever the type says, a default with a secret in it, or in the place of one, stands in no file."""
    text = show(make_schema(annotation, default))
    assert SECRET not in text
    assert "4711" not in text
    assert field(text)["default"] == "withheld"


def test_a_factory_is_not_called() -> None:
    """A default factory is named; what it makes may be a secret."""
    text = show(make_schema(list[str], Field(default_factory=lambda: [SECRET])))
    assert field(text)["default"] == "made by <lambda>"
    assert SECRET not in text


def test_defaults_inside_a_secret_are_withheld() -> None:
    """A class is described wherever it stands: inside of a secret, its defaults are secrets."""
    fields = snapshot(WideConfig).root.types["object"].parts
    inside, outside = (fields[name].types["object"] for name in ("proxy", "plain_proxy"))
    assert (inside.secret, outside.secret) == (True, False)
    assert inside.parts["url"].default == "withheld"
    assert outside.parts["url"].default == '"https://user:hush@proxy.example"'


def test_a_value_without_end_counts_as_secret() -> None:
    """What cannot be looked through to the end is not shown."""
    endless: list[Any] = []
    endless.append(endless)
    assert may_hold_secret(endless)
    assert not may_hold_secret([1, {"a": (2, None)}])


def test_a_secret_is_seen_at_any_depth_by_its_type() -> None:
    """``Secret[int]``, which no JSON schema marks, is one; so is a subclass, with its name."""

    class Hidden(SecretStr):
        """A secret of one's own."""

    class SecretDate(Secret[dt.date]):
        """A kind of its own."""

    class Birthday(SecretDate):
        """A kind of that kind."""

    assert describe(Secret[int]) == {"number": {"kind": "integer", "secret": True}}
    assert describe(list[Secret[str] | None])["array"]["parts"] == {
        "[]": {"types": {"text": {"kind": "string", "secret": True}, "null": {"kind": "null"}}}
    }
    assert describe(Secret[str | None])["secret null"] == {"kind": "null", "secret": True}
    anything: Any = FreeT
    assert describe(Secret[anything])["other"] == {"kind": "any", "secret": True}
    dates = [describe(kind)["other"] for kind in (SecretDate, Birthday)]
    assert [(shape["kind"], shape["secret"]) for shape in dates] == [("date", True)] * 2
    assert describe(Hidden)["text"]["rules"] == {"tests.contrib.drift.test_describing.Hidden": None}


def test_a_validator_may_be_given_as_a_class() -> None:
    """Pydantic takes ``Json`` as well as ``Json()``; both are named."""
    for annotation in (Annotated[list[int], Json], Json[list[int]]):
        assert describe(annotation)["array"]["rules"] == {"Json": None}


def test_the_wide_schema_works() -> None:
    """What the snapshot is made of is no dead code."""
    given = {
        "name": "x",
        "code": "Abc",
        "URL": "https://example.com",
        "window": {"start": "10:00"},
        "payment": {"kind": "cash"},
        "hosts": {"a": 1},
        "told": 5,
        "even": 4,
        "doubled": [2],
    }
    wide = WideConfig.model_validate(given)
    assert (wide.code, wide.told, wide.even, wide.doubled, wide.hosts.root) == ("abc", 5, 8, [4], {"a": 1})
    assert wide.model_dump()["level"] == "low"


class Celsius:
    """A type of a project's own that pydantic can only describe in Python, not as JSON schema."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Take any float."""
        del source, handler
        return core_schema.no_info_plain_validator_function(float)


@pytest.mark.parametrize(
    ("annotation", "kinds"),
    [
        (Celsius, ["tests.contrib.drift.test_describing.Celsius"]),
        (type[int], ["type[int]"]),
        (None, ["null"]),
        (RootModel[None], ["null"]),
        (RootModel[None] | None, ["null"]),
        (list[int] | Sequence[int], ["list"]),
        (BoundT, ["integer"]),
        (ChoiceT, ["integer", "string"]),
        (list, ["list"]),
        (tuple[int, ...], ["list"]),
        (tuple[()], ["tuple[()]"]),
        ("Missing", ["Missing"]),
    ],
    ids=str,
)
def test_every_type_has_a_kind(annotation: Any, kinds: list[str]) -> None:
    """A type that JSON schema cannot say has the name of its class."""
    root = describe_schema(create_model("Config", value=(annotation, ...))).types["object"]
    assert root.model == "Config"
    found = [shape.kind.removeprefix("ForwardRef('").removesuffix("')") for shape in root.parts["value"].types.values()]
    assert found == kinds


@pytest.mark.parametrize(
    "name", ["Node", "Tree", "Many", "Open", "OpenPair", "Plain", "GenericPair", "Typed", "Tokens"]
)
def test_every_shape_can_be_described(name: str) -> None:
    """Recursive, generic and open classes have an end, and their secrets are seen."""
    text = show(make_schema(getattr(shapes, name)))
    assert ('"secret": true' in text) == (name not in ("Many", "OpenPair", "GenericPair"))


def test_enum_members_without_json_have_the_name_of_their_class() -> None:
    """A value that JSON cannot say does not stop the description."""

    class Odd(BaseModel):
        """Holds what no serializer knows."""

        value: Any = Field(default=object())

    assert snapshot(Odd).root.types["object"].parts["value"].default == '"<object>"'
