"""Every pydantic shape: stored without a secret in it and restored exactly, or refused with its path and the reason."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable
from enum import Enum
from operator import attrgetter
from typing import Any, Literal

import pytest
from pydantic import BaseModel, RootModel, Secret, SecretBytes, SecretStr

from django_plugin_system.config.opened import iter_markers
from django_plugin_system.exceptions import FieldProblem, UnstorableConfig
from django_plugin_system.schema.checks import find_unstorable
from django_plugin_system.schema.tree import get_tree
from django_plugin_system.schema.values import is_same, iter_secrets
from tests.config.helpers import SECRET, make_codec, make_schema, round_trip, store
from tests.shapes.models import Aliased, ByName, Color, Generated, Hooked, Token, Tokens
from tests.shapes.table import SHAPES, Shape, list_values, make_model
from tests.support.cases import each, tried_on


def show(value: Any) -> str:
    """Return a short name for a parameter: a type, or the type of a value."""
    return str(getattr(value, "__name__", type(value).__name__))[:30]


PLAIN = [shape for shape in SHAPES if not shape.secret]
SECRETS = [shape for shape in SHAPES if shape.secret]


@tried_on(list_values(PLAIN))
def test_plain_values_come_back(shape: Shape, value: Any) -> None:
    """A value of any type that JSON can say comes back equal and of the same type."""
    model = make_model(shape, value)
    assert not list(iter_secrets(model))
    back = round_trip(model)
    assert back == model
    assert is_same(back, model)


@tried_on(list_values(SECRETS))
def test_secrets_come_back(shape: Shape, value: Any) -> None:
    """Secrets of any type at any depth come back; what is stored has each of them encrypted, and its text nowhere."""
    model = make_model(shape, value)
    stored = store(model)
    assert SECRET not in json.dumps(stored)
    assert {path for path, _marker in iter_markers(stored)} == {path for path, _secret in iter_secrets(model)}
    back = make_codec(type(model)).restore(stored).model
    assert back == model
    assert is_same(back, model)


@tried_on(each("shape", SHAPES, attrgetter("name")))
def test_secrets_are_found_in_the_types(shape: Shape) -> None:
    """The types alone say whether there are secrets, and that they can be stored."""
    assert get_tree(shape.annotation).holds_secret == shape.secret
    assert not find_unstorable(make_schema(shape.annotation))


@pytest.mark.parametrize("text", ["", "\x00", "a\r\nb\n", "😀\u2028\u202e", "x" * 1_000_000, '"}\\', " ", "*" * 9])
@pytest.mark.parametrize("kind", [SecretStr, SecretBytes])
def test_secrets_of_awkward_text_come_back(kind: Any, text: str) -> None:
    """An empty secret, NUL, newlines, emoji, a megabyte, JSON syntax and pydantic's own mask all come back."""
    model = make_schema(kind)(value=text)
    assert round_trip(model) == model


def test_a_secret_may_hold_half_a_surrogate_pair() -> None:
    """Text that no database would take as it is comes back once it is encrypted."""
    model = make_schema(SecretStr)(value="\ud800")
    assert round_trip(model) == model


@pytest.mark.parametrize(
    "data",
    [
        {"ONE": "1", "TWO": "2", "THREE": "3", "FOUR": {"inner": "4"}, "five": "5", "SIX": ["6"]},
        {"one": "1", "two": "2", "III": "3", "four": "4", "five": "5", "VI": "6"},
    ],
)
def test_aliases_are_for_input_only(data: dict[str, Any]) -> None:
    """Fields may be given by name or by any of their aliases; they are stored by name."""
    stored = store(make_codec(Aliased).parse(data).model)
    assert list(stored) == ["one", "two", "three", "four", "five", "six"]
    opened = [secret.get_secret_value() for _path, secret in iter_secrets(make_codec(Aliased).restore(stored).model)]
    assert opened == list("123456")


def test_a_model_that_knows_only_aliases_is_stored_by_name() -> None:
    """The settings of a model on names and aliases do not change how it is stored."""
    for given in ({"AUTH_TOKEN": "x"}, {"auth_token": "x"}):
        assert list(store(make_codec(Generated).parse(given).model)) == ["auth_token"]


class Letters(Enum):
    """Values whose JSON is the same."""

    A = "a"


def count() -> Iterable[int]:
    """Yield numbers once."""
    yield from (1, 2)


REFUSED: list[tuple[Any, Any, tuple[str, ...], str]] = [
    (float, float("nan"), ("value",), "finite"),
    (list[float], [1.0, float("inf")], ("value", "1"), "finite"),
    (Secret[float], Secret(float("inf")), ("value",), "cannot write"),
    (int, 10**5000, ("value",), "digits"),
    (Secret[int], Secret(10**5000), ("value",), "cannot write"),
    (str, "a\x00b", ("value",), "NUL"),
    (str, "\ud800", ("value",), "surrogate"),
    (dict[str, int], {"a\x00": 1}, ("value",), "NUL"),
    (bytes, b"\xff", ("value",), "no JSON form"),
    (Secret[list[bytes]], Secret([b"\xff"]), ("value",), "no JSON form"),
    (Secret[list[SecretBytes]], Secret([SecretBytes(b"\xff")]), ("value",), "no UTF-8"),
    (Secret[dict[str, Any]], Secret({SECRET: object()}), ("value",), "no JSON form"),
    (Secret[dict[str, Any]], Secret({SECRET: {1: 1, "1": 2}}), ("value",), "look the same"),
    (Any, SecretStr(SECRET), ("value",), "declares no secret"),
    (Any, (1, 2), ("value",), "does not come back"),
    (Any, object(), ("value",), "no JSON form"),
    (Any, Color.RED, ("value",), "does not come back"),
    (set[SecretStr], {SecretStr(SECRET)}, ("value",), "set"),
    (dict[SecretStr, int], {SecretStr(SECRET): 1}, ("value",), "key"),
    (dict[int | str, int], {1: 1, "1": 2}, ("value",), "look the same"),
    (dict[tuple[int, int], int], {(1, 2): 3}, ("value", "[1, 2]"), "array"),
    (dict[str, int], {"$secret": 1}, ("value",), "cannot be used as a key"),
    (dict[str, str], {"$secret": "dps1.x"}, ("value",), "cannot be used as a key"),
    (str | dt.date, dt.date(2026, 1, 31), ("value",), "does not come back"),
    (Iterable[int], count(), ("value",), "does not come back"),
    (Literal[Letters.A], Letters.A, ("value",), "Input should be"),
]


@pytest.mark.parametrize(("annotation", "value", "path", "reason"), REFUSED, ids=show)
def test_what_would_not_come_back_is_refused(annotation: Any, value: Any, path: tuple[str, ...], reason: str) -> None:
    """A value that the database would not give back as it is is refused with its path and the reason, unquoted."""
    with pytest.raises(UnstorableConfig) as caught:
        store(make_schema(annotation)(value=value))
    (problem,) = caught.value.errors
    assert problem.path == path
    assert reason in problem.message
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("root", [Tokens([SecretStr(SECRET)]), RootModel[int](5)], ids=show)
def test_a_config_is_an_object(root: BaseModel) -> None:
    """A root model of a list or a single value cannot be a configuration."""
    with pytest.raises(UnstorableConfig, match="stored as an object") as caught:
        store(root)
    assert caught.value.errors[0].path == ()


@pytest.mark.parametrize("root", [ByName({"a": SecretStr(SECRET)}), Token(SecretStr(SECRET))], ids=show)
def test_a_root_model_can_be_a_config(root: BaseModel) -> None:
    """A root model of a dict or of one secret is stored as an object, and so can be a configuration."""
    assert round_trip(root) == root


def test_computed_fields_are_not_stored() -> None:
    """A computed field, which may reveal a secret, is no part of a configuration."""
    model = Hooked(token=SecretStr(SECRET))
    assert model.shown == SECRET
    assert list(store(model)) == ["token", "port"]


def test_nesting_has_a_limit() -> None:
    """A value nested deeper than 100 levels is refused by the field it is in, whichever way it comes."""
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    schema = make_schema(Any)
    with pytest.raises(UnstorableConfig) as caught:
        store(schema(value=deep))
    assert caught.value.errors == (FieldProblem(("value",), "is nested more than 100 levels deep"),)
    with pytest.raises(ValueError, match="value: is nested more than 100 levels deep"):
        make_codec(schema).parse({"value": deep})
