"""Every kind of pydantic type, with values of it. A row added here is tried by each room that goes by the types.

A value stands here as code or an operator gives it, a secret as plain text; ``get_stored`` says how a row holds it.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from ipaddress import IPv4Address
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union

from pydantic import Field, Json, Secret, SecretBytes, SecretStr

from tests.config.helpers import SECRET, make_codec, make_schema, store
from tests.shapes import form_models as filled
from tests.shapes.models import (
    Account,
    Aliased,
    Bounded,
    Boxed,
    ByName,
    Card,
    Cash,
    Color,
    Defaults,
    Frozen,
    Generated,
    GenericPair,
    Hooked,
    Loose,
    Many,
    New,
    Node,
    Open,
    OpenPair,
    Pair,
    Payment,
    Plain,
    Point,
    Rights,
    Token,
    Tokens,
    Told,
    Tree,
    Typed,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic import BaseModel

EAST = dt.timezone(dt.timedelta(hours=5, minutes=30))
NEW_YEAR = dt.datetime(2026, 1, 31, tzinfo=dt.timezone.utc)
TEXT = SecretStr(SECRET)
MARKER = {"$secret": "dps1.0000aaaa.stored"}
"""What a stored secret looks like to a form, which never looks inside."""


@dataclass(frozen=True)
class Shape:
    """A type of one field, and values of it that must come back as they are."""

    name: str
    annotation: Any
    values: tuple[Any, ...]
    default: Any = ...
    secret: bool = False
    """Whether the type declares a secret somewhere."""
    in_browser: bool = False
    """Whether a browser shows its form as well; what differs there is the widget, not the type."""


def _plain(name: str, annotation: Any, *values: Any, default: Any = ...) -> Shape:
    return Shape(name, annotation, values, default)


def _secret(name: str, annotation: Any, *values: Any, default: Any = ...) -> Shape:
    return Shape(name, annotation, values, default, secret=True)


def _shown(shape: Shape) -> Shape:
    return Shape(shape.name, shape.annotation, shape.values, shape.default, shape.secret, in_browser=True)


_LEAF: dict[str, Any] = {"name": "a", "left": None, "others": []}
_SMTP = {"host": "", "port": 25, "password": SECRET}
_LOGIN = {"user": "a", "token": SECRET, "active": False}

SHOWN = [
    _plain("text", str, "hello", "", "two\nlines", "a § b", "<b>&\"'"),
    _plain("text_default", str, "", "abc", default="abc"),
    _plain("text_optional", str | None, None, "", "x", default=None),
    _plain("whole", int, 0, -5, 2**63, 10**30),
    _plain("whole_bounded", filled.Port, 1, 65535),
    _plain("whole_optional", int | None, None, 0, 7, default=None),
    _plain("number", float, 0.0, 1.5, 1e300, -2.0, 7),
    _plain("number_optional", float | None, None, 2.5, default=None),
    _plain("int_or_float", int | float, 1, 1.0, 2.5),
    _plain("yes_no", bool, True, False),  # noqa: FBT003 - a value
    _plain("yes_no_optional", bool | None, None, True, False, default=None),  # noqa: FBT003 - a value
    _plain("decimal", Decimal, "3.10", "0", "1E+5"),
    _plain("date", dt.date, "2026-01-31"),
    _plain("datetime", dt.datetime, "2026-01-31T10:00:00+02:00", "2026-01-31T10:00:00"),
    _plain("timedelta", dt.timedelta, "P1DT2H"),
    _plain("uuid", uuid.UUID, "6f1b0c9e-7f3c-4f0e-9a53-0d4c1f7a2b11"),
    _plain("raw_bytes", bytes, "abc", ""),
    _plain("json_string", Json[dict[str, int]], '{"a": 1}'),
    _plain("literal", Literal["a", "b"], "a", "b"),
    _plain("literal_mixed", Literal["1", 1, True] | None, "1", 1, True, None),  # noqa: FBT003 - a value
    _plain("literal_single", Literal["only"], "only"),
    _plain("enum", filled.Color, "red", "green"),
    _plain("enum_optional", filled.Color | None, None, "red", default=None),
    _plain("enum_numbers", filled.Level, 1, 2),
    _secret("model", filled.Smtp, {"host": "h", "port": 1, "password": None}, _SMTP),
    _secret("model_optional", filled.Smtp | None, None, {**_SMTP, "host": "h", "port": 1}, default=None),
    _plain("texts", list[str], [], ["a", ""], ["x"] * 120),
    _plain("texts_default", list[str], [], ["b"], default=["a"]),
    _plain("texts_optional", list[str] | None, None, [], ["a"], default=None),
    _plain("whole_set", set[int], [], [1, 2]),
    _plain("queue", deque[float], [], [1.5]),
    _plain("any_length_tuple", tuple[int, ...], [], [1, 2]),
    _plain("nested_lists", list[list[int]], [], [[]], [[1, 2], [3]]),
    _plain("enums", list[filled.Color], [], ["red", "green"]),
    _secret("models", list[filled.Account], [], [_LOGIN]),
    _secret("optional_models", list[filled.Smtp | None], [None, {"host": "h", "port": 2, "password": None}]),
    _plain("headers", dict[str, str], {}, {"X-A": "1", "7": "", "a § b": "c"}),
    _secret("dict_of_models", dict[str, filled.Account], {}, {"main": {**_LOGIN, "active": True}}),
    _plain("dict_by_number", dict[int, float], {"1": 2.5}),
    _plain("dict_of_any", dict[str, Any], {}, {"a": [1, {"b": None}]}),
    _plain("fixed_tuple", tuple[str, int, bool], ["a", 1, True]),
    _plain("fixed_tuple_optional", tuple[int, int] | None, None, [1, 2], default=None),
    _secret(
        "discriminated",
        Annotated[filled.Card | filled.Bank, Field(discriminator="kind")],
        {"kind": "card", "number": "", "token": SECRET},
        {"kind": "card", "number": "1", "token": None},
        {"kind": "bank", "iban": "", "limit": None},
        {"kind": "bank", "iban": "DE", "limit": 2**60},
    ),
    _plain("undiscriminated", Union[filled.Circle, filled.Square], {"radius": 1.5}, {"side": 2.0}),  # noqa: UP007
    _plain("union_optional", filled.Circle | filled.Square | None, None, {"radius": 1.0}, {"side": 2.5}, default=None),
    _plain("int_or_text", int | str, 1, "1", "", 0),
    _plain("int_or_text_or_none", int | str | None, None, 1, "x", default=None),
    _plain("text_or_list", str | list[str], "a", [], ["a"]),
    _plain("date_or_text", dt.date | str, "x"),
    _plain("tree", filled.Tree, _LEAF),
    _plain(
        "tree_deep",
        filled.Tree | None,
        None,
        {**_LEAF, "left": {**_LEAF, "name": "b"}, "others": [{**_LEAF, "name": "c", "left": {**_LEAF, "name": "d"}}]},
        default=None,
    ),
    _plain("anything", Any, None, 1, "x", [1], {"a": {"b": 2}}, default=None),
    _plain("extra", filled.Extra, {"name": "x"}, {"name": "x", "more": [1], "flag": True}),
    _plain("alias_type", filled.Tags, [], ["a"]),
    _plain("new_type", filled.UserId, 5),
    _secret("typed_dict", filled.Typed, {"token": SECRET, "port": 1}),
    _secret("secret", SecretStr, SECRET),
    _secret("secret_optional", SecretStr | None, None, SECRET, default=None),
    _secret("secret_bytes", SecretBytes, SECRET),
    _secret("secret_number", Secret[int], 7),
    _secret("secret_model", Secret[filled.Smtp], {"host": "h"}),
    _secret("secrets", list[SecretStr], [], [SECRET, f"{SECRET}-2"]),
    _secret("dict_of_secrets", dict[str, SecretStr], {}, {"a": SECRET}),
]
"""What the form of a browser shows in different ways."""

OTHERS = [
    _plain("decimals", Decimal, Decimal("1.10"), Decimal("1E+100")),
    _plain("moment", dt.datetime, dt.datetime(2026, 1, 31, 10, 0, 0, 123456, tzinfo=EAST), NEW_YEAR),
    _plain("time", dt.time, dt.time(10, 30, tzinfo=EAST)),
    _plain("duration", dt.timedelta, dt.timedelta(days=-1, microseconds=3)),
    _plain("path", PurePosixPath, PurePosixPath("/etc/x")),
    _plain("address", IPv4Address, IPv4Address("127.0.0.1")),
    _plain("unordered", set[int], {3, 1, 2}),
    _plain("frozen_pairs", frozenset[tuple[int, str]], frozenset({(2, "b"), (1, "a")})),
    _plain("colors", set[Color], {Color.RED, Color.BLUE}),
    _plain("sequence", Sequence[int], [1]),
    _plain("ordered_dict", OrderedDict[str, int], OrderedDict(b=1, a=2)),
    _plain("texts_by_number", dict[int, str], {1: "a", 2: "b"}),
    _plain("by_enum", dict[Color, int], {Color.RED: 1}),
    _plain("by_truth", dict[bool, int], {True: 1, False: 0}),
    _plain("by_date", dict[dt.date, int], {dt.date(2026, 1, 31): 1}),
    _plain("flags", Rights, Rights.READ | Rights.WRITE),
    _plain("long_number", int, 10**40),
    _plain("truth_or_number", bool | int, 1),
    _plain("any_text", str, "two\nlines \u2028 😀"),
    _plain("any_value", Any, {"a": [1, None, {"b": 1.5}]}),
    _plain("json_list", Json[list[int]], "[1, 2]"),
    _plain("loose_model", Loose, Loose.model_validate({"name": "x", "more": {"deep": [1]}})),
    _plain("open_dataclass", OpenPair, {"first": 1, "second": [2]}),
    _plain("constant", Cash, Cash(kind="cash", till=1)),
    _secret("no_text_bytes", SecretBytes, SecretBytes(SECRET.encode() + b"\xff\xfe\x00")),
    _secret("text_or_bytes", SecretStr | SecretBytes, SecretBytes(SECRET.encode())),
    _secret("secret_big", Secret[int], Secret(10**30)),
    _secret("secret_float", Secret[float], Secret(1.0)),
    _secret("secret_none", Secret[int | None], Secret(None)),
    _secret("secret_decimal", Secret[Decimal], Secret(Decimal("1.10"))),
    _secret("secret_date", Secret[dt.date], Secret(dt.date(2026, 1, 31))),
    _secret("secret_raw", Secret[bytes], Secret(b"\xff")),
    _secret("secret_enum", Secret[Color], Secret(Color.RED)),
    _secret("secret_set", Secret[set[int]], Secret({3, 1})),
    _secret("secret_dict", Secret[dict[str, int]], Secret({"$secret": 1})),
    _secret("secret_account", Secret[Account], Secret(Account(token=TEXT))),
    _secret("secret_secrets", Secret[list[SecretStr]], Secret([TEXT])),
    _secret("secret_bytes_list", Secret[list[SecretBytes]], Secret([SecretBytes(SECRET.encode())])),
    _secret("optional_secrets", list[SecretStr | None], [None, TEXT]),
    _secret("secret_in_tuple", tuple[SecretStr, int], (TEXT, 1)),
    _secret("tuple_of_secrets", tuple[SecretStr, ...], (TEXT, SecretStr(""))),
    _secret("queue_of_secrets", deque[SecretStr], deque([TEXT])),
    _secret("mapping_of_secrets", Mapping[str, SecretStr], {"a.b": TEXT, "": TEXT, "$": TEXT}),
    _secret("secrets_by_number", dict[int, SecretStr], {1: TEXT, -2: TEXT}),
    _secret("secrets_by_moment", dict[dt.datetime, SecretStr], {NEW_YEAR: TEXT}),
    _secret("lists_of_secrets", dict[str, list[SecretStr] | None], {"a": [TEXT], "b": None}),
    _secret("account", Account, Account(token=TEXT)),
    _secret("accounts", list[Account], [Account(token=TEXT)]),
    _secret("payment", Payment, Card(kind="card", token=TEXT), Cash(kind="cash", till=3)),
    _secret("payments", list[Payment], [Cash(kind="cash", till=3), Card(kind="card", token=TEXT)]),
    _secret("told", Told, Account(token=TEXT), "just text"),
    _secret(
        "frozen", Frozen, {"when": "2026-01-31T10:00:00Z", "parts": [1], "amount": "1.10", "raw": "x", "token": SECRET}
    ),
    _secret("open_model", Open, Open.model_validate({"name": "x", "api": SECRET})),
    _secret("generated_aliases", Generated, Generated.model_validate({"AUTH_TOKEN": SECRET})),
    _secret("aliases", Aliased, dict.fromkeys(("one", "two", "three", "four", "five", "six"), SECRET)),
    _secret(
        "node",
        Node,
        Node(token=TEXT, children=[Node(token=TEXT)], by_name={"x": Node(token=TEXT, children=[Node(token=TEXT)])}),
    ),
    _secret("generic", Boxed[SecretStr], Boxed[SecretStr](value=TEXT)),
    _secret("generic_list", Boxed[list[SecretStr]], Boxed[list[SecretStr]](value=[TEXT])),
    _secret("generic_bound", Bounded, {"value": SECRET}),
    _secret("generic_dataclass", GenericPair[SecretStr], {"value": SECRET, "more": [SECRET]}),
    _secret("generic_alias", Many[SecretStr], [TEXT]),
    _secret("root_list", Tokens, Tokens([TEXT])),
    _secret("root_secret", Token, Token(TEXT)),
    _secret("root_dict", ByName, ByName({"a": TEXT})),
    _secret("dataclass", Pair, {"token": SECRET, "others": [SECRET]}),
    _secret("plain_dataclass", Plain, Plain(TEXT)),
    _secret("total_false", Typed, {"token": TEXT, "port": 1}, {"port": 1}),
    _secret("named_tuple", Point, Point(1, TEXT)),
    _secret("new_secret", New, TEXT),
    _secret("annotated", Annotated[list[Annotated[SecretStr, Field(title="x")]], Field(min_length=1)], [TEXT]),
    _secret("recursive_alias", Tree, {"a": TEXT, "b": [{"c": TEXT}]}),
    _secret("hooked", Hooked, Hooked(token=TEXT)),
    _secret("defaults", Defaults, Defaults()),
]

SHAPES = [*map(_shown, SHOWN), *OTHERS]


def list_values(shapes: Iterable[Shape] = SHAPES) -> list[tuple[str, dict[str, Any]]]:
    """Return a case for each value of each shape: the arguments ``shape`` and ``value``."""
    return [
        (f"{shape.name}-{number}", {"shape": shape, "value": value})
        for shape in shapes
        for number, value in enumerate(shape.values)
    ]


def make_model(shape: Shape, value: Any) -> BaseModel:
    """Return a configuration whose one field, ``value``, holds a value of a shape."""
    schema = make_schema(shape.annotation, shape.default)
    return make_codec(schema).parse({"value": value}).model if isinstance(value, dict) else schema(value=value)


def get_stored(shape: Shape, value: Any, secret: Any = MARKER) -> Any:
    """Return how a row holds a value, with ``secret`` in the place of each token."""
    return _replace(store(make_model(shape, value))["value"], secret)


def _replace(stored: Any, secret: Any) -> Any:
    if isinstance(stored, dict):
        return secret if "$secret" in stored else {key: _replace(value, secret) for key, value in stored.items()}
    return [_replace(value, secret) for value in stored] if isinstance(stored, list) else stored
