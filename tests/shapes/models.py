"""Every kind of pydantic class that a configuration may be made of."""

from __future__ import annotations

import dataclasses
import datetime as dt
from decimal import Decimal
from enum import Enum, IntFlag
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
    PrivateAttr,
    RootModel,
    SecretStr,
    Tag,
    computed_field,
)

T = TypeVar("T")
BoundT = TypeVar("BoundT", bound=SecretStr)


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
