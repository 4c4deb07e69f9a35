"""A schema with something of everything, whose snapshot must be the same with each Python and pydantic."""

from __future__ import annotations

import datetime as dt
import functools
import re
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NamedTuple, Optional, TypeVar, Union
from uuid import UUID

import pydantic.dataclasses
import typing_extensions
from annotated_types import Interval, Predicate
from pydantic import (
    UUID4,
    AfterValidator,
    AliasChoices,
    AwareDatetime,
    Base64Bytes,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    HttpUrl,
    Json,
    PlainSerializer,
    PositiveInt,
    RootModel,
    Secret,
    SecretBytes,
    SecretStr,
    StringConstraints,
    Tag,
    WithJsonSchema,
    field_serializer,
    field_validator,
    model_validator,
)

from django_plugin_system.schema.tree import BoundTo

T = TypeVar("T")


class Level(Enum):
    """How loud."""

    LOW = "low"
    HIGH = "high"


class Branch(BaseModel):
    """A part that holds parts of its own kind."""

    token: SecretStr
    parts: list[Branch] = []


class Card(BaseModel):
    """One way to pay."""

    kind: Literal["card"] = "card"
    number: SecretStr


class Cash(BaseModel):
    """The other."""

    kind: Literal["cash", "coins"]


class Box(BaseModel, Generic[T]):
    """Holds one value."""

    value: T


class Hosts(RootModel[dict[str, int]]):
    """Ports by host."""

    @model_validator(mode="after")
    def check_ports(self) -> Hosts:
        """Take them as they are."""
        return self


class Point(NamedTuple):
    """A place."""

    x: int
    y: float = 0


@pydantic.dataclasses.dataclass
class Window:
    """A time of day."""

    start: dt.time
    length: dt.timedelta = dt.timedelta(hours=1)


class Options(typing_extensions.TypedDict, total=False):
    """What may be left out."""

    retries: typing_extensions.Required[int]
    note: str


class Proxy(BaseModel):
    """Where to go through; as a whole, a secret."""

    url: str = "https://user:hush@proxy.example"


def double(value: int, factor: int = 2) -> int:
    """Give back more."""
    return value * factor


def tell(value: Any) -> str:
    """Tell text from numbers."""
    return "text" if isinstance(value, str) else "number"


Told = Annotated[Union[Annotated[str, Tag("text")], Annotated[int, Tag("number")]], Discriminator(tell)]  # noqa: UP007 - both ways
Tree = typing_extensions.TypeAliasType("Tree", "dict[str, str | Tree]")


class WideConfig(BaseModel):
    """One field for each kind of thing."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, title="Wide")

    name: str = Field(title="Name", description="What it is called", min_length=1, max_length=20)
    code: Annotated[str, StringConstraints(pattern=re.compile("^a", re.IGNORECASE), to_lower=True)]
    port: Annotated[int, Interval(ge=1, le=65535)] = 25
    ratio: float = Field(default=float("inf"), gt=0, allow_inf_nan=True)
    price: Decimal | None = Field(default=Decimal("1.50"), max_digits=5, decimal_places=2)
    count: PositiveInt | None = None
    old_style: Optional[int] = Field(default=None, alias="oldStyle")  # noqa: UP045 - both ways
    level: Level = Level.LOW
    mode: Literal["a", "b", None] = "a"  # noqa: PYI061 - both ways
    uid: UUID4 = UUID("8c2f7b0e-30ab-4a8c-8ee3-3b1a9c7d6f01")
    when: AwareDatetime | None = None
    where: Path = Path("/tmp")  # noqa: S108 - only a value
    url: HttpUrl = Field(validation_alias=AliasChoices("URL", "address"))
    raw: Base64Bytes = b"eA=="
    parsed: Json[list[int]] = []
    many: list[Annotated[int, Field(ge=0)]] = Field(default_factory=list, max_length=3)
    unique: frozenset[str] = frozenset({"b", "a", "c"})
    both: int | str = 5
    ordered: int | float = Field(default=1, union_mode="left_to_right")
    pair: tuple[int, str] = (1, "x")
    point: Point = Point(1)
    window: Window
    options: Options = {"retries": 1}
    anything: Any = None
    bare: dict = {}  # type: ignore[type-arg]
    box: Box[int] | None = None
    other_box: Box[list[str]] | None = None
    hosts: Hosts = Hosts({})
    tree: Tree = {}
    told: Told = "x"
    payment: Annotated[Card | Cash, Field(discriminator="kind")]
    even: Annotated[int, Predicate(bool), AfterValidator(functools.partial(double, factor=2))] = 2
    shown: Annotated[int, WithJsonSchema({"type": "string"}), PlainSerializer(str)] = 1
    doubled: list[Annotated[Annotated[int, Field(gt=1)], BeforeValidator(double), Field(gt=2), "a note"]] = [4]

    token: SecretStr = SecretStr("hush")
    key: SecretBytes | None = None
    bound: Annotated[SecretStr, BoundTo("url", "port")] | None = None
    pin: Secret[Annotated[int, Field(ge=1000)]] = Secret(1234)
    proxy: Secret[Proxy] | None = None
    plain_proxy: Proxy | None = None
    spare: list[SecretStr] = Field(default_factory=lambda: [SecretStr("hush")])
    branches: dict[str, Branch] = {"first": Branch(token=SecretStr("hush"))}

    @field_validator("name", "code", mode="before")
    @classmethod
    def strip(cls, value: Any) -> Any:
        """Take it as it is."""
        return value

    @field_serializer("level")
    def show_level(self, value: Level) -> str:
        """Show its text."""
        return value.value
