"""Every shape of configuration that a form must carry to the browser and back; unit and browser tests share them."""

from __future__ import annotations

import uuid
from collections import deque
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Annotated, Any, Literal, NamedTuple, NewType, Union

import typing_extensions
from pydantic import BaseModel, ConfigDict, Field, Json, Secret, SecretBytes, SecretStr

MARKER = {"$secret": "dps1.0000aaaa.stored"}
"""What a stored secret looks like; the forms never look inside."""

Port = Annotated[int, Field(ge=1, le=65535)]
UserId = NewType("UserId", int)
Tags = typing_extensions.TypeAliasType("Tags", list[str])


class Color(Enum):
    """An Enum of texts."""

    RED = "red"
    GREEN = "green"


class Level(IntEnum):
    """An Enum of numbers."""

    LOW = 1
    HIGH = 2


class Smtp(BaseModel):
    """A model with a secret and defaults."""

    host: str = ""
    port: Port = 25
    password: SecretStr | None = None


class Account(BaseModel):
    """A model that must be filled in."""

    user: str
    token: SecretStr
    active: bool = True


class Card(BaseModel):
    """One member of a discriminated union."""

    kind: Literal["card"]
    number: str
    token: SecretStr | None = None


class Bank(BaseModel):
    """The other member."""

    kind: Literal["bank"]
    iban: str
    limit: int | None = None


class Circle(BaseModel):
    """A member of a union without discriminator."""

    radius: float


class Square(BaseModel):
    """Another one."""

    side: float


class Tree(BaseModel):
    """A model inside itself."""

    name: str
    left: Tree | None = None
    others: list[Tree] = []


class Extra(BaseModel):
    """A model that takes further values."""

    model_config = ConfigDict(extra="allow")
    name: str = "a"


class Typed(typing_extensions.TypedDict):
    """A dict with named keys."""

    token: SecretStr
    port: int


class Shape(NamedTuple):
    """A type of one field, and stored values of it."""

    name: str
    annotation: Any
    values: tuple[Any, ...]
    default: Any = ...


SHAPES = [
    Shape("text", str, ("hello", "", "two\nlines", "a § b", "<b>&\"'")),
    Shape("text_default", str, ("", "abc"), "abc"),
    Shape("text_optional", str | None, (None, "", "x"), None),
    Shape("whole", int, (0, -5, 2**63, 10**30)),
    Shape("whole_bounded", Port, (1, 65535)),
    Shape("whole_optional", int | None, (None, 0, 7), None),
    Shape("number", float, (0.0, 1.5, 1e300, -2.0, 7)),
    Shape("number_optional", float | None, (None, 2.5), None),
    Shape("int_or_float", int | float, (1, 1.0, 2.5)),
    Shape("yes_no", bool, (True, False)),
    Shape("yes_no_optional", bool | None, (None, True, False), None),
    Shape("decimal", Decimal, ("3.10", "0", "1E+5")),
    Shape("date", date, ("2026-01-31",)),
    Shape("datetime", datetime, ("2026-01-31T10:00:00+02:00", "2026-01-31T10:00:00")),
    Shape("timedelta", timedelta, ("P1DT2H",)),
    Shape("uuid", uuid.UUID, ("6f1b0c9e-7f3c-4f0e-9a53-0d4c1f7a2b11",)),
    Shape("raw_bytes", bytes, ("abc", "")),
    Shape("json_string", Json[dict[str, int]], ('{"a": 1}',)),
    Shape("literal", Literal["a", "b"], ("a", "b")),
    Shape("literal_mixed", (Literal["1", 1, True] | None), ("1", 1, True, None)),
    Shape("literal_single", Literal["only"], ("only",)),
    Shape("enum", Color, ("red", "green")),
    Shape("enum_optional", Color | None, (None, "red"), None),
    Shape("enum_numbers", Level, (1, 2)),
    Shape("model", Smtp, ({"host": "h", "port": 1, "password": None}, {"host": "", "port": 25, "password": MARKER})),
    Shape("model_optional", Smtp | None, (None, {"host": "h", "port": 1, "password": MARKER}), None),
    Shape("texts", list[str], ([], ["a", ""], ["x"] * 120)),
    Shape("texts_default", list[str], ([], ["b"]), ["a"]),
    Shape("texts_optional", list[str] | None, (None, [], ["a"]), None),
    Shape("whole_set", set[int], ([], [1, 2])),
    Shape("queue", deque[float], ([], [1.5])),
    Shape("any_length_tuple", tuple[int, ...], ([], [1, 2])),
    Shape("nested_lists", list[list[int]], ([], [[]], [[1, 2], [3]])),
    Shape("enums", list[Color], ([], ["red", "green"])),
    Shape("models", list[Account], ([], [{"user": "a", "token": MARKER, "active": False}])),
    Shape("optional_models", list[Smtp | None], ([None, {"host": "h", "port": 2, "password": None}],)),
    Shape("headers", dict[str, str], ({}, {"X-A": "1", "7": "", "a § b": "c"})),
    Shape("dict_of_models", dict[str, Account], ({}, {"main": {"user": "a", "token": MARKER, "active": True}})),
    Shape("dict_by_number", dict[int, float], ({"1": 2.5},)),
    Shape("dict_of_any", dict[str, Any], ({}, {"a": [1, {"b": None}]})),
    Shape("fixed_tuple", tuple[str, int, bool], (["a", 1, True],)),
    Shape("fixed_tuple_optional", tuple[int, int] | None, (None, [1, 2]), None),
    Shape(
        "discriminated",
        Annotated[Card | Bank, Field(discriminator="kind")],
        (
            {"kind": "card", "number": "", "token": MARKER},
            {"kind": "card", "number": "1", "token": None},
            {"kind": "bank", "iban": "", "limit": None},
            {"kind": "bank", "iban": "DE", "limit": 2**60},
        ),
    ),
    Shape("undiscriminated", Union[Circle, Square], ({"radius": 1.5}, {"side": 2.0})),  # noqa: UP007
    Shape("union_optional", Circle | Square | None, (None, {"radius": 1.0}, {"side": 2.5}), None),
    Shape("int_or_text", int | str, (1, "1", "", 0)),
    Shape("int_or_text_or_none", int | str | None, (None, 1, "x"), None),
    Shape("text_or_list", str | list[str], ("a", [], ["a"])),
    Shape("date_or_text", date | str, ("2026-01-31", "x")),
    Shape("tree", Tree, ({"name": "a", "left": None, "others": []},)),
    Shape(
        "tree_deep",
        Tree | None,
        (
            None,
            {
                "name": "a",
                "left": {"name": "b", "left": None, "others": []},
                "others": [{"name": "c", "left": {"name": "d", "left": None, "others": []}, "others": []}],
            },
        ),
        None,
    ),
    Shape("anything", Any, (None, 1, "x", [1], {"a": {"b": 2}}), None),
    Shape("extra", Extra, ({"name": "x"}, {"name": "x", "more": [1], "flag": True})),
    Shape("alias_type", Tags, ([], ["a"])),
    Shape("new_type", UserId, (5,)),
    Shape("typed_dict", Typed, ({"token": MARKER, "port": 1},)),
    Shape("secret", SecretStr, (MARKER,)),
    Shape("secret_optional", SecretStr | None, (None, MARKER), None),
    Shape("secret_bytes", SecretBytes, (MARKER,)),
    Shape("secret_number", Secret[int], (MARKER,)),
    Shape("secret_model", Secret[Smtp], (MARKER,)),
    Shape("secrets", list[SecretStr], ([], [MARKER, {"$secret": "dps1.0000aaaa.other"}])),
    Shape("dict_of_secrets", dict[str, SecretStr], ({}, {"a": MARKER})),
]
