"""Every kind of pydantic type that a configuration may be made of, with values that must come back as they are."""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import Enum, IntFlag
from ipaddress import IPv4Address
from pathlib import PurePosixPath
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, TypeVar

import pydantic.dataclasses
import typing_extensions
from pydantic import (
    AliasChoices,
    AliasPath,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Json,
    PrivateAttr,
    RootModel,
    Secret,
    SecretBytes,
    SecretStr,
    Tag,
    computed_field,
)

from tests.unit.helpers import SECRET

T = TypeVar("T")
BoundT = TypeVar("BoundT", bound=SecretStr)
EAST = dt.timezone(dt.timedelta(hours=5, minutes=30))
TEXT = SecretStr(SECRET)


class Color(Enum):
    """Texts."""

    RED = "red"
    BLUE = "blue"


class Rights(IntFlag):
    """Numbers."""

    READ = 1
    WRITE = 2


class Account(BaseModel):
    """A model with a secret."""

    user: str = "root"
    token: SecretStr


class Frozen(BaseModel):
    """A strict, frozen model that takes nothing more."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")
    when: dt.datetime
    parts: tuple[int, ...]
    amount: Decimal
    raw: bytes
    token: SecretStr


class Open(BaseModel):
    """A model that takes more values, each a secret."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, SecretStr]
    name: str = ""


class Loose(BaseModel):
    """A model that takes more values of any kind."""

    model_config = ConfigDict(extra="allow")
    name: str = ""


class Aliased(BaseModel):
    """Aliases of every kind."""

    one: SecretStr = Field(alias="ONE")
    two: SecretStr = Field(validation_alias="TWO")
    three: SecretStr = Field(validation_alias=AliasChoices("THREE", "III"))
    four: SecretStr = Field(validation_alias=AliasPath("FOUR", "inner"))
    five: SecretStr = Field(serialization_alias="FIVE")
    six: SecretStr = Field(validation_alias=AliasChoices(AliasPath("SIX", 0), "VI"))


class Generated(BaseModel):
    """Aliases from a generator, and no names."""

    model_config = ConfigDict(alias_generator=str.upper, validate_by_name=False, validate_by_alias=True)
    auth_token: SecretStr


class Node(BaseModel):
    """A model inside itself."""

    token: SecretStr
    children: list[Node] = []
    by_name: dict[str, Node] = {}


class Boxed(BaseModel, Generic[T]):
    """A generic model."""

    value: T


class Bounded(BaseModel, Generic[BoundT]):
    """A generic model that is used without brackets."""

    value: BoundT


class Tokens(RootModel[list[SecretStr]]):
    """A list as a model."""


class Token(RootModel[SecretStr]):
    """One secret as a model."""


class ByName(RootModel[dict[str, SecretStr]]):
    """A dict as a model."""


@pydantic.dataclasses.dataclass
class Pair:
    """A pydantic dataclass with an alias, a default factory and a field that nobody may give."""

    token: SecretStr = Field(alias="TOKEN")
    others: list[SecretStr] = Field(default_factory=list)
    count: int = dataclasses.field(init=False, default=7)


@pydantic.dataclasses.dataclass(config=ConfigDict(extra="allow"))
class OpenPair:
    """A dataclass that takes more values."""

    first: int


@dataclasses.dataclass
class Plain:
    """A dataclass of the standard library."""

    token: SecretStr
    port: int = 25


@pydantic.dataclasses.dataclass
class GenericPair(Generic[T]):
    """A generic dataclass."""

    value: T
    more: list[T]


class Typed(typing_extensions.TypedDict, total=False):
    """A typed dict."""

    token: SecretStr
    port: typing_extensions.Required[Annotated[int, "a note"]]


class Point(NamedTuple):
    """A named tuple."""

    x: int
    token: SecretStr


class Card(BaseModel):
    """One member of a discriminated union."""

    kind: Literal["card"]
    token: SecretStr


class Cash(BaseModel):
    """The other member, without a secret."""

    kind: Literal["cash"]
    till: int


def tell(value: Any) -> str:
    """Tell a model from text."""
    return "text" if isinstance(value, str) else "model"


Payment = Annotated[Card | Cash, Field(discriminator="kind")]
Told = Annotated[Annotated[Account, Tag("model")] | Annotated[str, Tag("text")], Discriminator(tell)]
New = NewType("New", SecretStr)
Tree = typing_extensions.TypeAliasType("Tree", "dict[str, SecretStr | list[Tree]]")
Many = typing_extensions.TypeAliasType("Many", list[T], type_params=(T,))


class Hooked(BaseModel):
    """Private attributes, computed fields, excluded and hidden fields."""

    _cache: str = PrivateAttr("x")
    token: SecretStr = Field(exclude=True, repr=False)
    port: int = Field(25, exclude=True)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def shown(self) -> str:
        """A computed field that reveals the secret."""
        return self.token.get_secret_value()


class Defaults(BaseModel):
    """Defaults of every kind."""

    wrapped: SecretStr = SecretStr("a default")
    checked: SecretStr = Field("checked default", validate_default=True)
    made: list[SecretStr] = Field(default_factory=lambda: [SecretStr("made")])
    nothing: SecretStr | None = None


PLAIN: list[tuple[Any, Any]] = [
    (bytes, b"abc"),
    (Decimal, Decimal("1.10")),
    (Decimal, Decimal("1E+100")),
    (dt.datetime, dt.datetime(2026, 1, 31, 10, 0, 0, 123456, tzinfo=EAST)),
    (dt.datetime, dt.datetime(2026, 1, 31, tzinfo=dt.timezone.utc)),
    (dt.time, dt.time(10, 30, tzinfo=EAST)),
    (dt.date, dt.date(2026, 1, 31)),
    (dt.timedelta, dt.timedelta(days=-1, microseconds=3)),
    (uuid.UUID, uuid.UUID(int=5)),
    (PurePosixPath, PurePosixPath("/etc/x")),
    (IPv4Address, IPv4Address("127.0.0.1")),
    (set[int], {3, 1, 2}),
    (frozenset[tuple[int, str]], frozenset({(2, "b"), (1, "a")})),
    (set[Color], {Color.RED, Color.BLUE}),
    (tuple[int, str], (1, "a")),
    (deque[float], deque([1.0, 2.5])),
    (Sequence[int], [1]),
    (OrderedDict[str, int], OrderedDict(b=1, a=2)),
    (dict[int, str], {1: "a", 2: "b"}),
    (dict[Color, int], {Color.RED: 1}),
    (dict[bool, int], {True: 1, False: 0}),
    (dict[dt.date, int], {dt.date(2026, 1, 31): 1}),
    (Rights, Rights.READ | Rights.WRITE),
    (float, 1e300),
    (int, 10**40),
    (int | str, "1"),
    (int | float, 1.0),
    (bool | int, 1),
    (str, "two\nlines \u2028 😀"),
    (Any, {"a": [1, None, {"b": 1.5}]}),
    (Json[list[int]], "[1, 2]"),
    (Json[dict[str, int]], '{"a": 1}'),
    (Loose, Loose.model_validate({"name": "x", "more": {"deep": [1]}})),
    (OpenPair, {"first": 1, "second": [2]}),
    (Cash, Cash(kind="cash", till=1)),
]
SECRETS: list[tuple[Any, Any]] = [
    (SecretStr, TEXT),
    (SecretBytes, SecretBytes(SECRET.encode() + b"\xff\xfe\x00")),
    (SecretStr | SecretBytes, SecretBytes(SECRET.encode())),
    (SecretStr | None, TEXT),
    (SecretStr | None, None),
    (Secret[int], Secret(10**30)),
    (Secret[float], Secret(1.0)),
    (Secret[int | None], Secret(None)),
    (Secret[Decimal], Secret(Decimal("1.10"))),
    (Secret[dt.date], Secret(dt.date(2026, 1, 31))),
    (Secret[bytes], Secret(b"\xff")),
    (Secret[Color], Secret(Color.RED)),
    (Secret[set[int]], Secret({3, 1})),
    (Secret[dict[str, int]], Secret({"$secret": 1})),
    (Secret[Account], Secret(Account(token=TEXT))),
    (Secret[list[SecretStr]], Secret([TEXT])),
    (list[SecretStr | None], [None, TEXT]),
    (tuple[SecretStr, int], (TEXT, 1)),
    (tuple[SecretStr, ...], (TEXT, SecretStr(""))),
    (deque[SecretStr], deque([TEXT])),
    (Mapping[str, SecretStr], {"a.b": TEXT, "": TEXT, "$": TEXT}),
    (dict[int, SecretStr], {1: TEXT, -2: TEXT}),
    (dict[dt.datetime, SecretStr], {dt.datetime(2026, 1, 31, tzinfo=dt.timezone.utc): TEXT}),
    (dict[str, list[SecretStr] | None], {"a": [TEXT], "b": None}),
    (Account, Account(token=TEXT)),
    (list[Account], [Account(token=TEXT)]),
    (Payment, Card(kind="card", token=TEXT)),
    (Payment, Cash(kind="cash", till=3)),
    (list[Payment], [Cash(kind="cash", till=3), Card(kind="card", token=TEXT)]),
    (Told, Account(token=TEXT)),
    (Told, "just text"),
    (Frozen, {"when": "2026-01-31T10:00:00Z", "parts": [1], "amount": "1.10", "raw": "x", "token": SECRET}),
    (Open, Open.model_validate({"name": "x", "api": SECRET})),
    (Generated, Generated.model_validate({"AUTH_TOKEN": SECRET})),
    (Aliased, dict.fromkeys(("one", "two", "three", "four", "five", "six"), SECRET)),
    (Node, Node(token=TEXT, children=[Node(token=TEXT)], by_name={"x": Node(token=TEXT, children=[Node(token=TEXT)])})),
    (Boxed[SecretStr], Boxed[SecretStr](value=TEXT)),
    (Boxed[list[SecretStr]], Boxed[list[SecretStr]](value=[TEXT])),
    (Bounded, {"value": SECRET}),
    (GenericPair[SecretStr], {"value": SECRET, "more": [SECRET]}),
    (Many[SecretStr], [TEXT]),
    (Tokens, Tokens([TEXT])),
    (Token, Token(TEXT)),
    (ByName, ByName({"a": TEXT})),
    (Pair, {"token": SECRET, "others": [SECRET]}),
    (Plain, Plain(TEXT)),
    (Typed, {"token": TEXT, "port": 1}),
    (Typed, {"port": 1}),
    (Point, Point(1, TEXT)),
    (New, TEXT),
    (Annotated[list[Annotated[SecretStr, Field(title="x")]], Field(min_length=1)], [TEXT]),
    (Tree, {"a": TEXT, "b": [{"c": TEXT}]}),
    (Hooked, Hooked(token=TEXT)),
    (Defaults, Defaults()),
]
