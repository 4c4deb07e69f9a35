"""Storing and restoring: serializers, validators and objects that try to get in the way."""

from __future__ import annotations

import json
from typing import Annotated, Any

import pytest
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SecretStr,
    SerializeAsAny,
    field_serializer,
    field_validator,
    model_serializer,
)

from django_plugin_system.config.codec import Parsed
from django_plugin_system.config.encoding import encode_model
from django_plugin_system.config.json_tree import MAX_DEPTH
from django_plugin_system.config.opened import iter_markers, open_config
from django_plugin_system.exceptions import FieldProblem, InvalidConfig, UnstorableConfig
from django_plugin_system.schema.tree import BoundTo
from django_plugin_system.schema.values import MISSING, is_same
from tests.config.helpers import RING, ROW, SECRET, make_codec, make_schema, parse, round_trip, show_everything, store
from tests.shapes.models import Account, Card


class Revealing(BaseModel):
    """Serializers that reveal the secret, under its own name and another."""

    token: SecretStr
    host: str = "h"
    names: list[str] = ["n"]

    @field_serializer("token")
    def _show(self, token: SecretStr) -> str:
        return token.get_secret_value()

    @field_serializer("host", "names")
    def _copy(self, _value: object) -> str:
        return self.token.get_secret_value()


class Redacting(BaseModel):
    """A serializer that leaves nothing but a note."""

    token: SecretStr = Field(exclude=True)
    host: str = "h"

    @model_serializer
    def _redact(self) -> dict[str, str]:
        return {"note": "redacted"}


class Raising(BaseModel):
    """A serializer that quotes the secret in an error."""

    token: SecretStr
    host: str = "h"

    @field_serializer("host")
    def _fail(self, _host: str) -> str:
        raise ValueError(self.token.get_secret_value())


@pytest.mark.parametrize("schema", [Revealing, Redacting, Raising])
def test_serializers_neither_reveal_nor_lose_anything(schema: type[BaseModel]) -> None:
    """Where a serializer would change the config, it is written by its types; no secret gets out, nothing is lost."""
    model = schema.model_validate({"token": SECRET, "host": "example"})
    assert SECRET not in json.dumps(store(model))
    assert round_trip(model) == model


class Inner(Revealing):
    """The same, with a default for everything."""

    token: SecretStr = SecretStr(SECRET)


class Outer(BaseModel):
    """Holds it."""

    inner: Inner = Inner()
    parts: list[Inner] = []


@pytest.mark.parametrize("given", [{}, {"inner": {}}, {"parts": [{}, {"host": "x"}]}], ids=str)
def test_a_serializer_reveals_nothing_in_the_place_of_a_default(given: dict[str, Any]) -> None:
    """A default that nobody set is written by its type, at any depth."""
    model = Outer.model_validate(given)
    assert SECRET not in json.dumps(store(model))
    assert round_trip(model) == model
    assert SECRET not in json.dumps(store(Revealing(token=SecretStr(SECRET))))


class Degrees:
    """A type that pydantic does not know."""

    def __init__(self, number: float) -> None:
        """Keep the number."""
        self.number = number

    def __eq__(self, other: object) -> bool:
        """Compare the numbers."""
        return isinstance(other, Degrees) and other.number == self.number

    __hash__ = None  # type: ignore[assignment] # it is none


Angle = Annotated[
    Degrees,
    BeforeValidator(lambda value: Degrees(float(value.rstrip("d"))) if isinstance(value, str) else value),
    PlainSerializer(lambda value: f"{value.number}d"),
]


class Angles(BaseModel):
    """What only its serializer can write, as a default and at each depth."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    one: Angle = Degrees(1)
    some: list[Angle] = [Degrees(2)]
    named: dict[str, Angle] = {}
    cut: Annotated[list[int], PlainSerializer(lambda value: value[:1])] = []


def test_what_only_a_serializer_can_write_comes_back() -> None:
    """Items of lists and values of dicts too; where a serializer loses something, the type writes."""
    given: dict[str, Any] = {"some": ["3d", "4d"], "named": {"a": "5d"}, "cut": [1, 2]}
    for model in (Angles(), Angles.model_validate(given)):
        assert round_trip(model) == model


class Adding(BaseModel):
    """A validator that does not survive its own output."""

    token: SecretStr
    host: str = ""

    @field_validator("host")
    @classmethod
    def _add(cls, host: str) -> str:
        return host + "/"


class Factory(BaseModel):
    """A factory that leaves plain text."""

    token: SecretStr = Field(default_factory=lambda: SECRET)  # type: ignore[assignment] # that is the point


class Parent(BaseModel):
    """A model without secrets."""

    host: str = ""


class Child(Parent):
    """A subclass with one."""

    token: SecretStr


def forget_token() -> Account:
    """Return a model that misses a field."""
    account = Account(token=SecretStr("x"))
    del account.token
    return account


@pytest.mark.parametrize(
    ("model", "path"),
    [
        (Adding(token=SecretStr(SECRET), host="h"), ("host",)),
        (Factory(), ("token",)),
        (Account.model_construct(token=SECRET), ("token",)),  # type: ignore[arg-type] # that is the point
        (Account.model_construct(user="u"), ("token",)),  # type: ignore[call-arg] # that is the point
        (forget_token(), ("token",)),
        (make_schema(Parent)(value=Child(token=SecretStr(SECRET))), ("value", "token")),
        (make_schema(SerializeAsAny[Parent])(value=Child(token=SecretStr(SECRET))), ("value", "token")),
        (make_schema(list[Parent])(value=[Child(token=SecretStr(SECRET))]), ("value", "0", "token")),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_would_come_back_changed_is_refused(model: BaseModel, path: tuple[str, ...]) -> None:
    """A config that is not what its schema says, or not after it was stored, is refused at its place, unquoted."""
    with pytest.raises(UnstorableConfig) as caught:
        store(model)
    assert [problem.path for problem in caught.value.errors] == [path]
    assert SECRET not in show_everything(caught.value)


def test_a_subclass_of_the_schema_is_refused_if_it_holds_more() -> None:
    """The schema decides what is stored: a subclass with a secret of its own does not come back."""
    codec = make_codec(Parent)
    assert codec.parse(Child(token=SecretStr("x"))).model.host == ""  # type: ignore[attr-defined]
    with pytest.raises(UnstorableConfig, match="token"):
        codec.store(codec.parse(Child(token=SecretStr("x"))))


class Elder(Parent):
    """A subclass without one."""

    port: int = 1


def test_a_subclass_does_not_come_back_as_itself() -> None:
    """A model of a subclass would come back as the schema's own class, so it is refused as a whole."""
    with pytest.raises(UnstorableConfig) as caught:
        make_codec(Parent).store(Parsed(Elder()))
    assert caught.value.errors == (FieldProblem((), "does not come back from the database as it is"),)


def test_a_model_of_another_class_is_refused() -> None:
    """A model that is no instance of the schema names both classes."""
    with pytest.raises(InvalidConfig) as caught:
        make_codec(Account).parse(Card(kind="card", token=SecretStr("x")))
    assert caught.value.errors == (FieldProblem((), "is a Card, expected a Account"),)


@pytest.mark.parametrize("data", [None, [], "text", 5, [("token", "x")]])
def test_input_is_an_object(data: Any) -> None:
    """Anything but a mapping or a model is refused at the root."""
    with pytest.raises(InvalidConfig) as caught:
        parse(Account, data)
    assert caught.value.errors == (FieldProblem((), "must be an object with a key for each field"),)


@pytest.mark.parametrize("token", ["x", b"x", SecretStr("x")])
def test_a_secret_may_be_given_as_text_bytes_or_secret(token: Any) -> None:
    """A program may hand over a secret in any of these forms, beside values that are no JSON."""
    assert parse(Account, {"token": token}) == Account(token=SecretStr("x"))


def test_markers_are_found_at_any_depth() -> None:
    """Stored secrets are found in lists and dicts, well-formed or not; opening them copies what is around them."""
    marker = {"$secret": "x"}
    assert iter_markers({"a": [1, marker], "b": {"c": marker}, "d": None}) == [
        (("a", "1"), marker),
        (("b", "c"), marker),
    ]
    assert iter_markers(marker) == [((), marker)]
    data = {"list": [{"a": 1}]}
    opened = open_config(data, ROW, RING)
    assert (opened.data, opened.secrets, opened.failures) == (data, {}, {})
    assert opened.data["list"] is not data["list"]


def test_equality_looks_at_types() -> None:
    """Values that only look equal are told apart."""
    assert not is_same(1, 1.0)
    assert not is_same(1, True)  # noqa: FBT003 - the value that is compared
    assert not is_same("1", 1)
    assert not is_same((1,), [1])
    assert not is_same([1], [1, 2])
    assert not is_same({"a": 1}, {"b": 1})
    assert not is_same({"a": 1}, {"a": "1"})
    assert not is_same(SecretStr("a"), SecretStr("b"))
    assert not is_same(Account(token=SecretStr("a")), Account(token=SecretStr("b")))


def test_what_databases_refuse_is_named_by_its_path() -> None:
    """Numbers and texts that not every database takes are refused where they stand, keys included."""
    schema = make_schema(Any)
    encode_model(schema(value={"a": [1, 1.5, "text 😀", None, True]}), MISSING, {})
    for bad, path in (({"a": [0, float("nan")]}, ("a", "1")), ({"a": {"b\x00": 1}}, ("a",)), ("\udfff", ())):
        with pytest.raises(UnstorableConfig) as caught:
            encode_model(schema(value=bad), MISSING, {})
        assert [problem.path for problem in caught.value.errors] == [("value", *path)]


@pytest.mark.parametrize("levels", [MAX_DEPTH, 250, 900, 100_000])
def test_what_is_nested_too_deeply_is_refused_at_its_field(levels: int) -> None:
    """Also where a secret belongs to it, which is compared part by part."""

    class Bound(BaseModel):
        endpoint: Any
        token: Annotated[SecretStr, BoundTo("endpoint")]

    deep: Any = "x"
    for _level in range(levels):
        deep = [deep]
    with pytest.raises(InvalidConfig) as caught:
        parse(Bound, {"endpoint": deep, "token": SECRET})
    assert [problem.path for problem in caught.value.errors] == [("endpoint",)]
